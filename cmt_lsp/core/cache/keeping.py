"""What keeping a session warm would have cost and saved: its own pauses, with the refreshes that would have been sent.

Nobody knows when the person typed before they asked, so that each question counts as the last sign of them: typing
would have kept the cache a little longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from cmt_lsp.api.cache.blocks import LIFETIME_5M
from cmt_lsp.api.cache.rhythm import REMEMBERED, Rhythm
from cmt_lsp.core.cache.evidence import EXPIRED
from cmt_lsp.core.warming.decision import Prefix, Watch, next_step

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def kept_warm(sessions: Sequence[Sequence[CachedTurn]], minutes: int) -> Kept:
    """The balance over sessions; what was cached for an hour needs no keeping, and is left out."""
    total = Kept(minutes)
    for turns in sessions:
        cached = [turn for turn in turns if turn.cached_tokens and not turn.cache.written_1h_tokens]
        for place, (turn, following) in enumerate(pairwise((*cached, None))):
            if turn is not None and (row := turn.price) is not None:
                times = [earlier.started_at for earlier in cached[max(0, place + 1 - REMEMBERED) : place + 1]]
                total = _after(total, turn, following, row, Rhythm.of_times(times).odds().soon)
    return total


def _after(total: Kept, turn: CachedTurn, following: CachedTurn | None, row: PriceRow, soon: float) -> Kept:
    """The balance after one pause; the first refresh writes the answer, which the next question then reads."""
    held, answer = turn.cached_tokens, turn.usage.output_tokens - (turn.usage.thinking_tokens or 0)
    ends_at = inf if following is None else following.started_at
    watch, expires_at = Watch((), turn.started_at), turn.started_at + LIFETIME_5M
    now, spent = turn.started_at, 0
    while now < ends_at:
        read, loss = held * row.read, held * (row.write_5m - row.read)
        prefix = Prefix(turn.model, (), held, expires_at, 0, read, read, loss, soon)
        step = next_step(watch, prefix, total.minutes, now)
        if step.kind == "stop" or step.at >= ends_at:
            break
        if step.kind == "wait":
            now = step.at
            continue
        spent += read + (0 if watch.refreshes else answer * row.write_5m)
        held += 0 if watch.refreshes else answer
        watch, expires_at = replace(watch, refreshes=watch.refreshes + 1), now + LIFETIME_5M
    found = following is not None and following.cause == EXPIRED and ends_at < expires_at
    saved = answer * (row.write_5m - row.read) if following is not None and ends_at < expires_at else 0
    return replace(
        total,
        spent_nano=total.spent_nano + spent,
        saved_nano=total.saved_nano
        + (saved if watch.refreshes else 0)
        + (following.cache.lost_nano or 0 if found and following is not None else 0),
        refreshes=total.refreshes + watch.refreshes,
        questions=total.questions + found,
    )
