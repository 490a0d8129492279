"""Keeper: a thread for what must happen later: when something takes too long, fails, or comes round again."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

logger = logging.getLogger(__name__)

Rescue: TypeAlias = "Callable[[BaseException | None], None]"
"""Called with the error of what failed, or with None for what is late."""


@dataclass(order=True, slots=True)
class _Task:
    due: float
    number: int
    work: Callable[[], None] = field(compare=False)
    last: bool = field(compare=False, default=True)
    """Whether it still runs, and at once, when the keeper is stopped."""


class Keeper:
    """Runs tasks one at a time on a thread of its own; once stopped, on the thread that brings them."""

    def __init__(self, name: str) -> None:
        self._tasks: list[_Task] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._over = False
        self._working = threading.RLock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to run tasks; those that came before are waiting."""
        with self._changed:
            if not self._stopping:
                self._thread.start()

    def soon(self, work: Callable[[], None]) -> None:
        """Run `work` as soon as possible."""
        self._add(0.0, work)

    def every(self, seconds: float, work: Callable[[], None]) -> None:
        """Run `work` again and again, the first time after one interval."""

        def again() -> None:
            work()
            self.every(seconds, work)

        self._add(seconds, again, last=False)

    def watch(self, future: Future[Any], seconds: float, rescue: Rescue) -> None:
        """Call `rescue` if `future` fails, or has not succeeded after `seconds`; once at most."""
        called = threading.Event()

        def once(error: BaseException | None) -> None:
            if not called.is_set():
                called.set()
                rescue(error)

        def when_done(done: Future[Any]) -> None:
            error = done.exception()
            if error is not None:
                self.soon(lambda: once(error))

        def when_late() -> None:
            if not future.done():
                once(None)

        future.add_done_callback(when_done)
        if not future.done():
            self._add(seconds, when_late)

    def stop(self, timeout: float) -> bool:
        """Run all that is waiting but what comes round, now; False where that takes longer than `timeout` seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is None:
            self._finish()
        elif self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _add(self, seconds: float, work: Callable[[], None], *, last: bool = True) -> None:
        task = _Task(time.monotonic() + seconds, next(self._numbers), work, last)
        with self._changed:
            heapq.heappush(self._tasks, task)
            if self._tasks[0] is task:
                self._changed.notify()
            over = self._over
        if over:
            self._finish()

    def _run(self) -> None:
        while (task := self._next()) is not None:
            self._perform(task)
        self._finish()

    def _next(self) -> _Task | None:
        """Wait for the next task; None when stopping."""
        with self._changed:
            while not self._stopping:
                left = self._tasks[0].due - time.monotonic() if self._tasks else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._tasks)
                self._changed.wait(left)
        return None

    def _finish(self) -> None:
        while True:
            with self._changed:
                if not self._tasks:
                    self._over = True
                    return
                task = heapq.heappop(self._tasks)
            if task.last:
                self._perform(task)

    def _perform(self, task: _Task) -> None:
        with self._working:
            try:
                task.work()
            except Exception:
                logger.exception("A task of the ledger failed")
