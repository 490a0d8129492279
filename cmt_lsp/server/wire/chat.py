"""Asking: what a question carries, and how a turn ends."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.money import Prediction
from cmt_lsp.server.wire.parts import CacheVerdict, ContextItem, Cost, Image, RpcErrorBody, Timing, Usage
from cmt_lsp.server.wire.shape import Token, shape


@shape
class TurnResult:
    """How a turn ended. `stop_reason` is the API's, or `cancelled`, or `truncated`.

    `usage` and `cost` are the sums over the turn's attempts. `error` and the stop reason `error` occur only in the rows
    of a comparison, for a model that gave no answer.
    """

    turn_id: str
    session_id: str
    model: str
    stop_reason: str
    text: str
    usage: Usage
    cost: Cost
    cache: CacheVerdict
    timing: Timing
    prediction: Prediction | None = None
    notices: list[str] | None = None
    error: RpcErrorBody | None = None


@shape
class ChatParams:
    """A question. Without `session_id` the window's current session is used, made on first use.

    `wait` matters through the command door only: true asks for the whole answer as the command's result.
    `budget_override` is the person's explicit act to send this one turn whatever the budgets say: true, or a reason;
    the ledger keeps it. `allow_secrets` is their act to send what looks secret, and ignored files, without being asked.
    """

    text: str
    session_id: str | None = None
    context: list[ContextItem] | None = None
    images: list[Image] | None = None
    model: str | None = None
    max_tokens: int | None = None
    effort: str | None = None
    budget_override: bool | str | None = None
    allow_secrets: bool = False
    wait: bool | None = None
    partial_result_token: Token | None = None
    work_done_token: Token | None = None


@shape
class CompleteMessage:
    """One message of a conversation that the editor keeps; images come before the text."""

    role: Literal["user", "assistant"]
    text: str
    images: list[Image] | None = None


@shape
class CompleteParams:
    """A conversation to be answered, oldest message first, the last one the question. Nothing of it is stored.

    All completions of a window are charged to one account; its id is the result's `sessionId`.
    """

    messages: list[CompleteMessage]
    system: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    effort: str | None = None
    budget_override: bool | str | None = None
    allow_secrets: bool = False
    wait: bool | None = None
    partial_result_token: Token | None = None
    work_done_token: Token | None = None


@shape
class TurnAccepted:
    """What a chat-like command answers at once; the turn goes on out of band."""

    turn_id: str
    session_id: str


@shape
class CancelParams:
    """Which turns to stop; nothing given stops all turns of the window."""

    turn_id: str | None = None
    session_id: str | None = None


@shape
class CancelResult:
    """How many running turns were told to stop."""

    cancelled: int


@shape
class RetryParams:
    """Ask the last question of a session again; its old answer leaves the history."""

    session_id: str
    turn_id: str | None = None
    budget_override: bool | str | None = None
    wait: bool | None = None
    partial_result_token: Token | None = None
    work_done_token: Token | None = None


@shape
class PreviewBlock:
    """One block of the request that would be sent. `tokens` are an estimate; prices in nano-dollars, absent where the
    model has none: `coldNanoUsd` with nothing in the cache, `warmNanoUsd` with what it should hold now. `cache`: whether
    the block would be read from it or written to it; `cutLines` were left out to keep within the limit.
    """

    origin: str
    kind: Literal["system", "history", "image", "file", "text", "selection", "diagnostics", "prompt"]
    tokens: int
    cached: bool
    cache: Literal["read", "written", "none"]
    pinned: bool
    cold_nano_usd: int | None = None
    warm_nano_usd: int | None = None
    cut_lines: int | None = None
    text: str | None = None
    media_type: str | None = None


@shape
class PreviewResult:
    """Exactly the blocks that would leave, in order; nothing was sent, not even to be counted.

    `tokens` is the sum over the blocks, and the prediction's prompt.
    """

    model: str
    blocks: list[PreviewBlock]
    tokens: int
    exact: bool
    prediction: Prediction
    session_id: str | None = None
    notices: list[str] | None = None
