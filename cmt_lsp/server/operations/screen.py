"""Pictures for a question: of the screen, a window, a region, or the one in the clipboard."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import time
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.core.screen.desktop import find_desktop, tool_environment
from cmt_lsp.core.screen.held import KEPT_SECONDS, Held
from cmt_lsp.core.screen.taking import take_picture
from cmt_lsp.core.storage.state_dir import find_state_dir
from cmt_lsp.core.turn import ImageSource
from cmt_lsp.server import wire
from cmt_lsp.server.operations.images import inspection_of
from cmt_lsp.server.shapes.values import moment

if TYPE_CHECKING:
    from cmt_lsp.core.screen.choice import Wish
    from cmt_lsp.core.screen.taking import Picture
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window

LONGEST_DELAY = 60.0
_NAMES: dict[Wish, str] = {
    "screen": "screenshot",
    "window": "window",
    "region": "region",
    "clipboard": "clipboard",
}
_TITLES: dict[Wish, str] = {
    "screen": "Taking a picture",
    "window": "Click a window",
    "region": "Draw a region",
    "clipboard": "Reading the clipboard",
}


async def take(window: Window, caller: Caller, params: wire.ScreenshotParams) -> wire.HeldImage:
    """A picture of the screen. Other requests go on meanwhile; cancelling gives it up."""
    delay = params.delay_seconds or 0.0
    if not 0 <= delay <= LONGEST_DELAY:
        raise BadParamsError(f"$.delaySeconds must be from 0 to {LONGEST_DELAY:.0f}.")
    with window.taking(caller, _TITLES[params.what]):
        await asyncio.sleep(delay)
        picture = await _picture(params.what)
    return await _held(window, picture, _NAMES[params.what], params.model, with_data=params.with_data is True)


async def clipboard(window: Window, caller: Caller, params: wire.ClipboardImageParams) -> wire.HeldImage:
    """The image that was copied last."""
    picture = await _picture("clipboard")
    return await _held(window, picture, _NAMES["clipboard"], params.model, with_data=params.with_data is True)


async def _picture(wish: Wish) -> Picture:
    desktop = await asyncio.to_thread(find_desktop, sys.platform, os.environ)
    return await take_picture(wish, desktop, tool_environment(os.environ), find_state_dir(os.environ))


async def _held(
    window: Window, picture: Picture, stem: str, model: str | None, *, with_data: bool
) -> wire.HeldImage:
    """Keep the picture, once it is sure that it can be sent, and say what it would cost."""
    name = f"{stem}.{picture.media_type.removeprefix('image/')}"
    data = base64.b64encode(picture.data).decode("ascii")
    image = await inspection_of(ImageSource(data=data, name=name), model or window.settings.model)
    return wire.HeldImage(
        handle=window.pictures.hold(Held(data, picture.media_type, name)),
        image=image,
        tool=picture.tool,
        expires_at=moment(time.time() + KEPT_SECONDS),
        data=data if with_data else None,
    )
