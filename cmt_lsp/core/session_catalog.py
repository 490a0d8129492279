"""SessionCatalog: the sessions of this machine's user: made, listed, resumed, changed, forked, exported and deleted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from cmt_lsp.api.errors import BadParamsError, StoreUnavailableError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core import births, transcripts
from cmt_lsp.core.context.pins import changed_pins, pin_of
from cmt_lsp.core.export import export_json, export_markdown, suggested_name
from cmt_lsp.core.money.attempt import Sums
from cmt_lsp.core.records import SessionInfo
from cmt_lsp.core.storage.store_thread import landed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from cmt_lsp.core.chatfile.folder import TranscriptFolder
    from cmt_lsp.core.context.items import ContextItem
    from cmt_lsp.core.context.pins import Pinned
    from cmt_lsp.core.conversation import ConversationManager
    from cmt_lsp.core.money.ledger import Ledger
    from cmt_lsp.core.records import SessionRecord, TurnRecord
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.shelf import SessionShelf
    from cmt_lsp.core.storage.session_locks import SessionLocks
    from cmt_lsp.core.transcripts import SessionRow

T = TypeVar("T")
Scope = Literal["window", "workspace", "all"]
ExportFormat = Literal["markdown", "json"]


class SessionCatalog:
    """What can be done with sessions but asking in them."""

    def __init__(
        self,
        shelf: SessionShelf,
        locks: SessionLocks,
        ledger: Ledger,
        settings: Callable[[], Settings],
        clock: Callable[[], float],
        chat_files: TranscriptFolder,
        deleted: Callable[[str], None],
    ) -> None:
        """`deleted` hears of each session that is gone for good; `clock` gives seconds since 1970."""
        self._shelf = shelf
        self._locks = locks
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._chat_files = chat_files
        self._deleted = deleted
        self._notices: list[str] = []

    async def refresh(self, session_id: str) -> None:
        """Bring a session into memory as it now stands, so that `start_turn` needs no disk; UnknownSessionError."""
        await self._shelf.load(session_id)

    async def load(self, session_id: str) -> SessionInfo:
        """As `refresh`, and what there is to show of the session."""
        return await self.info(await self._shelf.load(session_id))

    async def create(
        self,
        name: str | None = None,
        model: str | None = None,
        system_prompt: str | None = None,
        workspace: str | Path | None = None,
        pinned: Sequence[ContextItem] = (),
    ) -> SessionInfo:
        """A new, empty session; None stands for the settings' value. BadParamsError names the field."""
        record = self.new_record(name, model, system_prompt, workspace)
        record = replace(record, pins=changed_pins((), [pin_of(item) for item in pinned]))
        conversation, saved = self._shelf.add(record)
        await self.durable(saved)
        return await self.info(conversation)

    async def list(
        self, scope: Scope = "window", workspace: str | Path | None = None, query: str | None = None
    ) -> list[SessionInfo]:
        """Sessions, last used first: of this process, of one workspace, or all; `query` is sought in name and text.

        What was never named nor used, the trace of a first question that failed, is shown to its own process only.
        """
        if scope not in ("window", "workspace", "all"):
            raise BadParamsError("scope must be one of window, workspace, all.")
        workspaces = [births.real_path(workspace)] if scope == "workspace" else None
        rows, notice = await self._shelf.listing(workspaces, query)
        self._notices += [notice] if notice else []
        window = self._shelf.window
        shown = [row for row in rows if row[0].id in window or (scope != "window" and _is_used(row))]
        infos = [_info_of(row, await self._shelf.pin_reader.read(row[0])) for row in shown]
        newest_first = sorted(
            await self._with_sums(infos), key=lambda info: (info.updated_at, info.id), reverse=True
        )
        others = [info.id for info in newest_first if not self._locks.is_held(info.id)]
        # Looking at a lock takes 0.2 ms, and there may be thousands.
        elsewhere = await asyncio.to_thread(self._locks.held_elsewhere, others)
        return [self._with_state(info, elsewhere) for info in newest_first]

    async def get(
        self, session_id: str, from_turn: str | None = None
    ) -> tuple[SessionInfo, tuple[TurnRecord, ...]]:
        """The session and its turns, or those after `from_turn`; UnknownSessionError, UnknownTurnError."""
        info, turns, _ = await self.page(session_id, after=from_turn)
        return info, turns

    async def page(
        self, session_id: str, *, after: str | None = None, before: str | None = None, last: int | None = None
    ) -> tuple[SessionInfo, tuple[TurnRecord, ...], int]:
        """The session, the `last` so many of its turns between two, and how many come before these."""
        conversation = await self._shelf.load(session_id)
        first = 0 if after is None else conversation.index_of(after) + 1
        end = len(conversation.loaded) if before is None else conversation.index_of(before)
        first = min(first, end) if last is None else max(first, end - last)
        return await self.info(conversation), conversation.loaded[first:end], first

    async def turn(self, session_id: str, turn_id: str) -> TurnRecord:
        """One settled turn; UnknownSessionError, UnknownTurnError."""
        conversation = await self._shelf.load(session_id)
        return conversation.loaded[conversation.index_of(turn_id)]

    async def update(
        self,
        session_id: str,
        *,
        name: str | None = None,
        model: str | None = None,
        system_prompt: str | None = None,
        pinned: Sequence[ContextItem] | None = None,
        pin: Sequence[ContextItem] = (),
        unpin: Sequence[str] = (),
    ) -> SessionInfo:
        """Change what is not None; an empty `system_prompt` removes it. The history stays.

        `pinned` replaces all pins; `pin` adds some at the end; `unpin` takes some away by id, URI or title.
        """
        conversation = await self._shelf.load(session_id)
        replaced = None if pinned is None else [pin_of(item) for item in pinned]
        pins = changed_pins(conversation.record.pins, replaced, [pin_of(item) for item in pin], unpin)
        conversation.change(
            name=None if name is None else births.checked_name(name),
            model=None if model is None else self._model(model),
            system_prompt=None if system_prompt is None else births.checked_prompt(system_prompt) or "",
            at=self._clock(),
            pins=pins,
        )
        change = partial(transcripts.update_session, session=conversation.record)
        await self.durable(self._shelf.save(conversation, change))
        return await self.info(conversation)

    async def remove_images(self, session_id: str, turn_id: str, index: int | None = None) -> SessionInfo:
        """Take an image of a turn's question (all when None) out of the history for good.

        SessionBusyError, UnknownTurnError, BadParamsError.
        """
        await self._shelf.load(session_id)
        release = self._hold_idle(session_id)
        try:
            conversation = await self._shelf.load(session_id)
            changed = conversation.remove_images(turn_id, index, self._clock())
            change = partial(transcripts.rewrite_questions, session=conversation.record, turns=changed)
            await self.durable(self._shelf.save(conversation, change))
            await self._shelf.read(transcripts.wipe_traces)
        finally:
            release()
        return await self.info(conversation)

    async def fork(self, session_id: str, turn_id: str | None = None) -> SessionInfo:
        """A new session with the turns up to and with `turn_id` (all when None), their content unchanged."""
        origin = await self._shelf.load(session_id)
        end = len(origin.loaded) if turn_id is None else origin.index_of(turn_id) + 1
        record, turns = births.fork_of(origin.record, origin.loaded[:end], self._clock())
        conversation, saved = self._shelf.add(record, turns)
        await self.durable(saved)
        return await self.info(conversation)

    async def clear(self, session_id: str) -> SessionInfo:
        """Start afresh in a new session of the same kind; the old one is kept. SessionBusyError."""
        conversation = await self._shelf.load(session_id)
        self._hold_idle(session_id)()
        fresh, saved = self._shelf.add(births.afresh(conversation.record, self._clock()))
        await self.durable(saved)
        return await self.info(fresh)

    async def delete(self, session_id: str) -> None:
        """Delete a session and its text for good; SessionBusyError, and StoreUnavailableError where it must wait."""
        conversation = await self._shelf.load(session_id)
        release = self._hold_idle(session_id)
        try:
            change = partial(transcripts.delete_session, session_id=session_id)
            await landed(self._shelf.save(conversation, change))
            await self._shelf.read(transcripts.wipe_traces)
            await asyncio.to_thread(self._chat_files.remove_session, session_id)
            self._locks.forget(session_id)
        finally:
            release()
        self._shelf.forget(session_id)
        self._deleted(session_id)

    async def history(self, session_id: str) -> tuple[SessionRecord, tuple[TurnRecord, ...]]:
        """A session's record and all its turns; UnknownSessionError."""
        conversation = await self._shelf.load(session_id)
        return conversation.record, conversation.loaded

    async def export(self, session_id: str, form: ExportFormat) -> tuple[str, str]:
        """A session as one document and a name for its file."""
        record, turns = await self.history(session_id)
        if form == "markdown":
            return export_markdown(record, turns), suggested_name(record, "md")
        if form == "json":
            return export_json(record, turns), suggested_name(record, "json")
        raise BadParamsError("format must be one of markdown, json.")

    async def names(self, session_ids: Iterable[str]) -> dict[str, str]:
        """The names of those of these sessions that are kept."""
        return await self._shelf.read(partial(transcripts.read_names, session_ids=tuple(session_ids)))

    # For whoever asks in them

    def new_record(
        self,
        name: str | None = None,
        model: str | None = None,
        system_prompt: str | None = None,
        workspace: str | Path | None = None,
    ) -> SessionRecord:
        """A session's record before anything is asked; None stands for the settings' value. BadParamsError."""
        chosen = self._model(self._settings().model if model is None else model)
        prompt = self._settings().system_prompt if system_prompt is None else system_prompt
        return births.new_session(self._clock(), name, chosen, prompt, workspace)

    async def durable(self, saved: Future[None]) -> None:
        """Wait until a change is on disk; where it must wait the person is told, and memory holds it."""
        try:
            await landed(saved)
        except StoreUnavailableError as error:
            self._notices.append(f"not saved: {error.message}")

    async def info(self, conversation: ConversationManager) -> SessionInfo:
        """What there is to show of a session in memory."""
        if conversation.pinned.pins != conversation.record.pins:  # a new session, or its pins just changed
            await self._shelf.refresh(conversation)
        (info,) = await self._with_sums([_info_of(conversation.row, conversation.pinned)])
        busy = self._locks.is_held(info.id)
        return self._with_state(info, set() if busy else self._locks.held_elsewhere([info.id]))

    def take_notices(self) -> tuple[str, ...]:
        """What the person should be told once: a model that was replaced, changes not saved."""
        notices, self._notices = self._notices, []
        return tuple(notices)

    # Inside

    def _model(self, name: str) -> str:
        model, notice = births.checked_model(name, datetime.fromtimestamp(self._clock(), UTC).date())
        if notice and notice not in self._notices:
            self._notices.append(notice)
        return model

    def _hold_idle(self, session_id: str) -> Callable[[], None]:
        """Keep turns away from a session that has none; SessionBusyError."""
        return self._locks.hold(session_id)

    async def _with_sums(self, infos: Sequence[SessionInfo]) -> tuple[SessionInfo, ...]:
        """What the ledger holds of each session; what its turns tell stands where the ledger cannot be read."""
        try:
            sums = await self._ledger.sums_by_session([info.id for info in infos])
        except StoreUnavailableError:
            return tuple(infos)
        nothing = Sums(0, Usage(), Cost.sum(()), 0)
        found = ((info, sums.get(info.id, nothing)) for info in infos)
        return tuple(replace(info, usage=one.usage, cost=one.cost) for info, one in found)

    def _with_state(self, info: SessionInfo, elsewhere: set[str]) -> SessionInfo:
        if self._locks.is_held(info.id):
            return replace(info, state="busy")
        return replace(info, state="elsewhere") if info.id in elsewhere else info


def _info_of(row: SessionRow, pinned: Pinned) -> SessionInfo:
    record, turns, usage, cost = row
    return SessionInfo(
        id=record.id,
        name=record.name,
        model=record.model,
        system_prompt=record.system_prompt,
        workspace=record.workspace,
        created_at=record.created_at,
        updated_at=record.updated_at,
        turns=turns,
        state="idle",
        usage=usage,
        cost=cost,
        pinned=pinned.states,
    )


def _is_used(row: SessionRow) -> bool:
    record, turns, _, _ = row
    return record.named or turns > 0
