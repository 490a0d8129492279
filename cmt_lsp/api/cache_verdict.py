"""What the prompt cache did for one request, and why it did no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from cmt_lsp.api.cache_plan import Fingerprint, PlannedPrompt
    from cmt_lsp.api.models import Model
    from cmt_lsp.api.usage import Usage

LIFETIME_5M = 300.0
LIFETIME_1H = 3600.0

CacheState: TypeAlias = Literal["hit", "partial", "miss", "off", "below-minimum"]


@dataclass(frozen=True, slots=True)
class SentPrompt:
    """What an earlier request of the same session left in the cache."""

    fingerprint: Fingerprint
    cached_tokens: int
    sent_at: float
    expires_at: float | None


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


def judge(
    model: Model | None, usage: Usage, plan: PlannedPrompt, previous: SentPrompt | None = None
) -> CacheVerdict:
    """Tell a hit from a miss by the answer's own counters, with the cause where the prompts tell it."""
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    if not read and not written:
        return _nothing_cached(model, usage, plan)
    lifetime = LIFETIME_1H if usage.cache_creation_1h_input_tokens == written > 0 else LIFETIME_5M
    state: CacheState = "hit"
    if not read or (previous is not None and read < previous.cached_tokens):
        state = "partial" if read else "miss"
    cause = None if state == "hit" else _cause(plan, previous)
    return CacheVerdict(state, read, written, usage.hit_ratio, cause, plan.planned_at + lifetime)


def sent_prompt(plan: PlannedPrompt, usage: Usage, verdict: CacheVerdict) -> SentPrompt:
    """What to keep of an answered request, to explain the cache of the next one."""
    cached = usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    return SentPrompt(plan.fingerprint, cached, plan.planned_at, verdict.expires_at)


def readable(plan: PlannedPrompt, previous: SentPrompt | None) -> int:
    """How many tokens of a prompt the cache could hold from the session's last request, were nothing forgotten."""
    if previous is None or not plan.breakpoints or _changed_segment(plan, previous):
        return 0
    return previous.cached_tokens


def expected_cached(plan: PlannedPrompt, previous: SentPrompt | None) -> int:
    """How many of those it should still hold; 0 where they expired."""
    if previous is None or previous.expires_at is None or plan.planned_at >= previous.expires_at:
        return 0
    return readable(plan, previous)


def _nothing_cached(model: Model | None, usage: Usage, plan: PlannedPrompt) -> CacheVerdict:
    if not plan.enabled:
        return CacheVerdict("off", 0, 0, 0.0, None, None)
    if usage.total_input_tokens == 0:
        return CacheVerdict("miss", 0, 0, 0.0, "no usage was reported", None)
    if model is not None and usage.total_input_tokens < model.cache_minimum:
        cause = f"the prompt is under the model's {model.cache_minimum} tokens"
        return CacheVerdict("below-minimum", 0, 0, 0.0, cause, None)
    if not plan.breakpoints:
        return CacheVerdict("below-minimum", 0, 0, 0.0, "the prompt was taken for too short", None)
    return CacheVerdict("miss", 0, 0, 0.0, "the endpoint reports no caching", None)


def _cause(plan: PlannedPrompt, previous: SentPrompt | None) -> str:
    """The first segment that differs from the earlier request, else its age."""
    if previous is None:
        return "first request in this window"
    if previous.cached_tokens == 0:
        return "the earlier request cached nothing"
    if named := _changed_segment(plan, previous):
        return named
    if previous.expires_at is not None and plan.planned_at >= previous.expires_at:
        return f"expired (idle {plan.planned_at - previous.sent_at:.0f} s)"
    return "unknown"


def _changed_segment(plan: PlannedPrompt, previous: SentPrompt) -> str | None:
    """The first segment that differs from the earlier request."""
    now, then = plan.fingerprint, previous.fingerprint
    changed = (
        ("model changed", now.model != then.model),
        ("system prompt changed", now.system != then.system),
        ("pinned context changed", now.pinned != then.pinned),
        ("history changed", now.messages[: len(then.messages)] != then.messages),
    )
    return next((cause for cause, differs in changed if differs), None)
