"""Something slow to load, loaded once in a daemon thread while the event loop keeps answering."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

_MANY_MODULES = 100


class WarmUp(Generic[T]):
    """Runs `load` in a thread of its own, at most once, and hands its result to any event loop.

    The garbage collector is off meanwhile, and where many modules came in they are frozen afterwards: they are no
    garbage, and scanning them again and again would cost time for the rest of the process's life.
    """

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._result: Future[T] = Future()
        self._lock = threading.Lock()
        self._begun = False

    @property
    def ready(self) -> bool:
        """True once loading has ended, well or not."""
        return self._result.done()

    def begin(self) -> None:
        """Start loading; later calls do nothing."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
        self._result.set_running_or_notify_cancel()  # from here a waiter's cancellation does not reach it
        threading.Thread(target=self._run, name="cmt-warm-up", daemon=True).start()

    async def result(self) -> T:
        """What was loaded, waiting for it if need be; raises what loading raised. Cancelling stops the wait only."""
        self.begin()
        if self._result.done():
            return self._result.result()
        return await asyncio.wrap_future(self._result)

    def _run(self) -> None:
        try:
            loaded = self._load_undisturbed()
        except BaseException as failure:  # noqa: BLE001 - whoever waits must hear of it
            self._result.set_exception(failure)
        else:
            self._result.set_result(loaded)

    def _load_undisturbed(self) -> T:
        modules = len(sys.modules)
        collecting = gc.isenabled()
        gc.disable()
        try:
            loaded = self._load()
            if len(sys.modules) - modules > _MANY_MODULES:
                gc.freeze()
            return loaded
        finally:
            if collecting:
                gc.enable()
