"""Flight: what is known of a turn while it runs, and the telling of it. It decides nothing and stores nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from cmt_lsp.api.request import Completed, Retrying, WarmingUp
from cmt_lsp.api.stream import NO_REPORT, MessageStarted, TextDelta, ThinkingDelta, UsageUpdated
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.turn import AnswerText, Retry, Thinking, Timing, UsageKnown, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.api.request import ClientEvent
    from cmt_lsp.api.stream import CacheReport
    from cmt_lsp.core.conversation import PlannedTurn
    from cmt_lsp.core.turn import TurnEvent, WaitingPhase

WAITING_SECONDS = 1.0
logger = logging.getLogger(__name__)


class Flight:
    """Folds the client's events into the turn's figures and passes on what a person may see."""

    def __init__(self, emit: Callable[[TurnEvent], None]) -> None:
        """`emit` is called on the loop only, and no more once the flight has landed."""
        self._loop = asyncio.get_running_loop()
        self._emit: Callable[[TurnEvent], None] | None = emit
        self._began = self._heard = self._loop.time()
        self._phase: WaitingPhase = "sending"
        self._ticker: asyncio.TimerHandle | None = None
        self._texts: list[str] = []
        self._first_text_at: float | None = None
        self._resumes_at = 0.0
        self._ready: Callable[[], bool] = lambda: False
        self._usage: Usage | None = None
        self._started: MessageStarted | None = None
        self.retries = 0
        self.shared_wait = 0.0
        """Seconds that the turn waited to read what another request writes."""
        self.plan: PlannedTurn | None = None
        self.completed: Completed | None = None

    def tell(self, event: TurnEvent) -> None:
        """Pass an event on; a listener that fails is not told any more, and the turn goes on."""
        if self._emit is None:
            return
        try:
            self._emit(event)
        except Exception as error:  # noqa: BLE001  a listener's fault must not cost a paid answer
            self._emit = None
            failure = type(error).__name__  # a traceback could hold the answer
            logger.warning("A listener of a turn failed (%s) and is not told any more.", failure)

    def take_off(self, plan: PlannedTurn, ready: Callable[[], bool]) -> None:
        """The request is handed to the client, which sends it once it is `ready`."""
        self.plan = plan
        self._ready = ready
        self._phase = "warming_up"
        if not self._see_whether_ready():
            self.tell(Waiting("warming_up", 0.0))
        self._ticker = self._ticker or self._loop.call_later(WAITING_SECONDS, self._tick)

    def take(self, event: ClientEvent) -> None:
        """One event of the client."""
        match event:
            case TextDelta(text):
                self._show(text)
            case ThinkingDelta(text):
                self._phase = "thinking"
                self.tell(Thinking(text))
            case MessageStarted(usage=usage) | UsageUpdated(usage=usage):
                self._started = event if isinstance(event, MessageStarted) else self._started
                self._phase = "thinking"
                self._usage = usage
                self.tell(UsageKnown(usage))
            case Retrying(attempt, max_attempts, delay, reason):
                self._retry(Retry(attempt, max_attempts, delay, reason))
            case Completed():
                self._complete(event)
            case WarmingUp():
                pass
            case _:
                self._phase = "thinking"

    def land(self) -> None:
        """Nothing is told from here on."""
        self._emit = None
        if self._ticker is not None:
            self._ticker.cancel()

    @property
    def text(self) -> str:
        """The answer so far: all that was told, joined."""
        return "".join(self._texts)

    @property
    def timing(self) -> Timing:
        """Durations up to now."""
        first = self._first_text_at
        return Timing(
            first_token_ms=None if first is None else _milliseconds(first - self._began),
            total_ms=_milliseconds(self._loop.time() - self._began),
            retries=self.retries,
            shared_wait_ms=_milliseconds(self.shared_wait),
        )

    @property
    def reported(self) -> Usage:
        """The endpoint's own last word on the usage, without any estimate of ours."""
        return self._usage or Usage()

    @property
    def cache_report(self) -> CacheReport:
        """What the answer tells of the prompt cache beside its counts."""
        if self.completed is not None:
            return self.completed.message.cache
        return self._started.cache if self._started is not None else NO_REPORT

    @property
    def message_id(self) -> str | None:
        """The answer's id, as soon as it began."""
        if self.completed is not None:
            return self.completed.message.id
        return self._started.message_id if self._started is not None else None

    def _see_whether_ready(self) -> bool:
        if self._phase == "warming_up" and self._ready():
            self._phase = "sending"
        return self._phase != "warming_up"

    def _show(self, text: str) -> None:
        self._heard = self._loop.time()
        if self._first_text_at is None:
            self._first_text_at = self._heard
        self._texts.append(text)
        self.tell(AnswerText(text))

    def _retry(self, retry: Retry) -> None:
        self.retries = retry.attempt
        self._phase = "sending"
        self._usage = self._started = None
        self._resumes_at = self._loop.time() + retry.delay
        self.tell(retry)

    def _complete(self, completed: Completed) -> None:
        self.completed = completed
        self.retries = completed.retries
        if not self._texts and completed.message.text:
            self._show(completed.message.text)

    def _tick(self) -> None:
        """Say that the answer is still awaited, as long as no text comes; the wait for a retry was told with it."""
        now = self._loop.time()
        silent, between_attempts = now - self._heard, now < self._resumes_at
        if silent >= WAITING_SECONDS * 0.9 and not between_attempts:
            self._see_whether_ready()
            self.tell(Waiting("silent" if self._texts else self._phase, silent))
        self._ticker = self._loop.call_later(WAITING_SECONDS, self._tick)


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
