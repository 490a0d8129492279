"""One question to several models, side by side."""

from __future__ import annotations

from cmt_lsp.server.wire.chat import TurnResult
from cmt_lsp.server.wire.parts import ContextItem, Image
from cmt_lsp.server.wire.shape import Token, shape


@shape
class CompareParams:
    """A question for two to five models, with the same frozen context; else as a chat.

    Every answer streams on `partial_result_token` under a turn id of its own, which `started` pairs with its model.
    """

    text: str
    models: list[str]
    session_id: str | None = None
    context: list[ContextItem] | None = None
    images: list[Image] | None = None
    max_tokens: int | None = None
    effort: str | None = None
    budget_override: bool | str | None = None
    allow_secrets: bool = False
    wait: bool | None = None
    partial_result_token: Token | None = None
    work_done_token: Token | None = None


@shape
class CompareResult:
    """The answers in the order of the models asked; none of them is in the session yet."""

    compare_id: str
    session_id: str
    rows: list[TurnResult]


@shape
class CompareAccepted:
    """What the command answers at once; the answers follow out of band."""

    compare_id: str
    session_id: str
    turn_ids: list[str]


@shape
class CompareChooseParams:
    """Go on from one answer of a comparison: it becomes the session's next turn."""

    session_id: str
    compare_id: str
    model: str
