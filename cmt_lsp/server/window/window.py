"""One editor window: its current session, and the running of a turn for whoever asked."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from cmt_lsp.api.errors import CmtError, NoPictureError
from cmt_lsp.core.guard.permission import Permission
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.screen.held import HeldPictures
from cmt_lsp.server import wire
from cmt_lsp.server.shapes.turn import result_shape
from cmt_lsp.server.window.audience import Audience
from cmt_lsp.server.window.batch_follower import follow_batch
from cmt_lsp.server.window.comparison_audience import ComparisonAudience
from cmt_lsp.server.window.consent import Consent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
    from pathlib import Path

    from cmt_lsp.core.compare.comparison import Comparison
    from cmt_lsp.core.session_manager import APISessionManager
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.turn import Turn, TurnEvent
    from cmt_lsp.core.warming.keeper import KeepState
    from cmt_lsp.server.rpc.documents import OpenDocuments
    from cmt_lsp.server.rpc.peer import Peer
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.status import WindowStatus

    Listener = Callable[[TurnEvent], None]
    Starter = Callable[[Listener], Awaitable[Turn]]
    """Starts a turn that tells its events to the given listener."""

logger = logging.getLogger(__name__)

SOON = 0.05
"""Seconds; a status comes at most every quarter of a second anyway."""


class Home(Protocol):
    """What a window stands on; each part is built when it is first needed."""

    @property
    def manager(self) -> APISessionManager: ...

    @property
    def status(self) -> WindowStatus: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def setting_notices(self) -> tuple[str, ...]: ...

    @property
    def documents(self) -> OpenDocuments: ...

    @property
    def folders(self) -> tuple[Path, ...]: ...


class Window:
    """What the operations work on; built once by `app.py`."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.current: str | None = None
        """The session that a chat without a session id goes to."""
        self.pictures = HeldPictures()
        """Pictures that were taken for a question and not asked about yet."""
        self.looking = asyncio.Semaphore(2)
        """How many pictures may be looked at at once: each takes a process and up to 512 MB."""
        self._consent = Consent()
        self._taking: asyncio.Task[object] | None = None
        self._making_current = asyncio.Lock()
        self._beside: set[asyncio.Task[None]] = set()
        self._followed: dict[str, asyncio.Task[None]] = {}

    @property
    def manager(self) -> APISessionManager:
        """The sessions."""
        return self._home.manager

    @property
    def status(self) -> WindowStatus:
        """What the status line shows."""
        return self._home.status

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._home.settings

    @property
    def setting_notices(self) -> tuple[str, ...]:
        """A sentence for each setting that was not taken."""
        return self._home.setting_notices

    @property
    def documents(self) -> OpenDocuments:
        """What the editor has open."""
        return self._home.documents

    @property
    def folders(self) -> tuple[Path, ...]:
        """The workspace folders, resolved."""
        return self._home.folders

    @property
    def workspace(self) -> Path | None:
        """The first folder, which new sessions belong to; None without one."""
        return next(iter(self.folders), None)

    def permission(self, caller: Caller, *, allowed: bool) -> Permission:
        """Who may let secrets and ignored files of a question pass: the person by a param, or by an answer."""
        return Permission(allowed, self.folders, self._consent.asker(caller))

    async def session_for(self, session_id: str | None) -> str:
        """The session that is meant, in memory; the window's current one is made on first use."""
        if session_id is None:
            async with self._making_current:
                if self.current is None:
                    self.current = (await self.manager.sessions.create(workspace=self.workspace)).id
            session_id = self.current
        await self.manager.sessions.refresh(session_id)
        return session_id

    async def make_current(self, session_id: str | None) -> None:
        """From now on chats without a session id go here."""
        self.current = session_id
        await self.refresh_status()

    async def origin(self) -> Origin:
        """For whom this window asks: its current session, or none yet, and its workspace."""
        session = await self.manager.sessions.load(self.current) if self.current else None
        workspace = session.workspace if session else str(self.workspace or "")
        return Origin("turn", session.id if session else "", "", workspace or "")

    async def refresh_status(self) -> None:
        """Show the current session and the money as they now stand."""
        try:
            session = await self.manager.sessions.load(self.current) if self.current else None
            warmth = await self.manager.cache_report.warmth(session.id) if session else None
        except CmtError as error:
            logger.info("The current session cannot be shown: %s", error.kind)
            session = warmth = None
        self.status.session_is(session, warmth)
        try:
            origin = await self.origin()
            ledger = self.manager.ledger
            self.status.money_is(await ledger.totals(origin), await ledger.budgets(origin))
        except CmtError as error:
            logger.info("The ledger cannot be shown: %s", error.kind)

    def keeping_changed(self, state: KeepState) -> None:
        """A session is kept warm, was refreshed, or is kept warm no more: what that costs is to be seen at once."""
        self.status.kept_is(state)
        if state.refreshes:
            self._run_beside(self.refresh_status())

    @contextmanager
    def taking(self, caller: Caller, title: str) -> Iterator[None]:
        """In here the running task takes a picture, which `stop_taking` and the editor's progress line can give up.

        There is one pointer to choose with, so that a second picture at the same time is refused.
        """
        if self._taking is not None:
            raise NoPictureError("Another picture is being taken; finish that one or give it up.")
        self._taking, token = asyncio.current_task(), caller.work_done_token
        shown = None if token is None else caller.peer.adopt_progress(token, title, cancellable=True)
        if shown is not None:
            shown.on_cancel(self.stop_taking)
        try:
            yield
        finally:
            self._taking = None
            if shown is not None:
                shown.end()

    def stop_taking(self) -> bool:
        """Give up the picture that is being taken; false where there is none."""
        return self._taking is not None and self._taking.cancel()

    def used_pictures(self, turn: Turn, images: Sequence[wire.Image]) -> None:
        """Let go of the held pictures among these, unless the turn failed: then they may be wanted again."""
        for image in images:
            if image.handle is not None and not turn.failed:
                self.pictures.forget(image.handle)

    def follow_batch(self, batch_id: str, peer: Peer) -> None:
        """Look at a batch now and then until it has ended, since somebody of this window asked about it."""
        if batch_id not in self._followed:
            self._followed[batch_id] = self._run_beside(self._follow_batch(batch_id, peer))

    def unfollow_batch(self, batch_id: str) -> None:
        """Somebody saw the end of it."""
        if task := self._followed.get(batch_id):
            task.cancel()

    async def _follow_batch(self, batch_id: str, peer: Peer) -> None:
        try:
            await follow_batch(self.manager.batches, batch_id, peer)
        finally:
            del self._followed[batch_id]
        await self.refresh_status()

    async def _refresh_status_soon(self) -> None:
        """As `refresh_status`, out of the way of the first text."""
        await asyncio.sleep(SOON)
        await self.refresh_status()

    async def run_turn(
        self, caller: Caller, start: Starter, *, wait: bool
    ) -> wire.TurnResult | wire.TurnAccepted:
        """Start a turn and answer with its result, or at once when nobody waits for it."""
        audience = Audience(caller, self.status)
        turn = await start(audience.emit)
        audience.begin(turn)
        self._run_beside(self._refresh_status_soon())
        if wait:
            return await self._follow(turn, audience)
        self._run_beside(_alone(self._follow(turn, audience)))
        return wire.TurnAccepted(turn_id=turn.id, session_id=turn.session_id)

    async def run_comparison(
        self, caller: Caller, start: Callable[[Sequence[Listener]], Comparison], count: int, *, wait: bool
    ) -> wire.CompareResult | wire.CompareAccepted:
        """Ask `count` models and answer with all their results, or at once when nobody waits for them."""
        audience = ComparisonAudience(caller, self.status, count)
        comparison = start(audience.listeners)
        audience.begin(comparison)
        self._run_beside(self._refresh_status_soon())
        if wait:
            return await self._follow_comparison(comparison, audience)
        self._run_beside(_alone(self._follow_comparison(comparison, audience)))
        return wire.CompareAccepted(
            compare_id=comparison.record.id,
            session_id=comparison.record.session_id,
            turn_ids=[turn.id for turn in comparison.turns],
        )

    async def _follow_comparison(
        self, comparison: Comparison, audience: ComparisonAudience
    ) -> wire.CompareResult:
        try:
            rows = await audience.follow(comparison)
        finally:
            self._run_beside(self.refresh_status())
        return wire.CompareResult(
            compare_id=comparison.record.id,
            session_id=comparison.record.session_id,
            rows=[result_shape(row) for row in rows],
        )

    async def _follow(self, turn: Turn, audience: Audience) -> wire.TurnResult:
        """Wait for the end. A cancelled request stops the turn and is still answered with its result."""
        while True:
            try:
                result = await turn.result()
            except asyncio.CancelledError:
                turn.cancel("user")
            except CmtError as error:
                audience.fail(error)
                self._run_beside(self.refresh_status())
                raise
            else:
                audience.finish(result)
                self._run_beside(self.refresh_status())
                return result_shape(result)

    def _run_beside(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run something that no request waits for; the set keeps it alive."""
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task


async def _alone(following: Coroutine[object, object, object]) -> None:
    """Follow a turn that no request waits for; whoever listens was told how it ended."""
    try:
        await following
    except CmtError as error:
        logger.info("A turn that nobody waits for failed: %s", error.kind)
