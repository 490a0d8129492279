"""The study: every policy on every class of workload and seed, beside what the future would have allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .bounds import bound
from .offline import search
from .policies import POLICIES
from .replay import replay, sent_of
from .workload import CLASSES, STEADY, workload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .replay import Outcome

WIDTH = 24
"""States that the offline search keeps; four keep it within half a percent of what sixty-four find."""
BEST, ODDS, FLOOR = "best placement", "odds known", "lower bound"


@dataclass(frozen=True, slots=True)
class Row:
    """One class under all policies, over all seeds; money in nano-dollars."""

    name: str
    nano: Mapping[str, int]
    """By policy, with the best placement found and the bounds that no placement can undercut."""
    worst: float
    """Ours to automatic caching, on the seed where it is dearest."""
    refused: int
    foreseen: int
    turns: int

    def ratio(self, ours: str, theirs: str) -> float:
        """One policy's cost to another's."""
        return self.nano[ours] / self.nano[theirs]


@dataclass(frozen=True, slots=True)
class Sample:
    """One workload under all policies."""

    outcomes: Mapping[str, Outcome]
    best: int
    """Found by a search that knows the future."""
    odds: int
    """What nobody can undercut on average who is told how pauses and edits are drawn, but not when they come."""
    floor: int
    """What nobody can undercut at all."""

    @property
    def nano(self) -> dict[str, int]:
        """Cost by name."""
        costs = {name: outcome.nano_usd for name, outcome in self.outcomes.items()}
        return {**costs, BEST: self.best, ODDS: self.odds, FLOOR: self.floor}


def sample(name: str, seed: int, width: int = WIDTH) -> Sample:
    """Replay one workload under every policy, and look back on it."""
    sent = sent_of(workload(name, seed))
    outcomes = {policy: replay(sent, make()) for policy, make in POLICIES.items()}
    return Sample(outcomes, search(sent, width)[0], bound(sent, known=False), bound(sent))


def row_of(name: str, samples: Sequence[Sample]) -> Row:
    """The sums of a class."""
    names = samples[0].nano
    ours = [one.outcomes["ours"] for one in samples]
    return Row(
        name,
        {policy: sum(one.nano[policy] for one in samples) for policy in names},
        max(one.nano["ours"] / one.nano["automatic"] for one in samples),
        sum(outcome.refused for outcome in ours),
        sum(outcome.foreseen for outcome in ours),
        sum(outcome.turns for outcome in ours),
    )


def total_of(rows: Sequence[Row]) -> Row:
    """The sum over classes."""
    return Row(
        "all together",
        {policy: sum(row.nano[policy] for row in rows) for policy in rows[0].nano},
        max(row.worst for row in rows),
        sum(row.refused for row in rows),
        sum(row.foreseen for row in rows),
        sum(row.turns for row in rows),
    )


def study(seeds: Sequence[int]) -> tuple[list[Row], Row, Row]:
    """A row for each class, their total, and beside it the chats without any pause that a longer lifetime could bridge."""
    rows = [row_of(name, [sample(name, seed) for seed in seeds]) for name in CLASSES]
    steady = row_of(STEADY, [sample(STEADY, seed) for seed in seeds])
    return rows, total_of(rows), steady
