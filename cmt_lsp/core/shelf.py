"""SessionShelf: the sessions of this process, in memory as far as they are in use, backed by the transcripts file.

While the file cannot be written, memory is the truth for the sessions that changed; it takes over from there again
once everything waiting was written.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from cmt_lsp.api.errors import StoreUnavailableError, UnknownSessionError
from cmt_lsp.core import transcripts
from cmt_lsp.core.context.pin_reader import PinReader
from cmt_lsp.core.conversation import ConversationManager
from cmt_lsp.core.identity import is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from cmt_lsp.core.records import SessionRecord, TurnRecord
    from cmt_lsp.core.storage.store import Connection
    from cmt_lsp.core.storage.store_thread import Store
    from cmt_lsp.core.transcripts import SessionRow

T = TypeVar("T")

MEMORY_LIMIT = 64 * 1024 * 1024
"""Bytes of all histories together that are kept in memory."""
_BLOCKING_SECONDS = 1.0

_History = tuple["SessionRecord", tuple["TurnRecord", ...]]


class SessionShelf:
    """Finds, refreshes, saves and forgets sessions; the least recently used histories leave memory first."""

    def __init__(
        self, store: Store, memory_limit: int = MEMORY_LIMIT, pin_reader: PinReader | None = None
    ) -> None:
        self.store = store
        self.pin_reader = pin_reader or PinReader()
        self.window: dict[str, None] = {}
        """The sessions this process made or opened, in that order."""
        self._memory_limit = memory_limit
        self._known: OrderedDict[str, ConversationManager] = OrderedDict()
        self._in_use: Callable[[str], bool] = lambda _: False

    def keep_while(self, in_use: Callable[[str], bool]) -> None:
        """Sessions for which `in_use` holds stay in memory."""
        self._in_use = in_use

    def add(
        self, record: SessionRecord, turns: tuple[TurnRecord, ...] = ()
    ) -> tuple[ConversationManager, Future[None]]:
        """A new session with its first turns; the future is done once it is durable."""
        conversation = self._remember(ConversationManager(record, turns))
        return conversation, self.save(
            conversation, partial(transcripts.copy_session, session=record, turns=turns)
        )

    def save(self, conversation: ConversationManager, change: Callable[[Connection], T]) -> Future[T]:
        """Write a change of one session; where it must wait, the session is kept in memory."""
        future = self.store.write(change)

        def mark(done: Future[T]) -> None:
            if isinstance(done.exception(), StoreUnavailableError):
                conversation.unsaved = True

        future.add_done_callback(mark)
        return future

    def in_memory(self, session_id: str) -> ConversationManager | None:
        """The session if it is in memory, as fresh as it was last seen."""
        conversation = self._known.get(session_id)
        if conversation is not None:
            self._known.move_to_end(session_id)
        return conversation

    def at_once(self, session_id: str) -> ConversationManager:
        """The session without awaiting: one that is not in memory costs a short, bounded wait for the disk."""
        conversation = self.in_memory(session_id)
        if conversation is not None:
            return conversation
        _check_id(session_id)
        future = self.store.submit(partial(transcripts.read_session, session_id=session_id))
        try:
            record = future.result(_BLOCKING_SECONDS)
        except FutureTimeoutError:
            future.cancel()
            raise StoreUnavailableError("The session store does not answer; try again in a moment.") from None
        return self._remember(ConversationManager(record))

    async def load(self, session_id: str) -> ConversationManager:
        """The session with its turns, up to date with what other processes wrote; UnknownSessionError."""
        conversation = self.in_memory(session_id)
        if conversation is None:
            _check_id(session_id)
            record, turns = await self.read(partial(transcripts.read_history, session_id=session_id))
            found = self.in_memory(session_id) or self._remember(ConversationManager(record, turns))
            await self._read_pins(found)
            return found
        await self.refresh(conversation)
        return conversation

    async def refresh(self, conversation: ConversationManager) -> None:
        """Take in what another process changed, and what is pinned; memory stands where the disk does not answer."""
        await self._renew(conversation)
        await self._read_pins(conversation)

    async def _read_pins(self, conversation: ConversationManager) -> None:
        """Read what is pinned; again where the pins were changed meanwhile."""
        while True:
            record = conversation.record
            pinned = await self.pin_reader.read(record)
            if conversation.record.pins == record.pins:
                conversation.pinned = pinned
                return

    async def _renew(self, conversation: ConversationManager) -> None:
        if self.is_unsaved(conversation):
            return
        session_id, before = conversation.record.id, conversation.record.revision
        known = before if conversation.turns is not None else None
        try:
            newer = await self.read(partial(_read_newer, session_id=session_id, known=known))
        except StoreUnavailableError:
            if conversation.turns is None:
                raise
            return
        except UnknownSessionError:
            if self.is_unsaved(conversation) or self._write_again(conversation):
                return
            self.forget(session_id)
            raise
        # A change of ours since the question makes the answer old.
        if newer is not None and conversation.record.revision == before:
            conversation.record, conversation.turns = newer
        self.trim()

    async def listing(
        self, workspaces: Sequence[str | None] | None, query: str | None
    ) -> tuple[list[SessionRow], str | None]:
        """Sessions by workspace (None: all) and text, and a sentence where the disk does not answer."""
        notice = None
        try:
            found = await self.read(partial(transcripts.list_sessions, workspaces=workspaces, query=query))
        except StoreUnavailableError as error:
            found, notice = [], error.message
        behind = self.unsaved()
        ids = {conversation.record.id for conversation in behind}
        fresh = [conversation.row for conversation in behind if conversation.matches(workspaces, query)]
        return [row for row in found if row[0].id not in ids] + fresh, notice

    async def read(self, job: Callable[[Connection], T]) -> T:
        """Run a reading job; cancelling the wait cancels a job that has not begun."""
        return await asyncio.wrap_future(self.store.submit(job))

    def is_unsaved(self, conversation: ConversationManager) -> bool:
        """Whether memory holds what the file does not."""
        if conversation.unsaved and self.store.unsaved == 0:
            conversation.unsaved = False
        return conversation.unsaved

    def unsaved(self) -> list[ConversationManager]:
        """The sessions that the file does not hold as they are."""
        return [conversation for conversation in self._known.values() if self.is_unsaved(conversation)]

    def forget(self, session_id: str) -> None:
        """Drop a session from memory."""
        self._known.pop(session_id, None)
        self.window.pop(session_id, None)

    def _write_again(self, conversation: ConversationManager) -> bool:
        """Write a session into a file that took the place of the one that held it; False where none did."""
        if conversation.turns is None or conversation.file_number == self.store.file_number:
            return False
        record, turns = conversation.record, conversation.turns
        self.save(conversation, partial(transcripts.copy_session, session=record, turns=turns))
        conversation.file_number = self.store.file_number
        return True

    def _remember(self, conversation: ConversationManager) -> ConversationManager:
        conversation.file_number = self.store.file_number
        self._known[conversation.record.id] = conversation
        self.window[conversation.record.id] = None
        self.trim()
        return conversation

    def trim(self) -> None:
        """Let histories go until the rest fits, oldest use first; what runs or is not saved stays."""
        total = sum(conversation.weight for conversation in self._known.values())
        for session_id, conversation in list(self._known.items()):
            if total <= self._memory_limit:
                return
            if self._in_use(session_id) or self.is_unsaved(conversation):
                continue
            total -= conversation.weight
            del self._known[session_id]


def _read_newer(connection: Connection, session_id: str, known: int | None) -> _History | None:
    """The session as it is on disk, or None where its revision is the known one."""
    revision = transcripts.read_revision(connection, session_id)
    if revision is not None and revision == known:
        return None
    return transcripts.read_history(connection, session_id)


def _check_id(session_id: str) -> None:
    if not is_id(session_id):
        raise UnknownSessionError("No session has this id; list the sessions to find the one you mean.")
