"""ChatFiles: the transcripts of one window; an answer goes into the open one, or into a new file."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from weakref import WeakValueDictionary

from cmt_lsp.api.errors import CmtError, UnknownSessionError
from cmt_lsp.core.chatfile.addition import addition
from cmt_lsp.core.chatfile.answer import turn_of
from cmt_lsp.core.chatfile.blocks import code_of
from cmt_lsp.core.chatfile.folder import file_title
from cmt_lsp.core.chatfile.markdown import document
from cmt_lsp.core.chatfile.page import read_page
from cmt_lsp.core.chatfile.plain import shown
from cmt_lsp.server.chatfile.menu import offers_in
from cmt_lsp.server.chatfile.screen import Screen
from cmt_lsp.server.rpc.uris import fs_path
from cmt_lsp.server.window.pieces import shown_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lsprotocol import types

    from cmt_lsp.core.chatfile.answer import ChatAnswer, ChatTurn, Link, Put
    from cmt_lsp.core.chatfile.folder import TranscriptFolder
    from cmt_lsp.core.chatfile.page import Page
    from cmt_lsp.core.records import TurnRecord
    from cmt_lsp.core.session_manager import APISessionManager
    from cmt_lsp.server.actions.offers import Offer
    from cmt_lsp.server.chatfile.menu import Pointed
    from cmt_lsp.server.rpc.documents import OpenDocument, OpenDocuments
    from cmt_lsp.server.rpc.peer import Peer

logger = logging.getLogger(__name__)

TURNS_KNOWN = 200
"""Turns of this window of which more is known than the store holds."""


class Home(Protocol):
    """What transcripts stand on."""

    @property
    def manager(self) -> APISessionManager: ...

    @property
    def documents(self) -> OpenDocuments: ...

    @property
    def folders(self) -> tuple[Path, ...]: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where an answer went."""

    uri: str
    way: Literal["new file", "appended"]
    shown: bool
    """Whether the editor says that it shows it; else a message named the path."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known of a turn of this window and not kept in the store."""

    question: str
    title: str
    attached: tuple[Link, ...]
    notices: tuple[str, ...]
    put: Put | None


class ChatFiles:
    """Writes, opens and adds to the transcripts of this window; everything here is for the event loop's own thread."""

    def __init__(
        self, home: Home, peer: Peer, folder: TranscriptFolder, clock: Callable[[], float] = time.time
    ) -> None:
        self._home = home
        self._folder = folder
        self._clock = clock
        self._screen = Screen(peer)
        self._folders = (folder.path, Path(os.path.realpath(folder.path)))
        self._pages: dict[str, tuple[str, Page | None]] = {}
        self._newest: str | None = None
        """The last file that was written."""
        self._told: dict[str, _Told] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # --- which documents are ours

    def holds(self, uri: str) -> bool:
        """Whether a URI names a Markdown file right in the folder of transcripts; touches no disk."""
        path = fs_path(uri) if uri.startswith("file:") else None
        if path is None or not path.endswith(".md"):
            return False
        return Path(os.path.normpath(path)).parent in self._folders

    def page(self, uri: str) -> Page | None:
        """An open transcript as it stands; None for every other document."""
        found = self._home.documents.opened(uri) if self.holds(uri) else None
        if found is None:
            self._pages.pop(uri, None)
            return None
        source: str = found.source
        known = self._pages.get(uri)
        if known is None or known[0] is not source:
            known = self._pages[uri] = (source, read_page(source))
        return known[1]

    def meant(self, uri: str | None) -> tuple[str, Page] | None:
        """The open transcript of a URI; without one the last that was opened, first of those with a question to send."""
        opened = [(found.uri, page) for found, page in self._opened() if uri in (None, found.uri)]
        return max(opened, key=lambda one: bool(one[1].prompt), default=None) if opened else None

    async def saved(self, uri: str | None) -> tuple[str, Page] | None:
        """A transcript that this editor opens without telling, as it was saved; without a URI the last one written here."""
        wanted = self._newest if uri is None else uri if self.holds(uri) else None
        path = None if wanted is None else fs_path(wanted)
        if wanted is None or path is None or self._home.documents.opened(wanted) is not None:
            return None
        text = await asyncio.to_thread(self._folder.read, Path(path))
        page = None if text is None else read_page(text)
        return None if page is None else (wanted, page)

    def actions(self, uri: str, chosen: types.Range) -> list[Offer]:
        """What the menu offers in a transcript."""
        page = self.page(uri)
        placed = {turn_id for turn_id, told in self._told.items() if told.put is not None}
        return [] if page is None else offers_in(page, uri, chosen.start.line, placed)

    def sweep(self) -> None:
        """Remove old files; waits for the disk."""
        self._folder.sweep(self._clock())

    # --- an answer

    async def deliver(self, answer: ChatAnswer) -> Delivery:
        """Put a turn that ended where its person sees it.

        UnknownSessionError where the session was deleted meanwhile, StoreUnavailableError where no file can be written.
        """
        session_id, turn = answer.result.session_id, self._turn(answer)
        self._remember(turn, answer.put)
        async with self._locks.setdefault(session_id, asyncio.Lock()):
            opened = self._open_transcript(session_id, answer.sent_from)
            refusal = None if opened is None else await self._add(opened, answer, turn)
            if opened is None or refusal is not None:
                return await self._deliver_anew(answer, turn, refusal)
            shown = answer.sent_from is not None or await self._show(opened.uri, turn.id)
            return Delivery(opened.uri, "appended", shown)

    async def open(self, session_id: str) -> None:
        """Show a session's transcript: the open one if it has all turns, else a new file. UnknownSessionError."""
        async with self._locks.setdefault(session_id, asyncio.Lock()):
            record, kept = await self._home.manager.sessions.history(session_id)
            opened = self._open_transcript(session_id, None)
            page = None if opened is None else self.page(opened.uri)
            shown_here = {turn.turn_id for turn in page.turns} if page is not None else set()
            if opened is not None and {turn.id for turn in kept} <= shown_here:
                uri = opened.uri
            else:
                uri = (await self._write(session_id, record.name, [self._kept(one) for one in kept])).as_uri()
        await self._screen.show(uri)

    async def begin(self, session_id: str, name: str, prompt: str) -> None:
        """A transcript of a session in which nothing was asked yet, with the beginning of a question, to write on."""
        text = f"{document(session_id, name, ())}{shown(prompt)}\n"
        path = await self._new_file(session_id, name, text)
        await self._screen.show(path.as_uri(), len(text.split("\n")) - 1)

    async def put(self, page: Page, pointed: Pointed) -> str | None:
        """Put the code of a block in the place that its turn was asked about; why not, as a sentence's second half."""
        told = self._told.get(pointed.turn.turn_id)
        if told is None or told.put is None:
            return "this window does not know the place that it was asked about"
        return await told.put(code_of(page, pointed.block))

    # --- a new file

    async def _deliver_anew(self, answer: ChatAnswer, turn: ChatTurn, refusal: str | None) -> Delivery:
        session_id = answer.result.session_id
        name, turns = await self._conversation(answer, turn)
        path = await self._write(session_id, name, turns)
        if refusal is not None:
            self._screen.say(f"{refusal} It is in {path}.")
        line = None if len(turns) == 1 else _heading_of(document(session_id, name, turns), turn.id)
        return Delivery(path.as_uri(), "new file", await self._screen.show(path.as_uri(), line))

    async def _conversation(self, answer: ChatAnswer, turn: ChatTurn) -> tuple[str, list[ChatTurn]]:
        """The session's name and turns, this one last; the turn alone where the store cannot be read."""
        try:
            record, kept = await self._home.manager.sessions.history(answer.result.session_id)
        except UnknownSessionError:
            raise
        except CmtError as error:
            logger.info("A transcript holds the last turn alone: %s", error.kind)
            return answer.session_name, [turn]
        before = [self._kept(one) for one in kept if one.id != turn.id]
        same = next((self._kept(one) for one in kept if one.id == turn.id), turn)
        return record.name, [*before, replace(turn, question=turn.question or same.question)]

    async def _write(self, session_id: str, name: str, turns: Sequence[ChatTurn]) -> Path:
        return await self._new_file(session_id, file_title(name, turns), document(session_id, name, turns))

    async def _new_file(self, session_id: str, title: str, text: str) -> Path:
        path = await asyncio.to_thread(self._folder.write, session_id, title, text, self._clock())
        self._newest = path.as_uri()
        return path

    def _kept(self, record: TurnRecord) -> ChatTurn:
        """A turn of the store, with what this window knows of it besides."""
        turn, told = turn_of(record), self._told.get(record.id)
        if told is None:
            return turn
        return replace(
            turn,
            question=told.question or turn.question,
            title=told.title,
            attached=told.attached or turn.attached,
            notices=told.notices,
        )

    def _remember(self, turn: ChatTurn, put: Put | None) -> None:
        """Not for ever: a place to put code in holds the text of its document."""
        self._told[turn.id] = _Told(turn.question, turn.title, turn.attached, turn.notices, put)
        while len(self._told) > TURNS_KNOWN:
            del self._told[next(iter(self._told))]

    def _turn(self, answer: ChatAnswer) -> ChatTurn:
        place = shown_path(answer.origin.uri, self._home.folders) if answer.origin else None
        return answer.turn(place)

    # --- an open transcript

    def _opened(self) -> Iterator[tuple[OpenDocument, Page]]:
        """The transcripts that the editor has open, the last one first."""
        for uri, found in reversed(list(self._home.documents.text_documents.items())):
            if (page := self.page(uri)) is not None:
                yield found, page

    def _open_transcript(self, session_id: str, sent_from: str | None) -> OpenDocument | None:
        """The one that the question was typed in, else the last one of the session that was opened."""
        opened = [found for found, page in self._opened() if page.session_id == session_id]
        first = [found for found in opened if found.uri == sent_from]
        return next(iter(first or opened), None)

    async def _add(self, opened: OpenDocument, answer: ChatAnswer, turn: ChatTurn) -> str | None:
        """Add the turn to an open transcript as it now is; why the editor did not, as a sentence."""
        page = self.page(opened.uri)
        if page is None:
            raise AssertionError("an open transcript has a page")
        typed_here = answer.sent_from == opened.uri
        return await self._screen.add(opened, addition(page, turn, typed_here=typed_here))

    async def _show(self, uri: str, turn_id: str) -> bool:
        page = self.page(uri)
        turns = page.turns if page is not None else ()
        line = next((turn.span.first for turn in turns if turn.turn_id == turn_id), None)
        return await self._screen.show(uri, line)


def _heading_of(text: str, turn_id: str) -> int | None:
    """Where a turn begins in a transcript as it was written."""
    page = read_page(text)
    turns = page.turns if page is not None else ()
    return next((turn.span.first for turn in turns if turn.turn_id == turn_id), None)
