"""An errand: one action from its choice to its result, told to an editor that knows nothing but LSP."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lsprotocol import types

from cmt_lsp.api.errors import BlockedFileError, BudgetExceededError, CmtError
from cmt_lsp.core.chatfile.answer import ChatAnswer
from cmt_lsp.core.prompts.replacement import Unusable, fitted, replacement
from cmt_lsp.core.turn import Thinking
from cmt_lsp.server.actions.word import Word
from cmt_lsp.server.rpc.faults import log_fault
from cmt_lsp.server.window.audience import Audience
from cmt_lsp.server.window.progress_line import ProgressLine
from cmt_lsp.server.window.turn_progress import summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.core.turn import Turn, TurnEvent, TurnRequest, TurnResult
    from cmt_lsp.server.actions.edit import Editing
    from cmt_lsp.server.actions.place import Place
    from cmt_lsp.server.actions.word import Held
    from cmt_lsp.server.actions.work import Work
    from cmt_lsp.server.chatfile.desk import ChatFiles
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window

logger = logging.getLogger(__name__)

ALLOW = "Claude: allow this one"
SHOWN_ANSWER = 4000
"""Characters of an answer that a message shows, where no file can be written."""
OVERRIDE = "allowed by the person in the editor"


class Errand:
    """Asks, shows how it goes on, and hands the answer over; everything here is for the event loop's own thread."""

    def __init__(
        self,
        errand_id: str,
        work: Work,
        caller: Caller,
        window: Window,
        editing: Editing,
        files: ChatFiles,
        allowed: frozenset[Held] = frozenset(),
    ) -> None:
        """`allowed` is what the person has let pass before."""
        self.id = errand_id
        self.work = work
        self._caller = caller
        self._window = window
        self._editing = editing
        self._files = files
        self._turn: Turn | None = None
        self._thinking: list[str] = []
        self._permission = window.permission(caller, allowed=False)
        self.word = Word(caller.peer, self.title, self._permission.ask, allowed)
        """What the person says where something is held."""

    @property
    def title(self) -> str:
        """What menus and messages call it."""
        label = self.work.place.target.label if self.work.place else ""
        return f"{self.work.prompt.name} {label}".strip()

    def stop(self) -> bool:
        """Stop it; false where it is past being stopped."""
        first = self.word.give_up()
        return self._turn.cancel("user") if self._turn is not None else first

    async def run(self) -> None:
        """All of it; never raises. The command that began it is answered first."""
        await asyncio.sleep(0)  # the answer goes out when the command's task is done, before this goes on
        try:
            await self._run()
        except CmtError as error:
            self._tell_failure(error)
        except Exception as error:  # noqa: BLE001 - the person would wait for ever
            error_id = log_fault("an action", error)
            self._say(types.MessageType.Error, f"internal error {error_id}; the log of the server says more.")

    async def _run(self) -> None:
        session_id = await self._session()
        try:
            result = await self._answered(session_id)
        except CmtError as error:
            self._tell_failure(error)
            await self._discard(session_id)
            return
        if result.text.strip():
            await self._hand_over(result)
        else:
            self._say(types.MessageType.Warning, " ".join(("no answer.", *result.notices)))
            await self._discard(session_id)

    async def _answered(self, session_id: str) -> TurnResult:
        """The result of the question, over a budget only with the person's word."""
        permission = replace(self._permission, ask=self.word.on_concern)
        request = replace(self.work.request, permission=permission)
        if any(held.kind == "budget" for held in self.word.allowed):
            return await self._ask(session_id, replace(request, budget_override=OVERRIDE))
        try:
            return await self._ask(session_id, request)
        except BudgetExceededError as error:
            if not await self.word.on_budget(error.message.rstrip(".")):
                raise
            return await self._ask(session_id, replace(request, budget_override=OVERRIDE))

    async def _discard(self, session_id: str) -> None:
        """A session that was made for this and has nothing in it is no use to anybody."""
        if self.work.session_id is not None:
            return
        try:
            if not (await self._window.manager.sessions.load(session_id)).turns:
                await self._window.manager.sessions.delete(session_id)
        except CmtError as error:
            logger.info("An empty session stays: %s", error.kind)

    async def _session(self) -> str:
        if self.work.session_id is not None:
            return await self._window.session_for(self.work.session_id)
        made = await self._window.manager.sessions.create(
            model=self.work.request.model, workspace=self._window.workspace
        )
        return made.id

    # --- the turn

    async def _ask(self, session_id: str, request: TurnRequest) -> TurnResult:
        """Run one turn to its end, told to everybody."""
        audience = Audience(self._caller, self._window.status, alone=False)
        line = ProgressLine(self._caller, self._cancel, f"Claude: {self.title}")
        self._thinking = []

        def hear(event: TurnEvent) -> None:
            if isinstance(event, Thinking):
                self._thinking.append(event.text)
            audience.emit(event)
            line.event(event)

        turn = self._turn = await self._started(session_id, request, hear)
        audience.begin(turn)
        line.begin()
        if self.word.given_up:
            turn.cancel("user")
        try:
            result = await turn.result()
        except CmtError as error:
            audience.fail(error)
            line.close(error.message)
            await self._window.refresh_status()
            raise
        audience.finish(result)
        line.finish(result)
        await self._window.refresh_status()
        return result

    async def _started(
        self, session_id: str, request: TurnRequest, hear: Callable[[TurnEvent], None]
    ) -> Turn:
        """A new turn, or the last question once more."""
        manager = self._window.manager
        if not self.work.again:
            return manager.start_turn(session_id, request, hear)
        override, permission = request.budget_override, request.permission
        return await manager.retry(session_id, None, hear, budget_override=override, permission=permission)

    def _cancel(self) -> None:
        self.stop()

    # --- the answer

    async def _hand_over(self, result: TurnResult) -> None:
        name = await self._named(result)
        refused = None
        if self.work.prompt.result == "edit":
            refused = await self._change(result)
            if refused is None:
                return
        await self._write_down(result, name, refused)

    async def _write_down(self, result: TurnResult, name: str, refused: str | None) -> None:
        """A transcript, with the reason where the answer was meant to be an edit."""
        answer = ChatAnswer(
            result=result,
            session_name=name,
            question=self.work.question,
            title=self.work.prompt.name.capitalize(),
            origin=self.work.origin,
            thinking="".join(self._thinking),
            refused=None if refused is None else f"Not applied, since {refused}.",
            sent_from=self.work.sent_from,
            put=None if self.work.place is None else partial(self._put, self.work.place),
        )
        try:
            await self._files.deliver(answer)
        except CmtError as error:
            self._say(types.MessageType.Error, f"{error.message}\n\n{result.text[:SHOWN_ANSWER]}")
        else:
            self._tell_end(result, refused)

    def _tell_end(self, result: TurnResult, refused: str | None) -> None:
        if refused is None:
            self._say(types.MessageType.Info, summary(result))
            return
        told = f"not applied, since {refused}; the answer is in a transcript. {summary(result)}"
        self._say(types.MessageType.Warning, told)

    async def _named(self, result: TurnResult) -> str:
        """A session made for this is named after it once there is something in it."""
        sessions = self._window.manager.sessions
        try:
            if self.work.name:
                return (await sessions.update(result.session_id, name=self.work.name)).name
            return (await sessions.load(result.session_id)).name
        except CmtError as error:  # a name is not worth an answer
            logger.info("A session keeps its name: %s", error.kind)
            return self.work.name or self.work.prompt.name

    async def _change(self, result: TurnResult) -> str | None:
        """Have the editor make the change; why it was not made, None where it was or nothing had to change."""
        place = self.work.place
        if place is None:
            return "there is no text that it could take the place of"
        found = replacement(result.text, result.stop_reason, place.part)
        if isinstance(found, Unusable):
            return found.reason
        if found.text == place.text:
            self._say(types.MessageType.Info, f"nothing to change. {summary(result)}")
            return None
        refused = await self._editing.apply(
            self._caller.peer,
            place,
            found.text,
            f"Claude: {self.title}",
            f"{result.model}, {result.cost.display}",
        )
        if refused is None:
            self._say(types.MessageType.Info, f"done. {summary(result)}")
        return refused

    async def _put(self, place: Place, code: str) -> str | None:
        """Put code of the answer in the place that was asked about, by the person's choice; why it was not done."""
        text = fitted(code, place.text, place.outline.text)
        return await self._editing.apply(
            self._caller.peer, place, text, f"Claude: {self.title}", "chosen by you"
        )

    def _tell_failure(self, error: CmtError) -> None:
        """What was held stays allowable from the menu, for editors whose dialogs nobody can answer."""
        if self.word.held is not None and isinstance(error, BudgetExceededError | BlockedFileError):
            told = f'To send it all the same, choose "{ALLOW}" among the code actions.'
            self._say(types.MessageType.Warning, f"{error.message} {told}")
            return
        hint = f" {error.hint}" if error.hint else ""
        self._say(types.MessageType.Error, f"{error.message}{hint}")

    def _say(self, kind: types.MessageType, sentence: str) -> None:
        told = types.ShowMessageParams(kind, f"Claude: {self.title}: {sentence.strip()}")
        self._caller.peer.notify(types.WINDOW_SHOW_MESSAGE, told)
