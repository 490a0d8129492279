"""What warming does and when it stops: plain decisions over what is known of a session's prefix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.api.cache.blocks import LIFETIME_5M, SECONDS
from cmt_lsp.api.cache.rhythm import NEXT_QUESTION, odds_of
from cmt_lsp.api.models import price_in_force

if TYPE_CHECKING:
    from cmt_lsp.api.cache_manager import PlannedPrompt
    from cmt_lsp.api.usage import Usage
    from cmt_lsp.core.conversation import PlannedTurn

WarmState: TypeAlias = Literal[
    "warmed",
    "refreshed",
    "already-warm",
    "kept",
    "nothing-to-warm",
    "not-cached",
    "refused",
    "cancelled",
    "off",
    "priced",
]
MARGIN_SECONDS = 30.0
"""Before an entry ends: its clock is the endpoint's, and a refresh may have to be tried again."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why nothing is sent."""

    state: WarmState
    reason: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """What of a session's next prompt the cache holds now; money in nano-dollars, None without a price."""

    model: str
    head: tuple[str, ...]
    """Names all that stands before the history, the settings and the model: what must not change."""
    held_tokens: int
    expires_at: float | None
    """Seconds since 1970; None where nothing is held."""
    unwritten_tokens: int
    """What the next question sends again and the cache does not hold yet: mostly the last answer."""
    refresh_nano: int | None
    """The price of one refresh; the unwritten part is written with it, which the next question need not do then."""
    read_nano: int | None
    """The part of it that is for keeping what is held."""
    loss_nano: int | None
    """What the next question costs more once it is gone."""
    soon: float
    """The odds of a question within five minutes, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A session that is kept warm."""

    head: tuple[str, ...]
    active_at: float
    """When the person last typed or asked."""
    refreshes: int = 0
    """Since the last question."""
    spent_nano: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next for a watched session: wait until a moment, refresh now, or stop and why."""

    kind: Literal["wait", "refresh", "stop"]
    at: float = 0.0
    reason: str = ""


def nothing_to_send(prompt: PlannedPrompt, held: int, expires_at: float | None) -> Nothing | None:
    """Why there is nothing to warm; None where a request makes sense.

    What is held counts as all where less is missing than could be an entry of its own, and as long as half of its
    lifetime is left.
    """
    if not prompt.enabled:
        return Nothing("nothing-to-warm", "Prompt caching is off; set promptCaching to use it.")
    if not prompt.breakpoints:
        least = f"{prompt.minimum:,} tokens, the least that is cached"
        return Nothing("nothing-to-warm", f"What the next question will send again is shorter than {least}.")
    end = prompt.breakpoints[-1]
    left = 0.0 if expires_at is None else expires_at - prompt.planned_at
    if left > SECONDS[end.lifetime] / 2 and end.tokens - held <= max(prompt.minimum, end.tokens // 10):
        return Nothing("already-warm", f"The cache holds it for another {_span(left)}; nothing was sent.")
    return None


def state_after(usage: Usage) -> WarmState:
    """What a request did, by the endpoint's own counts."""
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    if not read and not written:
        return "not-cached"
    return "refreshed" if read > written else "warmed"


def prefix_of(plan: PlannedTurn, held: int, expires_at: float | None) -> Prefix:
    """A session's prefix by the plan of a request that would warm it."""
    prompt, model = plan.prompt, plan.request.model
    known, fingerprint = prompt.conversation.follows, prompt.fingerprint
    end = prompt.breakpoints[-1].tokens if prompt.breakpoints else 0
    unwritten = max(0, end - held)
    row = price_in_force(model, datetime.fromtimestamp(prompt.planned_at, UTC), end)
    read = None if row is None else held * row.read
    return Prefix(
        model=model,
        head=(
            fingerprint.model,
            fingerprint.tools,
            fingerprint.system,
            fingerprint.settings,
            fingerprint.pinned,
        ),
        held_tokens=held,
        expires_at=expires_at,
        unwritten_tokens=unwritten,
        refresh_nano=None if row is None or read is None else read + unwritten * row.write_5m,
        read_nano=read,
        loss_nano=None if row is None else held * (row.write_5m - row.read),
        soon=(known.rhythm.odds() if known is not None else odds_of((), NEXT_QUESTION)).soon,
    )


def next_step(watch: Watch, prefix: Prefix | None, minutes: int, now: float) -> Step:
    """What to do for a session that is kept warm for so many minutes after the last sign of its person."""
    idle_at = watch.active_at + minutes * 60
    if minutes <= 0:
        return Step("stop", reason="keepWarm is off")
    if now >= idle_at:
        return Step("stop", reason=f"nobody typed for {minutes} min")
    if prefix is None or prefix.expires_at is None or prefix.expires_at <= now:
        return Step("stop", reason="the cache holds nothing of it")
    if prefix.head != watch.head:
        return Step("stop", reason="its model, system prompt or settings changed")
    due = prefix.expires_at - MARGIN_SECONDS
    if due > now:
        return Step("wait", at=min(due, idle_at))
    if reason := _not_worth_it(watch, prefix, now):
        return Step("stop", reason=reason)
    return Step("refresh")


def _not_worth_it(watch: Watch, prefix: Prefix, now: float) -> str | None:
    """Why one more refresh does not pay: a question must be likely enough, and all of them cheaper than one loss.

    The odds are those of the session's own questions, halved for each five minutes without a sign of the person.
    """
    if prefix.read_nano is None or prefix.loss_nano is None:
        return "its price is not known"
    if (watch.refreshes + 1) * prefix.read_nano >= prefix.loss_nano:
        return "refreshing it once more would cost as much as writing it again"
    odds = prefix.soon * 0.5 ** ((now - watch.active_at) // LIFETIME_5M)
    if odds * prefix.loss_nano <= prefix.read_nano:
        return f"a question within five minutes is too unlikely ({odds:.0%})"
    return None


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
