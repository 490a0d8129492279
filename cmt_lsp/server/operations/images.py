"""Images: what a picture is, and what it would cost, before anything is sent."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import resolve_model
from cmt_lsp.api.vision.file import local_path
from cmt_lsp.core.images import image_prices, images_of, inspect_image
from cmt_lsp.core.turn import ImageSource
from cmt_lsp.server import wire
from cmt_lsp.server.shapes.values import session_shape

if TYPE_CHECKING:
    from cmt_lsp.api.vision_handler import Inspection
    from cmt_lsp.core.images import ImagePrice
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window


async def inspect(window: Window, caller: Caller, params: wire.ImageInspectParams) -> wire.ImageInspection:
    """Look at one picture; nothing is sent, and nothing is kept."""
    source = await _source(window, params)
    async with window.looking:
        return await inspection_of(source, params.model or window.settings.model)


async def remove(window: Window, caller: Caller, params: wire.ImageRemoveParams) -> wire.Session:
    """Take a picture out of a session's history; what the cache holds from there on is lost, and the notice says so."""
    info = await window.manager.sessions.remove_images(params.session_id, params.turn_id, params.index)
    await window.refresh_status()
    return session_shape(
        info,
        [
            "The next question sends this session without the picture; what was cached after it is written anew."
        ],
    )


async def _source(window: Window, params: wire.ImageInspectParams) -> ImageSource:
    """The picture that is meant."""
    if [params.path, params.data, params.handle, params.stored].count(None) != 3:
        raise BadParamsError("$ needs exactly one of path, data, handle and stored.")
    if params.handle is not None:
        held = window.pictures.get(params.handle)
        return ImageSource(data=held.data, name=params.name or held.name)
    if params.stored is not None:
        return await _stored(window, params.stored, params.name)
    path = None if params.path is None else local_path(params.path)
    if path is not None and not path.is_absolute():
        raise BadParamsError("$.path must be an absolute path or a file: URI.")
    return ImageSource(path=path, data=params.data, name=params.name)


async def _stored(window: Window, stored: wire.StoredImage, name: str | None) -> ImageSource:
    turn = await window.manager.sessions.turn(stored.session_id, stored.turn_id)
    images = images_of(turn)
    if not 0 <= stored.index < len(images):
        raise BadParamsError(f"$.stored.index: the turn holds {len(images)} images, counted from 0.")
    source = images[stored.index]["source"]
    if "data" not in source:
        raise BadParamsError("$.stored is a picture that the endpoint fetched itself; it is not kept here.")
    return ImageSource(data=source["data"], name=name or f"picture {stored.index + 1}")


async def inspection_of(source: ImageSource, model: str) -> wire.ImageInspection:
    """What a picture is, and what it would cost on the model of this name and on the others."""
    now = datetime.now(UTC)
    chosen = resolve_model(model, now.date())
    seen = await inspect_image(source, chosen.id)
    prices = image_prices(seen, chosen.id, now)
    return _shape(seen, prices, chosen.notice)


def _shape(seen: Inspection, prices: list[ImagePrice], notice: str | None) -> wire.ImageInspection:
    original, sent = seen.original, seen.sent
    small = base64.b64encode(seen.thumbnail).decode("ascii")
    return wire.ImageInspection(
        name=sent.name,
        format=original.media_type.removeprefix("image/"),
        width=original.width,
        height=original.height,
        bytes=seen.original_bytes,
        animated=original.animated,
        sent=wire.SentImage(
            media_type=sent.media_type,
            width=sent.width or 0,
            height=sent.height or 0,
            bytes=len(sent.data) // 4 * 3 - sent.data[-2:].count("="),
            changes=list(sent.changes),
        ),
        models=[
            wire.ImageForModel(
                model=one.model, tokens=one.tokens, display=one.cost.display, nano_usd=one.cost.nano_usd
            )
            for one in prices
        ],
        thumbnail=f"data:image/png;base64,{small}" if small else None,
        notices=[notice] if notice else None,
    )
