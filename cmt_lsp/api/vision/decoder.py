"""The child process that decodes one image: a file in, a plain picture out.

Image libraries have memory bugs every year and small files that grow to gigabytes, so decoding never happens in the
server. This file runs as a script of its own with no environment, little memory and ten seconds of CPU.

arguments: the folder of the image library, the folder of this package, the order as JSON
           {"tier", "longest_edge", "thumbnail": longest side of a small copy, 0 for none}.
stdin:     the file itself, open at its beginning; its bytes never pass through the server.
stdout:    one line of JSON {"original": [media type, width, height, clean, animated], "done": [words], "sent": bytes}
           or {"error"}, then the picture to send, then the small copy.
"""

from __future__ import annotations

import io
import json
import os
import sys
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from cmt_lsp.api.vision.container import ImageFacts

MEMORY_LIMIT = 512 * 1024 * 1024
CPU_SECONDS = 10
MAX_FILE_BYTES = 20 * 1000 * 1000

_ORIENTATION = 0x0112
_BAND = 32  # rows of each sample by which a photo is told
_BYTES_PER_PIXEL_OF_A_PHOTO = 1.2  # screenshots take 0.02 to 0.6 as PNG, photos 1.5 to 2.5


def main(library: str, package: str, order: str) -> None:
    """Answer one image; any failure but the named ones ends the process with a traceback nobody reads."""
    _limit_resources()
    sys.path += [library, package]
    try:
        answer, *parts = _prepare(sys.stdin.buffer.read(MAX_FILE_BYTES + 1), **json.loads(order))
    except MemoryError:
        answer, parts = {"error": "memory"}, []
    sys.stdout.buffer.write(b"".join([json.dumps(answer).encode(), b"\n", *parts]))
    sys.stdout.buffer.flush()


def _limit_resources() -> None:
    """Set what the platform has; Windows has none of it and macOS ignores the memory limit."""
    try:
        import resource
    except ImportError:
        return
    os.nice(5)  # answers that stream meanwhile go first
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


def _prepare(data: bytes, *, tier: Any, longest_edge: int, thumbnail: int) -> tuple[Any, ...]:
    """Decode the first frame whole; keep the bytes where nothing has to change, else write a plain new picture."""
    from cmt_lsp.api.vision.container import inspect_image
    from cmt_lsp.api.vision.sizes import MAX_PIXELS, scaled_size

    facts = inspect_image(data) if len(data) <= MAX_FILE_BYTES else None
    if facts is None or not facts.width or not facts.height:
        return ({"error": "damaged"},)
    if facts.width * facts.height > MAX_PIXELS:
        return ({"error": "pixels", "size": [facts.width, facts.height]},)
    data = _without_asides(data, facts)
    picture = _opened(data, facts, MAX_PIXELS)
    size = scaled_size(*picture.size, tier, longest_edge)
    kept = _kept(data, facts, picture) if picture.size == size and not facts.animated else None
    if kept is not None:
        picture.load()
        sent, done = kept, list[str]()
    else:
        picture = _upright(_shrunk(picture, size))
        sent, done = _encoded(picture, lossy=_is_lossy(data, facts))
    original = [facts.media_type, facts.width, facts.height, facts.clean, facts.animated]
    small = _thumbnail(picture, thumbnail) if thumbnail else b""
    return {"original": original, "done": done, "sent": len(sent)}, sent, small


def _without_asides(data: bytes, facts: ImageFacts) -> bytes:
    """A PNG's bare pixels, so that no text or profile of it is even unpacked; how to turn a picture is never lost."""
    from cmt_lsp.api.vision.container import stripped

    if facts.clean or facts.media_type != "image/png" or b"eXIf" in data:
        return data
    return stripped(data) or data


def _opened(data: bytes, facts: ImageFacts, max_pixels: int) -> Image:
    import PIL.Image
    import PIL.WebPImagePlugin  # makes it known; the other three are by default

    # The library warns at this figure and refuses at twice of it.
    PIL.Image.MAX_IMAGE_PIXELS = max_pixels // 2
    kind = facts.media_type.removeprefix("image/").upper()
    picture: Image = PIL.Image.open(io.BytesIO(data), formats=(kind,))
    if picture.width * picture.height > max_pixels:
        raise MemoryError("the picture is larger than its header said")
    return picture


def _kept(data: bytes, facts: ImageFacts, picture: Image) -> bytes | None:
    """The file with its pixels untouched and nothing else in it; None where the pixels must be written anew."""
    from cmt_lsp.api.vision.container import inspect_image, stripped
    from cmt_lsp.api.vision.sizes import MAX_IMAGE_BYTES

    bare = data if facts.clean else stripped(data)
    if bare is None or len(bare) > MAX_IMAGE_BYTES or picture.getexif().get(_ORIENTATION, 1) != 1:
        return None
    left = inspect_image(bare)
    sound = picture.format != "PNG" or _is_sound(bare, picture)
    return bare if left is not None and left.clean and sound else None


def _is_sound(data: bytes, picture: Image) -> bool:
    """Whether a PNG's checksums are right, and its pixels end where their stream does: an archive fits in behind it."""
    from cmt_lsp.api.vision.container import png_pixels

    stream = zlib.decompressobj()
    room = 2 * picture.height * (8 * picture.width + 16)
    rest = png_pixels(data)
    while rest and not stream.eof and room > 0:
        room -= len(stream.decompress(rest, 1 << 20))
        rest = stream.unconsumed_tail
    return stream.eof and not stream.unused_data


def _shrunk(picture: Image, size: tuple[int, int]) -> Image:
    """At this size, in grey, RGB or RGBA, and with nothing beside its pixels but the way it is to be turned."""
    import PIL.Image

    picture = _plain(picture)
    if picture.size != size:
        picture.draft(None, size)  # a JPEG is decoded at the size that is needed
        picture = picture.resize(size, PIL.Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def _plain(picture: Image) -> Image:
    """The same picture in grey, RGB or RGBA; a JPEG is left to be decoded at the size that is needed."""
    if picture.format in {"JPEG", "MPO"}:
        return picture
    if picture.mode in {"L", "RGB", "RGBA"} and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I"):
        return picture.convert("I").point(lambda value: value / 256).convert("L")  # 16 bits a sample
    if picture.mode in {"LA", "PA"} or "transparency" in picture.info:
        return picture.convert("RGBA")
    return picture.convert("L" if picture.mode == "1" else "RGB")


def _upright(picture: Image) -> Image:
    import PIL.ImageOps

    picture = PIL.ImageOps.exif_transpose(picture)
    picture.info.clear()
    return picture


def _is_lossy(data: bytes, facts: ImageFacts) -> bool:
    """Whether the pixels have been through a photo's compression already; a second time does little harm."""
    return facts.media_type == "image/jpeg" or (facts.media_type == "image/webp" and b"VP8 " in data[12:64])


def _encoded(picture: Image, *, lossy: bool) -> tuple[bytes, list[str]]:
    """Text and drawings stay exact as PNG, photos become JPEG, and what is still too large ever coarser JPEG."""
    from cmt_lsp.api.vision.sizes import MAX_IMAGE_BYTES

    clear = picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255)
    if not lossy and (clear or not _is_photo(picture)):
        encoded = _saved(picture, "PNG")
        if len(encoded) <= MAX_IMAGE_BYTES:
            return encoded, []
    opaque = _on_white(picture)
    for quality in (90, 75, 50):
        encoded = _saved(opaque, "JPEG", quality=quality)
        if len(encoded) <= MAX_IMAGE_BYTES:
            break
    return encoded, [f"quality {quality}"]


def _is_photo(picture: Image) -> bool:
    """By how three bands of rows compress; measured on a part, since encoding the whole twice takes a second."""
    rows = [picture.height * part // 4 for part in (1, 2, 3)]
    bands = [picture.crop((0, at, picture.width, min(at + _BAND, picture.height))) for at in rows]
    taken = sum(len(_saved(band, "PNG", compress_level=1)) for band in bands)
    return taken > _BYTES_PER_PIXEL_OF_A_PHOTO * sum(band.width * band.height for band in bands)


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


def _thumbnail(picture: Image, longest: int) -> bytes:
    """A PNG in at most 255 colours, which any terminal's picture protocol can show."""
    small = _plain(picture)
    small = small.convert("RGB") if small.mode not in {"L", "RGB", "RGBA"} else small
    small = small.copy()
    small.thumbnail((longest, longest))
    small = _on_white(small).convert("RGB").quantize(255)
    small.info.clear()
    return _saved(small, "PNG", bits=8)


if __name__ == "__main__":
    main(*sys.argv[1:])
