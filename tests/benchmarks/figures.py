"""One figure: samples of ours and of a baseline, taken in turns, and what their pairs say."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured; `seconds` bounds the rounds of one benchmark, whose figures state how many there were."""

    share: float
    """Of the rounds that a benchmark wants."""
    deltas: int
    streams: int
    turns: int
    requests: int
    ledger_rows: int
    seconds: float


FULL = Scale(
    share=1.0, deltas=20_000, streams=64, turns=1000, requests=100, ledger_rows=1_000_000, seconds=35.0
)
SMALLEST = Scale(share=0.0, deltas=200, streams=4, turns=3, requests=10, ledger_rows=2_000, seconds=20.0)


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its range."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figure:
    """Ours beside a baseline, sample by sample; `limit` is what the pairs' median may not be above, or below."""

    what: str
    unit: str
    ours: Sequence[float]
    beside: str
    theirs: Sequence[float]
    measure: Literal["ratio", "difference"]
    limit: float | None = None
    bound: Literal["at most", "at least"] = "at most"

    @property
    def n(self) -> int:
        """Pairs."""
        return len(self.ours)

    @property
    def pairs(self) -> Spread:
        """Ratio or difference of each pair, which a machine that slows down half-way does not bend."""
        both = zip(self.ours, self.theirs, strict=True)
        if self.measure == "ratio":
            return spread([ours / theirs for ours, theirs in both])
        return spread([ours - theirs for ours, theirs in both])

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.limit is None:
            return None
        median = self.pairs.median
        return median <= self.limit if self.bound == "at most" else median >= self.limit


def spread(values: Sequence[float]) -> Spread:
    """Median, lowest and highest of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def rounds(scale: Scale, wanted: int) -> Iterator[int]:
    """Numbers of rounds, until there are enough or the time is over; at least one."""
    ends_at = time.monotonic() + scale.seconds
    for number in range(max(1, round(wanted * scale.share))):
        if number and time.monotonic() > ends_at:
            return
        yield number
