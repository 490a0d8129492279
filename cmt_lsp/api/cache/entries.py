"""What this process knows to be in the endpoint's cache: expected before a request, corrected by its answer.

An entry is a prefix that ended at a mark. It is known by its key, and with its size by the endpoint's own count as soon
as that told it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from cmt_lsp.api.cache.blocks import SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmt_lsp.api.cache.blocks import Lifetime
    from cmt_lsp.api.cache.layout import Segment
    from cmt_lsp.api.usage import Usage

_REMEMBERED = 2_000
"""Entries, expired ones among them: what was once there tells what an hour's pause has cost."""
_SAME_SIZE = 0.05
"""How far an estimate may be from what was read for both to be taken as the same entry."""


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """One mark: the segment it ends, and its place; `message` is -1 for the system prompt."""

    segment: Segment
    message: int
    block: int
    lifetime: Lifetime = "5m"
    index: int = 0
    """The block it is on, counted over the whole prompt."""
    tokens: int = 0
    """Of the prompt up to here, estimated where nothing told it."""
    nearby: tuple[str, ...] = ()
    """The keys of the blocks at which it looks for an entry, its own first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached prefix; `index` is the block it ended at."""

    index: int
    tokens: int
    lifetime: float
    expires_at: float
    exact: bool = False
    """Whether the endpoint told the size."""


def readable(marks: Sequence[Breakpoint], known: Mapping[str, Entry], at: float) -> int:
    """Tokens that a prompt with these marks should read at this moment."""
    return max((entry.tokens for _, entry in _found(marks, known, at)), default=0)


def held(marks: Sequence[Breakpoint], known: Mapping[str, Entry], at: float) -> tuple[tuple[str, Entry], ...]:
    """The entries that a prompt with these marks should find at this moment, each with its key; at most one a mark."""
    return tuple(dict(_found(marks, known, at)).items())


def deepest(marks: Sequence[Breakpoint], known: Mapping[str, Entry], at: float) -> tuple[int, float | None]:
    """As `readable`, and the moment from which on that is not so any more; None where nothing can be read."""
    found = (entry for _, entry in _found(marks, known, at))
    entry = max(found, key=lambda one: (one.tokens, one.expires_at), default=None)
    return (0, None) if entry is None else (entry.tokens, entry.expires_at)


def learned(
    known: Mapping[str, Entry], marks: Sequence[Breakpoint], usage: Usage, at: float, minimum: int
) -> dict[str, Entry]:
    """What is known after the answer to a request that was sent at this moment with these marks.

    The answer's own count is right: what was not read is gone, and sizes between its figures are interpolated. Below the
    model's minimum nothing was written.
    """
    after = dict(known)
    read = usage.cache_read_input_tokens
    found = _found(marks, known, at)
    there = [entry.tokens for _, entry in found if entry.tokens <= read * (1 + _SAME_SIZE)]
    start = max(there, default=0)  # what was read, by the size it was thought to have
    for key, entry in found:
        after.pop(key, None)
        if entry.tokens <= start:
            deepest = entry.tokens == start and start >= read * (1 - _SAME_SIZE)
            sized = replace(entry, tokens=read, exact=True) if deepest else entry
            after[key] = replace(sized, expires_at=at + entry.lifetime)
    for mark, tokens, exact in _written(marks, usage, max(start, read)):
        if tokens >= minimum:
            key, seconds = mark.nearby[0], SECONDS[mark.lifetime]
            before = known.get(key)
            after.pop(key, None)
            if before is not None and before.exact:
                tokens, exact = before.tokens, True
            after[key] = Entry(mark.index, tokens, seconds, at + seconds, exact)
    return dict(islice(after.items(), max(0, len(after) - _REMEMBERED), None))


def _written(marks: Sequence[Breakpoint], usage: Usage, start: int) -> list[tuple[Breakpoint, int, bool]]:
    """The marks beyond what was read, each with the size of the prompt up to it, and whether the endpoint told that."""
    read = usage.cache_read_input_tokens
    fresh = [mark for mark in marks if mark.tokens > start]
    if not fresh or not usage.cache_creation_input_tokens:
        return []
    hour_end = read + usage.cache_creation_1h_input_tokens
    end = hour_end + usage.cache_creation_5m_input_tokens
    known = {start: read, fresh[-1].tokens: end}
    hours = [mark.tokens for mark in fresh if mark.lifetime == "1h"]
    if hours and read < hour_end < end:
        known[hours[-1]] = hour_end
    points = sorted(known.items())
    return [(mark, _between(points, mark.tokens), mark.tokens in known) for mark in fresh]


def _between(known: Sequence[tuple[int, int]], at: int) -> int:
    """What an estimated size really is, between sizes whose truth is known."""
    for (low, true_low), (high, true_high) in pairwise(known):
        if at <= high:
            return true_low + round((true_high - true_low) * (at - low) / max(1, high - low))
    return known[-1][1]


def _found(marks: Sequence[Breakpoint], known: Mapping[str, Entry], at: float) -> list[tuple[str, Entry]]:
    """The nearest live entry of each mark."""
    nearest = []
    for mark in marks:
        for key in mark.nearby:
            entry = known.get(key)
            if entry is not None and at < entry.expires_at:
                nearest.append((key, entry))
                break
    return nearest
