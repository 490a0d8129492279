"""ChatFiles: the transcripts of one window; an answer goes into the open one, or into a new file."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from weakref import WeakValueDictionary

from lsprotocol import types

from cmt_lsp.api.errors import CmtError
from cmt_lsp.core.chatfile.addition import addition
from cmt_lsp.core.chatfile.answer import turn_of
from cmt_lsp.core.chatfile.markdown import document
from cmt_lsp.core.chatfile.page import read_page
from cmt_lsp.core.conversation import name_from
from cmt_lsp.server.rpc.uris import fs_path
from cmt_lsp.server.window.pieces import shown_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.core.chatfile.answer import ChatAnswer, ChatTurn
    from cmt_lsp.core.chatfile.folder import TranscriptFolder
    from cmt_lsp.core.chatfile.page import Page
    from cmt_lsp.core.session_manager import APISessionManager
    from cmt_lsp.server.rpc.documents import OpenDocument, OpenDocuments
    from cmt_lsp.server.rpc.peer import Peer

logger = logging.getLogger(__name__)

EDIT_SECONDS = 10.0
"""For an editor to apply an edit; one that asks its person first takes as long as they do."""
SHOW_SECONDS = 5.0
"""For an editor to show a file; one of them never answers."""
SYNC_SECONDS = 2.0
"""For an applied edit to come back as a change; Eglot tells changes half a second late."""
_POLL = 0.02


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


class ChatFiles:
    """Writes, opens and adds to the transcripts of this window; everything here is for the event loop's own thread."""

    def __init__(
        self, home: Home, peer: Peer, folder: TranscriptFolder, clock: Callable[[], float] = time.time
    ) -> None:
        self._home = home
        self._peer = peer
        self._folder = folder
        self._clock = clock
        self._real_folder = Path(os.path.realpath(folder.path))
        self._pages: dict[str, tuple[str, Page | None]] = {}
        self._told: dict[str, ChatTurn] = {}
        """Turns of this window with what the store does not keep: the action's title and the code's place."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # --- which documents are ours

    def holds(self, uri: str) -> bool:
        """Whether a URI names a Markdown file right in the folder of transcripts; touches no disk."""
        path = fs_path(uri) if uri.startswith("file:") else None
        if path is None or not path.endswith(".md"):
            return False
        return Path(os.path.normpath(path)).parent in (self._folder.path, self._real_folder)

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

    def sweep(self) -> None:
        """Remove old files; waits for the disk."""
        self._folder.sweep(self._clock())

    # --- an answer

    async def deliver(self, answer: ChatAnswer) -> Delivery:
        """Put a turn that ended where its person sees it; StoreUnavailableError where no file can be written."""
        session_id = answer.result.session_id
        self._told[answer.result.turn_id] = self._turn(answer)
        async with self._locks.setdefault(session_id, asyncio.Lock()):
            refusal = None
            if (opened := self._open_transcript(session_id, answer.sent_from)) is not None:
                refusal = await self._append(opened, answer)
                if refusal is None:
                    shown = answer.sent_from is not None or await self._show(opened.uri)
                    return Delivery(opened.uri, "appended", shown)
            return await self._deliver_anew(answer, refusal)

    async def begin(self, session_id: str, name: str, prompt: str) -> Delivery:
        """A new transcript with a question begun, for its person to finish and send; StoreUnavailableError."""
        text = f"{document(session_id, name, ())}{prompt}\n"
        path = await asyncio.to_thread(self._folder.write, session_id, name, text, self._clock())
        return Delivery(path.as_uri(), "new file", await self._show(path.as_uri()))

    async def _deliver_anew(self, answer: ChatAnswer, refusal: str | None) -> Delivery:
        path = await self._write(answer)
        if refusal is not None:
            self._say(types.MessageType.Warning, f"{refusal} The answer is in {path}.")
        return Delivery(path.as_uri(), "new file", await self._show(path.as_uri()))

    async def _write(self, answer: ChatAnswer) -> Path:
        """The whole conversation in a new file; the answer alone where the store cannot be read."""
        session_id = answer.result.session_id
        turn = self._told[answer.result.turn_id]
        try:
            record, kept = await self._home.manager.sessions.history(session_id)
        except CmtError as error:
            logger.info("A transcript holds the last turn alone: %s", error.kind)
            name, turns = answer.session_name, [turn]
        else:
            name = record.name
            turns = [self._told.get(one.id) or turn_of(one) for one in kept]
            turns += [] if any(one.id == turn.id for one in kept) else [turn]
        text = document(session_id, name, turns)
        return await asyncio.to_thread(
            self._folder.write, session_id, _file_title(name, turns), text, self._clock()
        )

    def _turn(self, answer: ChatAnswer) -> ChatTurn:
        place = shown_path(answer.origin.uri, self._home.folders) if answer.origin else None
        return answer.turn(place)

    # --- an open transcript

    def _open_transcript(self, session_id: str, sent_from: str | None) -> OpenDocument | None:
        """The one that the question was typed in, else the last one of the session that was opened."""
        opened: list[OpenDocument] = [
            found
            for uri, found in self._home.documents.text_documents.items()
            if (page := self.page(uri)) is not None and page.session_id == session_id
        ]
        first = [found for found in opened if found.uri == sent_from]
        return next(iter(first or opened[::-1]), None)

    async def _append(self, opened: OpenDocument, answer: ChatAnswer) -> str | None:
        """Add the turn to an open transcript; why the editor did not, as a sentence."""
        page = self.page(opened.uri)
        workspace = self._peer.capabilities.workspace
        if page is None or workspace is None or not workspace.apply_edit:
            return f"The editor takes no edits, so {_name(opened.uri)} is as it was."
        turn = self._told[answer.result.turn_id]
        typed_here = answer.sent_from is not None and answer.sent_from == opened.uri
        added = addition(page, turn, typed_here=typed_here)
        line = opened.lines[added.line].rstrip("\r\n")
        at = types.Position(added.line, opened.position_codec.client_num_units(line))
        text = added.text.replace("\n", "\r\n") if opened.lines[0].endswith("\r\n") else added.text
        try:
            told = await self._peer.request(
                types.WORKSPACE_APPLY_EDIT,
                self._edit(opened, types.TextEdit(types.Range(at, at), text)),
                EDIT_SECONDS,
            )
        except Exception as error:  # noqa: BLE001 - an error, a bad answer and silence all mean: not applied
            logger.info("An edit of a transcript was not applied: %s", type(error).__name__)
            return f"The editor did not add the answer to {_name(opened.uri)}."
        if not getattr(told, "applied", False):
            return f"The editor did not add the answer to {_name(opened.uri)}."
        await self._synced(opened.uri, turn.id)
        return None

    def _edit(self, opened: OpenDocument, edit: types.TextEdit) -> types.ApplyWorkspaceEditParams:
        """With the version, so that an editor which compares it refuses what comes too late."""
        named = types.OptionalVersionedTextDocumentIdentifier(opened.uri, opened.version)
        workspace = self._peer.capabilities.workspace
        wanted = workspace.workspace_edit if workspace else None
        if wanted is not None and wanted.document_changes:
            changes = types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(named, [edit])])
        else:
            changes = types.WorkspaceEdit(changes={opened.uri: [edit]})
        return types.ApplyWorkspaceEditParams(changes, label="Claude: answer")

    async def _synced(self, uri: str, turn_id: str) -> None:
        """Wait until the editor told of the edit, so that the next answer is placed behind this one."""
        ends_at = asyncio.get_running_loop().time() + SYNC_SECONDS
        while asyncio.get_running_loop().time() < ends_at:
            page = self.page(uri)
            if page is None or any(turn.turn_id == turn_id for turn in page.turns):
                return
            await asyncio.sleep(_POLL)

    # --- the person

    async def _show(self, uri: str) -> bool:
        """Have the editor open a file; where it cannot, a message says where it is.

        `takeFocus` is left out: Eglot takes `false` for true.
        """
        window = self._peer.capabilities.window
        supported = window is not None and window.show_document is not None and window.show_document.support
        if supported:
            try:
                told = await self._peer.request(
                    types.WINDOW_SHOW_DOCUMENT, types.ShowDocumentParams(uri), SHOW_SECONDS
                )
                if getattr(told, "success", False):
                    return True
            except Exception as error:  # noqa: BLE001 - an error, a bad answer and silence all mean: not shown
                logger.info("A transcript was not shown: %s", type(error).__name__)
        self._say(types.MessageType.Warning, f"Claude's answer is in {fs_path(uri) or uri}.")
        return False

    def _say(self, kind: types.MessageType, sentence: str) -> None:
        """A warning rather than an information where it must be seen: one of the editors hides the latter."""
        self._peer.notify(types.WINDOW_SHOW_MESSAGE, types.ShowMessageParams(kind, f"cmt-lsp: {sentence}"))


def _file_title(name: str, turns: list[ChatTurn]) -> str:
    """What a file is called: the session's name where a person gave it one, else the first action and its file.

    A name that was made from the first question would put the question into a file name.
    """
    first = turns[0]
    if name != name_from(first.question):
        return name
    place = first.attached[0].title.split(",", 1)[0].rsplit("/", 1)[-1] if first.attached else ""
    return f"{first.title or 'ask'} {place}"


def _name(uri: str) -> str:
    return Path(fs_path(uri) or uri).name
