"""SentPrompt: what an earlier request left in the cache, as digests and figures that may be kept as JSON.

A window that resumes a session knows by it why its first question missed the cache, and what it should still find.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from cmt_lsp.api.cache.entries import Entry
from cmt_lsp.api.cache.fingerprint import Fingerprint

if TYPE_CHECKING:
    from cmt_lsp.api.cache.plan import PlannedPrompt
    from cmt_lsp.api.cache.verdict import CacheVerdict
    from cmt_lsp.api.usage import Usage


@dataclass(frozen=True, slots=True)
class SentPrompt:
    """What an earlier request of the same session left in the cache; it may be kept as JSON and outlive the process."""

    fingerprint: Fingerprint
    cached_tokens: int
    sent_at: float
    expires_at: float | None
    message_id: str | None = None
    """The answer's, by which the endpoint knows the request."""
    entries: tuple[tuple[str, Entry], ...] = ()
    """What its marks found or wrote, by key; at most one for each mark."""


def sent_prompt(
    plan: PlannedPrompt,
    usage: Usage,
    verdict: CacheVerdict,
    message_id: str | None = None,
    entries: tuple[tuple[str, Entry], ...] = (),
) -> SentPrompt:
    """What to keep of an answered request, to explain the cache of the next one.

    Of one that only warmed the cache, all but what stood in for a question.
    """
    cached = usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    fingerprint = plan.fingerprint
    if plan.warming:
        before = fingerprint.messages - 1
        fingerprint = replace(fingerprint, history=plan.history_after(before), messages=before)
    return SentPrompt(fingerprint, cached, plan.planned_at, verdict.expires_at, message_id, entries)


def sent_to_json(sent: SentPrompt | None) -> str | None:
    """Some hundred bytes: no text of the prompt is in it."""
    return None if sent is None else json.dumps(asdict(sent), separators=(",", ":"))


def sent_from_json(text: str | None) -> SentPrompt | None:
    """The same value; None for what was damaged or is of another version, as if nothing had been kept."""
    if text is None:
        return None
    try:
        kept = json.loads(text)
        entries = tuple((str(key), Entry(**entry)) for key, entry in kept.pop("entries"))
        return SentPrompt(**kept | {"fingerprint": Fingerprint(**kept["fingerprint"]), "entries": entries})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
