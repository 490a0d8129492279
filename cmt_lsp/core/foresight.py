"""Foresight: what a question would send, use and cost, and what of it would be asked about, before anything leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import AuthError, MissingKeyError
from cmt_lsp.core.conversation import ConversationManager
from cmt_lsp.core.forecast import forecast, outlook_of
from cmt_lsp.core.guard.concern import pieces_of
from cmt_lsp.core.guard.permission import look
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.preview import preview_of
from cmt_lsp.core.question import place_question

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cmt_lsp.api.request import MessageRequest
    from cmt_lsp.core.forecast import Forecast
    from cmt_lsp.core.guard.concern import Concern
    from cmt_lsp.core.preview import Preview
    from cmt_lsp.core.question import Question
    from cmt_lsp.core.records import SessionRecord
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.stage import Stage
    from cmt_lsp.core.turn import TurnRequest


class Foresight:
    """Looks at questions as a turn would send them; changes nothing, and spends nothing."""

    def __init__(
        self, stage: Stage, settings: Callable[[], Settings], new_record: Callable[[], SessionRecord]
    ) -> None:
        """`new_record` is the session that a question without one would make."""
        self._stage = stage
        self._settings = settings
        self._new_record = new_record

    async def preview(
        self, session_id: str | None, request: TurnRequest, window: Origin | None = None
    ) -> Preview:
        """The blocks that a turn would send, in order, each with its origin, tokens and price.

        Nothing leaves for it: other than `predict`, it does not let the endpoint count.
        """
        stage, question = self._stage, await self._question(session_id, request)
        plan = question.plan.prompt
        outlook = outlook_of(plan, stage.cache)
        origin = window or Origin("turn", session_id or "", "", "")
        told = await forecast(question, outlook, origin, stage.ledger, None, stage.clock)
        return preview_of(question, told.prediction, outlook, stage.cache.read_up_to(plan), stage.clock())

    async def predict(self, session_id: str | None, request: TurnRequest, window: Origin) -> Forecast:
        """What a turn would use and cost; asks the endpoint to count the prompt, which is free.

        `window` says for whom, where the question makes a session of its own.
        """
        stage, origin = self._stage, window
        if session_id is not None:
            record = (await stage.shelf.load(session_id)).record
            origin = Origin("turn", record.id, "", record.workspace or "")
        question = await self._question(session_id, request)
        outlook = outlook_of(question.plan.prompt, stage.cache)
        return await forecast(question, outlook, origin, stage.ledger, await self._counter(), stage.clock)

    async def concerns(self, request: TurnRequest, session_id: str | None = None) -> tuple[Concern, ...]:
        """What of a question, and of what is pinned to its session, would be held and asked about; asks nobody."""
        pinned = (await self._stage.shelf.load(session_id)).pinned.unsent if session_id else ()
        pieces = pieces_of(request.text, (*pinned, *request.context), request.images)
        return await look(pieces, request.permission, scan=self._settings().scans)

    async def _question(self, session_id: str | None, request: TurnRequest) -> Question:
        """A question as it would be sent in a session, or in a new one."""
        if session_id is None:
            conversation = ConversationManager(self._new_record())
        else:
            conversation = await self._stage.shelf.load(session_id)
        today = datetime.fromtimestamp(self._stage.clock(), UTC).date()
        return await place_question(conversation, request, self._settings(), self._stage.cache, today)

    async def _counter(self) -> Callable[[MessageRequest], Awaitable[int | None]] | None:
        """The endpoint's own count of a prompt; None without a key."""
        try:
            client, _ = await self._stage.clients.for_request(self._settings())
        except (MissingKeyError, AuthError):
            return None
        return client.count_tokens
