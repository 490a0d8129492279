"""Ctrl-C while the server answers: the first stops the turns and waits for their price, the second leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.interrupt import EXIT_CODE, on_ctrl_c
from cmt_lsp.terminal.window import Window

CANCEL_SECONDS = 5.0  # a server settles a cancelled turn in far less
CANCEL_AGAIN = 0.2  # seconds; a cancel may overtake the turn that it is meant for


class Stoppable:
    """One talk with a server that Ctrl-C can stop."""

    def __init__(self, on_stop: Callable[[], None]) -> None:
        """`on_stop` is told once when turns are being stopped."""
        self.interrupted = False
        self._on_stop = on_stop
        self._window: Window | None = None
        self._talk: asyncio.Task[int] | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def run(self, talk: Coroutine[object, object, int]) -> int:
        """The exit code of `talk`, or 130 where it was left."""
        self._talk = asyncio.create_task(talk)
        with on_ctrl_c(self._interrupt):
            try:
                return await self._talk
            except asyncio.CancelledError:
                return EXIT_CODE
            finally:
                if self._stopping is not None:
                    self._stopping.cancel()

    @contextlib.contextmanager
    def turns_in(self, window: Window) -> Iterator[None]:
        """In here a first Ctrl-C stops the turns of the window; elsewhere it is the end."""
        self._window = window
        try:
            yield
        finally:
            self._window = None

    def _interrupt(self, count: int) -> None:
        self.interrupted = True
        if count == 1 and self._window is not None:
            self._on_stop()
            self._stopping = asyncio.create_task(self._stop(self._window))
        elif self._talk is not None:
            self._talk.cancel()

    async def _stop(self, window: Window) -> None:
        """Cancel until the turns have ended; a server that cannot is left."""
        with contextlib.suppress(TroubleError, TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                while self._window is not None:
                    await window.cancel()
                    await asyncio.sleep(CANCEL_AGAIN)
        if self._window is not None and self._talk is not None:
            self._talk.cancel()
