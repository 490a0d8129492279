"""Warmer: sends a session's next prompt without its question, so that the cache holds it when the question comes.

Such a request is booked like any other and leaves nothing in the session. It does not hold the session: a question
that comes meanwhile goes out, after a short wait where that lets it read what is being written.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.cache.verdict import CacheVerdict, judge
from cmt_lsp.api.errors import CmtError, ContextTooLargeError, InvalidRequestError, SessionBusyError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.asking import ask, begin, land
from cmt_lsp.core.guard.permission import pass_guard
from cmt_lsp.core.turn import TurnResult
from cmt_lsp.core.warming.decision import Nothing, nothing_to_send, state_after

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from cmt_lsp.core.asking import Asking
    from cmt_lsp.core.conversation import ConversationManager, PlannedTurn
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.money.prediction import Prediction
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.stage import Stage
    from cmt_lsp.core.turn import Turn
    from cmt_lsp.core.warming.decision import WarmState

PLACEHOLDER: tuple[Mapping[str, Any], ...] = ({"type": "text", "text": "."},)
"""Stands behind the last mark: the last message must be the user's, and this one is never part of the session."""
_NOTHING_USED, _NOTHING_PAID = Usage(), Cost.sum(())
_REASONS: dict[WarmState, str] = {
    "warmed": "The next question can read it.",
    "refreshed": "It was there already and lives on.",
    "not-cached": "The endpoint took the request and tells of no caching.",
    "cancelled": "Stopped before the endpoint answered.",
}


@dataclass(frozen=True, slots=True)
class WarmResult:
    """What warming did. `usage` and `cost` are those of all attempts, and zero where nothing was sent."""

    session_id: str
    model: str
    state: WarmState
    reason: str
    """Why this state, in one sentence."""
    usage: Usage = _NOTHING_USED
    cost: Cost = _NOTHING_PAID
    expires_at: float | None = None
    """Until when the cache holds it at the least, in seconds since 1970; None where it holds nothing."""
    prediction: Prediction | None = None
    """What was expected before it was sent."""
    notices: tuple[str, ...] = ()


@dataclass(slots=True, eq=False, repr=False)
class Warm:
    """A request to warm a session, under way."""

    asking: Asking
    nothing: Nothing | None = None
    """Why nothing was sent, or nothing came of it."""
    answered: Usage | None = None
    """The endpoint's own counts."""
    expires_at: float | None = None

    @property
    def turn(self) -> Turn:
        """What can be cancelled and waited for."""
        return self.asking.turn

    async def result(self) -> WarmResult:
        """Wait for the end; raises the CmtError of a request that failed."""
        return self._result(await self.turn.result())

    def _result(self, ended: TurnResult) -> WarmResult:
        state, reason = self._outcome()
        return WarmResult(
            session_id=ended.session_id,
            model=ended.model,
            state=state,
            reason=reason,
            usage=ended.usage,
            cost=ended.cost,
            expires_at=self.expires_at,
            prediction=self.asking.meter.prediction,
            notices=ended.notices,
        )

    def _outcome(self) -> tuple[WarmState, str]:
        if self.nothing is not None:
            return self.nothing.state, self.nothing.reason
        state: WarmState = "cancelled" if self.answered is None else state_after(self.answered)
        return state, _REASONS[state]


class Warmer:
    """Starts requests that warm sessions, one at a time in each."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._warming: set[str] = set()

    def start(
        self, conversation: ConversationManager, draft: Draft, settings: Settings, turn_id: str
    ) -> Warm:
        """Start in the running loop; SessionBusyError where a turn runs in the session, or it is being warmed."""
        session_id = conversation.record.id
        if session_id in self._warming:
            raise SessionBusyError("This session is being warmed already; wait for it or stop it.")
        self._stage.locks.hold(session_id)()
        asking = begin(
            "warm", conversation, draft, lambda _: None, turn_id, self._stage.ledger, self._stage.clock
        )
        asking.warming, asking.content = True, PLACEHOLDER
        warm = Warm(asking)
        self._warming.add(session_id)
        self._stage.settling.expect(asking.turn, asking.meter)
        task = asking.turn.carry(self._send(warm, settings))
        task.add_done_callback(partial(self._end, warm))
        return warm

    async def _send(self, warm: Warm, settings: Settings) -> None:
        asking = warm.asking
        await self._stage.shelf.refresh(asking.conversation)
        pieces = asking.take_pins()
        if self._found_nothing(warm):
            return
        # Nobody is asked here: what was never sent and looks like a secret waits for a question of the person.
        await pass_guard(pieces, asking.draft.permission, scan=settings.scans)
        client, access = await self._stage.clients.for_request(settings)
        with self._stage.clients.answering(access):
            plan = await asking.plan_in_turn(self._stage.cache, self._stage.queue)
            if not self._found_nothing(warm):
                await ask(asking, plan, client, self._stage.cache, self._stage.queue)

    def _found_nothing(self, warm: Warm) -> bool:
        """Whether there is nothing to warm at this moment."""
        plan = warm.asking.plan(self._stage.cache)
        held, warm.expires_at = self._stage.cache.warmth(plan.prompt)
        warm.nothing = nothing_to_send(plan.prompt, held, warm.expires_at)
        return warm.nothing is not None

    def _end(self, warm: Warm, task: asyncio.Task[None]) -> None:
        """Decide what came of it; nothing awaits from here to the ledger."""
        asking = warm.asking
        self._warming.discard(asking.turn.session_id)
        if warm.nothing is not None and not task.cancelled() and task.exception() is None:
            asking.flight.land()
            self._stage.settling.settle(asking.turn, _settled(asking))
            return
        ending = land(asking, task, self._stage.cache)
        if isinstance(ending, CmtError):
            if not _is_refusal(ending):
                self._stage.settling.settle(asking.turn, ending)
                return
            told = ending.message.rstrip(".")
            warm.nothing = Nothing(
                "refused", f"{told}; nothing was charged, the next question writes its cache."
            )
        elif ending.message is not None and asking.flight.plan is not None:
            warm.answered = ending.message.usage
            self._note(warm, asking.flight.plan, ending.message.usage)
        self._stage.settling.settle(asking.turn, _settled(asking))

    def _note(self, warm: Warm, plan: PlannedTurn, usage: Usage) -> None:
        """What the session's next question will find.

        The endpoint is not asked to compare with this request, whose last message is in no other.
        """
        prompt, previous = plan.prompt, plan.previous
        warm.expires_at = self._stage.cache.warmth(prompt)[1]
        verdict = judge(plan.model, usage, prompt, previous)
        sent = self._stage.cache.sent(prompt, usage, verdict, previous.message_id if previous else None)
        if sent is not None:
            warm.asking.conversation.note_warm(sent)


def _settled(asking: Asking) -> TurnResult:
    """What the request used, without an answer."""
    usage, cost = asking.meter.spent
    return TurnResult(
        turn_id=asking.turn.id,
        session_id=asking.turn.session_id,
        model=asking.turn.model,
        stop_reason="end_turn",
        text="",
        usage=usage,
        cost=cost,
        cache=CacheVerdict("off", 0, 0, 0.0, None, None),
        timing=asking.flight.timing,
        notices=(*asking.draft.notices, *asking.notices, *asking.meter.notices),
    )


def _is_refusal(error: CmtError) -> bool:
    """Whether the endpoint takes no such request: some servers want at least one token of answer."""
    refusal = isinstance(error, InvalidRequestError) and not isinstance(error, ContextTooLargeError)
    return refusal and error.billed == "nothing"
