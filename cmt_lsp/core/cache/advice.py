"""Advice: what would have made the prompt cache cheaper, each with its value in dollars and the act that does it.

A value is what the same turns would have cost less: their own tokens and pauses, replayed under the alternative at the
prices that were in force. Nothing is suggested for less than a cent, nor where no turn speaks for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmt_lsp.api.cache.blocks import LIFETIME_1H, LIFETIME_5M
from cmt_lsp.api.models import display_usd, find_model
from cmt_lsp.core.cache.evidence import EXPIRED, by_session
from cmt_lsp.core.cache.replay import paid, replayed, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmt_lsp.api.cache.blocks import Lifetime
    from cmt_lsp.api.cache.choice import Wish
    from cmt_lsp.core.cache.evidence import CachedTurn
    from cmt_lsp.core.cache.replay import Step

Rule: TypeAlias = Literal["caching-off", "lifetime", "models", "system-prompt", "minimum"]
LEAST_NANO = 10_000_000
"""A cent: less is not worth a person's minute."""
MOST = 10
"""Suggestions that are made at once."""
_DATE = re.compile(
    r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?\b"
    r"|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b"
    r"|\b\d{1,2}:\d\d(?::\d\d)?\b"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? \d{1,2}(?:, \d{4})?\b"
)


@dataclass(frozen=True, slots=True)
class Act:
    """What applies a suggestion: an operation with its params, or a line of the settings."""

    title: str
    operation: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    setting: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing to do; `act` is None where only the person can do it."""

    rule: Rule
    value_nano: int
    turns: int
    """How many turns it rests on."""
    sentence: str
    act: Act | None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """Suggestions, the most valuable first; `reason` says why there are none."""

    suggestions: tuple[Suggestion, ...]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """All that advice rests on."""

    turns: tuple[CachedTurn, ...]
    caching: bool = True
    """The setting promptCaching as it is now."""
    wish: Wish = "auto"
    """The setting promptCache."""
    system_prompts: Mapping[str, str] = field(default_factory=dict)
    """Of the sessions that have one."""


def advise(case: Case) -> Advice:
    """All that is worth a cent or more."""
    if not case.turns:
        return Advice((), "There is nothing to judge by yet: no question was answered.")
    found = [one for one in _suggestions(case) if one.value_nano >= LEAST_NANO]
    ranked = sorted(found, key=lambda one: -one.value_nano)[:MOST]
    return Advice(tuple(ranked), None if ranked else _reason_for_none(case))


def _suggestions(case: Case) -> Iterator[Suggestion]:
    sessions = by_session(case.turns)
    if not case.caching or case.wish == "off":
        yield from _caching_off(case, sessions)
    else:
        yield from _lifetime(case, sessions)
    for session_id, turns in sessions.items():
        yield from _models(session_id, turns)
        yield from _system_prompt(session_id, turns, case.system_prompts.get(session_id))
        yield from _minimum(session_id, turns)


def _reason_for_none(case: Case) -> str:
    count = len(case.turns)
    turns = "One turn" if count == 1 else f"{count:,} turns"
    if all(turn.price is None for turn in case.turns):
        return f"{turns} went to models whose prices are not known, so that no saving can be told."
    total = sum(turn.usage.total_input_tokens for turn in case.turns)
    read = sum(turn.usage.cache_read_input_tokens for turn in case.turns)
    share = read / total if total else 0.0
    return f"Nothing would have saved a cent: {turns} read {share:.0%} of their prompts from the cache."


# Settings


def _caching_off(case: Case, sessions: Mapping[str, Sequence[CachedTurn]]) -> Iterator[Suggestion]:
    """What caching for five minutes would have saved on the turns that were sent without."""
    value = count = 0
    for turns in sessions.values():
        without = [turn for turn in turns if turn.cache.state == "off"]
        if steps := steps_of(without):
            value += paid(without) - replayed(steps, "5m")
            count += len(without)
    yield Suggestion(
        "caching-off",
        value,
        count,
        f"Prompt caching is switched off: with it, {_turns(count)} would have cost {display_usd(value)} less.",
        Act(
            "Switch prompt caching on",
            setting='promptCache = "auto"' if case.caching else "promptCaching = true",
        ),
    )


def _lifetime(case: Case, sessions: Mapping[str, Sequence[CachedTurn]]) -> Iterator[Suggestion]:
    """One lifetime for every mark, where that beats how the prompts were marked."""
    values: dict[Lifetime, int] = {"5m": 0, "1h": 0}
    late = hours = 0
    for turns in sessions.values():
        cached = [turn for turn in turns if turn.cached_tokens]
        if not (steps := steps_of(cached)):
            continue
        cost = paid(cached)
        for lifetime in values:
            values[lifetime] += cost - replayed(steps, lifetime)
        late += sum(_came_late(turn, step) for turn, step in zip(cached, steps, strict=True))
        hours += sum(turn.usage.cache_creation_1h_input_tokens > 0 for turn in cached)
    best: Lifetime = "1h" if values["1h"] >= values["5m"] else "5m"
    evidence = late if best == "1h" else hours
    if evidence and case.wish != best:
        yield _lifetime_suggestion(best, values[best], evidence)


def _came_late(turn: CachedTurn, step: Step) -> bool:
    return turn.cause == EXPIRED and LIFETIME_5M <= step.gap < LIFETIME_1H


def _lifetime_suggestion(best: Lifetime, value: int, evidence: int) -> Suggestion:
    if best == "1h":
        sentence = (
            f"{_turns(evidence)} came 5 to 60 minutes after the one before and paid for the conversation anew: "
            f"kept for an hour, all would have cost {display_usd(value)} less, the dearer writes included."
        )
        act = Act("Keep the cache for an hour", setting='promptCache = "1h"')
    else:
        sentence = (
            f"{_turns(evidence)} wrote the cache for an hour and did not need it: "
            f"five minutes would have cost {display_usd(value)} less."
        )
        act = Act("Keep the cache for five minutes", setting='promptCache = "5m"')
    return Suggestion("lifetime", value, evidence, sentence, act)


# Habits


def _models(session_id: str, turns: Sequence[CachedTurn]) -> Iterator[Suggestion]:
    """Going back and forth between models: a single switch is somebody's choice."""
    switches = [turn for turn in turns if turn.cause == "model changed"]
    if len(switches) < 2:
        return
    value = _lost(switches)
    used = [turn.model for turn in turns]
    most = max(sorted(set(used)), key=used.count)
    yield Suggestion(
        "models",
        value,
        len(switches),
        f"{len(switches)} switches of the model wrote the conversation anew for {display_usd(value)}: stay with {most} "
        "here, and ask another model in a session of its own.",
        Act(f"Stay with {most}", "cmt/session/update", {"sessionId": session_id, "model": most}),
        session_id,
    )


def _system_prompt(session_id: str, turns: Sequence[CachedTurn], prompt: str | None) -> Iterator[Suggestion]:
    """A system prompt that changes loses all that follows it."""
    changes = [turn for turn in turns if turn.cause == "system prompt changed"]
    if not changes:
        return
    value = _lost(changes)
    times = "once" if len(changes) == 1 else f"{len(changes)} times"
    cost = (
        f"The system prompt changed {times}, and the conversation was written anew for {display_usd(value)}"
    )
    dates = _DATE.findall(prompt or "")
    if not prompt or not dates:
        sentence, act = f"{cost}: leave it as it is, and put what changes into the question.", None
    else:
        sentence = f'{cost}: it holds "{dates[0]}"; say the date in the question where it matters.'
        params = {"sessionId": session_id, "systemPrompt": _DATE.sub("", prompt)}
        act = Act("Take dates and times out of the system prompt", "cmt/session/update", params)
    yield Suggestion("system-prompt", value, len(changes), sentence, act, session_id)


def _minimum(session_id: str, turns: Sequence[CachedTurn]) -> Iterator[Suggestion]:
    """Prompts under the model's minimum that would have been cheaper a little longer."""
    short = [turn for turn in turns if turn.cache.state == "below-minimum"]
    known = find_model(short[-1].model) if short else None
    if known is None or any(turn.model != short[-1].model for turn in short):
        return
    best, missing = 0, 0
    for padding in sorted({known.cache_minimum - turn.usage.total_input_tokens for turn in short}):
        steps = steps_of(short, padding) if padding > 0 else None
        if steps and (value := paid(short) - replayed(steps, "5m")) > best:
            best, missing = value, padding
    if missing:
        yield Suggestion(
            "minimum",
            best,
            len(short),
            f"{_turns(len(short))} stayed under the {known.cache_minimum:,} tokens that {known.id} needs to cache: "
            f"{missing:,} tokens more at the front, a file or fuller instructions, would have cost "
            f"{display_usd(best)} less in all.",
            None,
            session_id,
        )


def _lost(turns: Sequence[CachedTurn]) -> int:
    return sum(turn.cache.lost_nano or 0 for turn in turns)


def _turns(count: int) -> str:
    return "One question" if count == 1 else f"{count:,} questions"
