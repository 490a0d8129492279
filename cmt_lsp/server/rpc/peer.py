"""The editor as the operations see it: what it can do, and the ways to reach it.

Everything here is for the event loop's own thread.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, Any

from lsprotocol import types

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.server.rpc.outbox import Outbox
    from cmt_lsp.server.rpc.table import Token

logger = logging.getLogger(__name__)

CREATE_TIMEOUT = 5.0
"""Seconds an editor has to accept a progress before we go on without one."""


class WorkDone:
    """An open work-done progress; it ends once, and nothing is sent after that."""

    def __init__(self, peer: Peer, token: Token, *, cancellable: bool) -> None:
        self.token = token
        self.cancelled = False
        """True once the person asked the editor to cancel."""
        self._peer = peer
        self._cancellable = cancellable
        self._callback: Callable[[], object] | None = None
        self._ended = False

    def begin(self, title: str, percentage: int | None = None) -> None:
        """Show it; an editor may leave out the percentages of a progress that begins without one."""
        value: dict[str, Any] = {"kind": "begin", "title": title, "cancellable": self._cancellable}
        self._send(value if percentage is None else value | {"percentage": percentage})

    def report(self, message: str, percentage: int | None = None) -> None:
        """Replace the line of text; dropped while the editor does not read."""
        value: dict[str, Any] = {"kind": "report", "message": message, "cancellable": self._cancellable}
        self._send(value if percentage is None else value | {"percentage": percentage}, droppable=True)

    def end(self, message: str | None = None) -> None:
        """Take it away, with a last line of text."""
        self._send({"kind": "end"} if message is None else {"kind": "end", "message": message})
        self._ended = True
        self._peer.forget_progress(self.token)

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Call once when the person cancels; at once when that has already happened."""
        self._callback = callback
        if self.cancelled:
            callback()

    def cancel(self) -> None:
        """The editor reports that the person cancelled."""
        if not self.cancelled and not self._ended:
            self.cancelled = True
            if self._callback is not None:
                self._callback()

    def _send(self, value: dict[str, Any], *, droppable: bool = False) -> None:
        if not self._ended:
            self._peer.progress(self.token, value, droppable=droppable)


class Peer:
    """The editor at the other end of the pipe."""

    def __init__(self, outbox: Outbox) -> None:
        self.initialize_params: types.InitializeParams | None = None
        """What the editor said of itself; None before `initialize`."""
        self._outbox = outbox
        self._progress: dict[Token, WorkDone] = {}
        self._numbers = itertools.count(1)

    @property
    def capabilities(self) -> types.ClientCapabilities:
        """What the editor can do; nothing before `initialize`."""
        params = self.initialize_params
        return params.capabilities if params is not None else types.ClientCapabilities()

    @property
    def experimental(self) -> dict[str, Any]:
        """The editor's `capabilities.experimental.cmt`, empty where there is none."""
        experimental = self.capabilities.experimental
        ours = experimental.get("cmt") if isinstance(experimental, dict) else None
        return ours if isinstance(ours, dict) else {}

    @property
    def backlog(self) -> int:
        """Bytes that wait for the editor to read."""
        return self._outbox.backlog

    @property
    def stalled_for(self) -> float:
        """Seconds since the editor last took anything while something waits; 0 when nothing waits."""
        return self._outbox.stalled_for

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call once when nothing waits for the editor any more; soon, when nothing waits now."""
        self._outbox.on_drained(callback)

    def notify(self, method: str, params: object = None, *, droppable: bool = False) -> None:
        """Send a notification; a droppable one is left out while too much waits for the editor."""
        self._outbox.notify(method, params, droppable=droppable)

    def progress(self, token: Token, value: object, *, droppable: bool = False) -> None:
        """Send one `$/progress` value."""
        self._outbox.notify(types.PROGRESS, {"token": token, "value": value}, droppable=droppable)

    async def request(self, method: str, params: object, timeout: float) -> Any:  # noqa: ASYNC109 - tells the editor
        """Ask the editor; raises `RpcError` for its refusal and TimeoutError for its silence, in seconds."""
        async with asyncio.timeout(timeout):
            return await asyncio.wrap_future(self._outbox.ask(method, params))

    async def create_progress(
        self, title: str, *, cancellable: bool, percentage: int | None = None
    ) -> WorkDone | None:
        """A progress of our own; None where the editor shows none or does not accept it."""
        window = self.capabilities.window
        if window is None or not window.work_done_progress:
            return None
        work = self._register(f"cmt-{next(self._numbers)}", cancellable=cancellable)
        try:
            await self.request(types.WINDOW_WORK_DONE_PROGRESS_CREATE, {"token": work.token}, CREATE_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - any refusal means the same: no progress
            logger.info("The editor accepted no progress: %s", type(error).__name__)
            self.forget_progress(work.token)
            return None
        except asyncio.CancelledError:
            self.forget_progress(work.token)
            raise
        work.begin(title, percentage)
        return work

    def adopt_progress(
        self, token: Token, title: str, *, cancellable: bool, percentage: int | None = None
    ) -> WorkDone:
        """A progress on the work-done token that came with a request; it must end before the answer."""
        work = self._register(token, cancellable=cancellable)
        work.begin(title, percentage)
        return work

    def cancel_progress(self, token: Token) -> None:
        """The editor reports that the person cancelled; unknown tokens are ignored."""
        if work := self._progress.get(token):
            work.cancel()

    def forget_progress(self, token: Token) -> None:
        """A progress is over."""
        self._progress.pop(token, None)

    @property
    def open_progress(self) -> int:
        """How many progresses have not ended."""
        return len(self._progress)

    def _register(self, token: Token, *, cancellable: bool) -> WorkDone:
        work = WorkDone(self, token, cancellable=cancellable)
        self._progress[token] = work
        return work
