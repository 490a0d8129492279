"""What the prompt cache did for one request, and why it did no more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.api.cache.blocks import LIFETIME_1H, LIFETIME_5M
from cmt_lsp.api.cache.choice import TOO_SHORT
from cmt_lsp.api.models import cost_of, price_in_force

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.api.cache.plan import PlannedPrompt
    from cmt_lsp.api.cache.sent import SentPrompt
    from cmt_lsp.api.models import Model
    from cmt_lsp.api.usage import Usage

CacheState: TypeAlias = Literal["hit", "partial", "miss", "off", "below-minimum"]

_TOLD = {
    "model_changed": "model changed",
    "tools_changed": "tools changed",
    "system_changed": "system prompt changed",
    "messages_changed": "history changed",
}
"""The endpoint's own words for a miss, in ours; its others tell nothing."""
_SIZE_DOUBT = 0.05
"""How far the expected size of an entry may be from its true one."""
_FORGOTTEN = 0.5
"""Below this share of what was expected, the endpoint forgot some; above it, an entry was only sized wrongly."""
_IN_MESSAGES = (
    "settings changed",
    "pinned context changed",
    "history changed",
    "first image added",
    "last image removed",
)
"""What the endpoint calls a change of messages."""


@dataclass(frozen=True, slots=True)
class CacheVerdict:
    """What the cache did for one request; `hit_ratio` is read tokens over the whole prompt, 0 to 1."""

    state: CacheState
    read_tokens: int
    written_tokens: int
    hit_ratio: float
    cause: str | None
    """Why less was read than could have been; None where nothing was lost."""
    expires_at: float | None
    """Seconds since the epoch, at the earliest; None where nothing is cached."""
    written_1h_tokens: int = 0
    """The part of `written_tokens` that was written for an hour."""
    expected_tokens: int = 0
    """What should have been read, as it was foreseen."""
    saved_nano: int | None = None
    """Against no caching at all; negative where writing cost more than reading saved, None without a price."""
    lost_nano: int | None = None
    """What the tokens that were there before and were not read cost more than reading them."""
    told_cause: str | None = None
    """Why, as the endpoint tells it, where it tells something else than `cause`."""
    reason: str = ""
    """Why the prompt was marked as it was."""


def judge(
    model: Model | None,
    usage: Usage,
    plan: PlannedPrompt,
    previous: SentPrompt | None = None,
    told: Mapping[str, object] | None = None,
) -> CacheVerdict:
    """Tell a hit from a miss by the answer's own counters, with the cause where the prompts tell it.

    `told` is the answer's `diagnostics`, where the endpoint gave one. It is believed where our own digests tell nothing,
    and kept beside our cause where the two differ.
    """
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    if not read and not written:
        return _nothing_cached(model, usage, plan)
    there = _was_there(usage, plan, previous)
    hit = read >= there * (1 - _SIZE_DOUBT) and read >= (previous.cached_tokens if previous else 0)
    state: CacheState = "miss" if not read else "hit" if hit else "partial"
    own = None if state == "hit" else _cause(plan, previous, read)
    cause, told_cause = explained(own, told)
    return CacheVerdict(
        state=state,
        read_tokens=read,
        written_tokens=written,
        hit_ratio=usage.hit_ratio,
        cause=cause,
        expires_at=_expiry(usage, plan, previous),
        written_1h_tokens=usage.cache_creation_1h_input_tokens,
        expected_tokens=plan.expected_read,
        saved_nano=_saved(model, usage, plan),
        lost_nano=_lost(model, usage, plan, read if state == "hit" else there),
        told_cause=told_cause,
        reason=plan.reason,
    )


def explained(own: str | None, told: Mapping[str, object] | None) -> tuple[str | None, str | None]:
    """The cause of a miss, and what the endpoint says of it where that is something else.

    `own` is None where nothing was missed. Its word counts where ours is `unknown`.
    """
    reason = told.get("cache_miss_reason") if told else None
    kind = reason.get("type") if isinstance(reason, dict) else None
    theirs = _TOLD.get(kind) if isinstance(kind, str) else None
    if own is None or theirs is None or own == theirs:
        return own, None
    if own == "unknown":
        return theirs, None
    agree = theirs == "history changed" and own in _IN_MESSAGES
    return own, None if agree else theirs


def _was_there(usage: Usage, plan: PlannedPrompt, previous: SentPrompt | None) -> int:
    """What an unchanged prompt would have read at once."""
    before = previous.cached_tokens if previous is not None else 0
    return max(before, plan.expected_read)


def _expiry(usage: Usage, plan: PlannedPrompt, previous: SentPrompt | None) -> float | None:
    """When the end of the prompt goes; None for a cache that reads what nobody wrote, since its lifetimes are not known."""
    before = previous is not None and previous.expires_at is not None
    if not (usage.cache_creation_input_tokens or plan.expected_read or before):
        return None
    return plan.planned_at + _shortest_lifetime(usage, plan)


def _shortest_lifetime(usage: Usage, plan: PlannedPrompt) -> float:
    """Of the end of the prompt, which is the first to go."""
    if usage.cache_creation_input_tokens:
        return LIFETIME_5M if usage.cache_creation_5m_input_tokens else LIFETIME_1H
    hour = bool(plan.breakpoints) and plan.breakpoints[-1].lifetime == "1h"
    return LIFETIME_1H if hour else LIFETIME_5M


def _saved(model: Model | None, usage: Usage, plan: PlannedPrompt) -> int | None:
    if model is None:
        return None
    return cost_of(model.id, usage, datetime.fromtimestamp(plan.planned_at, UTC)).saved_nano_usd


def _lost(model: Model | None, usage: Usage, plan: PlannedPrompt, there: int) -> int | None:
    """The price of what had to be sent anew, less that of reading it."""
    total, read = usage.total_input_tokens, usage.cache_read_input_tokens
    at = datetime.fromtimestamp(plan.planned_at, UTC)
    row = price_in_force(model.id, at, total) if model else None
    if row is None or total == read:
        return None if row is None else 0
    anew = (
        usage.input_tokens * row.input
        + usage.cache_creation_5m_input_tokens * row.write_5m
        + usage.cache_creation_1h_input_tokens * row.write_1h
    )
    missed = max(0, min(there, total) - read)
    return missed * (anew - (total - read) * row.read) // (total - read)


def _nothing_cached(model: Model | None, usage: Usage, plan: PlannedPrompt) -> CacheVerdict:
    told = usage.total_input_tokens > 0
    missed = plan.expected_read if told else 0

    def verdict(state: CacheState, cause: str | None) -> CacheVerdict:
        return CacheVerdict(
            state,
            0,
            0,
            0.0,
            cause,
            None,
            expected_tokens=plan.expected_read,
            saved_nano=0 if told else None,
            lost_nano=_lost(model, usage, plan, missed) if told else None,
            reason=plan.reason,
        )

    if not plan.enabled:
        return verdict("off", None)
    if not told:
        return verdict("miss", "no usage was reported")
    if model is not None and usage.total_input_tokens < model.cache_minimum:
        return verdict("below-minimum", f"the prompt is under the model's {model.cache_minimum} tokens")
    if not plan.breakpoints and plan.reason == TOO_SHORT:
        return verdict("below-minimum", "the prompt was taken for too short")
    if not plan.breakpoints:
        return verdict("off", plan.reason)
    return verdict("miss", "the endpoint reports no caching")


def _cause(plan: PlannedPrompt, previous: SentPrompt | None, read: int) -> str:
    """The first segment that differs from the earlier request, else its age; unknown where the endpoint forgot.

    What is expected is foreseen with all that changed: if even most of that was not there, no change is to blame.
    """
    if read < plan.expected_read * _FORGOTTEN:
        return "unknown"
    if previous is None:
        return _without_previous(plan)
    if previous.cached_tokens == 0:
        return "the earlier request cached nothing"
    if named := _changed_segment(plan, previous):
        return named
    if previous.expires_at is not None and plan.planned_at >= previous.expires_at:
        return f"expired (idle {plan.planned_at - previous.sent_at:.0f} s)"
    return "unknown"


def _without_previous(plan: PlannedPrompt) -> str:
    """The cause where no earlier request of the session is known."""
    first = plan.fingerprint.messages == 1
    return "first request in this session" if first else "nothing is known of the session's earlier requests"


def _changed_segment(plan: PlannedPrompt, previous: SentPrompt) -> str | None:
    """The first segment that differs from the earlier request."""
    now, then = plan.fingerprint, previous.fingerprint
    changed = (
        ("model changed", now.model != then.model),
        ("tools changed", now.tools != then.tools),
        ("system prompt changed", now.system != then.system),
        ("settings changed", now.settings != then.settings),
        ("pinned context changed", now.pinned != then.pinned),
        ("history changed", plan.history_after(then.messages) != then.history),
        ("first image added", now.pictures and not then.pictures),
        ("last image removed", then.pictures and not now.pictures),
    )
    return next((cause for cause, differs in changed if differs), None)
