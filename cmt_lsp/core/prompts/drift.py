"""Drift: where a stretch of text went while a person typed on; plain functions over offsets in characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Change:
    """`start` to `end` was replaced by `length` characters."""

    start: int
    end: int
    length: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some text by its offsets; `end` is exclusive."""

    start: int
    end: int


def follow(stretch: Stretch, changes: Iterable[Change]) -> Stretch | None:
    """Where the same text stands after the changes; None as soon as one of them reached into it.

    What was typed right before it or right after it is no part of it. An empty stretch is a place between two
    characters, and whatever is typed there takes that place away.
    """
    start, end = stretch.start, stretch.end
    for change in changes:
        if start == end and change.start <= start <= change.end:
            return None
        if change.end <= start:
            moved = change.length - (change.end - change.start)
            start, end = start + moved, end + moved
        elif change.start < end:
            return None
    return Stretch(start, end)


def difference(before: str, after: str) -> Change:
    """The one change that makes `after` of `before`, as small as it can be at the front, then at the back."""
    shorter = min(len(before), len(after))
    start = _common(before, after, shorter)
    left = shorter - start
    tail = _common(before[::-1], after[::-1], left) if left else 0
    return Change(start, len(before) - tail, len(after) - tail - start)


def _common(one: str, other: str, most: int) -> int:
    """How many characters at the front are the same, by halving: comparing slices is fast."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
