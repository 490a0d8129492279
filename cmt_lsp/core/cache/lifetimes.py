"""Suggestions about settings: caching that is off, the lifetime of what is cached, keeping it warm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.cache.blocks import LIFETIME_1H, LIFETIME_5M
from cmt_lsp.api.models import display_usd, find_model
from cmt_lsp.api.usage_fold import estimate_tokens
from cmt_lsp.core.cache.evidence import EXPIRED
from cmt_lsp.core.cache.keeping import kept_warm, pauses_of
from cmt_lsp.core.cache.replay import paid, replayable, replayed, steps_of
from cmt_lsp.core.cache.suggestion import Act, Suggestion, questions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cmt_lsp.api.cache.blocks import Lifetime
    from cmt_lsp.core.cache.evidence import CachedTurn
    from cmt_lsp.core.cache.keeping import Kept
    from cmt_lsp.core.cache.replay import Step
    from cmt_lsp.core.cache.suggestion import Case


def caching_off(case: Case, sessions: Mapping[str, Sequence[CachedTurn]]) -> Iterator[Suggestion]:
    """What caching for five minutes would have saved on the turns that were sent without."""
    value = count = 0
    for turns in sessions.values():
        without = replayable(turn for turn in turns if turn.cache.state == "off" and turn.cause is None)
        value += paid(without) - replayed(steps_of(without), "5m")
        count += len(without)
    yield Suggestion(
        "caching-off",
        value,
        count,
        f"Prompt caching is switched off: with it, {questions(count)} would have cost {display_usd(value)} less.",
        Act(
            "Switch prompt caching on",
            setting='promptCache = "auto"' if case.caching else "promptCaching = true",
        ),
    )


def too_late(case: Case, sessions: Mapping[str, Sequence[CachedTurn]]) -> Iterator[Suggestion]:
    """Questions that came too late: another lifetime or keeping warm, whichever would have been worth more."""
    found = [*_lifetime(case, sessions), *_keep_warm(case, sessions)]
    if found:
        yield max(found, key=lambda one: one.value_nano)


def _lifetime(case: Case, sessions: Mapping[str, Sequence[CachedTurn]]) -> Iterator[Suggestion]:
    """One lifetime for every mark, where that beats how the prompts were marked."""
    values: dict[Lifetime, int] = {"5m": 0, "1h": 0}
    late = hours = 0
    for turns in sessions.values():
        cached = replayable(turn for turn in turns if turn.cached_tokens)
        steps, cost = steps_of(cached), paid(cached)
        for lifetime in values:
            values[lifetime] += cost - replayed(steps, lifetime)
        late += sum(_came_late(turn, step) for turn, step in zip(cached, steps, strict=True))
        hours += sum(turn.usage.cache_creation_1h_input_tokens > 0 for turn in cached)
    begun, shared = _shared(case, sessions)
    values["1h"] += shared
    best: Lifetime = "1h" if values["1h"] >= values["5m"] else "5m"
    if case.wish == best or not (late + begun if best == "1h" else hours):
        return
    if best == "1h":
        yield _for_an_hour(values[best], late, begun)
    else:
        yield _for_five_minutes(values[best], hours)


def _came_late(turn: CachedTurn, step: Step) -> bool:
    return turn.cause == EXPIRED and LIFETIME_5M <= step.gap < LIFETIME_1H


def _shared(case: Case, sessions: Mapping[str, Sequence[CachedTurn]]) -> tuple[int, int]:
    """Sessions that began with instructions which an hour would have kept: how many, and what reading them saves.

    The replay of such a session writes them for an hour, so that reading is to be set against that.
    """
    begun = value = 0
    last: dict[str, float] = {}
    for turn in sorted(case.turns, key=lambda turn: turn.started_at):
        gap = turn.started_at - last.get(turn.prefix, -LIFETIME_1H)
        last[turn.prefix] = turn.started_at
        first = turn is sessions[turn.session_id][0]
        if not first or turn.cache.state != "miss" or not LIFETIME_5M <= gap < LIFETIME_1H:
            continue
        size = estimate_tokens(len(case.system_prompts.get(turn.session_id, "").encode()))
        known, row = find_model(turn.model), turn.price
        if known is not None and row is not None and known.cache_minimum <= size <= turn.cached_tokens:
            begun += 1
            value += size * (row.write_1h - row.read)
    return begun, value


def _for_an_hour(value: int, late: int, begun: int) -> Suggestion:
    kinds = []
    if late:
        kinds.append(f"{questions(late)} came 5 to 60 minutes after the one before")
    if begun:
        sessions = "one session" if begun == 1 else f"{begun:,} sessions"
        kinds.append(f"{sessions} began so long after another with the same instructions")
    sentence = (
        f"{' and '.join(kinds)}, and paid for what was cached anew: kept for an hour, all would have cost "
        f"{display_usd(value)} less, the dearer writes included."
    )
    sentence = sentence[0].upper() + sentence[1:]
    act = Act("Keep the cache for an hour", setting='promptCache = "1h"')
    return Suggestion("lifetime", value, late + begun, sentence, act)


def _for_five_minutes(value: int, hours: int) -> Suggestion:
    sentence = (
        f"{questions(hours)} wrote the cache for an hour and did not need it: "
        f"five minutes would have cost {display_usd(value)} less."
    )
    act = Act("Keep the cache for five minutes", setting='promptCache = "5m"')
    return Suggestion("lifetime", value, hours, sentence, act)


def _keep_warm(case: Case, sessions: Mapping[str, Sequence[CachedTurn]]) -> Iterator[Suggestion]:
    """Refreshes after each question, where they would have cost less than they saved and neither cure is in force."""
    done = case.keep_warm or case.wish == "1h"
    if done or not any(turn.cause == EXPIRED for turn in case.turns):
        return
    pauses = pauses_of(sessions.values())
    best = max((kept_warm(pauses, minutes) for minutes in _MINUTES), key=_worth)
    if best.questions:
        yield Suggestion(
            "keep-warm",
            best.value_nano,
            best.questions,
            f"{questions(best.questions)} came too late by minutes: refreshed for {best.minutes} minutes after each "
            f"question, the cache would have cost {display_usd(best.spent_nano)} in {best.refreshes:,} refreshes and saved "
            f"{display_usd(best.saved_nano)}.",
            Act("Keep the cache warm", setting=f"keepWarm = {best.minutes}"),
        )


def _worth(kept: Kept) -> tuple[int, int]:
    return kept.value_nano, -kept.minutes


_MINUTES = (5, 10, 15, 20, 30, 45, 60)
"""Of the setting keepWarm, those that are tried."""
