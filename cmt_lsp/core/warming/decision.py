"""What warming does and when it stops: plain decisions over what is known of a session's prefix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.api.cache.blocks import LIFETIME_1H, LIFETIME_5M, SECONDS
from cmt_lsp.api.cache.rhythm import Prior
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
_ANY_CHAT = Prior(6.0, 0.6, 0.8)
"""Pauses taken as seen before the session's first one."""
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
    pauses: tuple[float, ...]
    """Seconds between the session's questions, oldest first."""


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
        pauses=known.rhythm.gaps if known is not None else (),
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
    if reason := _not_worth_it(watch, prefix, idle_at, now):
        return Step("stop", reason=reason)
    return Step("refresh")


def _not_worth_it(watch: Watch, prefix: Prefix, idle_at: float, now: float) -> str | None:
    """Why one more refresh does not pay: all of them must cost less than one loss, and a question be likely enough.

    Likely enough: for some number of refreshes from now on, they cost less than the loss times the chance of a question
    while they hold.
    """
    read, loss = prefix.read_nano, prefix.loss_nano
    if read is None or loss is None:
        return "its price is not known"
    if (watch.refreshes + 1) * read >= loss:
        return "refreshing it once more would cost as much as writing it again"
    silent = now - watch.active_at
    most = max(1, ceil((idle_at - now) / LIFETIME_5M))
    chances = [chance(prefix.pauses, silent, silent + count * LIFETIME_5M) for count in range(1, most + 1)]
    if all(likely * loss <= count * read for count, likely in enumerate(chances, 1)):
        return f"a question is too unlikely by now ({chances[0]:.0%} within five minutes)"
    return None


def chance(pauses: tuple[float, ...], silent: float, until: float) -> float:
    """Of a question before so many seconds of silence, given that there were none for `silent`; 0 to 1.

    The session's own pauses count beside those of any chat, of which a share comes within five minutes, a share within an
    hour and the rest never.
    """

    def longer(seconds: float) -> float:
        prior = _ANY_CHAT
        soon = prior.soon * max(0.0, 1.0 - seconds / LIFETIME_5M)
        past = max(0.0, seconds - LIFETIME_5M)
        later = prior.later * max(0.0, 1.0 - past / (LIFETIME_1H - LIFETIME_5M))
        return soon + later + prior.never + sum(pause > seconds for pause in pauses)

    return 1.0 - longer(until) / longer(silent)


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
