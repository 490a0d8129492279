"""The work-done progress of whoever asked: on the token of the request, or one that the server itself offers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cmt_lsp.server.window.turn_progress import TurnProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.core.turn import TurnEvent, TurnResult
    from cmt_lsp.server.rpc.peer import WorkDone
    from cmt_lsp.server.rpc.table import Caller

TITLE = "Claude"


class ProgressLine:
    """Shows one turn, or several as one, and ends exactly once.

    The progress that the server itself offers is asked for while the turn already runs: an editor that never answers
    that question delays nothing. It is not offered to an editor that reads the stream.
    """

    def __init__(self, caller: Caller, cancel: Callable[[], None], title: str = TITLE) -> None:
        """`cancel` is called when the person cancels the progress."""
        self._caller = caller
        self._title = title
        self._cancel = cancel
        self._progress: TurnProgress | None = None
        self._asking: asyncio.Task[None] | None = None
        self._over = False

    def begin(self) -> None:
        """Open it, or ask whether it may be opened."""
        caller = self._caller
        if caller.work_done_token is not None:
            token = caller.work_done_token
            self._show(caller.peer.adopt_progress(token, self._title, cancellable=True, percentage=0))
        elif caller.partial_result_token is None:
            self._asking = asyncio.get_running_loop().create_task(self._offer())

    def event(self, event: TurnEvent) -> None:
        """Take in one event of a turn."""
        if self._progress:
            self._progress.event(event)

    def finish(self, result: TurnResult) -> None:
        """End with what the turn cost."""
        self._over = True
        if self._progress:
            self._progress.finish(result)

    def close(self, line: str) -> None:
        """End with a line of its own."""
        self._over = True
        if self._progress:
            self._progress.close(line)

    async def _offer(self) -> None:
        work = await self._caller.peer.create_progress(self._title, cancellable=True, percentage=0)
        if work is not None:
            self._show(work)

    def _show(self, work: WorkDone) -> None:
        if self._over:
            work.end()
            return
        self._progress = TurnProgress(work)
        work.on_cancel(self._cancel)
