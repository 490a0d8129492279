"""The prompt cache of a window: plans marks, judges answers and keeps count.

Deciding is done in `cache_plan` and `cache_verdict`; here are the clock and the counters.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.cache.blocks import LIFETIME_5M, as_blocks, last_markable, marked
from cmt_lsp.api.cache.choice import MAX_BREAKPOINTS
from cmt_lsp.api.cache.entries import Breakpoint, deepest, held
from cmt_lsp.api.cache.memory import Memory, answered, begun, looked_at, recalled
from cmt_lsp.api.cache.plan import PlannedPrompt, expected_read, plan_prompt
from cmt_lsp.api.cache.rhythm import Rhythm
from cmt_lsp.api.cache.sent import SentPrompt, sent_from_json, sent_prompt, sent_to_json
from cmt_lsp.api.cache.verdict import CacheVerdict, judge
from cmt_lsp.api.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cmt_lsp.api.cache.blocks import Block
    from cmt_lsp.api.cache.choice import Wish
    from cmt_lsp.api.models import Model

__all__ = [
    "Breakpoint",
    "CacheManager",
    "CacheVerdict",
    "PlannedPrompt",
    "Rhythm",
    "SentPrompt",
    "sent_from_json",
    "sent_prompt",
    "sent_to_json",
]


class CacheManager:
    """Plans marks, judges answers and keeps count; `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time, *, hours: bool = False) -> None:
        """Nothing is warm at first; `hours`: the endpoint is known to tell an hour's cache writes from others."""
        self._clock = clock
        self._memory = Memory(hours=hours)
        self._begun: dict[int, tuple[PlannedPrompt, Usage]] = {}
        """The requests whose answers have begun, by the identity of their plans, with what was told."""
        self._warm: dict[str, tuple[str, float]] = {}
        self._total = Usage()
        self._requests = 0
        self._hits = 0

    def build_cached_system_prompt(self, system_content: str, cache_key: str | None = None) -> list[Block]:
        """The system prompt as one marked block, or none for blank text; `cache_key` makes `is_warm` follow it."""
        self._forget_expired()
        if not system_content.strip():
            return []
        if cache_key is not None:
            self._warm[cache_key] = (system_content, self._clock() + LIFETIME_5M)
        return [marked({"type": "text", "text": system_content})]

    def build_cached_messages(
        self, messages: Sequence[Mapping[str, Any]], cache_recent: int = 1
    ) -> list[dict[str, Any]]:
        """A copy with a mark at the end of each of the last `cache_recent` messages, at most three.

        The fourth mark is left for the system prompt. A message that ends in nothing markable gets its mark earlier
        or none.
        """
        copies = [as_blocks(message) for message in messages]
        count = min(cache_recent, MAX_BREAKPOINTS - 1)
        for message in copies[-count:] if count > 0 else []:
            place = last_markable(message["content"])
            if place is not None:
                message["content"][place] = marked(message["content"][place])
        return copies

    def is_warm(self, cache_key: str, system_content: str) -> bool:
        """Whether this very text went out under this key in the last five minutes."""
        self._forget_expired()
        entry = self._warm.get(cache_key)
        return entry is not None and entry[0] == system_content

    def plan(
        self,
        system: str | None,
        history: Sequence[Mapping[str, Any]],
        new_content: Sequence[Mapping[str, Any]],
        model: Model | None,
        enabled: bool,
        *,
        pinned: Sequence[Mapping[str, Any]] = (),
        wish: Wish = "auto",
        rhythm: Rhythm | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        settings: str = "",
        warming: bool = False,
    ) -> PlannedPrompt:
        """`plan_prompt` at this moment, with all that this process remembers."""
        plan = plan_prompt(
            system,
            history,
            new_content,
            model,
            enabled=enabled,
            planned_at=self._clock(),
            pinned=pinned,
            wish=wish,
            memory=self._memory,
            rhythm=rhythm,
            tools=tools,
            settings=settings,
            warming=warming,
        )
        self._memory = looked_at(self._memory, plan, rhythm)
        return plan

    def verdict(
        self,
        model: Model | None,
        usage: Usage,
        plan: PlannedPrompt,
        previous: SentPrompt | None = None,
        told: Mapping[str, object] | None = None,
    ) -> CacheVerdict:
        """`judge`, and the answer counted in the statistics."""
        self.record(usage)
        return judge(model, usage, plan, previous, told)

    def remember(self, plan: PlannedPrompt, usage: Usage, *, lifetimes_told: bool | None = None) -> None:
        """Note what a request left in the cache, by the endpoint's own word: it is there once the answer begins.

        `lifetimes_told`: whether the answer's usage told writes for five minutes from those for an hour; None where nobody
        looked. Only an endpoint that does is asked for an hour.
        """
        _, told = self._begun.pop(id(plan), (plan, None))
        learned_before = told is not None and _prompt_side(told) == _prompt_side(usage)
        self._memory = answered(self._memory, plan, usage, learned_before=learned_before)
        if lifetimes_told is not None:
            self._memory = replace(self._memory, hours=lifetimes_told)

    def sent(
        self, plan: PlannedPrompt, usage: Usage, verdict: CacheVerdict, message_id: str | None
    ) -> SentPrompt | None:
        """What to keep of a request after `remember`; None where the endpoint told nothing of it."""
        if not usage.total_input_tokens:
            return None
        entries = held(plan.breakpoints, self._memory.entries, plan.planned_at)
        return sent_prompt(plan, usage, verdict, message_id, entries)

    def recall(self, sent: SentPrompt) -> None:
        """Take over what an earlier process, or another window, left in the cache."""
        self._memory = recalled(self._memory, sent.entries)

    def begin(self, plan: PlannedPrompt, usage: Usage) -> None:
        """Note what a request has left in the cache so far, when its answer begins; `remember` follows at its end."""
        self._memory = begun(self._memory, plan, usage)
        self._begun[id(plan)] = (plan, usage)

    def warmth(self, plan: PlannedPrompt) -> tuple[int, float | None]:
        """How many tokens of a prompt the cache should hold, and until when (None where it holds none)."""
        return deepest(plan.breakpoints, self._memory.entries, plan.planned_at)

    def expected(self, plan: PlannedPrompt) -> tuple[int, int]:
        """How many tokens of a prompt the cache should hold, and how many it would if nothing had expired."""
        entries = self._memory.entries
        held = expected_read(plan, entries)
        return held, max(held, expected_read(plan, entries, expired=True))

    def read_up_to(self, plan: PlannedPrompt) -> int | None:
        """The last block of a prompt, counted from its first, that the cache should hold; None where it holds none."""
        found = held(plan.breakpoints, self._memory.entries, plan.planned_at)
        return max((entry for _, entry in found), key=lambda one: one.tokens).index if found else None

    def record(self, usage: Usage) -> None:
        """Count one answer that was not judged."""
        self._total += usage
        self._requests += 1
        self._hits += usage.cache_read_input_tokens > 0

    def get_cache_stats(self) -> dict[str, Any]:
        """Counts of this process: requests, token counts, `hit_rate` as read tokens over all prompt tokens."""
        self._forget_expired()
        return {
            "requests": self._requests,
            "hits": self._hits,
            "misses": self._requests - self._hits,
            "hit_rate": self._total.hit_ratio,
            "tokens_saved": self._total.cache_read_input_tokens,
            "tokens_written": self._total.cache_creation_input_tokens,
            "active_entries": len(self._warm),
        }

    def _forget_expired(self) -> None:
        now = self._clock()
        self._warm = {key: entry for key, entry in self._warm.items() if entry[1] > now}


def _prompt_side(usage: Usage) -> tuple[int, ...]:
    """What is told of the prompt, by class."""
    return (
        usage.input_tokens,
        usage.cache_creation_5m_input_tokens,
        usage.cache_creation_1h_input_tokens,
        usage.cache_read_input_tokens,
    )
