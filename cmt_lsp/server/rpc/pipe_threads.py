"""The two pipes to the editor, each with a thread of its own, so that neither can stop the event loop.

The writer holds what the editor has not taken yet, within limits; the reader stops taking when the loop is behind.
"""

from __future__ import annotations

import collections
import os
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from cmt_lsp.server.rpc.faults import log_fault
from cmt_lsp.server.rpc.frames import MAX_BODY, FrameError, FrameReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.server.rpc.frames import Frame

CHUNK: Final = 64 * 1024
"""Bytes per system call; the size of a pipe on Linux."""

SOFT_BYTES: Final = 8 * 1024 * 1024
SOFT_MESSAGES: Final = 10_000
"""From either of these on, droppable frames are dropped."""

HARD_BYTES: Final = MAX_BODY
"""An editor that leaves more than this unread is taken for gone."""

READ_AHEAD: Final = 256
"""Frames that may wait for the loop before the reader pauses."""


def claim_standard_streams() -> tuple[int, int]:
    """Take stdin and stdout away from everything else: (input, output) descriptors that only we know.

    A stray `print`, a library or a child process then writes to stderr and reads nothing.
    """
    _have_stderr()
    ours = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in ours:
            msvcrt.setmode(descriptor, os.O_BINARY)
    return ours


def _have_stderr() -> None:
    """Some launchers close it, and the next descriptor to be opened would take its place."""
    try:
        os.fstat(2)
    except OSError:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 2)
        if nothing != 2:
            os.close(nothing)


class PipeReader:
    """Reads frames until the end of input, and gives each one away from a daemon thread."""

    def __init__(
        self, descriptor: int, on_frame: Callable[[Frame], None], on_end: Callable[..., None]
    ) -> None:
        """Both are called on the thread; `on_end(reason, broken=...)` once, `broken` where it is no plain end."""
        self._descriptor = descriptor
        self._on_frame = on_frame
        self._on_end = on_end
        self._room = threading.Semaphore(READ_AHEAD)

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._run, name="cmt-reader", daemon=True).start()

    def handled(self) -> None:
        """The loop is through with one frame."""
        self._room.release()

    def _run(self) -> None:
        try:
            self._read_frames()
        except FrameError as error:
            self._on_end(str(error), broken=True)
        except Exception as error:  # noqa: BLE001 - a thread that dies in silence leaves a deaf server
            log_fault("the reader", error)
            self._on_end(f"the pipe cannot be read: {type(error).__name__}", broken=True)
        else:
            self._on_end("the editor closed the pipe", broken=False)

    def _read_frames(self) -> None:
        frames = FrameReader()
        while data := self._read():
            for frame in frames.feed(data):
                self._room.acquire()
                self._on_frame(frame)

    def _read(self) -> bytes:
        while True:
            try:
                return os.read(self._descriptor, CHUNK)
            except BlockingIOError:  # some editors hand over pipes in non-blocking mode
                select.select([self._descriptor], [], [])


class PipeWriter:
    """Writes frames in order from a daemon thread; `send` never waits."""

    def __init__(
        self, descriptor: int, on_failure: Callable[[str], None], on_empty: Callable[[], None]
    ) -> None:
        """`on_failure` is called once, with the reason; `on_empty` on the thread whenever the queue ran empty."""
        self.dropped = 0
        """Droppable frames that gave way."""
        self._descriptor = descriptor
        self._on_failure = on_failure
        self._on_empty = on_empty
        self._queue: collections.deque[bytes] = collections.deque()
        self._changed = threading.Condition()
        self._backlog = 0
        self._moved_at = 0.0
        self._failed = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="cmt-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Bytes that the editor has not taken."""
        return self._backlog

    @property
    def stalled_for(self) -> float:
        """Seconds since the editor last took anything while something waits."""
        with self._changed:
            return time.monotonic() - self._moved_at if self._backlog else 0.0

    def send(self, frame: bytes, *, droppable: bool = False) -> None:
        """Put a frame in the queue, or drop it where it is droppable and too much waits."""
        with self._changed:
            if self._failed or self._closing:
                return
            if droppable and (self._backlog >= SOFT_BYTES or len(self._queue) >= SOFT_MESSAGES):
                self.dropped += 1
                return
            if not self._backlog:
                self._moved_at = time.monotonic()
            self._queue.append(frame)
            self._backlog += len(frame)
            over = self._backlog > HARD_BYTES
            self._changed.notify()
        if over:
            self._fail("the editor does not read")

    def close(self, limit: float) -> bool:
        """Write what is left, for `limit` seconds at most; true when all of it was taken."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(limit)
        return not self._backlog

    def _run(self) -> None:
        try:
            while chunk := self._next_chunk():
                self._write(chunk)
                if not self._backlog:
                    self._on_empty()
        except OSError as error:
            self._fail(f"the pipe cannot be written: {type(error).__name__}")

    def _next_chunk(self) -> bytes:
        """Whole frames up to about one chunk, waiting for the first; empty when there is an end to it."""
        with self._changed:
            while not self._queue and not self._closing and not self._failed:
                self._changed.wait()
            frames: list[bytes] = []
            size = 0
            while self._queue and not self._failed and size < CHUNK:
                frames.append(self._queue.popleft())
                size += len(frames[-1])
        return b"".join(frames)

    def _write(self, chunk: bytes) -> None:
        with memoryview(chunk) as rest:
            done = 0
            while done < len(chunk) and not self._failed:
                try:
                    taken = os.write(self._descriptor, rest[done : done + CHUNK])
                except BlockingIOError:
                    select.select([], [self._descriptor], [])
                    continue
                done += taken
                with self._changed:
                    self._backlog -= taken
                    self._moved_at = time.monotonic()

    def _fail(self, reason: str) -> None:
        with self._changed:
            if self._failed:
                return
            self._failed = True
            self._queue.clear()
            self._backlog = 0
            self._changed.notify()
        self._on_failure(reason)
