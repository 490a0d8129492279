"""Images of a turn: whatever a caller names becomes a checked content block."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.errors import BadImageError, BadParamsError
from cmt_lsp.api.models import find_model
from cmt_lsp.core.turn import ImageSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmt_lsp.api.vision_handler import ImageContent, VisionHandler

    AnyImage = ImageContent | ImageSource | str | Path | Mapping[str, Any]

_FIELDS = ("path", "data", "url", "media_type", "name")


def image_sources(images: Iterable[AnyImage] | None) -> tuple[ImageSource, ...]:
    """Images as callers give them: an ImageContent, a path, or a mapping with `path`, `data` (base64) or `url`."""
    return tuple(_source(image, index) for index, image in enumerate(images or ()))


async def load_images(sources: Sequence[ImageSource], model: str) -> list[ImageContent]:
    """The checked images, in order, as large as the model can use; files are read and decoded off the loop.

    BadImageError names the image and what works.
    """
    if not sources:
        return []
    from cmt_lsp.api.vision_handler import VisionHandler

    known = find_model(model)
    handler = VisionHandler(known.vision if known is not None else "high")
    return [await _load(source, handler) for source in sources]


def _source(image: AnyImage, index: int) -> ImageSource:
    if isinstance(image, ImageSource):
        return image
    if isinstance(image, str | Path):
        return ImageSource(path=Path(image))
    if isinstance(image, Mapping):
        return _from_mapping(image, index)
    if hasattr(image, "to_dict"):
        return ImageSource(content=image)
    raise BadParamsError(
        f"images[{index}] must be an image, a path or a mapping; load it with VisionHandler().load_image."
    )


def _from_mapping(image: Mapping[str, Any], index: int) -> ImageSource:
    values = {name: image.get(name) for name in _FIELDS}
    values["media_type"] = values["media_type"] or image.get("mediaType")
    given = [name for name in ("path", "data", "url") if values[name]]
    if len(given) != 1 or not all(
        value is None or isinstance(value, str | Path) for value in values.values()
    ):
        raise BadParamsError(f"images[{index}] must have exactly one of path, data and url, each a text.")
    path = values.pop("path")
    return ImageSource(path=Path(path) if path else None, **values)


async def _load(source: ImageSource, handler: VisionHandler) -> ImageContent:
    if source.content is not None:
        return source.content
    if source.path is not None:
        return await handler.load_image_async(source.path)
    if source.url is not None:
        return handler.image_from_url(source.url)
    name = source.name or "image"
    try:
        raw = base64.b64decode(source.data or "", validate=True)
    except binascii.Error as error:
        raise BadImageError(f"{name} is not valid base64; attach the file itself.") from error
    return await handler.load_image_from_bytes_async(raw, source.media_type, name=name)
