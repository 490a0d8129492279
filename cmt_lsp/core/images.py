"""Images of a turn: whatever a caller names becomes a checked content block."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.errors import BadImageError, BadParamsError
from cmt_lsp.api.models import Cost, all_models, cost_of, find_model
from cmt_lsp.api.usage import Usage
from cmt_lsp.api.vision.blocks import size_of_block
from cmt_lsp.api.vision.data_uri import bytes_of
from cmt_lsp.api.vision.sizes import EDGE_OF_MANY, MANY_IMAGES, MAX_IMAGES, MAX_MESSAGE_BYTES
from cmt_lsp.core.history import sent_turns
from cmt_lsp.core.turn import ImageSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cmt_lsp.api.models import Model
    from cmt_lsp.api.vision_handler import ImageContent, Inspection, VisionHandler
    from cmt_lsp.core.records import TurnRecord

    AnyImage = ImageContent | ImageSource | str | Path | Mapping[str, Any]

DECODERS = 2
"""Images that are decoded at once; each may take 512 MB."""
_REMOVED = {"type": "text", "text": "[A picture that stood here was removed from the conversation.]"}
_FIELDS = ("path", "data", "url", "media_type", "name")


def image_sources(images: Iterable[AnyImage] | None) -> tuple[ImageSource, ...]:
    """Images as callers give them: an ImageContent, a path, or a mapping with `path`, `data` (base64) or `url`."""
    return tuple(_source(image, index) for index, image in enumerate(images or ()))


@dataclass(frozen=True, slots=True)
class HeldImages:
    """The images that a conversation carries already: the endpoint's limits are for a request, not for a question."""

    count: int = 0
    base64_bytes: int = 0
    longest_side: int = 0
    """In pixels, over all of them."""


NONE_HELD = HeldImages()


@dataclass(frozen=True, slots=True)
class ImagePrice:
    """A picture's tokens on one model, and their price as plain input."""

    model: str
    tokens: int
    cost: Cost


def images_of(turn: TurnRecord) -> list[Mapping[str, Any]]:
    """The image blocks that a turn's question holds, in order."""
    return [block for block in turn.prompt if block.get("type") == "image"]


def without_images(turn: TurnRecord, index: int | None) -> TurnRecord:
    """The turn with a word in the place of its image `index`, of all images where None; BadParamsError."""
    images = images_of(turn)
    if not images or (index is not None and not 0 <= index < len(images)):
        raise BadParamsError(f"The turn holds {len(images)} images; get the session to see them.")
    gone = images if index is None else [images[index]]
    kept = tuple(_REMOVED if any(block is one for one in gone) else block for block in turn.prompt)
    return replace(turn, prompt=kept)


def held_images(turns: Iterable[TurnRecord], history_from: int) -> HeldImages:
    """What the turns that go along with the next question hold."""
    blocks = [block for turn in sent_turns(turns, history_from) for block in turn.prompt]
    held = [block for block in blocks if block.get("type") == "image"]
    weight = sum(len(block["source"].get("data") or "") for block in held)
    sides = [side for block in held for side in size_of_block(block) or ()]
    return HeldImages(len(held), weight, max(sides, default=0))


async def load_images(
    sources: Sequence[ImageSource], model: str, held: HeldImages = NONE_HELD
) -> list[ImageContent]:
    """The checked images, in order, as large as the model can use; files are read and decoded off the loop.

    BadImageError names the image and what works; also where the request with all that is `held` would be refused,
    since an image that is once in a conversation would have every later question refused.
    """
    if not sources:
        return []
    from cmt_lsp.api.vision_handler import VisionHandler

    handler, known = VisionHandler.for_model(model), find_model(model)
    together = held.count + len(sources)
    _check_number(len(sources), held, known.max_images if known else MAX_IMAGES)
    decoders = asyncio.Semaphore(DECODERS)

    async def load(source: ImageSource) -> ImageContent:
        async with decoders:
            return await _load(source, handler, together - 1)

    loading = [asyncio.ensure_future(load(source)) for source in sources]
    try:
        images = [await one for one in loading]
    finally:
        for one in loading:
            one.cancel()
        await asyncio.gather(*loading, return_exceptions=True)
    handler.check_together(images)
    if held.count and held.base64_bytes + sum(len(image.data) for image in images) > MAX_MESSAGE_BYTES:
        raise BadImageError(
            "the images of this conversation would be over 30 MB together: start a new session for more of them"
        )
    return images


async def inspect_image(source: ImageSource, model: str) -> Inspection:
    """What a picture is and what of it would be sent to a model, alone; BadImageError, BadParamsError."""
    from cmt_lsp.api.vision_handler import VisionHandler

    handler = VisionHandler.for_model(model)
    if source.path is not None:
        return await handler.inspect_async(source.path)
    return await handler.inspect_bytes_async(source.data or "", name=source.name or "image")


def image_prices(seen: Inspection, chosen: str, at: datetime) -> list[ImagePrice]:
    """What a picture costs on the chosen model and on every current one, as plain input."""
    names = [chosen, *(model.id for model in all_models() if _is_current(model, at))]
    return [_price(seen, name, at) for name in dict.fromkeys(names)]


def _is_current(model: Model, at: datetime) -> bool:
    return model.lifecycle == "active" and not model.is_retired(at.date())


def _price(seen: Inspection, name: str, at: datetime) -> ImagePrice:
    from cmt_lsp.api.vision_handler import image_tokens

    known = find_model(name)
    tokens = image_tokens(seen.original.width, seen.original.height, known.vision if known else "high")
    return ImagePrice(name, tokens, cost_of(name, Usage(input_tokens=tokens), at))


def _check_number(new: int, held: HeldImages, most: int) -> None:
    """What can be told before anything is decoded."""
    if new + held.count > most:
        raise BadImageError(
            f"{new + held.count} images are too many, the {held.count} of the conversation included: "
            f"send at most {most}, or start a new session"
            if held.count
            else f"{new} images are too many for one message: send at most {most}"
        )
    if held.longest_side > EDGE_OF_MANY and new + held.count > MANY_IMAGES:
        raise BadImageError(
            f"the conversation holds an image over {EDGE_OF_MANY} pixels, which may not stand beside more than "
            f"{MANY_IMAGES} others: start a new session for more images"
        )


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


async def _load(source: ImageSource, handler: VisionHandler, beside: int) -> ImageContent:
    if source.content is not None:
        return source.content
    if source.path is not None:
        return await handler.load_image_async(source.path, beside=beside)
    if source.url is not None:
        return handler.image_from_url(source.url)
    name = source.name or "image"
    raw = await asyncio.to_thread(bytes_of, source.data or "", name)
    return await handler.load_image_from_bytes_async(raw, source.media_type, name=name, beside=beside)
