"""Asking: one question on its way to one model, until it is known what it left and what it cost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import CmtError, ContextTooLargeError, InvalidRequestError
from cmt_lsp.api.models import find_model
from cmt_lsp.api.request import Retrying
from cmt_lsp.api.stream import MessageStarted
from cmt_lsp.core.context.pins import beside_pinned
from cmt_lsp.core.ending import Place, ending_of, state_of, with_price
from cmt_lsp.core.flight import Flight
from cmt_lsp.core.forecast import outlook_of
from cmt_lsp.core.guard.concern import pieces_of
from cmt_lsp.core.history import prompt_content
from cmt_lsp.core.images import load_images
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.money.meter import Meter
from cmt_lsp.core.turn import Predicted, Turn, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from cmt_lsp.api.anthropic_client import AnthropicClient
    from cmt_lsp.api.cache_manager import CacheManager
    from cmt_lsp.api.request import ClientEvent, MessageRequest
    from cmt_lsp.core.context.pins import Pinned
    from cmt_lsp.core.conversation import ConversationManager, PlannedTurn
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.ending import Ending
    from cmt_lsp.core.guard.concern import Piece
    from cmt_lsp.core.images import HeldImages
    from cmt_lsp.core.money.attempt import Kind
    from cmt_lsp.core.money.ledger import Ledger
    from cmt_lsp.core.records import TurnRecord
    from cmt_lsp.core.turn import TurnEvent
    from cmt_lsp.core.warming.prefix_queue import PrefixQueue, Writing


@dataclass(slots=True, eq=False, repr=False)
class Asking:
    """A running turn with all that its end needs; without a repr, since asyncio's debug log would show the question."""

    turn: Turn
    draft: Draft
    conversation: ConversationManager
    flight: Flight
    meter: Meter
    started_at: float
    replaced: TurnRecord | None = None
    content: tuple[Mapping[str, Any], ...] = ()
    """The user message's blocks, once images are loaded."""
    notices: list[str] = field(default_factory=list)
    warming: bool = False
    """Whether nothing is asked: the content stands in for a question, and what stands before it is to be cached."""

    pinned: Pinned | None = None
    """What goes along of the pins, once that was looked at."""

    def take_pins(self) -> tuple[Piece, ...]:
        """From here on the pins go along as they are now; what of them was never sent like this, for the guard."""
        self.pinned = self.conversation.pinned
        return pieces_of("", self.pinned.unsent)

    @property
    def place(self) -> Place:
        """Where the turn belongs in its session."""
        return Place(
            turn_id=self.turn.id,
            session_id=self.turn.session_id,
            seq=self.conversation.next_seq(self.replaced),
            started_at=self.started_at,
            prompt=self.content,
            prompt_text=self.draft.text,
            notices=(*self.draft.notices, *self.notices, *self.meter.notices),
        )

    def plan(self, cache: CacheManager, room: int | None = None) -> PlannedTurn:
        """The question behind the history; `room` in tokens stands in for the model's own limit."""
        return self.conversation.plan(
            self.draft,
            self.content,
            cache,
            without=self.replaced,
            room=room,
            warming=self.warming,
            pinned=self.pinned,
        )

    async def plan_in_turn(self, cache: CacheManager, queue: PrefixQueue) -> PlannedTurn:
        """As `plan`, after a short wait where another request is about to write what this one could read.

        Nothing is awaited after the plan is made; the request must leave without awaiting as well.
        """

        def tell(seconds: float) -> None:
            self.flight.shared_wait = seconds
            self.flight.tell(Waiting("sharing", seconds))

        plan, waited = await queue.planned(lambda: self.plan(cache), tell)
        if waited.seconds:
            self.notices.append(waited.notice)
        return plan

    def aim(self, plan: PlannedTurn, client: AnthropicClient, cache: CacheManager) -> None:
        """Tell the meter what the next attempts ask."""
        self.meter.aim(plan.request, client.count_tokens, outlook_of(plan.prompt, cache))


def begin(
    kind: Kind,
    conversation: ConversationManager,
    draft: Draft,
    listener: Callable[[TurnEvent], None],
    turn_id: str,
    ledger: Ledger,
    clock: Callable[[], float],
) -> Asking:
    """A turn with its account, in the running loop; nothing runs yet."""
    session = conversation.record
    flight = Flight(listener)
    meter = Meter(
        ledger,
        Origin(kind, session.id, turn_id, session.workspace or ""),
        clock,
        draft.budget_override,
        lambda told: flight.tell(Predicted(told)),
    )
    return Asking(
        Turn(turn_id, session.id, draft.model, draft.text), draft, conversation, flight, meter, clock()
    )


async def load_content(
    drafts: Sequence[Draft], held: HeldImages, pinned: Pinned
) -> tuple[tuple[Mapping[str, Any], ...], list[str]]:
    """The blocks of one question, the same for all its drafts, and what was done to its images and attachments.

    What is pinned just as it is attached goes along anyway. Files are read once. Images are as large as the model that
    sees most of them can use; for the others the endpoint scales them down.
    """
    first = drafts[0]
    images = await load_images(first.images, _sharpest(drafts), held)
    notices = [f"{image.name}: {change}" for image in images for change in image.changes]
    context, told = beside_pinned(first.context, pinned)
    blocks = [block.content_block for block in context]
    return prompt_content([image.to_dict() for image in images], blocks, first.text), [*notices, *told]


def _sharpest(drafts: Sequence[Draft]) -> str:
    """The model that sees the most of an image; an unknown one may."""
    for draft in drafts:
        model = find_model(draft.model)
        if model is None or model.vision == "high":
            return draft.model
    return drafts[0].model


async def ask(
    asking: Asking, plan: PlannedTurn, client: AnthropicClient, cache: CacheManager, queue: PrefixQueue
) -> None:
    """Send and listen; a prompt that the endpoint finds too large goes out once more with less history."""
    try:
        await _listen(asking, plan, client, cache, queue)
    except ContextTooLargeError as error:
        smaller = asking.plan(cache, room=plan.estimated_tokens // 2)
        if smaller.history_from == plan.history_from:
            raise
        asking.meter.failed(error.billed)
        await _listen(asking, smaller, client, cache, queue)


async def _listen(
    asking: Asking, plan: PlannedTurn, client: AnthropicClient, cache: CacheManager, queue: PrefixQueue
) -> None:
    """Asks why the cache was missed too, where the endpoint may know; refused for that, it goes out once more without."""
    plain = plan.request
    request = client.diagnosis.added_to(plain, plan.previous.message_id if plan.previous else None)
    try:
        await _hear(asking, plan, request, client, cache, queue)
    except InvalidRequestError as error:
        if request is plain or not client.diagnosis.to_blame(error):
            raise
        asking.meter.failed(error.billed)
        await _hear(asking, plan, plain, client, cache, queue)


async def _hear(
    asking: Asking,
    plan: PlannedTurn,
    request: MessageRequest,
    client: AnthropicClient,
    cache: CacheManager,
    queue: PrefixQueue,
) -> None:
    asking.flight.take_off(plan, lambda: client.ready)
    asking.aim(plan, client, cache)
    writing = queue.announce(plan)
    try:
        async with client.stream(request, gate=asking.meter) as events:
            async for event in events:
                asking.meter.hear(event)
                asking.flight.take(event)
                if isinstance(event, MessageStarted):
                    client.diagnosis.answered(event.cache.diagnosis, asked=request is not plan.request)
                _tell_queue(event, plan, writing, cache, queue)
    finally:
        queue.done(writing)


def _tell_queue(
    event: ClientEvent, plan: PlannedTurn, writing: Writing, cache: CacheManager, queue: PrefixQueue
) -> None:
    """Once the answer begins, what it wrote can be read; one that failed and comes again later keeps nobody waiting."""
    if isinstance(event, MessageStarted):
        cache.begin(plan.prompt, event.usage)
        told = event.usage.cache_read_input_tokens + event.usage.cache_creation_input_tokens
        queue.done(writing, cached=told > 0 if event.usage.total_input_tokens else None)
    elif isinstance(event, Retrying):
        queue.done(writing)


def land(asking: Asking, task: asyncio.Task[None], cache: CacheManager) -> Ending | CmtError:
    """How the task of a turn ended; its last attempt is settled, and nothing awaits in here."""
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    meter, reason = asking.meter, asking.turn.cancel_reason
    failure = error if isinstance(error, CmtError) else None
    charged = meter.charged(failure.billed, failure.partial) if failure else meter.charged()
    ending = ending_of(asking.flight, error, reason, charged)
    asking.flight.land()
    if asking.flight.plan is not None:
        told = asking.flight.cache_report.lifetimes_told
        cache.remember(asking.flight.plan.prompt, meter.left, lifetimes_told=told)
    if isinstance(ending, CmtError):
        meter.settle("failed", charged, meter.price(charged))
        return with_price(ending, meter.spent)
    meter.settle(state_of(ending, reason), charged, meter.price(charged))
    return ending
