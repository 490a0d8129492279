"""What the requests of a window have left in the prompt cache, whatever session or turn they were of.

A prompt is found again by its beginning: a fork, a comparison and a turn that failed all go on from prompts that were
sent before.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmt_lsp.api.cache_plan import Fingerprint, PlannedPrompt
    from cmt_lsp.api.cache_verdict import SentPrompt

_MOST = 5_000
"""Prompts that are remembered; a busy hour has some hundred."""


class CacheMemory:
    """The prompts that were sent, by what they consist of; one that is read again lives on."""

    def __init__(self) -> None:
        self._sent: OrderedDict[int, SentPrompt] = OrderedDict()

    def add(self, sent: SentPrompt, read_tokens: int) -> None:
        """A request left this in the cache, and read so much of what was there."""
        *before, whole = _beginnings(sent.fingerprint)
        for key in before:
            known = self._sent.get(key)
            if known is not None and known.cached_tokens == read_tokens:
                self._sent[key] = replace(known, expires_at=sent.expires_at)
        if sent.cached_tokens:
            self._sent[whole] = sent
            self._sent.move_to_end(whole)
        while len(self._sent) > _MOST:
            self._sent.popitem(last=False)

    def longest(self, plan: PlannedPrompt) -> SentPrompt | None:
        """The longest beginning of a prompt that was ever sent, expired or not."""
        return next(self._known(plan), None)

    def longest_alive(self, plan: PlannedPrompt) -> SentPrompt | None:
        """The longest one that the cache should still hold."""
        return next((sent for sent in self._known(plan) if _is_alive(sent, plan.planned_at)), None)

    def _known(self, plan: PlannedPrompt) -> Iterator[SentPrompt]:
        for key in reversed(list(_beginnings(plan.fingerprint))):
            if (sent := self._sent.get(key)) is not None:
                yield sent


def _is_alive(sent: SentPrompt, at: float) -> bool:
    return sent.expires_at is not None and at < sent.expires_at


def _beginnings(fingerprint: Fingerprint) -> Iterator[int]:
    """A key for the prompt up to each of its messages, the whole of it last."""
    key = hash((fingerprint.model, fingerprint.system, fingerprint.pinned))
    yield key
    for message in fingerprint.messages:
        key = hash((key, message))
        yield key
