"""One turn: what is asked, what is told while it runs, and how it ended.

A `Turn` has one owner, the session manager, which starts its task and settles it. Everybody else may cancel it
and await its result.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.core.guard.permission import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from cmt_lsp.api.cache_manager import CacheVerdict
    from cmt_lsp.api.errors import CmtError
    from cmt_lsp.api.models import Cost
    from cmt_lsp.api.usage import Usage
    from cmt_lsp.api.vision_handler import ImageContent
    from cmt_lsp.core.context.items import ContextItem
    from cmt_lsp.core.guard.permission import Permission
    from cmt_lsp.core.money.prediction import Prediction, PredictionError

CancelReason: TypeAlias = Literal["user", "client_gone", "client_stalled"]
WaitingPhase: TypeAlias = Literal["sharing", "warming_up", "sending", "thinking", "silent"]
"""`sharing`: another request writes the same prefix to the cache, and this one will read it.

`silent`: text came, and no more of it comes; what the endpoint does nobody knows."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One image to send: exactly one of `path`, `data`, `url` and `content` is set."""

    path: Path | None = None
    data: str | None = None
    """Base64."""
    url: str | None = None
    """Handed to the endpoint as it is; nothing here ever fetches it."""
    content: ImageContent | None = None
    """An image that a VisionHandler has checked already."""
    media_type: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """What the person asks, and with what; None stands for the session's or the settings' value."""

    text: str
    context: tuple[ContextItem, ...] = ()
    images: tuple[ImageSource, ...] = ()
    model: str | None = None
    max_tokens: int | None = None
    effort: str | None = None
    budget_override: str | None = None
    """The person's reason to send this turn whatever the budgets say; None where there is no such act."""
    permission: Permission = NOBODY
    """Who may let secrets and ignored files pass."""
    notices: tuple[str, ...] = ()
    """What the person should know of what is attached, such as what had to be left out."""


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The turn runs; always the first event."""

    turn_id: str
    session_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """No answer text yet, or none for a while; `elapsed` is in seconds since the last sign of the answer."""

    phase: WaitingPhase
    elapsed: float


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of the model's summarised thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerText:
    """A piece of the answer; all pieces joined are the result's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Retry:
    """The request failed before any content and goes out again after `delay` seconds."""

    attempt: int
    max_attempts: int
    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class UsageKnown:
    """The endpoint told the input side."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the turn is expected to use and cost; told once the budgets let it go."""

    prediction: Prediction


TurnEvent: TypeAlias = TurnStarted | Predicted | Waiting | Thinking | AnswerText | Retry | UsageKnown


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations on the monotonic clock, in milliseconds."""

    first_token_ms: int | None
    total_ms: int
    retries: int
    shared_wait_ms: int = 0
    """The part that was waited for another request to write the same prefix to the cache; not kept on disk."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """A settled turn: its record is durable, or `notices` says why it is not."""

    turn_id: str
    session_id: str
    model: str
    stop_reason: str
    """The endpoint's own word, or `cancelled`, or `truncated`."""
    text: str
    usage: Usage
    cost: Cost
    cache: CacheVerdict
    timing: Timing
    notices: tuple[str, ...] = ()
    prediction: Prediction | None = None
    missed_by: PredictionError | None = None
    """How far the prediction was off."""
    context_tokens: int = 0
    """What fills the model's context now: prompt and answer of the attempt that answered."""
    error: CmtError | None = None
    """Why a model gave no answer; only in the rows of a comparison, with the stop reason "error"."""


class Turn:
    """A running turn; it ends exactly once, with a `TurnResult` or with a `CmtError`."""

    def __init__(self, turn_id: str, session_id: str, model: str, question: str) -> None:
        """Must be made inside the running event loop that will carry the turn."""
        self.id = turn_id
        self.session_id = session_id
        self.model = model
        self.question = question
        self.cancel_reason: CancelReason | None = None
        self._task: asyncio.Task[None] | None = None
        self._done: asyncio.Future[TurnResult] = asyncio.get_running_loop().create_future()
        self._done.add_done_callback(_mark_retrieved)

    def cancel(self, reason: CancelReason = "user") -> bool:
        """Stop the turn; the text so far is kept. False when it is already settled; the first reason counts."""
        if self._task is None or self._task.done():
            return False
        if self.cancel_reason is None:
            self.cancel_reason = reason
            self._task.cancel()
        return True

    async def result(self) -> TurnResult:
        """Wait for the end; raises the `CmtError` of a failed turn. Cancelling a waiter leaves the turn alone."""
        return await asyncio.shield(self._done)

    @property
    def settled(self) -> bool:
        """True once `result` answers without waiting."""
        return self._done.done()

    @property
    def failed(self) -> bool:
        """True once the turn has ended with an error."""
        return self._done.done() and self._done.exception() is not None

    def when_settled(self, then: Callable[[], None]) -> None:
        """Call `then` on the loop once the turn has ended, however it does."""
        self._done.add_done_callback(lambda _: then())

    # For the owner alone.

    def carry(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run `work` as this turn's task, the one that `cancel` stops."""
        self._task = asyncio.get_running_loop().create_task(work, name=f"turn {self.id}")
        return self._task

    def settle(self, outcome: TurnResult | CmtError) -> None:
        """End the turn; only the first call counts."""
        if self._done.done():
            return
        if isinstance(outcome, BaseException):
            self._done.set_exception(outcome)
        else:
            self._done.set_result(outcome)


def _mark_retrieved(done: asyncio.Future[TurnResult]) -> None:
    """A failure nobody awaited has been told by other means; asyncio need not report it again."""
    if not done.cancelled():
        done.exception()
