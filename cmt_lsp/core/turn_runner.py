"""TurnRunner: carries turns from the question to the settled record, one at a time in each session.

The task of a turn only streams. What it left is decided and handed to the store in the task's done callback, without
awaiting, so that no cancellation at any moment can lose or double a record.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from cmt_lsp.api.cache_manager import sent_prompt
from cmt_lsp.api.errors import (
    AuthError,
    CmtError,
    ContextTooLargeError,
    SessionBusyError,
    UnknownTurnError,
)
from cmt_lsp.core import transcripts
from cmt_lsp.core.ending import (
    Place,
    ending_of,
    price_of,
    record_of,
    result_of,
    result_of_nothing,
    state_of,
    with_price,
)
from cmt_lsp.core.flight import Flight
from cmt_lsp.core.forecast import outlook_of
from cmt_lsp.core.history import prompt_content
from cmt_lsp.core.images import load_images
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.money.meter import Meter
from cmt_lsp.core.turn import Predicted, Turn, TurnResult, TurnStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from typing import Any

    from cmt_lsp.api.anthropic_client import AnthropicClient
    from cmt_lsp.api.cache_manager import CacheManager
    from cmt_lsp.core.clients import Clients
    from cmt_lsp.core.conversation import ConversationManager, PlannedTurn
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.ending import Ending
    from cmt_lsp.core.money.ledger import Ledger
    from cmt_lsp.core.records import TurnRecord
    from cmt_lsp.core.session_locks import SessionLocks
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.shelf import SessionShelf
    from cmt_lsp.core.turn import CancelReason, TurnEvent


@dataclass(slots=True, eq=False, repr=False)
class _Live:
    """A running turn with all that its end needs; without a repr, since asyncio's debug log would show the question."""

    turn: Turn
    draft: Draft
    conversation: ConversationManager
    flight: Flight
    meter: Meter
    started_at: float
    release: Callable[[], None]
    replaced: TurnRecord | None = None
    content: tuple[Mapping[str, Any], ...] = ()
    notices: list[str] = field(default_factory=list)
    outcome: TurnResult | CmtError | None = None


class TurnRunner:
    """Starts, streams, cancels and settles turns."""

    def __init__(
        self,
        shelf: SessionShelf,
        locks: SessionLocks,
        clients: Clients,
        cache: CacheManager,
        ledger: Ledger,
        clock: Callable[[], float],
    ) -> None:
        self._shelf = shelf
        self._locks = locks
        self._clients = clients
        self._cache = cache
        self._ledger = ledger
        self._clock = clock
        self._live: dict[str, _Live] = {}
        """By session: it is busy until the record is with the store."""
        self._unsettled: dict[str, _Live] = {}
        """By turn: its result is still awaited."""
        shelf.keep_while(self.is_busy)

    @property
    def running(self) -> list[Turn]:
        """The turns that are not settled, oldest first."""
        return [live.turn for live in self._unsettled.values()]

    def is_busy(self, session_id: str) -> bool:
        """Whether a turn of this process runs in the session."""
        return session_id in self._live

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
        session_id = conversation.record.id
        if self.is_busy(session_id):
            raise SessionBusyError(
                "A turn is running in this session; wait for it, stop it or fork the session."
            )
        turn = Turn(turn_id, session_id, draft.model)
        release = self._locks.hold(session_id)
        origin = Origin("turn", session_id, turn_id, conversation.record.workspace or "")
        flight = Flight(emit)
        meter = Meter(
            self._ledger,
            origin,
            self._clock,
            draft.budget_override,
            lambda told: flight.tell(Predicted(told)),
        )
        live = _Live(turn, draft, conversation, flight, meter, self._clock(), release, replaced)
        self._live[session_id] = self._unsettled[turn_id] = live
        turn.carry(self._stream(live, settings)).add_done_callback(partial(self._end, live))
        return turn

    def cancel_all(self, reason: CancelReason) -> int:
        """Stop every running turn; how many were stopped."""
        return sum(turn.cancel(reason) for turn in self.running)

    async def settled(self, timeout: float) -> None:  # noqa: ASYNC109  a limit for all turns together
        """Wait until no turn runs; what the store has not confirmed by then is settled as not saved."""
        waiting = [asyncio.ensure_future(turn.result()) for turn in self.running]
        if not waiting:
            return
        await asyncio.wait(waiting, timeout=timeout)
        for live in list(self._unsettled.values()):
            self._finish(live, "the disk did not answer in time")
        for waiter in waiting:
            waiter.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _stream(self, live: _Live, settings: Settings) -> None:
        """All that awaits: bring the history up to date, prepare the question, ask, listen."""
        live.flight.tell(TurnStarted(live.turn.id, live.turn.session_id, live.turn.model))
        await self._shelf.refresh(live.conversation)
        _check_replaced(live)
        live.content = live.replaced.prompt if live.replaced else await _content(live)
        client, access = await self._clients.for_request(settings)
        try:
            await self._ask(live, client)
        except AuthError:
            if access is not None:
                self._clients.keys.refused(access)
            raise

    async def _ask(self, live: _Live, client: AnthropicClient) -> None:
        """Send and listen; a prompt that the endpoint finds too large goes out once more with less history."""
        plan = self._plan(live, room=None)
        try:
            await self._listen(live, plan, client)
        except ContextTooLargeError as error:
            smaller = self._plan(live, room=plan.estimated_tokens // 2)
            if smaller.history_from == plan.history_from:
                raise
            live.meter.failed(error.billed)
            await self._listen(live, smaller, client)

    async def _listen(self, live: _Live, plan: PlannedTurn, client: AnthropicClient) -> None:
        live.flight.take_off(plan, lambda: client.ready)
        outlook = outlook_of(plan.prompt, live.conversation.last_sent)
        live.meter.aim(plan.request, client.count_tokens, outlook)
        async with client.stream(plan.request, gate=live.meter) as events:
            async for event in events:
                live.meter.hear(event)
                live.flight.take(event)

    def _plan(self, live: _Live, room: int | None) -> PlannedTurn:
        return live.conversation.plan(live.draft, live.content, self._cache, without=live.replaced, room=room)

    def _end(self, live: _Live, task: asyncio.Task[None]) -> None:
        """Decide what the turn left, and hand it to ledger and store; nothing awaits from here to there."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        meter = live.meter
        charged = meter.charged(error.billed if isinstance(error, CmtError) else "unknown")
        ending = ending_of(live.flight, error, live.turn.cancel_reason, charged)
        live.flight.land()
        if isinstance(ending, CmtError):
            meter.settle("failed", charged, meter.price(charged))
            live.outcome = with_price(ending, meter.spent)
            self._end_unrecorded(live)
            return
        meter.settle(state_of(ending, live.turn.cancel_reason), ending.usage, price_of(ending, meter))
        if live.flight.plan is None:
            live.outcome = result_of_nothing(live.turn, ending, live.flight)
            self._end_unrecorded(live)
            return
        self._keep(live, ending, live.flight.plan)

    def _end_unrecorded(self, live: _Live) -> None:
        """The turn leaves nothing in the session, but its attempts are booked."""
        self._release(live)
        self._when_booked(live, asyncio.get_running_loop(), None)

    def _keep(self, live: _Live, ending: Ending, plan: PlannedTurn) -> None:
        """Take the turn into the history and hand its record to the store."""
        conversation = live.conversation
        told = ending.usage if ending.message is not None else live.flight.reported
        verdict = self._cache.verdict(plan.model, told, plan.prompt, conversation.last_sent)
        if ending.message is not None:
            conversation.last_sent = sent_prompt(plan.prompt, ending.usage, verdict)
        record = record_of(_place(live), plan, live.flight, ending, verdict, live.meter.spent)
        conversation.append(record, plan.history_from, live.replaced)
        live.outcome = result_of(record, live.meter.prediction)
        change = partial(
            transcripts.settle_turn,
            session=conversation.record,
            turn=record,
            replaced=live.replaced.id if live.replaced else None,
        )
        saved = partial(self._saved, live, asyncio.get_running_loop())
        self._shelf.save(conversation, change).add_done_callback(saved)

    def _saved(self, live: _Live, loop: asyncio.AbstractEventLoop, done: Future[None]) -> None:
        """On the store's thread: the record is durable or waits, so the session is free."""
        self._release(live)
        error = done.exception()
        self._when_booked(live, loop, None if error is None else str(error))

    def _when_booked(self, live: _Live, loop: asyncio.AbstractEventLoop, failure: str | None) -> None:
        """Finish once the ledger holds every attempt: nobody hears of a turn whose money could still be lost."""
        live.meter.when_durable(partial(self._finish_soon, live, loop, failure))

    def _finish_soon(self, live: _Live, loop: asyncio.AbstractEventLoop, failure: str | None) -> None:
        """On whatever thread ended last; the loop may be gone."""
        try:
            loop.call_soon_threadsafe(self._finish, live, failure)
        except RuntimeError:
            self._unsettled.pop(live.turn.id, None)

    def _finish(self, live: _Live, failure: str | None) -> None:
        """On the loop: tell the result, what of it is not on disk, and which budget it brought near its end."""
        if live.outcome is None:
            return
        if isinstance(live.outcome, TurnResult):
            unsaved = () if failure is None else (f"not saved: {failure}",)
            notices = (*live.outcome.notices, *unsaved, *live.meter.warnings)
            live.outcome = replace(live.outcome, notices=notices)
        self._settle(live, live.outcome)

    def _settle(self, live: _Live, outcome: TurnResult | CmtError) -> None:
        self._unsettled.pop(live.turn.id, None)
        live.turn.settle(outcome)
        self._shelf.trim()

    def _release(self, live: _Live) -> None:
        """Free the session for the next turn, here and in other processes."""
        self._live.pop(live.turn.session_id, None)
        live.release()


async def _content(live: _Live) -> tuple[Mapping[str, Any], ...]:
    draft = live.draft
    images = await load_images(draft.images, draft.model)
    live.notices += [f"{image.name}: {change}" for image in images for change in image.changes]
    blocks = [block.content_block for block in draft.context]
    return prompt_content([image.to_dict() for image in images], blocks, draft.text)


def _check_replaced(live: _Live) -> None:
    """Another window may have added a turn since the person asked to repeat the last one."""
    if live.replaced is None:
        return
    last = live.conversation.loaded[-1:]
    if not last or last[0].id != live.replaced.id:
        raise UnknownTurnError(
            "Only the session's last turn can be asked again; fork the session at an earlier one."
        )
    live.replaced = last[0]


def _place(live: _Live) -> Place:
    return Place(
        turn_id=live.turn.id,
        session_id=live.turn.session_id,
        seq=live.conversation.next_seq(live.replaced),
        started_at=live.started_at,
        prompt=live.content,
        prompt_text=live.draft.text,
        notices=(*live.draft.notices, *live.notices, *live.meter.notices),
    )
