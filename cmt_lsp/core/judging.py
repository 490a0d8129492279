"""Judging: what the prompt cache did for a turn that ended, and what of it is kept for the session's next question."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmt_lsp.api.cache_manager import CacheManager, CacheVerdict, SentPrompt
    from cmt_lsp.core.conversation import PlannedTurn
    from cmt_lsp.core.ending import Ending
    from cmt_lsp.core.flight import Flight


def judged(
    flight: Flight, ending: Ending, plan: PlannedTurn, cache: CacheManager
) -> tuple[CacheVerdict, SentPrompt | None]:
    """The verdict by what the endpoint told so far, also of a turn that was cut; after `cache.remember`.

    Nothing is kept where the endpoint told nothing of the prompt.
    """
    message = ending.message
    told = message.usage if message is not None else flight.reported
    verdict = cache.verdict(plan.model, told, plan.prompt, plan.previous, flight.cache_report.diagnosis)
    return verdict, cache.sent(plan.prompt, told, verdict, flight.message_id)
