"""The child process that decodes one image: bytes in, checked or rewritten bytes out.

Image libraries have memory bugs every year and small files that grow to gigabytes, so decoding never happens in the
server. This file runs as a script of its own with no environment, little memory and ten seconds of CPU. It imports
nothing of the package.

stdin:  one line of JSON {"kind", "keep", "long_edge", "max_bytes"}, then the image.
stdout: one line of JSON {"kind", "width", "height", "same"} or {"error"}, then the bytes if they are not the same.
"""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 40_000_000
MEMORY_LIMIT = 512 * 1024 * 1024
CPU_SECONDS = 10


def main(library_folder: str) -> None:
    """Answer one image; any failure but lack of memory ends the process with a traceback nobody reads."""
    _limit_resources()
    sys.path.append(library_folder)
    order = json.loads(sys.stdin.buffer.readline())
    try:
        answer, data = _prepare(sys.stdin.buffer.read(), **order)
    except MemoryError:
        answer, data = {"error": "memory"}, b""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + data)
    sys.stdout.buffer.flush()


def _limit_resources() -> None:
    """Set what the platform has; Windows has none of it and macOS ignores the memory limit."""
    try:
        import resource
    except ImportError:
        return
    limits = (
        (resource.RLIMIT_AS, MEMORY_LIMIT),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, limit in limits:
        try:
            resource.setrlimit(kind, (limit, limit))
        except (ValueError, OSError):
            continue


def _prepare(
    data: bytes, *, kind: str, keep: bool, long_edge: int, max_bytes: int
) -> tuple[dict[str, Any], bytes]:
    """Decode the first frame whole; keep the bytes where nothing has to change, else write a plain new picture."""
    import PIL.Image
    import PIL.ImageOps
    import PIL.WebPImagePlugin  # makes it known; the other three are by default

    PIL.Image.MAX_IMAGE_PIXELS = (
        MAX_PIXELS // 2
    )  # the library warns at this figure and refuses at twice of it
    picture: Image = PIL.Image.open(io.BytesIO(data), formats=(kind,))
    if picture.width * picture.height > MAX_PIXELS:
        raise MemoryError("the picture is larger than its header said")
    if keep and max(picture.size) <= long_edge:
        picture.load()
        return {"width": picture.width, "height": picture.height, "same": True}, b""
    picture = _plain(picture)
    picture.thumbnail((long_edge, long_edge), PIL.Image.Resampling.LANCZOS)
    picture = PIL.ImageOps.exif_transpose(picture)
    picture.info.clear()
    written, encoded = _encoded(picture, kind, max_bytes)
    return {"kind": written, "width": picture.width, "height": picture.height, "same": False}, encoded


def _plain(picture: Image) -> Image:
    """The same picture in grey, RGB or RGBA; a JPEG is left to be decoded at the size that is needed."""
    if picture.format in {"JPEG", "MPO"}:
        return picture
    if picture.mode.startswith("I"):
        return picture.convert("I").point(lambda value: value / 256).convert("L")  # 16 bits a sample
    if picture.mode in {"LA", "PA", "RGBA"} or "transparency" in picture.info:
        return picture.convert("RGBA")
    return picture.convert("L" if picture.mode in {"1", "L"} else "RGB")


def _encoded(picture: Image, kind: str, max_bytes: int) -> tuple[str, bytes]:
    """Photos stay JPEG and all else becomes PNG; what is still too large becomes ever coarser JPEG."""
    if kind != "JPEG":
        encoded = _saved(picture, "PNG")
        if len(encoded) <= max_bytes:
            return "PNG", encoded
    opaque = _on_white(picture)
    for quality in (90, 75, 50):
        encoded = _saved(opaque, "JPEG", quality=quality)
        if len(encoded) <= max_bytes:
            break
    return "JPEG", encoded


def _saved(picture: Image, kind: str, **options: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _on_white(picture: Image) -> Image:
    """JPEG knows no transparency; a clear background would turn black."""
    if picture.mode != "RGBA":
        return picture if picture.mode == "L" else picture.convert("RGB")
    import PIL.Image

    background = PIL.Image.new("RGBA", picture.size, "white")
    background.alpha_composite(picture)
    return background.convert("RGB")


if __name__ == "__main__":
    main(sys.argv[1])
