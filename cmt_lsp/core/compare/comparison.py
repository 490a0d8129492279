"""A comparison: one question to several models at the same time, and which of the answers may be gone on from.

No answer is in the session until it is chosen. Each is a turn of its own while it runs: with an id, a stream, an
account and an end.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError, UnknownTurnError
from cmt_lsp.api.models import find_model
from cmt_lsp.core.draft import draft_of
from cmt_lsp.core.turn import TurnResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from cmt_lsp.api.anthropic_client import AnthropicClient
    from cmt_lsp.core.asking import Asking
    from cmt_lsp.core.compare.rows import AnswerRecord, ComparisonRecord
    from cmt_lsp.core.conversation import PlannedTurn
    from cmt_lsp.core.credentials import Access
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.turn import CancelReason, Turn, TurnRequest

FEWEST, MOST = 2, 5


def drafts_of(
    request: TurnRequest, models: Sequence[str], session_model: str, settings: Settings, today: date
) -> list[Draft]:
    """The same question for each model, in the order asked; BadParamsError names what is wrong with the models."""
    if not FEWEST <= len(models) <= MOST:
        raise BadParamsError(f"models must name {FEWEST} to {MOST} models, not {len(models)}.")
    drafts = [draft_of(replace(request, model=model), session_model, settings, today) for model in models]
    named: dict[str, str] = {}
    for asked, draft in zip(models, drafts, strict=True):
        same, named[_identity(draft.model)] = named.get(_identity(draft.model)), asked
        if same is not None:
            twice = f"{asked} twice" if same == asked else f"one model twice, as {same} and as {asked}"
            raise BadParamsError(f"models names {twice}; name each model once.")
    return drafts


@dataclass(slots=True, eq=False, repr=False)
class Comparison:
    """A question under way to several models; without a repr, since asyncio's debug log would show the question."""

    record: ComparisonRecord
    askings: tuple[Asking, ...]
    release: Callable[[], None]
    """Frees the session; called once for each model, the last call counts."""
    plans: dict[str, PlannedTurn] = field(default_factory=dict)
    """By turn, once everything is prepared."""
    prepared: asyncio.Task[tuple[AnthropicClient, Access | None]] | None = None
    noted: bool = False
    """Whether the session knows that it was asked."""
    ended: set[str] = field(default_factory=set)
    """The turns whose tasks are over."""
    failed: dict[str, TurnResult] = field(default_factory=dict)
    """By turn, the rows of models that gave no answer."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """One for each model, in the order asked."""
        return tuple(asking.turn for asking in self.askings)

    def cancel(self, reason: CancelReason = "user") -> int:
        """Stop all answers that still come; how many were told to stop."""
        return sum(turn.cancel(reason) for turn in self.turns)

    async def rows(self) -> tuple[TurnResult, ...]:
        """How each model did, in the order asked, once all have ended and their records are durable.

        A model that failed has the stop reason "error"; what stopped all of them before anything was sent is raised.
        """
        outcomes = await asyncio.gather(*(turn.result() for turn in self.turns), return_exceptions=True)
        return tuple(
            self._row(asking, outcome) for asking, outcome in zip(self.askings, outcomes, strict=True)
        )

    def _row(self, asking: Asking, outcome: TurnResult | BaseException) -> TurnResult:
        if isinstance(outcome, TurnResult):
            return outcome
        failed = self.failed.get(asking.turn.id)
        if failed is None:
            raise outcome
        return replace(failed, notices=(*failed.notices, *asking.meter.warnings))


def chosen_answer(
    found: tuple[ComparisonRecord, tuple[AnswerRecord, ...]] | None, model: str, head: str | None
) -> AnswerRecord:
    """The answer of a comparison that may become the next turn of a session whose last turn is `head`."""
    if found is None:
        raise UnknownTurnError("The session has no comparison with this id; compare again.")
    comparison, answers = found
    if comparison.chosen is not None:
        raise UnknownTurnError(
            "An answer of this comparison was chosen before; compare again to choose anew."
        )
    if comparison.head != head:
        raise UnknownTurnError(
            "The session has gone on since this comparison, so that its answers fit no more; compare again."
        )
    wanted = _identity(model)
    answer = next((one for one in answers if _identity(one.turn.model) == wanted), None)
    if answer is None:
        given = ", ".join(one.turn.model for one in answers)
        raise BadParamsError(f"model must be one that answered in this comparison: {given}.")
    if answer.error is not None:
        raise BadParamsError(
            f"{answer.turn.model} gave no answer to go on from ({answer.error}); choose another."
        )
    if not answer.turn.in_history:
        raise BadParamsError(f"The answer of {answer.turn.model} has no text to go on from; choose another.")
    return answer


def _identity(model: str) -> str:
    """What is the same for all names of a model."""
    known = find_model(model)
    return model if known is None else known.id
