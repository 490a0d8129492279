"""A turn as work-done progress, for editors that show nothing else.

One short line, at most four times a second: what is happening, tokens so far, time and price. Beside it goes a
percentage, since one editor shows nothing but that.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cmt_lsp.api.usage import Usage
    from cmt_lsp.core.money.prediction import Prediction
    from cmt_lsp.core.turn import TurnEvent, TurnResult

REPORT_SECONDS = 0.25
CHARACTERS_PER_TOKEN = 4
"""Good enough for a counter that the endpoint's own figure replaces at the end."""

PHASES = {
    "sharing": "waiting for a shared prefix",
    "warming_up": "warming up",
    "sending": "waiting for the first word",
    "thinking": "thinking",
    "silent": "nothing comes",
}


class WorkDone(Protocol):
    """An open work-done progress."""

    def report(self, message: str, percentage: int | None = None) -> None: ...

    def end(self, message: str) -> None: ...


class TurnProgress:
    """Tells one turn on one work-done progress; ends it exactly once."""

    def __init__(self, work: WorkDone) -> None:
        """Must be made inside the running event loop."""
        self._work = work
        self._started = time.monotonic()
        self._characters = 0
        self._phase = PHASES["sending"]
        self._retry_at: float | None = None
        self._last_line = ""
        self._prediction: Prediction | None = None
        self._usage: Usage | None = None
        self._percentage = 0
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(REPORT_SECONDS, self._tick)
        self._ended = False

    def event(self, event: TurnEvent) -> None:
        """Take in one event of the turn; the next tick shows it."""
        from cmt_lsp.core.turn import AnswerText, Predicted, Retry, UsageKnown, Waiting

        self._retry_at = None
        match event:
            case Predicted(prediction):
                self._prediction = prediction
            case UsageKnown(usage):
                self._usage = usage
            case AnswerText(text):
                self._characters += len(text)
                self._phase = ""
            case Waiting(phase):
                self._phase = PHASES[phase]
            case Retry(attempt, max_attempts, delay, reason):
                self._phase = f"{reason.rstrip('.')}; attempt {attempt + 1} of {max_attempts}"
                self._retry_at = time.monotonic() + delay

    def finish(self, result: TurnResult) -> None:
        """End with what the turn cost."""
        self._end(summary(result))

    def close(self, line: str) -> None:
        """End with a line of the caller's, as why there is no answer."""
        self._end(line)

    def _end(self, line: str) -> None:
        self._timer.cancel()
        if not self._ended:
            self._ended = True
            self._work.end(line)

    def _tick(self) -> None:
        line = self._line(time.monotonic())
        if line != self._last_line:
            self._last_line = line
            self._work.report(line, self._advance())
        self._timer = self._loop.call_later(REPORT_SECONDS, self._tick)

    def _line(self, now: float) -> str:
        if self._retry_at is not None:
            return f"{self._phase} in {max(1, math.ceil(self._retry_at - now))} s"
        if self._phase:
            return f"{self._phase}, {int(now - self._started)} s"
        parts = [f"{self._tokens} tok", f"{now - self._started:.1f} s", self._price()]
        return ", ".join(part for part in parts if part)

    @property
    def _tokens(self) -> int:
        return self._characters // CHARACTERS_PER_TOKEN

    def _advance(self) -> int:
        """How much of the longest likely answer is there; never back, and never all of it before the end."""
        expected = self._prediction.output_p90 if self._prediction else 0
        if expected:
            self._percentage = max(self._percentage, min(95, 100 * self._tokens // expected))
        return self._percentage

    def _price(self) -> str:
        """Of the tokens so far; nothing before the endpoint told what the prompt used, or where there is no price."""
        from cmt_lsp.api.models import cost_of

        if self._usage is None or self._prediction is None:
            return ""
        so_far = replace(self._usage, output_tokens=max(self._usage.output_tokens, self._tokens))
        cost = cost_of(self._prediction.model, so_far, datetime.now(UTC))
        return "" if cost.nano_usd is None else cost.display


def summary(result: TurnResult) -> str:
    """One line for the end of a turn: why it stopped where that matters, tokens, cache, price, time."""
    usage = result.usage
    parts = [f"{_short(usage.total_input_tokens)} in, {_short(usage.output_tokens)} out"]
    if usage.cache_read_input_tokens:
        parts.append(f"{usage.hit_ratio:.0%} cached")
    parts += [result.cost.display, f"{result.timing.total_ms / 1000:.1f} s"]
    line = " · ".join(parts)
    return line if result.stop_reason == "end_turn" else f"{result.stop_reason.replace('_', ' ')} · {line}"


def _short(tokens: int) -> str:
    return f"{tokens / 1000:.1f}K" if tokens >= 1000 else str(tokens)
