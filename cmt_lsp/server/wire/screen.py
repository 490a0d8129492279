"""Pictures of the screen and of the clipboard, kept by the window for a question."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.parts import Cost
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
    `width`, `height`, `bytes` and `media_type` are those of the picture as taken; `tokens` and `cost` are its share of
    a prompt to `model`, with nothing cached. `notices` say what will be changed before it is sent.
    """

    handle: str
    name: str
    media_type: str
    width: int
    height: int
    bytes: int
    model: str
    tokens: int
    cost: Cost
    tool: str
    expires_at: str
    data: str | None = None
    notices: list[str] | None = None
