"""What keeping a session warm would have cost and saved: its own pauses, with the refreshes that would have been sent.

Nobody knows when the person typed before they asked, so that each question counts as the last sign of them: typing
would have kept the cache a little longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from cmt_lsp.api.cache.blocks import LIFETIME_5M
from cmt_lsp.api.cache.rhythm import REMEMBERED, Rhythm
from cmt_lsp.core.cache.evidence import EXPIRED
from cmt_lsp.core.warming.decision import Prefix, Watch, next_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cmt_lsp.api.price_list import PriceRow
    from cmt_lsp.core.cache.evidence import CachedTurn


@dataclass(frozen=True, slots=True)
class Kept:
    """The balance of keeping sessions warm for so many minutes after each question; money in nano-dollars."""

    minutes: int
    spent_nano: int = 0
    saved_nano: int = 0
    refreshes: int = 0
    questions: int = 0
    """Those that would have found it warm and did not."""

    @property
    def value_nano(self) -> int:
        """What would have been left over; negative where it would have cost more than it saved."""
        return self.saved_nano - self.spent_nano


@dataclass(frozen=True, slots=True)
class Pause:
    """What lies between a cached turn and the next one, or nobody's return."""

    turn: CachedTurn
    row: PriceRow
    following: CachedTurn | None
    earlier: tuple[float, ...]
    """The session's pauses before this one, in seconds."""


def pauses_of(sessions: Iterable[Sequence[CachedTurn]]) -> tuple[Pause, ...]:
    """The pauses of sessions; what was cached for an hour needs no keeping, and is left out."""
    return tuple(pause for turns in sessions for pause in _pauses(turns))


def _pauses(turns: Sequence[CachedTurn]) -> Iterator[Pause]:
    for place, turn in enumerate(turns):
        row = turn.price
        if row is None or not turn.cached_tokens or turn.cache.written_1h_tokens:
            continue
        before = turns[max(0, place + 1 - REMEMBERED) : place + 1]
        rhythm = Rhythm.of_times(earlier.started_at for earlier in before)
        following = turns[place + 1] if place + 1 < len(turns) else None
        yield Pause(turn, row, following, rhythm.gaps)


def kept_warm(pauses: Iterable[Pause], minutes: int) -> Kept:
    """The balance over pauses."""
    total = Kept(minutes)
    for pause in pauses:
        total = _after(total, pause)
    return total


def _after(total: Kept, pause: Pause) -> Kept:
    """The balance after one pause."""
    refreshes, spent, expires_at = _refreshed(pause, total.minutes)
    following, row = pause.following, pause.row
    saved = found = 0
    if refreshes and following is not None and following.started_at < expires_at:
        found = int(following.cause == EXPIRED)
        saved = _answer(pause.turn) * (row.write_5m - row.read)
        saved += (following.cache.lost_nano or 0) if found else 0
    return Kept(
        minutes=total.minutes,
        spent_nano=total.spent_nano + spent,
        saved_nano=total.saved_nano + saved,
        refreshes=total.refreshes + refreshes,
        questions=total.questions + found,
    )


def _refreshed(pause: Pause, minutes: int) -> tuple[int, int, float]:
    """How often the keeper would have refreshed, for how much, and until when that lasts.

    The first refresh writes the answer, which the next question then reads.
    """
    turn, row = pause.turn, pause.row
    ends_at = inf if pause.following is None else pause.following.started_at
    watch, held, spent = Watch((), turn.started_at), turn.cached_tokens, 0
    now, expires_at = turn.started_at, turn.started_at + LIFETIME_5M
    while True:
        read, loss = held * row.read, held * (row.write_5m - row.read)
        prefix = Prefix(turn.model, (), held, expires_at, 0, read, read, loss, pause.earlier)
        step = next_step(watch, prefix, minutes, now)
        if step.kind == "stop" or step.at >= ends_at:
            return watch.refreshes, spent, expires_at
        if step.kind == "wait":
            now = step.at
            continue
        fresh = 0 if watch.refreshes else _answer(turn)
        spent += read + fresh * row.write_5m
        held += fresh
        watch, expires_at = replace(watch, refreshes=watch.refreshes + 1), now + LIFETIME_5M


def _answer(turn: CachedTurn) -> int:
    return turn.usage.output_tokens - (turn.usage.thinking_tokens or 0)
