"""What settled turns would have cost under another lifetime: their own tokens and pauses, priced again.

A replay knows for each turn how much of its prompt the turn before had sent as it stood. Under a lifetime, that much is
read where the turn came in time, else it is written again. What changed in between, a model or a system prompt, changes
in the replay as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from cmt_lsp.api.cache.blocks import SECONDS
from cmt_lsp.api.models import find_model
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.cache.evidence import EXPIRED, prompt_nano

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmt_lsp.api.cache.blocks import Lifetime
    from cmt_lsp.api.price_list import PriceRow
    from cmt_lsp.core.cache.evidence import CachedTurn


@dataclass(frozen=True, slots=True)
class Step:
    """One turn as a replay takes it; tokens."""

    at: float
    row: PriceRow
    minimum: int
    total: int
    markable: int
    """Up to where the prompt was marked; all of it where it bore no mark."""
    kept: int
    """What of it the turn before left as it is."""
    others: int
    """What can be read of it without the turn before, since other sessions begin alike."""
    gap: float
    """Seconds since the turn before."""

    @property
    def cached(self) -> bool:
        """Whether marks have an effect on it."""
        return self.markable >= self.minimum


def replayable(turns: Iterable[CachedTurn]) -> tuple[CachedTurn, ...]:
    """Those that can be priced again: with a price, and with the figures of one attempt alone."""
    return tuple(turn for turn in turns if turn.price is not None and turn.was_answered_at_once)


def steps_of(turns: Sequence[CachedTurn], padding: int = 0) -> tuple[Step, ...]:
    """One session's replayable turns as steps, each prompt longer by `padding` tokens."""
    before: tuple[CachedTurn | None, ...] = (None, *turns)
    steps = zip(before, turns, strict=False)
    return tuple(_step(earlier, turn, row, padding) for earlier, turn in steps if (row := turn.price))


def _step(before: CachedTurn | None, turn: CachedTurn, row: PriceRow, padding: int) -> Step:
    read = min(turn.cache.read_tokens, turn.usage.total_input_tokens)
    return Step(
        at=turn.started_at,
        row=row,
        minimum=_minimum(turn.model),
        total=turn.usage.total_input_tokens + padding,
        markable=_markable(turn) + padding,
        kept=_kept(before, turn, padding),
        others=read if turn.cache.cause is not None or before is None else 0,
        gap=inf if before is None else turn.started_at - before.started_at,
    )


def replayed(steps: Iterable[Step], lifetime: Lifetime | None) -> int:
    """The prompts' price in nano-dollars with every mark for this lifetime; None: without marks."""
    cost, warm_until = 0, -inf
    for step in steps:
        used = usage_under(step, lifetime, warm=step.at < warm_until)
        cost += prompt_nano(step.row, used)
        if lifetime is not None and step.cached:
            warm_until = step.at + SECONDS[lifetime]
    return cost


def usage_under(step: Step, lifetime: Lifetime | None, *, warm: bool) -> Usage:
    """How a prompt falls into the classes."""
    if lifetime is None or not step.cached:
        return Usage(step.total)
    read = min(step.markable, step.kept if warm else step.others)
    written = step.markable - read
    plain = step.total - step.markable
    return Usage(plain, written if lifetime == "5m" else 0, written if lifetime == "1h" else 0, read)


def paid(turns: Iterable[CachedTurn]) -> int:
    """What the prompts cost by the same lists; turns without a price cost nothing here."""
    return sum(prompt_nano(row, turn.usage) for turn in turns if (row := turn.price) is not None)


def _markable(turn: CachedTurn) -> int:
    whole = turn.usage.total_input_tokens
    return min(whole, turn.cached_tokens) if turn.cached_tokens else whole


def _kept(before: CachedTurn | None, turn: CachedTurn, padding: int) -> int:
    read = turn.cache.read_tokens
    if before is None or turn.model != before.model or turn.prefix != before.prefix:
        return read
    if turn.cached_tokens and turn.cause not in (None, EXPIRED):
        return read
    return max(read, min(_markable(before), _markable(turn))) + padding


def _minimum(model: str) -> int:
    known = find_model(model)
    return known.cache_minimum if known is not None else 0
