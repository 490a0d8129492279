"""TurnRunner: carries turns from the question to the settled record, one at a time in each session.

The task of a turn only streams. What it left is decided and handed to the store in the task's done callback, without
awaiting, so that no cancellation at any moment can lose or double a record.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import CmtError, UnknownTurnError
from cmt_lsp.core import transcripts
from cmt_lsp.core.asking import ask, begin, land, load_content
from cmt_lsp.core.context.pins import NOTHING_PINNED
from cmt_lsp.core.ending import Ending, record_of, result_of, result_of_nothing
from cmt_lsp.core.guard.permission import pass_guard
from cmt_lsp.core.judging import judged
from cmt_lsp.core.turn import TurnStarted

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from cmt_lsp.core.asking import Asking
    from cmt_lsp.core.conversation import ConversationManager, PlannedTurn
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.records import TurnRecord
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.stage import Stage
    from cmt_lsp.core.turn import Turn, TurnEvent


class TurnRunner:
    """Starts turns, streams them, and keeps what they leave."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def start(
        self,
        conversation: ConversationManager,
        draft: Draft,
        settings: Settings,
        emit: Callable[[TurnEvent], None],
        turn_id: str,
        replaced: TurnRecord | None = None,
    ) -> Turn:
        """Start a turn in the running loop; SessionBusyError where one runs here or in another process."""
        release = self._stage.locks.hold(conversation.record.id)
        asking = begin("turn", conversation, draft, emit, turn_id, self._stage.ledger, self._stage.clock)
        asking.replaced = replaced
        self._stage.settling.expect(asking.turn, asking.meter)
        task = asking.turn.carry(self._stream(asking, settings))
        task.add_done_callback(partial(self._end, asking, release))
        return asking.turn

    async def _stream(self, asking: Asking, settings: Settings) -> None:
        """All that awaits: bring the history up to date, prepare the question, ask, listen."""
        turn = asking.turn
        asking.flight.tell(TurnStarted(turn.id, turn.session_id, turn.model))
        await self._stage.shelf.refresh(asking.conversation)
        _check_replaced(asking)
        draft, pieces = asking.draft, asking.take_pins()
        await pass_guard((*pieces, *draft.pieces), draft.permission, scan=settings.scans)
        if asking.replaced is None:
            held, pinned = asking.conversation.held_images, asking.pinned or NOTHING_PINNED
            asking.content, asking.notices = await load_content([draft], held, pinned)
        else:
            asking.content = asking.replaced.prompt
        client, access = await self._stage.clients.for_request(settings)
        with self._stage.clients.answering(access):
            plan = await asking.plan_in_turn(self._stage.cache, self._stage.queue)
            await ask(asking, plan, client, self._stage.cache, self._stage.queue)

    def _end(self, asking: Asking, release: Callable[[], None], task: asyncio.Task[None]) -> None:
        """Decide what the turn left, and hand it to ledger and store; nothing awaits from here to there."""
        ending, plan = land(asking, task, self._stage.cache), asking.flight.plan
        if isinstance(ending, Ending) and plan is not None:
            self._keep(asking, release, ending, plan)
            return
        release()  # it leaves nothing in the session, but its attempts are booked
        nothing = (
            ending if isinstance(ending, CmtError) else result_of_nothing(asking.turn, ending, asking.flight)
        )
        self._stage.settling.settle(asking.turn, nothing)

    def _keep(self, asking: Asking, release: Callable[[], None], ending: Ending, plan: PlannedTurn) -> None:
        """Take the turn into the history and hand its record to the store."""
        conversation, replaced = asking.conversation, asking.replaced
        verdict = judged(asking.flight, ending, plan, self._stage.cache)
        record = record_of(asking.place, plan, asking.flight, ending, verdict, asking.meter)
        conversation.append(record, plan.history_from, replaced, plan.pinned)
        change = partial(
            transcripts.settle_turn,
            session=conversation.record,
            turn=record,
            replaced=replaced.id if replaced else None,
        )
        saved = self._stage.shelf.save(conversation, change)
        saved.add_done_callback(lambda _: release())  # the record is with the store, so the session is free
        self._stage.settling.settle(
            asking.turn, result_of(record, asking.meter.prediction, ending.usage), saved
        )


def _check_replaced(asking: Asking) -> None:
    """Another window may have added a turn since the person asked to repeat the last one."""
    if asking.replaced is None:
        return
    last = asking.conversation.loaded[-1:]
    if not last or last[0].id != asking.replaced.id:
        raise UnknownTurnError(
            "Only the session's last turn can be asked again; fork the session at an earlier one."
        )
    asking.replaced = last[0]
