"""What the best placement of marks could have cost, known afterwards.

`search` goes through the turns in order of time. Its states are the entries alive, its moves are marks, and it knows when
each prefix is sent again. Marks are tried where they can matter: at the ends of what some later prompt shares, and on the
first block that is not read, where a mark for an hour is cheapest. With every state kept that is exact but for marks in
between; a width keeps the most promising ones, each judged by its cost and by what the next prompt of every session will
read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from .endpoint import MAX_MARKS, POSITIONS, SECONDS, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .endpoint import Entries, Lifetime, Marks
    from .prompt import Prompt
    from .replay import Sent

_NEVER = 10**18


class Future:
    """When each prefix is sent, and how long an entry lives that every one of these uses finds."""

    def __init__(self, sent: Sequence[Sent]) -> None:
        self._uses: dict[bytes, list[float]] = defaultdict(list)
        for one in sent:
            for spot in one.prompt.spots:
                self._uses[spot.key].append(one.turn.at)

    def next_use(self, key: bytes, now: float) -> float:
        """The first moment after this one."""
        times = self._uses[key]
        at = bisect_right(times, now)
        return times[at] if at < len(times) else _NEVER

    def uses_after(self, key: bytes, now: float) -> int:
        """How often it is still sent."""
        return len(self._uses[key]) - bisect_right(self._uses[key], now)

    def lives_until(self, key: bytes, lifetime: float, expires_at: float, now: float) -> float:
        """The last use that an entry can serve which is found by all uses before."""
        times = self._uses[key]
        at, last = bisect_right(times, now), now
        while at < len(times) and times[at] < expires_at:
            last = times[at]
            expires_at, at = last + lifetime, at + 1
        return last


@dataclass(frozen=True, slots=True)
class _State:
    cost: int
    entries: Entries
    path: Any


def search(sent: Sequence[Sent], width: int | None = None) -> tuple[int, list[Marks]]:
    """The cheapest placement found, in nano-dollars, and its marks turn by turn; without a width every state is kept."""
    future, ahead = Future(sent), _ahead(sent)
    states = [_State(0, {}, None)]
    for one, following in zip(sent, ahead, strict=True):
        best: dict[frozenset[object], _State] = {}
        for state in states:
            for after in _moved(state, one, future):
                name = frozenset(after.entries.items())
                if name not in best or best[name].cost > after.cost:
                    best[name] = after
        ranked = [
            (state.cost - _promise(state.entries, following, future, one.turn.at), number, state)
            for number, state in enumerate(best.values())
        ]
        states = [state for *_, state in sorted(ranked)[:width]]
    cheapest = min(states, key=lambda state: state.cost)
    return cheapest.cost, _path(cheapest)


def _moved(state: _State, one: Sent, future: Future) -> Iterator[_State]:
    """Every state after a prompt, without the entries that nobody will read."""
    at = one.turn.at
    for marks in _moves(one.prompt, state.entries, at, future):
        split, after = serve(one.prompt, marks, state.entries, at)
        useful = {key: entry for key, entry in after.items() if future.next_use(key, at) < entry[1]}
        yield _State(state.cost + split.cost(one.rates), useful, (marks, state.path))


def _moves(prompt: Prompt, entries: Entries, now: float, future: Future) -> Iterator[Marks]:
    spots = prompt.spots
    live = [i for i, spot in enumerate(spots) if spot.key in entries and now < entries[spot.key][1]]
    hit = max(live, default=-1)
    keeps = [i for i in live[:-1] if future.next_use(spots[i].key, now) < _NEVER]
    yield ()
    for fresh in _fresh_marks(prompt, hit, now, future):
        room = MAX_MARKS - len(fresh)
        near = bool(fresh) and fresh[0][0] - hit < POSITIONS
        if hit >= 0 and not room and not near:
            continue
        lead: Lifetime = "1h" if any(life == "1h" for _, life in fresh) else "5m"
        kept = sorted({hit, *keeps[: room - 1]}) if hit >= 0 and room else []
        yield (*((index, lead) for index in kept), *fresh)


def _fresh_marks(prompt: Prompt, hit: int, now: float, future: Future) -> Iterator[Marks]:
    """Every sound choice of marks beyond what is read."""
    options = [_lifetimes(prompt, place, now, future) for place in _places(prompt, hit, now, future)]
    for combination in product(*options):
        marks = tuple(mark for mark in combination if mark is not None)
        sound = all(early >= late for (_, early), (_, late) in pairwise(_by_length(marks)))
        if len(marks) <= MAX_MARKS and sound:
            yield marks


def _by_length(marks: Marks) -> list[tuple[int, float]]:
    return [(index, SECONDS[life]) for index, life in marks]


def _lifetimes(prompt: Prompt, place: int, now: float, future: Future) -> list[tuple[int, Lifetime] | None]:
    """None, and what reaches the next use of the block."""
    wait = future.next_use(prompt.spots[place].key, now) - now
    fitting: list[Lifetime] = [life for life in ("5m", "1h") if wait < SECONDS[life]]
    return [None, *((place, life) for life in fitting)]


def _places(prompt: Prompt, hit: int, now: float, future: Future) -> list[int]:
    """Where the later prompts that share the prefix become fewer, and the first block that is not read."""
    spots = prompt.spots
    shares = [future.uses_after(spot.key, now) for spot in spots] + [0]
    found: set[int] = set()
    last = first = None
    for index in range(hit + 1, len(spots)):
        if spots[index].markable and spots[index].total >= prompt.minimum:
            last = index
            first = index if first is None else first
        if shares[index] > shares[index + 1] and last is not None:
            found.add(last)
    return sorted(found | ({first} if first is not None and shares[first] else set()))


def _ahead(sent: Sequence[Sent]) -> list[list[Sent]]:
    """After each turn, the next one of every session and model."""
    following: dict[tuple[str, str], Sent] = {}
    ahead: list[list[Sent]] = []
    for one in reversed(sent):
        ahead.append(list(following.values()))
        following[one.turn.session, one.turn.model] = one
    return ahead[::-1]


def _promise(entries: Entries, following: Sequence[Sent], future: Future, now: float) -> int:
    """What the next prompts save by the entries there are, if every use keeps them alive."""
    until = {key: future.lives_until(key, *entry, now) for key, entry in entries.items()}
    saved = 0
    for one in following:
        for spot in reversed(one.prompt.spots):
            if one.turn.at <= until.get(spot.key, -1.0):
                saved += spot.total * (one.rates.write_5m - one.rates.read)
                break
    return saved


def _path(state: _State) -> list[Marks]:
    marks: list[Marks] = []
    path = state.path
    while path is not None:
        marks.append(path[0])
        path = path[1]
    return marks[::-1]
