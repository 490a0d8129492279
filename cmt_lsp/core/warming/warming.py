"""Warming: the door to all that writes or keeps a cache without a question."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import AuthError, MissingKeyError
from cmt_lsp.core.draft import draft_to_warm
from cmt_lsp.core.forecast import forecast, outlook_of
from cmt_lsp.core.identity import new_id
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.question import Question
from cmt_lsp.core.warming.decision import nothing_to_send, prefix_of
from cmt_lsp.core.warming.keeper import Keeper
from cmt_lsp.core.warming.warmer import PLACEHOLDER, Warmer, WarmResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from cmt_lsp.core.conversation import ConversationManager, PlannedTurn
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.forecast import Forecast
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.stage import Stage
    from cmt_lsp.core.turn import Turn
    from cmt_lsp.core.warming.decision import Prefix, WarmState
    from cmt_lsp.core.warming.keeper import Alarm
    from cmt_lsp.core.warming.warmer import Warm


class Warming:
    """Warms the sessions of a process, on demand and while their person types."""

    def __init__(
        self,
        stage: Stage,
        settings: Callable[[], Settings],
        alarm: Callable[[float, Callable[[], None]], Alarm] | None = None,
    ) -> None:
        """`settings` gives those in force; `alarm` as for `Keeper`."""
        self._stage = stage
        self._settings = settings
        self._warmer = Warmer(stage)
        self.keeper = Keeper(self._look, self._refresh, lambda: settings().keep_warm, stage.clock, alarm)

    async def start(self, session_id: str, *, budget_override: str | None = None) -> Warm:
        """Warm a session's next prompt; SessionBusyError, UnknownSessionError. The result is that of `Warm`."""
        conversation = await self._stage.shelf.load(session_id)
        draft = self._draft(conversation, budget_override)
        return self._warmer.start(conversation, draft, self._settings(), new_id(self._stage.clock()))

    async def price(self, session_id: str) -> tuple[WarmResult, Forecast | None]:
        """What warming a session would do and cost; sends nothing but the free count of its prompt.

        The result says why there is nothing to warm; its state is `priced` where there is something, with a forecast.
        """
        conversation = await self._stage.shelf.load(session_id)
        plan, held, expires_at = self._plan(conversation)
        model = plan.request.model
        nothing = nothing_to_send(plan.prompt, held, expires_at)
        if nothing is not None:
            found = WarmResult(session_id, model, nothing.state, nothing.reason, expires_at=expires_at)
            return found, None
        record = conversation.record
        origin = Origin("warm", record.id, "", record.workspace or "")
        try:
            client, _ = await self._stage.clients.for_request(self._settings())
        except (MissingKeyError, AuthError):
            count = None
        else:
            count = client.count_tokens
        question = Question(self._draft(conversation), (), plan)
        told = await forecast(
            question,
            outlook_of(plan.prompt, self._stage.cache),
            origin,
            self._stage.ledger,
            count,
            self._stage.clock,
        )
        reason = f"Warming would cost {told.prediction.display.split(',')[0]}; nothing was sent."
        return WarmResult(session_id, model, "priced", reason, expires_at=expires_at), told

    async def typed(self, session_id: str) -> WarmResult:
        """The person types a question: keep the session warm, where the setting says so; sends nothing at once."""
        conversation = await self._stage.shelf.load(session_id)
        plan, _, expires_at = self._plan(conversation)
        reason = self.keeper.typed(session_id)
        if reason is None:
            kept = "It is refreshed before it ends, as long as somebody types."
            return WarmResult(session_id, plan.request.model, "kept", kept, expires_at=expires_at)
        state: WarmState = "nothing-to-warm" if self._settings().keep_warm else "off"
        return WarmResult(session_id, plan.request.model, state, reason, expires_at=expires_at)

    def follow(self, turn: Turn) -> None:
        """A question is a sign of the person, when it begins and when it is answered."""
        if self._settings().keep_warm:
            turn.when_settled(lambda: self._answered(turn.session_id))

    def _answered(self, session_id: str) -> None:
        self.keeper.asked(session_id)

    def _look(self, session_id: str) -> Prefix | None:
        conversation = self._stage.shelf.in_memory(session_id)
        if conversation is None or conversation.turns is None:
            return None
        plan, held, expires_at = self._plan(conversation)
        return prefix_of(plan, held, expires_at) if plan.prompt.breakpoints and held else None

    async def _refresh(self, session_id: str) -> WarmResult:
        warm = await self.start(session_id)
        try:
            return await warm.result()
        except asyncio.CancelledError:
            warm.turn.cancel("user")
            raise

    def _plan(self, conversation: ConversationManager) -> tuple[PlannedTurn, int, float | None]:
        """The request that would warm a session, what of it the cache holds, and until when."""
        plan = conversation.plan(self._draft(conversation), PLACEHOLDER, self._stage.cache, warming=True)
        return plan, *self._stage.cache.warmth(plan.prompt)

    def _draft(self, conversation: ConversationManager, budget_override: str | None = None) -> Draft:
        return draft_to_warm(conversation.record.model, self._settings(), self._today(), budget_override)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._stage.clock(), UTC).date()
