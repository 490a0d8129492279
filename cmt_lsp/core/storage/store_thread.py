"""Store: one SQLite file behind a thread of its own.

Jobs run one after the other in the order of submission, so a caller never blocks the event loop and never sees a
half-done change. Changes that wait while the disk is busy share its next commit: with many turns at once, waiting for the
disk is nearly all that a change costs. A change that cannot be written waits in memory and is written, in order, as soon
as it can be.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cmt_lsp.api.errors import StoreUnavailableError
from cmt_lsp.core.storage.store import StoreFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cmt_lsp.core.storage.store import Connection, Schema

T = TypeVar("T")

MOST_TOGETHER = 64
"""Changes that share a commit: more would make the first of them wait too long."""
DRAIN_SECONDS = 2.0
"""How long the end of the process waits for changes on their way to the disk."""


class Store:
    """One private SQLite file in the state folder; its thread opens it when the first job comes."""

    def __init__(
        self,
        state_dir: Path,
        name: str,
        schema: Schema,
        *,
        clock: Callable[[], float] = time.time,
        sqlite_version: tuple[int, int, int] | None = None,
        noun: str = "session store",
    ) -> None:
        """`clock` dates a file that is moved aside; `sqlite_version` stands in for the library's own; `noun` is what
        the person knows the file as."""
        self.state_dir = state_dir
        self.path = state_dir / name
        self._worker = _Worker(StoreFile(self.path, schema, clock, sqlite_version, noun), noun)
        self._thread = threading.Thread(target=self._worker.run, name=f"store {name}", daemon=True)
        self._thread.start()
        # Runs when the store is collected, and at the latest before the interpreter ends: a daemon thread still
        # works then, and is stopped in its tracks a moment later.
        self._end = weakref.finalize(self, _stop, self._worker, self._thread, DRAIN_SECONDS)

    def submit(self, job: Callable[[Connection], T], *, wait: float | None = None) -> Future[T]:
        """Read: run `job` after all that was submitted before; fails with StoreUnavailableError.

        `wait` is how many seconds from now a lock of another process is waited for, the time in the queue included.
        """
        return self._worker.put(_Job(job, until=_from_now(wait)))

    def write(
        self, change: Callable[[Connection], T], *, keep: bool = True, wait: float | None = None
    ) -> Future[T]:
        """Run `change` in a transaction of its own; the result is there once it is durable.

        StoreUnavailableError says that the change waits in memory; it is tried again, before any later one, at the
        next write, `flush` or `close`. Any other error says that the change was refused and is gone. With `keep`
        false nothing waits: the caller looks after what could not be written. `wait` is that of `submit`.
        """
        return self._worker.put(_Job(change, write=True, keep=keep, until=_from_now(wait)))

    def flush(self) -> Future[int]:
        """Try again what waits; the result is how many changes still wait."""
        return self._worker.put(_Job(lambda _: 0, flush=True))

    @property
    def unsaved(self) -> int:
        """How many changes wait in memory."""
        return len(self._worker.backlog)

    @property
    def file_number(self) -> int:
        """Grows when a fresh file takes the place of one that this process had in use."""
        return self._worker.file.number

    def take_notices(self) -> tuple[str, ...]:
        """What happened to the file and the person should know; each sentence once."""
        notices = self._worker.file.notices
        return tuple(notices.popleft() for _ in range(len(notices)))

    def close(self, timeout: float = DRAIN_SECONDS) -> bool:
        """Finish all jobs and close the file; False when that takes longer than `timeout` seconds."""
        self._end.detach()
        return _stop(self._worker, self._thread, timeout)


@dataclass(slots=True)
class _Job(Generic[T]):
    work: Callable[[Connection], T]
    write: bool = False
    flush: bool = False
    keep: bool = True
    until: float | None = None
    future: Future[T] = field(default_factory=Future)


class _Worker:
    """What the thread runs; it holds no reference to the store, so that a forgotten store can be collected."""

    def __init__(self, file: StoreFile, noun: str) -> None:
        self.file = file
        self._noun = noun
        self.backlog: deque[Callable[[Connection], Any]] = deque()
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._ahead: deque[_Job[Any] | None] = deque()
        """What was taken from the queue and not done yet: at most one."""
        self._closed = False
        self._gate = threading.Lock()

    def put(self, job: _Job[T]) -> Future[T]:
        with self._gate:
            if not self._closed:
                self._jobs.put(job)
                return job.future
        job.future.set_exception(StoreUnavailableError(f"The {self._noun} is closed; start cmt-lsp again."))
        return job.future

    def stop(self) -> None:
        with self._gate:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)

    def run(self) -> None:
        while jobs := self._take():
            wanted = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if len(wanted) < 2 or not self._write_together(wanted):
                for job in wanted:
                    self._perform(job)
        self._drain_backlog()
        self.file.close()

    def _take(self) -> list[_Job[Any]]:
        """The next job, with the changes right behind it that can share its commit; none at the end."""
        first = self._ahead.popleft() if self._ahead else self._jobs.get()
        if first is None:
            return []
        jobs = [first]
        while jobs[-1].write and len(jobs) < MOST_TOGETHER and not self._jobs.empty():
            job = self._jobs.get()  # only this thread takes from the queue
            if job is None or not job.write:
                self._ahead.append(job)
                break
            jobs.append(job)
        return jobs

    def _write_together(self, jobs: Sequence[_Job[Any]]) -> bool:
        """Make changes durable by one commit; False where that failed and nothing was kept: each is tried by itself."""
        if not self._drain_backlog():
            return False
        until = min((job.until for job in jobs if job.until is not None), default=None)
        try:
            outcomes = self.file.write_together([job.work for job in jobs], until)
        except Exception:  # noqa: BLE001  each job meets it again by itself
            return False
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.error is None:
                job.future.set_result(outcome.result)
            else:
                job.future.set_exception(outcome.error)
        return True

    def _perform(self, job: _Job[Any]) -> None:
        try:
            answer = self._answer(job)
        except Exception as error:  # noqa: BLE001  whatever a job raises belongs to its caller, never to the thread
            job.future.set_exception(error)
        else:
            job.future.set_result(answer)

    def _answer(self, job: _Job[Any]) -> object:
        if job.write:
            return self._write(job)
        if job.flush:
            self._drain_backlog()
            return len(self.backlog)
        return self.file.read(job.work, job.until)

    def _write(self, job: _Job[Any]) -> object:
        if not self._drain_backlog():
            self._set_aside(job)
            raise StoreUnavailableError(self.file.last_failure)
        try:
            return self.file.write(job.work, job.until)
        except StoreUnavailableError:
            self._set_aside(job)
            raise

    def _set_aside(self, job: _Job[Any]) -> None:
        if job.keep:
            self.backlog.append(job.work)

    def _drain_backlog(self) -> bool:
        while self.backlog:
            try:
                self.file.write(self.backlog[0])
            except StoreUnavailableError:
                return False
            except Exception as error:  # noqa: BLE001  a change that is refused for good must not block the others
                self.file.notices.append(f"A change that waited for the {self._noun} was refused ({error}).")
            self.backlog.popleft()
        return True


async def landed(change: Future[T]) -> T:
    """Wait for a change; cancelling the wait leaves the change alone."""
    return await asyncio.shield(asyncio.wrap_future(change))


def _from_now(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


def _stop(worker: _Worker, thread: threading.Thread, timeout: float) -> bool:
    worker.stop()
    if thread is threading.current_thread():
        return True
    thread.join(timeout)
    return not thread.is_alive()
