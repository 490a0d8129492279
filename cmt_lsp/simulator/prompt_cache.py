"""The prompt cache: which prefix was already paid for, on a clock that tests can turn.

Deciding is pure (`plan`), the table changes in `refresh` and `commit` only. An entry can be read once the
response that wrote it has started, so twins sent together both pay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cmt_lsp.simulator.prompt import Prompt

LIFETIMES = {"5m": 300.0, "1h": 3600.0}
LOOKBACK_POSITIONS = 20
"""Positions looked at per breakpoint, the breakpoint itself being the first."""


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How one prompt splits: the four parts are tokens and add up to the whole prompt."""

    read: int = 0
    write_5m: int = 0
    write_1h: int = 0
    plain: int = 0
    touched: tuple[str, ...] = ()
    writes: tuple[tuple[str, str], ...] = ()

    @property
    def written(self) -> int:
        """All tokens written to the cache."""
        return self.write_5m + self.write_1h


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached prefix: its lifetime in seconds and the time it ends."""

    lifetime: float
    expires_at: float


class PromptCache:
    """Prefixes by digest; the digest starts with the model, so no model reads another's entries."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds; only differences matter."""
        self._clock = clock
        self._entries: dict[str, Entry] = {}

    def plan(self, prompt: Prompt) -> CacheUse:
        """What this prompt reads and would write now; changes nothing."""
        blocks, now = prompt.blocks, self._clock()
        marks = [
            i for i, b in enumerate(blocks) if b.mark is not None and b.total >= prompt.model.cache_minimum
        ]
        found = [j for i in marks if (j := self._look_back(prompt, i, now)) is not None]
        hit = max(found, default=-1)
        fresh = [i for i in marks if i > hit]
        read = blocks[hit].total if hit >= 0 else 0
        hour_end = max((blocks[i].total for i in fresh if blocks[i].mark == "1h"), default=read)
        last_end = max((blocks[i].total for i in fresh), default=read)
        return CacheUse(
            read=read,
            write_1h=hour_end - read,
            write_5m=last_end - hour_end,
            plain=prompt.tokens - last_end,
            touched=tuple(blocks[j].prefix for j in found),
            writes=tuple((blocks[i].prefix, blocks[i].mark or "5m") for i in fresh),
        )

    def _look_back(self, prompt: Prompt, mark: int, now: float) -> int | None:
        """The nearest live entry at or before a breakpoint, within the window."""
        for j in range(mark, max(-1, mark - LOOKBACK_POSITIONS), -1):
            entry = self._entries.get(prompt.blocks[j].prefix)
            if entry is not None and now < entry.expires_at:
                return j
        return None

    def refresh(self, use: CacheUse) -> None:
        """Start the lifetime of everything that was read anew."""
        now = self._clock()
        for prefix in use.touched:
            lifetime = self._entries[prefix].lifetime
            self._entries[prefix] = Entry(lifetime, now + lifetime)

    def commit(self, use: CacheUse) -> None:
        """Make what was written readable: the response has started."""
        now = self._clock()
        self._entries = {prefix: entry for prefix, entry in self._entries.items() if now < entry.expires_at}
        for prefix, ttl in use.writes:
            self._entries[prefix] = Entry(LIFETIMES[ttl], now + LIFETIMES[ttl])

    def clear(self) -> None:
        """Forget everything, as the service may at any time."""
        self._entries.clear()


class KvReuse:
    """What local servers do instead: the longest prefix of blocks already in memory costs nothing."""

    def __init__(self) -> None:
        """Start empty."""
        self._seen: set[str] = set()

    def use(self, prompt: Prompt) -> CacheUse:
        """Split the prompt and remember it."""
        read = max((b.total for b in prompt.blocks[:-1] if b.prefix in self._seen), default=0)
        self._seen.update(b.prefix for b in prompt.blocks)
        return CacheUse(read=read, plain=prompt.tokens - read)
