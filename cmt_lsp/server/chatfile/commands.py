"""The commands of transcripts: send what is written at the end, ask again, put code in its place, fork, open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from lsprotocol import types

from cmt_lsp.api.errors import BadParamsError, CmtError
from cmt_lsp.core.prompts.prompt import Prompt
from cmt_lsp.core.turn import TurnRequest
from cmt_lsp.server.actions.arguments import asked
from cmt_lsp.server.actions.work import Work
from cmt_lsp.server.chatfile.menu import block_at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cmt_lsp.core.chatfile.page import Page
    from cmt_lsp.server.actions.arguments import Asked
    from cmt_lsp.server.chatfile.desk import ChatFiles
    from cmt_lsp.server.rpc.peer import Peer
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window

SEND = Prompt("send", "")
AGAIN = Prompt("ask again", "")
EMPTY = "Nothing is written below the last heading; write your question there, and save the file if nothing else helps."
NO_TRANSCRIPT = "There is no transcript here; open one with cmt.transcript."


class Home(Protocol):
    """What the commands stand on."""

    @property
    def window(self) -> Window: ...

    @property
    def chat_files(self) -> ChatFiles: ...


class ChatFileCommands:
    """What the commands do; each was answered before it begins, and tells in a message what is wrong with it."""

    def __init__(self, home: Home, peer: Peer, start: Callable[[Caller, Work], None]) -> None:
        """`start` asks something and delivers the answer, told to the editor as any action is."""
        self._home = home
        self._peer = peer
        self._start = start
        self._commands: Mapping[str, Callable[[Caller, Asked], Awaitable[None]]] = {
            "cmt.send": self._send,
            "cmt.again": self._again,
            "cmt.apply": self._apply,
            "cmt.fork": self._fork,
            "cmt.transcript": self._open,
        }

    async def run(self, name: str, caller: Caller, arguments: object) -> None:
        """Do what a command says; never raises for what a person did."""
        await asyncio.sleep(0)  # the answer is written when the command's task is done, before this goes on
        try:
            await self._commands[name](caller, asked(arguments))
        except CmtError as error:
            self._say(types.MessageType.Error, error.message)

    async def _send(self, caller: Caller, wish: Asked) -> None:
        """Ask what the command says, else what is written at the end of the transcript."""
        uri, page = await self._page(wish)
        text = wish.words or page.prompt
        if not text:
            raise BadParamsError(EMPTY)
        request = TurnRequest(text=text, model=wish.model)
        self._start(caller, self._work(SEND, request, uri, page))

    async def _again(self, caller: Caller, wish: Asked) -> None:
        """Ask the last question of the session again; the answer goes below the one that it replaces."""
        uri, page = await self._page(wish)
        self._start(caller, self._work(AGAIN, TurnRequest(text=""), uri, page))

    async def _apply(self, caller: Caller, wish: Asked) -> None:
        """Put a block of code in the place that its turn was asked about."""
        _, page = await self._page(wish)
        line = 0 if wish.range is None else wish.range.start.line
        pointed = block_at(page, line)
        if pointed is None:
            raise BadParamsError("There is no code here; put the cursor on a block of an answer.")
        refused = await self._home.chat_files.put(page, pointed)
        if refused is not None:
            self._say(types.MessageType.Warning, f"The code was not put in its place, since {refused}.")

    async def _fork(self, caller: Caller, wish: Asked) -> None:
        """A new session with the history up to a turn, and its transcript."""
        _, page = await self._page(wish)
        info = await self._home.window.manager.sessions.fork(page.session_id, wish.id)
        await self._home.chat_files.open(info.id)

    async def _open(self, caller: Caller, wish: Asked) -> None:
        """The transcript of a session: the one that is named, else the last used in this workspace, else a new one."""
        session_id = wish.session_id or wish.words or await self._last_used()
        await self._home.chat_files.open(await self._home.window.session_for(session_id))

    async def _last_used(self) -> str | None:
        window = self._home.window
        found = await window.manager.sessions.list("workspace", workspace=window.workspace)
        return window.current or next((info.id for info in found), None)

    async def _page(self, wish: Asked) -> tuple[str, Page]:
        """The transcript that is named, else the last one that was opened, else the last one that was written."""
        files = self._home.chat_files
        found = files.meant(wish.uri) or await files.saved(wish.uri)
        if found is None:
            raise BadParamsError(NO_TRANSCRIPT)
        return found

    def _work(self, prompt: Prompt, request: TurnRequest, uri: str, page: Page) -> Work:
        return Work(
            prompt=prompt,
            request=request,
            question=request.text,
            name="",
            session_id=page.session_id,
            sent_from=uri,
            again=prompt is AGAIN,
        )

    def _say(self, kind: types.MessageType, sentence: str) -> None:
        self._peer.notify(types.WINDOW_SHOW_MESSAGE, types.ShowMessageParams(kind, f"Claude: {sentence}"))
