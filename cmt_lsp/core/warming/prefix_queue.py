"""PrefixQueue: of several requests that would write the same prefix at the same time, one does and the others read it.

The endpoint lets an entry be read once the answer that wrote it has begun; twins sent together all pay for writing. A
request waits only where reading instead of writing saves enough, and only as long as the money is worth. Whoever waits
has announced nothing, so that no two can wait for each other.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.models import display_usd, price_in_force

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cmt_lsp.api.cache_manager import PlannedPrompt
    from cmt_lsp.core.conversation import PlannedTurn

LEAST_NANO = 5_000_000
"""Half a cent: less than that is not worth half a second of a person's time."""
NANO_A_SECOND = 10_000_000
"""A cent: the most that a second of a person's time is given for."""
LONGEST_SECONDS = 2.0
"""About as long as a long prompt takes until its answer begins."""


@dataclass(slots=True, eq=False)
class Writing:
    """Prefixes that a request under way writes, by name with their sizes; `over` once they can be read or never will."""

    model: str
    prefixes: Mapping[str, int]
    sure: bool
    """Whether some are so long that they must be cached, although sizes are estimates."""
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What waiting for a request would save: tokens read instead of written, and their money."""

    writing: Writing
    tokens: int
    nano_usd: int

    @property
    def seconds(self) -> float:
        """How long that is worth waiting."""
        return min(LONGEST_SECONDS, self.nano_usd / NANO_A_SECOND)


@dataclass(frozen=True, slots=True)
class Waited:
    """How long a request waited, and what it reads instead of writing it; zeros where it did not wait."""

    seconds: float = 0.0
    tokens: int = 0
    nano_usd: int = 0

    @property
    def notice(self) -> str:
        """In one sentence."""
        began = f"Waited {self.seconds:.1f} s for another request that was writing the same text to the cache"
        if not self.tokens:
            return f"{began}; it was not there in time."
        return f"{began}: reading {self.tokens:,} tokens of it saves {display_usd(self.nano_usd)}."


class PrefixQueue:
    """The requests of this process that write prefixes at this moment."""

    def __init__(self) -> None:
        self._writings: list[Writing] = []
        self._uncached: set[str] = set()

    async def planned(
        self, plan: Callable[[], PlannedTurn], tell: Callable[[float], None] = lambda _: None
    ) -> tuple[PlannedTurn, Waited]:
        """Plan, and plan again after each wait, until there is nothing to wait for or the time for it is over.

        After the last plan nothing is awaited: whoever announces its writing at once is alone with it. `tell` hears how
        many seconds were waited, at the beginning (0) and the end of it.
        """
        loop = asyncio.get_running_loop()
        first = now = plan()
        prospect = self._prospect(now)
        if prospect is None:
            return now, Waited()
        began, limit = loop.time(), prospect.seconds
        tell(0.0)
        while prospect is not None and (left := began + limit - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await prospect.writing.over.wait()
            now = plan()
            prospect = self._prospect(now)
        seconds = loop.time() - began
        tell(seconds)
        gained = max(0, now.prompt.expected_read - first.prompt.expected_read)
        return now, Waited(seconds, gained, saved_nano(first.prompt, first.request.model, gained))

    def announce(self, plan: PlannedTurn) -> Writing:
        """A request leaves now; `done` must follow, whatever becomes of it."""
        prefixes = written_by(plan.prompt)
        sure = max(prefixes.values(), default=0) > 2 * plan.prompt.minimum
        writing = Writing(plan.request.model, prefixes, sure)
        self._writings.append(writing)
        return writing

    def done(self, writing: Writing, *, cached: bool | None = None) -> None:
        """What it writes can be read, or will not be written; further calls change nothing.

        `cached`: whether the endpoint told of any caching; None where it told nothing. Nobody waits for the next
        request of a model where it told of none.
        """
        if writing.over.is_set():
            return
        writing.over.set()
        self._writings.remove(writing)
        if cached:
            self._uncached.discard(writing.model)
        elif cached is False and writing.sure:
            self._uncached.add(writing.model)

    def _prospect(self, plan: PlannedTurn) -> Prospect | None:
        model = plan.request.model
        return None if model in self._uncached else best_prospect(plan.prompt, model, self._writings)


def written_by(prompt: PlannedPrompt) -> dict[str, int]:
    """The prefixes that a request will write, with their sizes in tokens."""
    marks = (mark for mark in prompt.breakpoints if mark.tokens > prompt.expected_read)
    return {mark.nearby[0]: mark.tokens for mark in marks if mark.tokens >= prompt.minimum}


def best_prospect(prompt: PlannedPrompt, model: str, writings: Iterable[Writing]) -> Prospect | None:
    """The request under way that is worth waiting for most; None where none is worth it."""
    sought = {key for mark in prompt.breakpoints for key in mark.nearby}
    best: Prospect | None = None
    for writing in writings:
        longest = max((size for key, size in writing.prefixes.items() if key in sought), default=0)
        tokens = longest - prompt.expected_read
        if tokens > (best.tokens if best else 0):
            best = Prospect(writing, tokens, saved_nano(prompt, model, tokens))
    return best if best is not None and best.nano_usd >= LEAST_NANO else None


def saved_nano(prompt: PlannedPrompt, model: str, tokens: int) -> int:
    """What reading so many tokens costs less than writing them; 0 without a price."""
    size = prompt.breakpoints[-1].tokens if prompt.breakpoints else 0
    row = price_in_force(model, datetime.fromtimestamp(prompt.planned_at, UTC), size)
    return 0 if row is None else max(0, tokens * (row.write_5m - row.read))
