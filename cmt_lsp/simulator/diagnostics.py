"""Why a prompt could not reuse the prefix of an earlier request, told in the service's words."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from cmt_lsp.simulator.prompt import Prompt, Section

REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a request: digests only; `cacheable` is the end of its last mark, in tokens."""

    model: str
    speed: str
    tools: str
    system: str
    messages: tuple[str, ...]
    settings: str
    cacheable: int


def fingerprint(prompt: Prompt) -> Fingerprint:
    """The fingerprint of a prompt."""

    def digest(section: Section) -> str:
        own = [b.own for b in prompt.blocks if b.section == section]
        return hashlib.sha256("".join(own).encode()).hexdigest()

    return Fingerprint(
        model=prompt.model.id,
        speed=prompt.speed,
        tools=digest("tools"),
        system=digest("system"),
        messages=tuple(b.own for b in prompt.blocks if b.section == "messages"),
        settings=prompt.settings,
        cacheable=max((b.total for b in prompt.blocks if b.mark is not None), default=0),
    )


def divergence(previous: Fingerprint, current: Fingerprint, read: int) -> dict[str, Any] | None:
    """The first difference that keeps `current` off the cache of `previous`; None when there is none."""
    missed = max(0, previous.cacheable - read)
    if (previous.model, previous.speed) != (current.model, current.speed):
        return {"type": "model_changed", "cache_missed_input_tokens": missed}
    if previous.tools != current.tools:
        return {"type": "tools_changed", "cache_missed_input_tokens": missed}
    if previous.system != current.system:
        return {"type": "system_changed", "cache_missed_input_tokens": missed}
    if current.messages[: len(previous.messages)] != previous.messages:
        return {"type": "messages_changed", "cache_missed_input_tokens": missed}
    return {"type": "unavailable"} if previous.settings != current.settings else None


class Fingerprints:
    """The fingerprints of the newest requests, by the id of their answer."""

    def __init__(self) -> None:
        """Start empty."""
        self._by_id: OrderedDict[str, Fingerprint] = OrderedDict()

    def remember(self, message_id: str, prompt: Prompt) -> None:
        """Keep a request; the oldest goes when there are too many."""
        self._by_id[message_id] = fingerprint(prompt)
        while len(self._by_id) > REMEMBERED:
            self._by_id.popitem(last=False)

    def diagnose(self, asked: dict[str, Any] | None, prompt: Prompt, read: int) -> dict[str, Any] | None:
        """The `diagnostics` of an answer: null unless asked for and something diverged."""
        previous_id = None if asked is None else asked.get("previous_message_id")
        if previous_id is None:
            return None
        previous = self._by_id.get(previous_id)
        if previous is None:
            return {"cache_miss_reason": {"type": "previous_message_not_found"}}
        reason = divergence(previous, fingerprint(prompt), read)
        return None if reason is None else {"cache_miss_reason": reason}
