"""How a turn ended: the record of it, or the error it failed with; decided from what was seen, without any IO."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.cache.verdict import CacheVerdict
from cmt_lsp.api.errors import CmtError, InternalError, NetworkError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.history import has_replay
from cmt_lsp.core.money.prediction import error_of
from cmt_lsp.core.records import TurnRecord
from cmt_lsp.core.turn import TurnResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.api.cache_manager import SentPrompt
    from cmt_lsp.api.stream import Message
    from cmt_lsp.core.conversation import PlannedTurn
    from cmt_lsp.core.flight import Flight
    from cmt_lsp.core.money.attempt import FinalState
    from cmt_lsp.core.money.meter import Meter
    from cmt_lsp.core.money.prediction import Prediction
    from cmt_lsp.core.turn import CancelReason, Turn

_STOPPED = {
    "user": "Stopped; the text so far is kept.",
    "client_gone": "Stopped because the editor went away; the text so far is kept.",
    "client_stalled": "Stopped because the editor no longer took the answer; the text so far is kept.",
}
_SAYINGS = {
    "max_tokens": "The answer reached its limit of {limit} tokens: ask to go on, or raise maxTokens.",
    "model_context_window_exceeded": "The model's context window is full: start a new session or fork an earlier turn.",
    "refusal": "The model refused; this turn is left out of what is sent from now on.",
    "pause_turn": "The model paused: ask it to go on.",
}
_SHRUNK = (
    "The answer reached the limit of {limit} tokens that a budget left it: raise the budget, or ask to go on."
)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a turn ended and what it left; `message` is None where the answer is partial."""

    stop_reason: str
    message: Message | None
    usage: Usage
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a turn belongs in its session, and what was asked."""

    turn_id: str
    session_id: str
    seq: int
    started_at: float
    prompt: tuple[Mapping[str, Any], ...]
    prompt_text: str
    notices: tuple[str, ...]


def ending_of(
    flight: Flight, error: BaseException | None, reason: CancelReason | None, charged: Usage
) -> Ending | CmtError:
    """Classify the end of a turn; a failure before any text is an error and leaves nothing in the session.

    `charged` is what the last attempt used, as far as is known. An error of unknown kind becomes an InternalError, whose
    sentence tells its type and no content.
    """
    completed = flight.completed
    if isinstance(error, asyncio.CancelledError):
        return Ending("cancelled", None, charged, (_STOPPED[reason or "client_gone"],))
    if error is None and completed is not None and completed.message.complete:
        message = completed.message
        return Ending(message.stop_reason or "end_turn", message, charged, ())
    cause = _failure(error)
    if not flight.text.strip():
        return cause
    notice = f"The answer was cut off and is not complete: {cause.message}"
    return Ending("truncated", None, charged, (notice,))


def state_of(ending: Ending, reason: CancelReason | None) -> FinalState:
    """The same end in the ledger's words."""
    if ending.stop_reason == "cancelled":
        return "cancelled" if reason == "user" else "client_gone"
    return "truncated" if ending.stop_reason == "truncated" else "done"


def with_price(error: CmtError, spent: tuple[Usage, Cost]) -> CmtError:
    """The error of a turn whose attempts may have cost something, with the amount in its hint."""
    usage, cost = spent
    if usage.total_tokens:
        told = f"It may have cost {cost.display}, which is booked as an estimate."
        error.hint = f"{error.hint} {told}" if error.hint else told
    return error


def record_of(
    place: Place,
    plan: PlannedTurn,
    flight: Flight,
    ending: Ending,
    cache: tuple[CacheVerdict, SentPrompt | None],
    meter: Meter,
) -> TurnRecord:
    """The settled turn, with the sum over all its attempts; `cache` is what the prompt cache did, and what is kept of that."""
    message, spent = ending.message, meter.spent
    answer = message.content if message is not None else _partial_answer(flight.text)
    return TurnRecord(
        id=place.turn_id,
        session_id=place.session_id,
        seq=place.seq,
        model=plan.request.model,
        stop_reason=ending.stop_reason,
        prompt=place.prompt,
        answer=answer,
        prompt_text=place.prompt_text,
        text=flight.text,
        in_history=ending.stop_reason != "refusal" and has_replay(answer),
        prefix=plan.prefix,
        started_at=place.started_at,
        usage=spent[0],
        cost=spent[1],
        cache=cache[0],
        timing=flight.timing,
        notices=(
            *place.notices,
            *plan.notices,
            *ending.notices,
            *_sayings(ending, plan, answer, meter.limit),
        ),
        message_id=message.id if message is not None else None,
        request_id=flight.completed.request_id if flight.completed is not None else None,
        sent=cache[1],
    )


def result_of(record: TurnRecord, prediction: Prediction | None, answered: Usage) -> TurnResult:
    """The record as its asker gets it, beside what was expected of it; `answered` is the last attempt's usage."""
    return TurnResult(
        turn_id=record.id,
        session_id=record.session_id,
        model=record.model,
        stop_reason=record.stop_reason,
        text=record.text,
        usage=record.usage,
        cost=record.cost,
        cache=record.cache,
        timing=record.timing,
        notices=record.notices,
        prediction=prediction,
        missed_by=error_of(prediction, record.usage, record.cost) if prediction else None,
        context_tokens=answered.total_tokens,
    )


def result_of_nothing(turn: Turn, ending: Ending, flight: Flight) -> TurnResult:
    """The result of a turn that was stopped before there was a request to record."""
    return TurnResult(
        turn_id=turn.id,
        session_id=turn.session_id,
        model=turn.model,
        stop_reason=ending.stop_reason,
        text="",
        usage=Usage(),
        cost=Cost.sum(()),
        cache=CacheVerdict("off", 0, 0, 0.0, "nothing was sent", None),
        timing=flight.timing,
        notices=("Stopped before anything was sent; nothing is kept.",),
    )


def _failure(error: BaseException | None) -> CmtError:
    if isinstance(error, CmtError):
        return error
    if error is None:
        return NetworkError("The endpoint closed the connection before the answer was complete; try again.")
    return InternalError(f"The turn failed inside cmt-lsp ({type(error).__name__}); please report it.")


def _partial_answer(text: str) -> tuple[Mapping[str, Any], ...]:
    """Only text: thinking of a partial answer may lack its signature, and would be refused later."""
    return ({"type": "text", "text": text},) if text.strip() else ()


def _sayings(
    ending: Ending, plan: PlannedTurn, answer: tuple[Mapping[str, Any], ...], limit: int | None
) -> tuple[str, ...]:
    saying = _SAYINGS.get(ending.stop_reason)
    if ending.stop_reason == "max_tokens" and limit is not None and limit < plan.request.max_tokens:
        saying = _SHRUNK
    if saying is not None:
        return (saying.format(limit=limit or plan.request.max_tokens),)
    if ending.stop_reason != "cancelled" and not has_replay(answer):
        return ("The model sent no text; this turn is left out of what is sent from now on.",)
    return ()
