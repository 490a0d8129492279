"""ComparisonRunner: asks several models the same question at the same time, and goes on from one of the answers.

Everything that the models share is prepared once, their first attempts are reserved together, and then each turn runs
and ends alone.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import CmtError
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.asking import ask, begin, land, load_content
from cmt_lsp.core.compare import rows as comparison_rows
from cmt_lsp.core.compare.comparison import Comparison, chosen_answer
from cmt_lsp.core.compare.rows import AnswerRecord, ComparisonRecord
from cmt_lsp.core.ending import Ending, record_of, result_of, result_of_nothing
from cmt_lsp.core.guard.permission import pass_guard
from cmt_lsp.core.judging import judged
from cmt_lsp.core.money.meter import FREE, reserve_jointly
from cmt_lsp.core.turn import TurnStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from typing import Any

    from cmt_lsp.api.anthropic_client import AnthropicClient
    from cmt_lsp.core.asking import Asking
    from cmt_lsp.core.conversation import ConversationManager, PlannedTurn
    from cmt_lsp.core.credentials import Access
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.records import TurnRecord
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.stage import Stage
    from cmt_lsp.core.turn import TurnEvent, TurnResult


class ComparisonRunner:
    """Starts comparisons, and goes on from one of their answers."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def start(
        self,
        conversation: ConversationManager,
        drafts: Sequence[Draft],
        settings: Settings,
        listeners: Sequence[Callable[[TurnEvent], None]],
        ids: Sequence[str],
    ) -> Comparison:
        """Ask in the running loop; SessionBusyError where a turn runs in the session, here or elsewhere.

        One listener for each draft; `ids` are those of the turns, and then that of the comparison.
        """
        session_id, now = conversation.record.id, self._stage.clock()
        *turn_ids, comparison_id = ids
        release = self._stage.locks.hold(session_id)
        comparison = Comparison(
            ComparisonRecord(comparison_id, session_id, None, now, (), drafts[0].text),
            tuple(
                begin(
                    "compare", conversation, draft, listener, turn_id, self._stage.ledger, self._stage.clock
                )
                for draft, listener, turn_id in zip(drafts, listeners, turn_ids, strict=True)
            ),
            _after(len(drafts), release),
        )
        comparison.prepared = asyncio.get_running_loop().create_task(self._prepare(comparison, settings))
        comparison.prepared.add_done_callback(_mark_retrieved)
        for asking in comparison.askings:
            self._stage.settling.expect(asking.turn, asking.meter)
            task = asking.turn.carry(self._answer(comparison, asking))
            task.add_done_callback(partial(self._end, comparison, asking))
        return comparison

    async def choose(self, conversation: ConversationManager, comparison_id: str, model: str) -> Future[None]:
        """Make an answer the session's next turn; the future is done once that is durable.

        UnknownTurnError where the comparison is not known or the session has gone on, BadParamsError where there is
        no such answer, SessionBusyError.
        """
        session_id = conversation.record.id
        release = self._stage.locks.hold(session_id)
        try:
            await self._stage.shelf.refresh(conversation)
            read = partial(
                comparison_rows.read_comparison, session_id=session_id, comparison_id=comparison_id
            )
            found = await self._stage.shelf.read(read)
            answer = chosen_answer(found, model, conversation.head)
            turn = replace(answer.turn, seq=conversation.next_seq())
            conversation.choose(turn, answer.history_from)
            change = partial(
                comparison_rows.settle_choice,
                session=conversation.record,
                turn=turn,
                comparison_id=comparison_id,
            )
            saved = self._stage.shelf.save(conversation, change)
        except BaseException:
            release()
            raise
        saved.add_done_callback(lambda _: release())
        return saved

    async def _prepare(
        self, comparison: Comparison, settings: Settings
    ) -> tuple[AnthropicClient, Access | None]:
        """All that the models have in common: the history, the question, the endpoint, one reservation for all."""
        conversation = comparison.askings[0].conversation
        await self._stage.shelf.refresh(conversation)
        drafts = [asking.draft for asking in comparison.askings]
        pinned = conversation.pinned
        unsent, *_ = [asking.take_pins() for asking in comparison.askings]
        await pass_guard((*unsent, *drafts[0].pieces), drafts[0].permission, scan=settings.scans)
        content, notices = await load_content(drafts, conversation.held_images, pinned)
        comparison.record = replace(comparison.record, head=conversation.head, prompt=content)
        client, access = await self._stage.clients.for_request(settings)
        waiting = [asking for asking in comparison.askings if asking.turn.id not in comparison.ended]
        for asking in waiting:
            asking.content, asking.notices = content, list(notices)
            plan = comparison.plans[asking.turn.id] = asking.plan(self._stage.cache)
            asking.aim(plan, client, self._stage.cache)
        await reserve_jointly(self._stage.ledger, [asking.meter for asking in waiting])
        for asking in waiting:
            if (
                asking.turn.id in comparison.ended
            ):  # stopped meanwhile: what was reserved for it is free again
                asking.meter.settle("cancelled", Usage(), FREE)
        return client, access

    async def _answer(self, comparison: Comparison, asking: Asking) -> None:
        """All that awaits in one model's turn."""
        turn = asking.turn
        asking.flight.tell(TurnStarted(turn.id, turn.session_id, turn.model))
        if comparison.prepared is None:
            raise AssertionError("a comparison is prepared from its start")
        client, access = await asyncio.shield(comparison.prepared)
        with self._stage.clients.answering(access):
            await ask(asking, comparison.plans[turn.id], client, self._stage.cache, self._stage.queue)

    def _end(self, comparison: Comparison, asking: Asking, task: asyncio.Task[None]) -> None:
        """Decide what a turn left, and hand it to ledger and store; nothing awaits from here to there."""
        turn = asking.turn
        ending = land(asking, task, self._stage.cache)
        comparison.ended.add(turn.id)
        if comparison.prepared is not None and len(comparison.ended) == len(comparison.askings):
            comparison.prepared.cancel()
        if asking.flight.plan is not None:
            self._keep(comparison, asking, ending, asking.flight.plan)
            return
        comparison.release()
        nothing = ending if isinstance(ending, CmtError) else result_of_nothing(turn, ending, asking.flight)
        self._stage.settling.settle(turn, nothing)

    def _keep(
        self, comparison: Comparison, asking: Asking, ending: Ending | CmtError, plan: PlannedTurn
    ) -> None:
        """Hand the answer's record to the store, or that of the failure: it may have cost something too."""
        turn, conversation = asking.turn, asking.conversation
        if isinstance(ending, CmtError):
            record = self._failed_record(asking, plan)
            row = replace(result_of(record, asking.meter.prediction, Usage()), error=ending)
            comparison.failed[turn.id] = row
            outcome: TurnResult | CmtError = ending
        else:
            record = self._record(asking, ending, plan)
            outcome = result_of(record, asking.meter.prediction, ending.usage)
        if not comparison.noted:
            comparison.noted = True
            conversation.note_question(comparison.record.prompt_text, comparison.record.asked_at)
        answer = AnswerRecord(
            place=comparison.askings.index(asking),
            turn=record,
            history_from=plan.history_from,
            error=ending.message if isinstance(ending, CmtError) else None,
        )
        change = partial(
            comparison_rows.keep_answer,
            session=conversation.record,
            comparison=comparison.record,
            answer=answer,
        )
        saved = self._stage.shelf.save(conversation, change)
        saved.add_done_callback(lambda _: comparison.release())
        self._stage.settling.settle(turn, outcome, saved)

    def _record(self, asking: Asking, ending: Ending, plan: PlannedTurn) -> TurnRecord:
        verdict = judged(asking.flight, ending, plan, self._stage.cache)
        return record_of(asking.place, plan, asking.flight, ending, verdict, asking.meter)

    def _failed_record(self, asking: Asking, plan: PlannedTurn) -> TurnRecord:
        """A turn without an answer; what its attempts cost and left in the cache is all that is left of it."""
        record = self._record(asking, Ending("error", None, Usage(), ()), plan)
        return replace(record, notices=(*asking.place.notices, *plan.notices))


def _after(count: int, then: Callable[[], None]) -> Callable[[], None]:
    """What calls `then` at its `count`-th call, on any thread."""
    left, guard = count, threading.Lock()

    def one_less() -> None:
        nonlocal left
        with guard:
            left -= 1
            last = left == 0
        if last:
            then()

    return one_less


def _mark_retrieved(prepared: asyncio.Task[Any]) -> None:
    """A failure is told to every turn that waits; asyncio need not report it again where none does any more."""
    if not prepared.cancelled():
        prepared.exception()
