"""What no placement can undercut: knowing the future, or knowing all of it but when people pause and what they edit.

Each block is taken alone, as if no wish of another block were in its way. At each use it is plain, written or read, and
it is read only where it was written or read less than five minutes ago, or less than an hour ago if a mark for an hour
can have covered it. One can, where the block itself was written for an hour, or where it was only read and the mark stood
on a later block that both prompts share; that mark is free here.

The cheapest way through a block's uses is found from the last one backwards. Whoever knows the future knows each pause;
`known=False` knows how pauses and edits are drawn, the very figures that the workload is made by, and the number, order,
sizes and models of all questions, but what it decides before a pause it decides without having seen how long it is. Its
cost is that of its decisions on the same pauses; nobody who cannot see them ahead is below that on average.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from .endpoint import SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .replay import Sent

_NEVER = 10**18


class _Use(NamedTuple):
    """Blocks in one prompt."""

    turn: int
    alone: bool
    """No earlier prompt shares more than up to here, so that only an entry at this very block can be read."""
    edited: bool
    """Whether it stands behind the pinned block that is edited."""


class _Prices(NamedTuple):
    """Of a token at a use, in nano-dollars; writes are out of reach below the model's minimum."""

    plain: int
    write_5m: int
    write_1h: int
    read: int


class _Step(NamedTuple):
    """What is known before a use: the odds that it comes at all, within five minutes, and after that within an hour."""

    again: float
    soon: float
    later: float


class _Ahead(NamedTuple):
    """Least cost from a use on, by how the block was left before it: cold, just written, read since, or for an hour."""

    cold: float
    written: float
    since_read: float
    hour: float


_END = _Ahead(0.0, 0.0, 0.0, 0.0)


def bound(sent: Sequence[Sent], *, known: bool = True) -> int:
    """Nano-dollars that no placement can undercut; without knowing pauses and edits, none on average."""
    turns = _Turns(sent)
    return round(sum(tokens * _cost(uses, turns, known=known) for uses, tokens in _alike(sent).items()))


def _alike(sent: Sequence[Sent]) -> dict[tuple[_Use, ...], int]:
    """Tokens of the blocks that are used together, by their uses."""
    uses: dict[bytes, list[_Use]] = {}
    sizes: dict[bytes, int] = {}
    for turn, one in enumerate(sent):
        spots = one.prompt.spots
        deepest = max((index for index, spot in enumerate(spots) if spot.key in uses), default=-1)
        for index, spot in enumerate(spots):
            sizes[spot.key] = spot.total - (spots[index - 1].total if index else 0)
            use = _Use(turn, alone=index == deepest, edited=index >= one.prompt.pinned_end)
            uses.setdefault(spot.key, []).append(use)
    together: dict[tuple[_Use, ...], int] = defaultdict(int)
    for key, times in uses.items():
        together[tuple(times)] += sizes[key]
    return together


class _Turns:
    """Which turn of its session follows on each, and what is known of the pause between them."""

    def __init__(self, sent: Sequence[Sent]) -> None:
        self._sent = sent
        sessions: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(sent):
            sessions[one.turn.session].append(number)
        self._prices = [_prices(one) for one in sent]
        self._steps: dict[tuple[int, int, bool], _Step] = {}
        self._next = {before: after for turns in sessions.values() for before, after in pairwise(turns)}

    def prices(self, use: _Use) -> _Prices:
        """What a token costs there."""
        return self._prices[use.turn]

    def session(self, use: _Use) -> str:
        """Whose use it is."""
        return self._sent[use.turn].turn.session

    def seen(self, before: _Use, after: _Use) -> _Step:
        """The pause as it was."""
        idle = self._sent[after.turn].turn.at - self._sent[before.turn].turn.at
        return _Step(1.0, float(idle < SECONDS["5m"]), float(SECONDS["5m"] <= idle < SECONDS["1h"]))

    def foreseen(self, before: _Use, after: _Use) -> _Step:
        """The odds of the pause; as it was where others are between the two uses, or where it was not drawn."""
        name = before.turn, after.turn, before.edited
        if name not in self._steps:
            self._steps[name] = self._odds(before, after)
        return self._steps[name]

    def _odds(self, before: _Use, after: _Use) -> _Step:
        turn = self._sent[before.turn].turn
        if self._next.get(before.turn) != after.turn or turn.pauses is None:
            return self.seen(before, after)
        soon, in_time = (turn.pauses.within(SECONDS[life] - turn.takes) for life in ("5m", "1h"))
        return _Step(1.0 - turn.edited if before.edited else 1.0, soon, in_time - soon)

    def unsent(self, last: _Use) -> list[_Use]:
        """The uses there would have been without the edit that made this one the last."""
        found, number = [], last.turn
        while last.edited and self._sent[number].turn.edited and (following := self._next.get(number)):
            found.append(_Use(following, alone=False, edited=True))
            number = following
        return found


def _prices(one: Sent) -> _Prices:
    rates, short = one.rates, one.prompt.tokens < one.prompt.minimum
    return _Prices(
        rates.input, _NEVER if short else rates.write_5m, _NEVER if short else rates.write_1h, rates.read
    )


def _cost(uses: Sequence[_Use], turns: _Turns, *, known: bool) -> float:
    """What the best decisions for a token of such blocks come to."""
    real = [turns.seen(before, after) for before, after in pairwise(uses)]
    if known or _interleaved(uses, turns):
        return _decided(uses, real, _plan(uses, real, turns), turns)
    every = [*uses, *turns.unsent(uses[-1])]
    odds = [turns.foreseen(before, after) for before, after in pairwise(every)]
    return _decided(uses, real, _plan(every, odds, turns), turns)


def _interleaved(uses: Sequence[_Use], turns: _Turns) -> bool:
    """Whether sessions take turns, so that the order of the uses tells of the pauses."""
    names = [turns.session(use) for use in uses]
    return sum(before != after for before, after in pairwise(names)) >= len(set(names))


def _plan(uses: Sequence[_Use], steps: Sequence[_Step], turns: _Turns) -> list[_Ahead]:
    """Least expected cost after each use, by how it leaves the block."""
    ahead = [_END]
    for use, step in zip(reversed(uses[1:]), reversed(steps), strict=True):
        ahead.append(_before(use, turns.prices(use), step, ahead[-1]))
    return ahead[::-1]


def _before(use: _Use, cost: _Prices, step: _Step, after: _Ahead) -> _Ahead:
    fresh = min(cost.plain + after.cold, cost.write_5m + after.written, cost.write_1h + after.hour)
    again = min(fresh, cost.read + after.since_read)
    kept = min(fresh, cost.read + after.hour)
    soon, in_time = step.soon, step.soon + step.later
    covered = soon if use.alone else in_time
    return _Ahead(
        step.again * fresh,
        step.again * (soon * again + (1 - soon) * fresh),
        step.again * (covered * again + (1 - covered) * fresh),
        step.again * (in_time * kept + (1 - in_time) * fresh),
    )


def _decided(uses: Sequence[_Use], real: Sequence[_Step], ahead: Sequence[_Ahead], turns: _Turns) -> float:
    """The cost of deciding by what is ahead, along the pauses as they were."""
    cost, left = 0.0, "cold"
    for use, step, after in zip(uses, (_Step(1.0, 0.0, 0.0), *real), ahead, strict=False):
        soon, in_time = bool(step.soon), bool(step.soon or step.later)
        price = turns.prices(use)
        ways = [
            (price.plain + after.cold, price.plain, "cold"),
            (price.write_5m + after.written, price.write_5m, "written"),
            (price.write_1h + after.hour, price.write_1h, "hour"),
        ]
        if (left == "written" and soon) or (left == "read" and (soon if use.alone else in_time)):
            ways.append((price.read + after.since_read, price.read, "read"))
        if left == "hour" and in_time:
            ways.append((price.read + after.hour, price.read, "hour"))
        _, paid, left = min(ways)
        cost += paid
    return cost
