"""Images for a message: checked by content, stripped of metadata, scaled to what the model sees, and priced in tokens.

Formats are PNG, JPEG, WebP and GIF by their bytes, never by name. Decoding happens in a child process with limits, and
nothing is ever fetched from a URL.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from cmt_lsp.api.errors import BadImageError
from cmt_lsp.api.models import Model, find_model
from cmt_lsp.api.vision import child
from cmt_lsp.api.vision.container import image_size, inspect_image, name_of_other_format
from cmt_lsp.api.vision.data_uri import bytes_of, is_data_uri
from cmt_lsp.api.vision.file import hold_image_bytes, local_path, open_image_file, short_name
from cmt_lsp.api.vision.sizes import (
    EDGE_OF_MANY,
    LONG_EDGE,
    MANY_IMAGES,
    MAX_BASE64_BYTES,
    MAX_IMAGES,
    MAX_MESSAGE_BYTES,
    MAX_PIXELS,
    MAX_SIDE,
    TOKEN_CAP,
    Tier,
    image_tokens,
    scaled_size,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cmt_lsp.api.vision.child import Picture
    from cmt_lsp.api.vision.container import ImageFacts
    from cmt_lsp.api.vision.file import ImageFile

__all__ = [
    "LONG_EDGE",
    "MAX_BASE64_BYTES",
    "MAX_PIXELS",
    "TOKEN_CAP",
    "ImageContent",
    "Inspection",
    "Tier",
    "VisionHandler",
    "image_tokens",
    "scaled_size",
]

THUMBNAIL_EDGE = 256

_JPEG = b"\xff\xd8\xff"
_MAGIC = (b"\x89PNG\r\n\x1a\n", _JPEG, b"RIFF", b"GIF87a", b"GIF89a")


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


@dataclass(frozen=True, slots=True)
class Inspection:
    """An image as the file holds it, as it would be sent, and a small copy to look at."""

    original: ImageFacts
    original_bytes: int
    sent: ImageContent
    thumbnail: bytes = field(repr=False)
    """A PNG of at most 256 pixels and 255 colours; empty where there is none."""


class VisionHandler:
    """Loads images for models of one tier; the `_async` methods are for event loops."""

    def __init__(self, tier: Tier = "high", *, max_images: int = MAX_IMAGES) -> None:
        """`tier` and `max_images` are those of the model that will look at the images; see `for_model`."""
        self._tier = tier
        self._max_images = max_images

    @classmethod
    def for_model(cls, model: str) -> VisionHandler:
        """A handler with the limits of a model; one that nobody knows may see as much as the best."""
        known: Model | None = find_model(model)
        return cls() if known is None else cls(known.vision, max_images=known.max_images)

    def load_image(self, file_path: str | Path, *, tier: Tier | None = None) -> ImageContent:
        """Load a local file by path or `file:` URI, or a `data:` URI; BadImageError says which, why and what works."""
        with _opened(file_path) as file:
            return self._prepare(file, tier)

    def load_image_from_bytes(
        self,
        image_bytes: bytes,
        media_type: str | None = None,
        *,
        name: str = "image",
        tier: Tier | None = None,
    ) -> ImageContent:
        """Check and prepare image bytes; the format is read from them, whatever `media_type` claims."""
        with hold_image_bytes(image_bytes, name) as file:
            return self._prepare(file, tier)

    async def load_image_async(
        self, file_path: str | Path, *, tier: Tier | None = None, beside: int = 0
    ) -> ImageContent:
        """`load_image` without blocking the event loop; cancelling it ends the child process.

        `beside` is how many other images the request will carry: among many, each must be smaller.
        """
        with await asyncio.to_thread(_opened, file_path) as file:
            return (await self._inspect(file, self._order(tier, beside))).sent

    async def load_image_from_bytes_async(
        self,
        image_bytes: bytes,
        media_type: str | None = None,
        *,
        name: str = "image",
        tier: Tier | None = None,
        beside: int = 0,
    ) -> ImageContent:
        """`load_image_from_bytes` without blocking the event loop."""
        with await asyncio.to_thread(hold_image_bytes, image_bytes, name) as file:
            return (await self._inspect(file, self._order(tier, beside))).sent

    async def inspect_async(self, file_path: str | Path) -> Inspection:
        """What a file or a `data:` URI holds, and what would be sent of it; BadImageError as for loading it."""
        with await asyncio.to_thread(_opened, file_path) as file:
            return await self._inspect(file, self._order(None, 0, thumbnail=THUMBNAIL_EDGE))

    async def inspect_bytes_async(self, encoded: str, *, name: str = "image") -> Inspection:
        """`inspect_async` for base64 or a `data:` URI."""
        with await asyncio.to_thread(_held, encoded, name) as file:
            return await self._inspect(file, self._order(None, 0, thumbnail=THUMBNAIL_EDGE))

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
        self.check_together(images)
        blocks = [image.to_dict() for image in images]
        if text.strip():
            blocks.append({"type": "text", "text": text})
        return {"role": "user", "content": blocks}

    def check_together(self, images: Sequence[ImageContent]) -> None:
        """BadImageError where the endpoint would refuse so many images, or their sizes, in one request."""
        if len(images) > self._max_images:
            raise BadImageError(
                f"{len(images)} images are too many for one message: send at most {self._max_images}"
            )
        if sum(len(image.data) for image in images) > MAX_MESSAGE_BYTES:
            raise BadImageError("the images are over 30 MB together: send fewer or smaller ones")
        large = [image for image in images if max(image.width or 0, image.height or 0) > EDGE_OF_MANY]
        if len(images) > MANY_IMAGES and large:
            raise BadImageError(
                f"{large[0].name} is over {EDGE_OF_MANY} pixels, too large beside more than {MANY_IMAGES} images: "
                "send fewer images or smaller ones"
            )

    def _order(self, tier: Tier | None, beside: int, *, thumbnail: int = 0) -> dict[str, Any]:
        longest = EDGE_OF_MANY if beside >= MANY_IMAGES else MAX_SIDE
        return {"tier": tier or self._tier, "longest_edge": longest, "thumbnail": thumbnail}

    def _prepare(self, file: ImageFile, tier: Tier | None) -> ImageContent:
        _check(file)
        return _content(file, child.decode(file.file, self._order(tier, 0), file.name))

    async def _inspect(self, file: ImageFile, order: dict[str, Any]) -> Inspection:
        _check(file)
        picture = await child.decode_async(file.file, order, file.name)
        content = await asyncio.to_thread(_content, file, picture)
        return Inspection(picture.original, file.size, content, picture.thumbnail)


def _opened(given: str | Path) -> ImageFile:
    if isinstance(given, str) and is_data_uri(given):
        return _held(given, "image")
    return open_image_file(local_path(given))


def _held(encoded: str, name: str) -> ImageFile:
    shown = short_name(name)
    return hold_image_bytes(bytes_of(encoded, shown), shown)


def _check(file: ImageFile) -> None:
    """Refuse by the head alone what must never reach a decoder."""
    head = file.head
    if not head:
        raise BadImageError(f"{file.name} is empty: choose another file")
    size = image_size(head) if head.startswith(_MAGIC) else None
    whole = file.size <= len(head)
    far = not whole and head.startswith(_JPEG)  # its size may stand behind a long profile
    if (size is None and not far) or (whole and inspect_image(head) is None):
        kind = name_of_other_format(head)
        told = f"in {kind} format" if kind else "not an image that can be sent"
        raise BadImageError(f"{file.name} is {told}: {child.WORKS}")
    if size is not None and size[0] * size[1] > MAX_PIXELS:
        raise child.too_many_pixels(file.name, *size)


def _content(file: ImageFile, picture: Picture) -> ImageContent:
    facts = picture.facts
    encoded = base64.b64encode(picture.sent).decode("ascii")
    changes = _changes(file.size, picture)
    return ImageContent("base64", facts.media_type, encoded, facts.width, facts.height, file.name, changes)


def _changes(size: int, picture: Picture) -> tuple[str, ...]:
    was, now = picture.original, picture.facts
    if was.clean and not was.animated and len(picture.sent) == size:
        return ()
    scaled = max(was.width, was.height) > max(now.width, now.height)
    kind = now.media_type.removeprefix("image/").upper()
    made = (
        (scaled, f"scaled from {was.width} x {was.height} to {now.width} x {now.height}"),
        (was.animated, "first frame only"),
        (not was.clean, "metadata removed"),
        (
            was.media_type != now.media_type,
            f"written as {kind}{f' of {picture.note}' if picture.note else ''}",
        ),
    )
    return tuple(words for done, words in made if done) or ("compressed to fit 5 MB",)
