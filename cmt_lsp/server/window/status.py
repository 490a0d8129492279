"""The one full-state status message of a window, at most four times a second.

Every message holds everything, so a lost or dropped one harms nothing and the newest one wins.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.models import Cost, display_usd, limits_of
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Sums, Totals
from cmt_lsp.server import wire
from cmt_lsp.server.shapes.money import budget_shape
from cmt_lsp.server.shapes.values import cache_shape, cost_shape, moment, session_shape, usage_shape
from cmt_lsp.server.shapes.warming import kept_shape, kept_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.core.cache.warmth import Warmth
    from cmt_lsp.core.money.budget import BudgetState
    from cmt_lsp.core.records import SessionInfo
    from cmt_lsp.core.turn import TurnResult
    from cmt_lsp.core.warming.keeper import KeepState

STATUS_VERSION = 1
SHORTEST_GAP = 0.25
"""Seconds between two messages."""
LONGEST_WAIT = 30.0
"""Seconds until the wall clock is looked at again: the loop's own stands still while the machine sleeps."""


@dataclass
class LiveTurn:
    """A turn under way, as the status shows it."""

    turn_id: str
    session_id: str
    model: str
    question: str
    phase: str = "started"
    characters: int = 0
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)


class WindowStatus:
    """What one window is doing and has spent; tells `publish` when it has changed."""

    def __init__(
        self, publish: Callable[[wire.Status], None], clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` is the wall clock, in seconds since 1970, by which a cache goes cold."""
        self._publish = publish
        self._clock = clock
        self._live: dict[str, LiveTurn] = {}
        self._totals: Totals | None = None
        self._budgets: tuple[BudgetState, ...] = ()
        self._last: TurnResult | None = None
        self._session: SessionInfo | None = None
        self._message: str | None = None
        self._sent_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._warmth: Warmth | None = None
        self._cooling: asyncio.TimerHandle | None = None
        self._kept: KeepState | None = None

    def turn_started(self, turn: LiveTurn) -> None:
        """A turn was accepted."""
        self._live[turn.turn_id] = turn
        self._message = None
        self.changed()

    def turn_moved(self, turn_id: str, phase: str, text: str = "") -> None:
        """A turn went on: its phase and the text that came."""
        if live := self._live.get(turn_id):
            live.phase = phase
            if text:
                live.characters += len(text)
                live.texts.append(text)
            self.changed()

    def turn_thought(self, turn_id: str, text: str) -> None:
        """A piece of a turn's thinking came; no status shows it."""
        if live := self._live.get(turn_id):
            live.thoughts.append(text)

    def running_in(self, session_id: str) -> list[wire.AnswerSoFar]:
        """The turns of a session that are under way here, with all that they have told."""
        return [_so_far(live) for live in self._live.values() if live.session_id == session_id]

    def turn_settled(self, turn_id: str, result: TurnResult | None, message: str | None = None) -> None:
        """A turn ended with a result, or with a message that says why there is none."""
        self._live.pop(turn_id, None)
        self._message = message
        if result is not None:
            self._last = result
        self.changed()

    def session_is(self, session: SessionInfo | None, warmth: Warmth | None = None) -> None:
        """The window's current session, as it now stands, and what the cache holds of it."""
        self._session = session
        self._warmth = warmth
        self._watch_it_cool()
        self.changed()

    def kept_is(self, state: KeepState) -> None:
        """How a session is kept warm, or why it is not any more."""
        self._kept = state
        self.changed()

    def _watch_it_cool(self) -> None:
        """Have one timer for the moment at which what is warm goes cold; none where nothing is."""
        if self._cooling is not None:
            self._cooling.cancel()
            self._cooling = None
        if self._warmth is not None and (left := self._warmth.expires_at - self._clock()) > 0:
            self._cooling = asyncio.get_running_loop().call_later(min(left, LONGEST_WAIT), self._cooled)

    def _cooled(self) -> None:
        """The loop's clock and the wall clock may differ: look at the latter again."""
        self._watch_it_cool()
        if self._cooling is None:
            self.changed()

    def money_is(self, totals: Totals, budgets: tuple[BudgetState, ...]) -> None:
        """What the ledger holds for the current session, this window and today, and what the budgets leave."""
        self._totals, self._budgets = totals, budgets
        self.changed()

    def changed(self) -> None:
        """Send now, or as soon as the shortest gap has passed."""
        if self._timer is None:
            wait = self._sent_at + SHORTEST_GAP - time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, wait), self._send)

    def _send(self) -> None:
        self._timer = None
        self._sent_at = time.monotonic()
        self._publish(self.snapshot())

    def snapshot(self) -> wire.Status:
        """The full state as it is now."""
        last, totals = self._last, self._totals or _nothing()
        return wire.Status(
            version=STATUS_VERSION,
            busy=bool(self._live),
            turns=[_running(live) for live in self._live.values()],
            session=session_shape(self._session) if self._session else None,
            usage=wire.StatusUsage(
                turn=usage_shape(last.usage) if last else None,
                session=usage_shape(totals.session.usage),
                window=usage_shape(totals.window.usage),
                today=usage_shape(totals.today.usage),
            ),
            cost=wire.StatusCost(
                turn=cost_shape(last.cost) if last else None,
                session=cost_shape(totals.session.cost),
                window=cost_shape(totals.window.cost),
                today=cost_shape(totals.today.cost),
            ),
            cache=cache_shape(last.cache) if last else None,
            warmth=_warmth_shape(self._warmth, self._clock()) if self._warmth else None,
            kept=kept_shape(self._kept) if self._kept else None,
            budgets=[budget_shape(state) for state in self._budgets],
            context_fill=_context_fill(last),
            message=self._message,
            text=self._texts(),
        )

    def _texts(self) -> wire.StatusText:
        """Money first, and a budget as soon as it is near its end: the shortest text is all that some editors show."""
        totals, doing = self._totals or _nothing(), self._doing()
        session = totals.session
        levels = [_level(state) for state in self._pressing()]
        word, until, price = _warmth_texts(self._warmth, self._clock())
        money = [doing or session.cost.display, *levels]
        model = self._session.model.removeprefix("claude-") if self._session else "Claude"
        tokens = f"{session.usage.total_tokens:,} tokens, {session.usage.hit_ratio:.0%} cached"
        spans = f"window {totals.window.cost.display} · today {totals.today.cost.display}"
        budgets = [state.display for state in self._budgets]
        kept = kept_text(self._kept) if self._kept else ""
        return wire.StatusText(
            short=_joined(*money, word),
            medium=_joined(model, *money, until),
            long=_joined(model, doing or session.cost.display, tokens, price, kept, spans, *budgets),
        )

    def _pressing(self) -> list[BudgetState]:
        """The budgets that have reached a warning, the fullest alone."""
        reached = [state for state in self._budgets if state.state != "ok"]
        return sorted(reached, key=lambda state: state.level)[-1:]

    def _doing(self) -> str:
        if not self._live:
            return ""
        newest = list(self._live.values())[-1]
        others = f" (+{len(self._live) - 1})" if len(self._live) > 1 else ""
        return f"{newest.phase}{others}"


def _so_far(live: LiveTurn) -> wire.AnswerSoFar:
    return wire.AnswerSoFar(
        turn_id=live.turn_id,
        model=live.model,
        question=live.question,
        phase=live.phase,
        thinking="".join(live.thoughts),
        text="".join(live.texts),
        elapsed_ms=_elapsed_ms(live),
    )


def _elapsed_ms(live: LiveTurn) -> int:
    return round((time.monotonic() - live.started) * 1000)


def _running(live: LiveTurn) -> wire.RunningTurn:
    return wire.RunningTurn(
        turn_id=live.turn_id,
        session_id=live.session_id,
        model=live.model,
        phase=live.phase,
        elapsed_ms=_elapsed_ms(live),
        output_characters=live.characters,
    )


def _context_fill(last: TurnResult | None) -> float | None:
    """How full the model's context window was after the last turn, 0 to 1."""
    window = limits_of(last.model).context_window if last else None
    if last is None or window is None:
        return None
    return round(min(1.0, last.context_tokens / window), 4)


def _level(state: BudgetState) -> str:
    return f"{state.scope} {state.level}%"


def _warmth_shape(warmth: Warmth, now: float) -> wire.StatusWarmth:
    return wire.StatusWarmth(
        state="warm" if warmth.is_warm(now) else "cold",
        model=warmth.model,
        tokens=warmth.tokens,
        expires_at=moment(warmth.expires_at),
        cold_cost_nano_usd=warmth.cold_cost_nano,
    )


def _warmth_texts(warmth: Warmth | None, now: float) -> tuple[str, str, str]:
    """Warm or cold, by room. A time of day stays true however long a status line shows it; seconds would not."""
    if warmth is None:
        return "", "", ""
    price = None if warmth.cold_cost_nano is None else display_usd(warmth.cold_cost_nano)
    if not warmth.is_warm(now):
        return "cold", "cache cold", f"cache cold, +{price} to warm it" if price else "cache cold"
    until = f"{datetime.fromtimestamp(warmth.expires_at, UTC).astimezone():%H:%M}"
    warm = f"warm until {until}"
    return "warm", warm, f"{warm}, then +{price}" if price else warm


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _nothing() -> Totals:
    """Before the ledger was first asked."""
    none = Sums(0, Usage(), Cost.sum(()), 0)
    return Totals(none, none, none, none)
