"""Rhythm: when a conversation's questions came, and from that the odds of when the next one comes.

Nothing here looks at a clock or keeps state. The odds are counts: what was seen, newer moments weighing more, added to
a prior that is written down below as so many moments already seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from cmt_lsp.api.cache.blocks import LIFETIME_1H, LIFETIME_5M

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REMEMBERED = 64
"""Questions of a conversation; gaps of what conversations share."""


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely something is used again within five minutes, and after that within an hour; the rest is never."""

    soon: float
    later: float

    @property
    def never(self) -> float:
        """Not within an hour."""
        return max(0.0, 1.0 - self.soon - self.later)


@dataclass(frozen=True, slots=True)
class Prior:
    """Moments taken as seen before the first one: used again soon, later, never."""

    soon: float
    later: float
    never: float


NEXT_QUESTION = Prior(12.0, 1.2, 1.2)
"""In a chat that is under way."""
SECOND_QUESTION = Prior(2.0, 0.3, 0.8)
"""After a chat's first one: some chats are one question long."""
SHARED = Prior(1.5, 0.3, 2.0)
"""Of a system prompt or pinned files, by any conversation."""
KEPT, CHANGED = 0.8, 0.3
"""Of all that stands before the history: the same with the next question, or another one."""
_FADE = 0.97
_FADE_OF_CHANGES = 0.95


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A conversation's last questions: when, and what stood before the history (None: not known, taken as the same)."""

    asked: tuple[tuple[float, str | None], ...] = ()

    @classmethod
    def of_times(cls, times: Iterable[float]) -> Rhythm:
        """Of a conversation that is only known by the moments of its questions, in seconds."""
        return cls(tuple((at, None) for at in times)[-REMEMBERED:])

    @property
    def gaps(self) -> tuple[float, ...]:
        """Seconds from question to question, oldest first."""
        moments = [at for at, _ in self.asked]
        return tuple(later - earlier for earlier, later in pairwise(moments))

    @property
    def outlasts_five_minutes(self) -> bool:
        """Whether five minutes were ever too short: by a pause, or by a detour to another model and back."""
        waits = (self._until_again(place) for place in range(len(self.asked) - 1))
        return any(gap >= LIFETIME_5M for gap in self.gaps) or any(
            wait is not None and wait >= LIFETIME_5M for wait in waits
        )

    def with_question(self, at: float, head: str) -> Rhythm:
        """One question more."""
        return Rhythm((*self.asked, (at, head))[-REMEMBERED:])

    def odds(self) -> Odds:
        """Of the next question under the same head as the last one."""
        waits = [self._until_again(place) for place in range(len(self.asked) - 1)]
        timing = odds_of([wait for wait in waits if wait is not None], NEXT_QUESTION)
        kept, changed, weight = KEPT, CHANGED, 1.0
        for wait in reversed(waits):
            if wait is None:
                changed += weight
            else:
                kept += weight
            weight *= _FADE_OF_CHANGES
        same = kept / (kept + changed)
        return Odds(same * timing.soon, same * timing.later)

    def _until_again(self, place: int) -> float | None:
        at, head = self.asked[place]
        following = self.asked[place + 1 :]
        return next((when - at for when, other in following if head is None or other in (head, None)), None)


def odds_of(gaps: Sequence[float], prior: Prior) -> Odds:
    """The odds by the gaps seen so far, oldest first; infinite where nothing followed."""
    soon, later, never, weight = prior.soon, prior.later, prior.never, 1.0
    for gap in reversed(gaps):
        if gap < LIFETIME_5M:
            soon += weight
        elif gap < LIFETIME_1H:
            later += weight
        else:
            never += weight
        weight *= _FADE
    total = soon + later + never
    return Odds(soon / total, later / total)


@dataclass(frozen=True, slots=True)
class Sharing:
    """How conversations take turns in using one and the same prefix."""

    last: tuple[float, str]
    """When, and the name of the conversation."""
    gaps: tuple[float, ...] = ()

    def used(self, at: float, by: str, *, needed: bool) -> Sharing:
        """One use more; `needed`: the conversation could read nothing that is longer.

        One that comes back after some minutes reads what it marked for itself, so that only the pauses before the use of
        another one, which has nothing yet, tell what an hour is worth here.
        """
        gap = at - self.last[0]
        idle = LIFETIME_5M <= gap < LIFETIME_1H
        bridged = idle and (by == self.last[1] or not needed)
        return Sharing((at, by), (*self.gaps, 0.0 if bridged else gap)[-REMEMBERED:])

    def odds(self) -> Odds:
        """Of the next use by anybody."""
        return odds_of(self.gaps, SHARED)


@dataclass(frozen=True, slots=True)
class Beginnings:
    """How conversations went on after their first question: when that was, and the second one, oldest first."""

    seen: tuple[tuple[str, float, float | None], ...] = ()

    def asked(self, conversation: str, at: float, *, first: bool) -> Beginnings:
        """A question of a conversation, its first one or a later one."""
        known = {name: (name, began, second) for name, began, second in self.seen}
        if first:
            known.setdefault(conversation, (conversation, at, None))
        elif conversation in known and known[conversation][2] is None:
            known[conversation] = (conversation, known[conversation][1], at)
        return Beginnings(tuple(known.values())[-REMEMBERED:])

    def odds(self, now: float) -> Odds:
        """Of a second question; a chat that has been silent for five minutes counts as one question long so far."""
        gaps = [
            inf if second is None else second - first
            for _, first, second in self.seen
            if second is not None or now - first >= LIFETIME_5M
        ]
        return odds_of(gaps, SECOND_QUESTION)
