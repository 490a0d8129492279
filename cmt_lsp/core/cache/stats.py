"""CacheStats: what the prompt cache did for some turns; counted from their verdicts, decided without any IO."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmt_lsp.core.cache.evidence import FIRST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmt_lsp.core.cache.evidence import CachedTurn


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of misses: how often, and what it cost; `lost_nano` leaves out `unpriced` turns."""

    name: str
    turns: int
    lost_nano: int
    unpriced: int


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Turns by state and what misses cost."""

    states: Mapping[str, int]
    causes: tuple[Cause, ...]
    """What cost most comes first."""
    last_miss: CachedTurn | None
    """The last turn that lost something; a session's first request has nothing to lose."""

    @property
    def turns(self) -> int:
        """All of them."""
        return sum(self.states.values())

    @property
    def lost_nano(self) -> int:
        """What all misses together cost more than hits would have."""
        return sum(cause.lost_nano for cause in self.causes)


def stats_of(turns: Sequence[CachedTurn]) -> CacheStats:
    """Count the verdicts of turns, which may be of several sessions."""
    missed = [turn for turn in turns if turn.cache.state in ("miss", "partial")]
    causes: dict[str, list[CachedTurn]] = {}
    for turn in missed:
        causes.setdefault(turn.cause or "unknown", []).append(turn)
    counted = [_cause(name, some) for name, some in causes.items()]
    avoidable = [turn for turn in missed if turn.cause != FIRST]
    return CacheStats(
        states=Counter(turn.cache.state for turn in turns),
        causes=tuple(sorted(counted, key=lambda cause: (-cause.lost_nano, cause.name))),
        last_miss=max(avoidable, key=lambda turn: turn.started_at, default=None),
    )


def _cause(name: str, turns: Sequence[CachedTurn]) -> Cause:
    lost = [turn.cache.lost_nano for turn in turns]
    known = [nano for nano in lost if nano is not None]
    return Cause(name, len(turns), sum(known), len(lost) - len(known))
