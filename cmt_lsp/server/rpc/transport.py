"""Runs the server on its two pipes, from the first byte to the exit code.

Exit codes: 0 after `shutdown` and `exit`, after `shutdown` and the end of input, and for SIGTERM, SIGINT and SIGHUP
(asked to stop, and did); 1 for everything else: `exit` or the end of input without `shutdown`, an editor that died
or stopped reading, an input that is no LSP, or an end that had to be forced.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from cmt_lsp.server.rpc.collector import settle
from cmt_lsp.server.rpc.faults import log_fault
from cmt_lsp.server.rpc.frames import MAX_BODY, TooLarge
from cmt_lsp.server.rpc.messages import INVALID_REQUEST, RpcError, decode_body
from cmt_lsp.server.rpc.parent import ParentWatch
from cmt_lsp.server.rpc.pipe_threads import PipeReader, PipeWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmt_lsp.server.rpc.frames import Frame
    from cmt_lsp.server.rpc.protocol import CmtLanguageServer

logger = logging.getLogger(__name__)

STOP_LIMIT: Final = 2.0
"""Seconds for running work and `on_stop` to end."""
FLUSH_LIMIT: Final = 0.5
"""Seconds for the editor to take what is still to be sent."""
DEADLINE: Final = 3.5
"""Seconds from the wish to stop until the process is ended by force."""
POLL: Final = 1.0
"""Seconds between two looks at the editor's process."""

_STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")


def serve(server: CmtLanguageServer, stdin: int, stdout: int) -> int:
    """Serve until there is a reason to stop; the exit code.

    Takes the descriptors of `claim_standard_streams`. The process must end soon after this returns, and is ended
    by force when it has not within `DEADLINE` seconds of the wish to stop.
    """
    logging.getLogger("pygls").setLevel(logging.WARNING)  # below that it logs whole messages
    logging.getLogger().addHandler(
        logging.NullHandler()
    )  # or what nobody configured goes to an unread stderr
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(_log_loop_fault)
    connection = Connection(server, loop, stdin, stdout)
    try:
        with _woken_by_signals(loop), _stop_signals(connection):
            return _run(loop, loop.create_task(connection.run()))
    finally:
        _cancel_leftovers(loop)
        loop.close()


class Connection:
    """The editor at the other end: frames to the protocol, replies to the pipe, and the end of it all."""

    def __init__(
        self, server: CmtLanguageServer, loop: asyncio.AbstractEventLoop, stdin: int, stdout: int
    ) -> None:
        self._protocol = server.protocol
        self._loop = loop
        self._reader = PipeReader(stdin, self._on_frame, self._on_end_of_input)
        self._writer = PipeWriter(stdout, self._on_write_failure, self._on_empty)
        self._parent = ParentWatch()
        self._drained: list[Callable[[], None]] = []
        self._settled = False
        self._stopping = asyncio.Event()
        self._reason = ""
        self._exit_code = 1
        self._forced_code = 1
        self._deadline: float | None = None
        """Written from a signal handler too, so that no lock may be involved."""

    async def run(self) -> int:
        """Serve, then end everything in order; the exit code."""
        self._protocol.attach(self)
        self._writer.start()
        self._reader.start()
        threading.Thread(target=self._keep_watch, name="cmt-watch", daemon=True).start()
        await self._stopping.wait()
        logger.info("Stopping: %s", self._reason)
        ended = await self._protocol.wind_down(self._reason, STOP_LIMIT)
        self._writer.close(FLUSH_LIMIT)
        if self._writer.dropped:
            logger.warning("Dropped %d messages that the editor did not read", self._writer.dropped)
        self._forced_code = self._exit_code if ended else 1
        return self._forced_code

    # --- what the protocol uses

    @property
    def backlog(self) -> int:
        """Bytes that wait for the editor."""
        return self._writer.backlog

    @property
    def stalled_for(self) -> float:
        """Seconds since the editor last took anything while something waits."""
        return self._writer.stalled_for

    def send(self, frame: bytes, *, droppable: bool = False) -> None:
        """Queue a frame."""
        self._writer.send(frame, droppable=droppable)

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call once, on the loop, when nothing waits any more."""
        self._drained.append(callback)  # before the look at the backlog, or the writer may miss it
        if not self._writer.backlog:
            self._loop.call_soon(self._tell_drained)

    def watch(self, process_id: int) -> None:
        """Stop when this process is gone."""
        self._parent.watch(process_id)

    def stop(self, reason: str, code: int | None) -> None:
        """Begin to stop, on the loop; the first reason counts. `code` None means 0 after `shutdown`, else 1."""
        self._start_the_clock()
        if not self._stopping.is_set():
            self._reason = reason
            self._exit_code = (0 if self._protocol.shut_down else 1) if code is None else code
            self._stopping.set()

    def stop_soon(self, reason: str, code: int | None) -> None:
        """As `stop`, from any thread or signal handler, behind the messages that have already come."""
        self._start_the_clock()
        self._call_on_loop(self.stop, reason, code)

    def _start_the_clock(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + DEADLINE

    # --- on the threads

    def _on_frame(self, frame: Frame) -> None:
        self._call_on_loop(self._take, _message_in(frame))

    def _on_end_of_input(self, reason: str, *, broken: bool) -> None:
        if broken:
            _say(reason)
        self.stop_soon(reason, 1 if broken else None)

    def _on_write_failure(self, reason: str) -> None:
        self.stop_soon(reason, 1)

    def _on_empty(self) -> None:
        if self._drained:
            self._call_on_loop(self._tell_drained)

    def _call_on_loop(self, callback: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: too late to matter
            self._loop.call_soon_threadsafe(callback, *args)

    def _keep_watch(self) -> None:
        """Look after the editor's process, and after our own end, whatever the loop is doing."""
        while True:
            if self._deadline is None:
                if reason := self._parent.gone():
                    self.stop_soon(reason, None)
                else:
                    time.sleep(POLL)
            elif time.monotonic() > self._deadline:
                os._exit(self._forced_code)
            else:
                time.sleep(0.05)

    # --- on the loop

    def _take(self, message: object) -> None:
        try:
            if self._stopping.is_set():
                return
            if isinstance(message, RpcError):
                self._protocol.refuse(None, message)
            else:
                self._protocol.receive(message)
        finally:
            self._reader.handled()
            if not self._settled:
                self._settled = True
                self._loop.call_soon(settle)

    def _tell_drained(self) -> None:
        if not self._writer.backlog:
            waiting, self._drained = self._drained, []
            for callback in waiting:
                callback()


def _message_in(frame: Frame) -> object:
    """The decoded message of a frame, or the error that answers it."""
    if isinstance(frame, TooLarge):
        return RpcError(INVALID_REQUEST, f"A message may hold at most {MAX_BODY >> 20} MB.")
    try:
        return decode_body(frame.data)
    except RpcError as error:
        return error


def _run(loop: asyncio.AbstractEventLoop, main: asyncio.Task[int]) -> int:
    """Run the loop to the end of `main`; SystemExit in some other task ends that task and nothing else."""
    while True:
        try:
            return loop.run_until_complete(main)
        except (SystemExit, KeyboardInterrupt) as error:
            if main.done():
                raise
            log_fault("a background task", error)


def _cancel_leftovers(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs and give it one moment; the process ends anyway."""
    if leftovers := asyncio.all_tasks(loop):
        for task in leftovers:
            task.cancel()
        loop.run_until_complete(asyncio.wait(leftovers, timeout=0.1))


def _log_loop_fault(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, BaseException):
        log_fault("the event loop", error)
    else:
        logger.error("The event loop reports: %s", context.get("message"))


@contextlib.contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Wake the loop for every signal.

    A handler runs between two steps of the interpreter, and a loop that waits for events takes none: a signal that came
    just before the wait, or to another thread, was heard with the next message and so perhaps never. The loop of Windows
    does this by itself.
    """
    if sys.platform == "win32":
        yield
        return
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        loop.add_reader(ours, ours.recv, 64)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(ours)


@contextlib.contextmanager
def _stop_signals(connection: Connection) -> Iterator[None]:
    """Stop in order on the signals that ask for it.

    `signal.signal` and not the loop's own handlers: these run also while a callback keeps the loop busy, and so
    start the clock that ends the process.
    """

    def stop(number: int, _: object) -> None:
        connection.stop_soon(f"{signal.Signals(number).name} came", 0)

    numbers = [getattr(signal, name) for name in _STOP_SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(reason: str) -> None:
    """One line for the person who looks at the editor's output of the server."""
    with contextlib.suppress(OSError):
        os.write(2, f"cmt-lsp: stopped: {reason}\n".encode())
