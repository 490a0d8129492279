"""Completer: answers conversations that an editor keeps by itself. Nothing of them is stored but the money."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import CmtError
from cmt_lsp.core.asking import ask, begin, land
from cmt_lsp.core.completion.messages import blocks_of, history_of, taking_turns
from cmt_lsp.core.conversation import ConversationManager
from cmt_lsp.core.draft import draft_of
from cmt_lsp.core.ending import record_of, result_of, result_of_nothing
from cmt_lsp.core.guard.concern import Piece
from cmt_lsp.core.guard.permission import pass_guard
from cmt_lsp.core.identity import new_id
from cmt_lsp.core.images import load_images
from cmt_lsp.core.judging import judged
from cmt_lsp.core.turn import TurnStarted

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cmt_lsp.core.asking import Asking
    from cmt_lsp.core.completion.messages import Said
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.records import SessionRecord
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.stage import Stage
    from cmt_lsp.core.turn import Turn, TurnEvent, TurnRequest


class Completer:
    """Starts completions; any number may run at once, since none changes anything that another reads."""

    def __init__(
        self, stage: Stage, settings: Callable[[], Settings], new_record: Callable[..., SessionRecord]
    ) -> None:
        """`new_record` makes the session to which all completions of a process are charged; it is stored nowhere."""
        self._stage = stage
        self._settings = settings
        self._new_record = new_record
        self._account: SessionRecord | None = None
        self._passed: set[bytes] = set()
        """Digests of the messages that the guard let pass: their caller sends them again with every question."""

    def start(
        self,
        messages: Sequence[Said],
        request: TurnRequest,
        emit: Callable[[TurnEvent], None],
        *,
        system_prompt: str | None = None,
        workspace: str | Path | None = None,
    ) -> Turn:
        """Answer a conversation in the running loop; BadParamsError.

        `request` says with what; its text and images are the last message's.
        """
        said, settings, now = taking_turns(messages), self._settings(), self._stage.clock()
        request = replace(request, text=said[-1].text, images=said[-1].images)
        draft = draft_of(request, settings.model, settings, datetime.fromtimestamp(now, UTC).date())
        self._account = self._account or self._new_record("Completions", workspace=workspace)
        account = replace(self._account, model=draft.model, system_prompt=system_prompt or None)
        conversation, stage = ConversationManager(account, ()), self._stage
        asking = begin("complete", conversation, draft, emit, new_id(now), stage.ledger, stage.clock)
        stage.settling.expect(asking.turn, asking.meter)
        task = asking.turn.carry(self._stream(asking, said, settings))
        task.add_done_callback(partial(self._end, asking))
        return asking.turn

    async def _stream(self, asking: Asking, messages: Sequence[Said], settings: Settings) -> None:
        """All that awaits."""
        turn = asking.turn
        asking.flight.tell(TurnStarted(turn.id, turn.session_id, turn.model))
        await self._pass_guard(messages, asking.draft, settings)
        await self._load(asking, messages)
        client, access = await self._stage.clients.for_request(settings)
        with self._stage.clients.answering(access):
            plan = await asking.plan_in_turn(self._stage.cache, self._stage.queue)
            await ask(asking, plan, client, self._stage.cache, self._stage.queue)

    async def _pass_guard(self, messages: Sequence[Said], draft: Draft, settings: Settings) -> None:
        new = {_digest(said.text): said.text for said in messages if said.role == "user"}
        unseen = [text for digest, text in new.items() if digest not in self._passed]
        pieces = [Piece(f"message {at}", "the conversation", text) for at, text in enumerate(unseen)]
        await pass_guard(pieces, draft.permission, scan=settings.scans)
        self._passed.update(new)

    async def _load(self, asking: Asking, messages: Sequence[Said]) -> None:
        """Check the images of all messages together, as the endpoint will, and lay out history and question."""
        sources = [source for said in messages for source in said.images]
        loaded = iter(await load_images(sources, asking.draft.model))
        contents = [blocks_of(said, [next(loaded).to_dict() for _ in said.images]) for said in messages]
        conversation = asking.conversation
        conversation.turns = history_of(conversation.record, messages, contents)
        asking.content = contents[-1]

    def _end(self, asking: Asking, task: asyncio.Task[None]) -> None:
        """Decide what came of it; nothing awaits from here to the ledger."""
        ending, plan = land(asking, task, self._stage.cache), asking.flight.plan
        if isinstance(ending, CmtError):
            self._stage.settling.settle(asking.turn, ending)
        elif plan is None:
            self._stage.settling.settle(asking.turn, result_of_nothing(asking.turn, ending, asking.flight))
        else:
            verdict = judged(asking.flight, ending, plan, self._stage.cache)
            record = record_of(asking.place, plan, asking.flight, ending, verdict, asking.meter)
            self._stage.settling.settle(asking.turn, result_of(record, asking.meter.prediction, ending.usage))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
