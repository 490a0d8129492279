"""Advice: what would have made the prompt cache cheaper, each with its value in dollars and the act that does it.

A value is what the same turns would have cost less: their own tokens and pauses, replayed under the alternative at the
prices that were in force. Nothing is suggested for less than a cent, nor where no turn speaks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmt_lsp.core.cache.evidence import by_session
from cmt_lsp.core.cache.habits import model_switches, pinned_edits, short_prompts, system_prompt_changes
from cmt_lsp.core.cache.lifetimes import caching_off, too_late

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmt_lsp.core.cache.suggestion import Case, Suggestion

LEAST_NANO = 10_000_000
"""A cent: less is not worth a person's minute."""
MOST = 10
"""Suggestions that are made at once."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Suggestions, the most valuable first; `reason` says why there are none."""

    suggestions: tuple[Suggestion, ...]
    reason: str | None


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
        yield from caching_off(case, sessions)
    else:
        yield from too_late(case, sessions)
    for session_id, turns in sessions.items():
        yield from model_switches(session_id, turns)
        yield from system_prompt_changes(session_id, turns, case.system_prompts.get(session_id))
        yield from pinned_edits(session_id, turns, case.pinned.get(session_id))
        yield from short_prompts(session_id, turns)


def _reason_for_none(case: Case) -> str:
    count = len(case.turns)
    turns = "One turn" if count == 1 else f"{count:,} turns"
    if all(turn.price is None for turn in case.turns):
        return f"{turns} went to models whose prices are not known, so that no saving can be told."
    total = sum(turn.usage.total_input_tokens for turn in case.turns)
    read = sum(turn.usage.cache_read_input_tokens for turn in case.turns)
    share = read / total if total else 0.0
    return f"Nothing would have saved a cent: {turns} read {share:.0%} of their prompts from the cache."
