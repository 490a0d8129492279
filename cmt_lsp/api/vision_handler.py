"""Images for a message: checked by content, stripped of metadata, scaled to what the model sees, and priced in tokens.

Formats are PNG, JPEG, WebP and GIF by their bytes, never by name. Decoding happens in a child process with limits, and
nothing is ever fetched from a URL.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from cmt_lsp.api.errors import BadImageError
from cmt_lsp.api.vision.container import ImageFacts, inspect_image, name_of_other_format
from cmt_lsp.api.vision.file import MAX_FILE_BYTES, local_path, read_image_file, short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

Tier: TypeAlias = Literal["standard", "high"]

LONG_EDGE: dict[Tier, int] = {"standard": 1568, "high": 2576}
"""Longest side in pixels that a model of the tier sees; the endpoint shrinks what is longer."""
TOKEN_CAP: dict[Tier, int] = {"standard": 1568, "high": 4784}
MAX_BASE64_BYTES = 5_000_000
MAX_PIXELS = 40_000_000
MAX_IMAGES = 100
MAX_MESSAGE_BYTES = 30_000_000
"""Base64 of all images; the endpoint refuses bodies over 32 MB, and text needs room too."""
TIME_LIMIT = 10.0

_PATCH = 28
_MANY_IMAGES, _EDGE_OF_MANY = 20, 2000
_WORKS = "save it as PNG, JPEG, WebP or GIF"
_REWRITTEN = {"PNG": "image/png", "JPEG": "image/jpeg"}
_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP")


@dataclass(frozen=True, slots=True)
class ImageContent:
    """One image of a message; sizes in pixels as sent, None for a URL."""

    source_type: Literal["base64", "url"]
    media_type: str
    data: str = field(repr=False)
    """Base64 text, or the URL."""
    width: int | None = None
    height: int | None = None
    name: str = "image"
    changes: tuple[str, ...] = ()
    """What was done to the original, in words for the person; empty when its bytes are sent as they were."""

    def to_dict(self) -> dict[str, Any]:
        """The content block of the Messages API."""
        if self.source_type == "url":
            return {"type": "image", "source": {"type": "url", "url": self.data}}
        return {
            "type": "image",
            "source": {"type": "base64", "media_type": self.media_type, "data": self.data},
        }

    def tokens(self, tier: Tier) -> int | None:
        """Prompt tokens on a model of this tier; None where the size is not known."""
        if self.width is None or self.height is None:
            return None
        return image_tokens(self.width, self.height, tier)


class VisionHandler:
    """Loads images for models of one tier; `load_image_async` is for event loops."""

    def __init__(self, tier: Tier = "high") -> None:
        """`tier` is `Model.vision` of the model that will look at the images."""
        self._tier = tier

    def load_image(self, file_path: str | Path, *, tier: Tier | None = None) -> ImageContent:
        """Load a local file, given as path or `file:` URI; BadImageError says which, why and what works."""
        path = local_path(file_path)
        return self.load_image_from_bytes(read_image_file(path), name=short_name(path.name), tier=tier)

    def load_image_from_bytes(
        self,
        image_bytes: bytes,
        media_type: str | None = None,
        *,
        name: str = "image",
        tier: Tier | None = None,
    ) -> ImageContent:
        """Check and prepare image bytes; the format is read from them, whatever `media_type` claims."""
        facts = _checked(image_bytes, name)
        answer = _decode(_order(image_bytes, facts, tier or self._tier), name)
        return _content(image_bytes, facts, answer, name)

    async def load_image_async(self, file_path: str | Path, *, tier: Tier | None = None) -> ImageContent:
        """`load_image` without blocking the event loop; cancelling it ends the child process."""
        path = local_path(file_path)
        data = await asyncio.to_thread(read_image_file, path)
        return await self.load_image_from_bytes_async(data, name=short_name(path.name), tier=tier)

    async def load_image_from_bytes_async(
        self,
        image_bytes: bytes,
        media_type: str | None = None,
        *,
        name: str = "image",
        tier: Tier | None = None,
    ) -> ImageContent:
        """`load_image_from_bytes` without blocking the event loop."""
        facts = await asyncio.to_thread(_checked, image_bytes, name)
        answer = await _decode_async(_order(image_bytes, facts, tier or self._tier), name)
        return await asyncio.to_thread(_content, image_bytes, facts, answer, name)

    def image_from_url(self, url: str) -> ImageContent:
        """An https URL the person typed, handed on to the API as it is; this program never opens it."""
        parts = urlsplit(url)
        printable = url.isascii() and url.isprintable() and " " not in url
        if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or not printable:
            raise BadImageError(
                "an image URL must be plain https with no user name: save the image and give its path"
            )
        return ImageContent("url", "", url, name=url)

    def build_vision_message(self, text: str, images: Sequence[ImageContent]) -> dict[str, Any]:
        """One user message, images before text; BadImageError where the endpoint would refuse their number or size."""
        _check_together(images)
        blocks = [image.to_dict() for image in images]
        if text.strip():
            blocks.append({"type": "text", "text": text})
        return {"role": "user", "content": blocks}


def scaled_size(width: int, height: int, tier: Tier) -> tuple[int, int]:
    """The size a model of the tier sees: within its long edge and its token cap, same proportions."""
    longest = max(width, height)
    edge = min(longest, LONG_EDGE[tier])
    while True:
        size = max(1, round(width * edge / longest)), max(1, round(height * edge / longest))
        if _patches(*size) <= TOKEN_CAP[tier]:
            return size
        edge -= 1


def image_tokens(width: int, height: int, tier: Tier) -> int:
    """Prompt tokens of an image: one for each patch of 28 by 28 pixels after scaling."""
    return _patches(*scaled_size(width, height, tier))


def _patches(width: int, height: int) -> int:
    return -(-width // _PATCH) * -(-height // _PATCH)


def _checked(data: bytes, name: str) -> ImageFacts:
    """Refuse by the header alone what must never reach a decoder."""
    if not data:
        raise BadImageError(f"{name} is empty: choose another file")
    if len(data) > MAX_FILE_BYTES:
        raise BadImageError(f"{name} is larger than 20 MB: save a smaller copy and choose that")
    facts = inspect_image(data)
    if facts is None or not facts.width or not facts.height:
        kind = name_of_other_format(data)
        raise BadImageError(
            f"{name} is {f'in {kind} format' if kind else 'not an image that can be sent'}: {_WORKS}"
        )
    if facts.width * facts.height > MAX_PIXELS:
        size = f"{facts.width} x {facts.height} pixels"
        raise BadImageError(f"{name} has {size}, and at most 40 million can be read: save a smaller copy")
    return facts


def _order(data: bytes, facts: ImageFacts, tier: Tier) -> bytes:
    max_bytes = MAX_BASE64_BYTES // 4 * 3
    order = {
        "kind": facts.media_type.removeprefix("image/").upper(),
        "keep": facts.clean and len(data) <= max_bytes,
        "long_edge": LONG_EDGE[tier],
        "max_bytes": max_bytes,
    }
    return json.dumps(order).encode() + b"\n" + data


def _command() -> list[str]:
    """The child's command line: isolated, no site folder, and the image library's own folder as its only extra."""
    library = find_spec("PIL")  # finds the folder; the package is not imported here
    if library is None or library.origin is None:
        raise BadImageError("images need the Pillow package: install cmt-lsp again with its dependencies")
    script = Path(__file__).with_name("vision") / "decoder.py"
    return [sys.executable, "-I", "-S", str(script), str(Path(library.origin).parents[1])]


def _environment() -> dict[str, str]:
    """No key and no setting of the server reaches the child."""
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}


def _decode(order: bytes, name: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - our own script, no shell, nothing of the image on the command line
            _command(),
            input=order,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_slow(name) from error
    return done.stdout


async def _decode_async(order: bytes, name: str) -> bytes:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *_command(), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env=_environment()
    )
    try:
        async with asyncio.timeout(TIME_LIMIT):
            answer, _ = await process.communicate(order)
    except TimeoutError as error:
        raise _too_slow(name) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return answer


def _too_slow(name: str) -> BadImageError:
    return BadImageError(
        f"{name} took longer than {TIME_LIMIT:.0f} s to decode: save a smaller copy and try again"
    )


def _content(data: bytes, facts: ImageFacts, answer: bytes, name: str) -> ImageContent:
    """Turn the child's answer into an image; an answer that breaks its form means a broken or captured child."""
    line, _, rewritten = answer.partition(b"\n")
    if line == b'{"error": "memory"}':
        raise BadImageError(f"{name} needs too much memory to decode: save a smaller copy and choose that")
    try:
        media_type, width, height = _result(json.loads(line), facts)
    except (ValueError, KeyError, TypeError) as error:
        raise BadImageError(
            f"{name} is damaged or not what it seems: open it in an image program and {_WORKS}"
        ) from error
    encoded = base64.b64encode(rewritten or data).decode("ascii")
    if len(encoded) > MAX_BASE64_BYTES:
        raise BadImageError(f"{name} is still over 5 MB after scaling: save a smaller or coarser copy")
    changes = _changes(facts, media_type, width, height) if rewritten else ()
    return ImageContent("base64", media_type, encoded, width, height, name, changes)


def _result(result: dict[str, Any], facts: ImageFacts) -> tuple[str, int, int]:
    """Media type and size; ValueError, KeyError or TypeError for anything else."""
    width, height = result["width"], result["height"]
    if (
        type(width) is not int
        or type(height) is not int
        or min(width, height) < 1
        or width * height > MAX_PIXELS
    ):
        raise ValueError("no size of an image")
    return facts.media_type if result["same"] is True else _REWRITTEN[result["kind"]], width, height


def _changes(facts: ImageFacts, media_type: str, width: int, height: int) -> tuple[str, ...]:
    scaled = max(facts.width, facts.height) > max(width, height)
    made = (
        (scaled, f"scaled from {facts.width} x {facts.height} to {width} x {height}"),
        (facts.animated, "first frame only"),
        (not facts.clean, "metadata removed"),
        (facts.media_type != media_type, f"written as {media_type.removeprefix('image/').upper()}"),
    )
    return tuple(words for done, words in made if done) or ("compressed to fit 5 MB",)


def _check_together(images: Sequence[ImageContent]) -> None:
    if len(images) > MAX_IMAGES:
        raise BadImageError(f"{len(images)} images are too many for one message: send at most {MAX_IMAGES}")
    if sum(len(image.data) for image in images) > MAX_MESSAGE_BYTES:
        raise BadImageError("the images are over 30 MB together: send fewer or smaller ones")
    large = [image for image in images if max(image.width or 0, image.height or 0) > _EDGE_OF_MANY]
    if len(images) > _MANY_IMAGES and large:
        raise BadImageError(
            f"{large[0].name} is over {_EDGE_OF_MANY} pixels, too large beside more than {_MANY_IMAGES} images: "
            "send fewer images or smaller ones"
        )
