"""Pictures of the screen and of the clipboard, kept by the window for a question."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.images import ImageInspection
from cmt_lsp.server.wire.shape import Token, shape


@shape
class ScreenshotParams:
    """What to take a picture of. The person points at a `region`, and at a `window` where the tool cannot know which.

    `delay_seconds`, 0 to 60, is the time to bring it to the front. `model` is the one to tell tokens and price for, by
    default that of the settings. `with_data` asks for the bytes too.
    """

    what: Literal["screen", "window", "region"] = "screen"
    delay_seconds: float | None = None
    model: str | None = None
    with_data: bool | None = None
    work_done_token: Token | None = None


@shape
class ClipboardImageParams:
    """The image in the clipboard; see `ScreenshotParams`."""

    model: str | None = None
    with_data: bool | None = None


@shape
class HeldImage:
    """A picture that the window holds in memory: name it by its `handle` in the `images` of a question.

    It is forgotten once a chat that carried it was answered, at `expires_at`, or when newer pictures need its room.
    `tool` is the program that took it; `data` is the picture as it was taken, in base64.
    """

    handle: str
    image: ImageInspection
    tool: str
    expires_at: str
    data: str | None = None
