"""Running a tool: its arguments and no shell, an environment without secrets, and an end in any case."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import NoPictureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COMPLAINT_LIMIT = 2000
"""Bytes of standard error that are kept."""
DRAIN_SECONDS = 1.0
"""A tool that has ended may have left a child that holds its pipes open."""
KILL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a tool ended."""

    code: int
    output: bytes
    complaint: str
    """The end of its standard error, printable, without empty lines; some tools say why first, others last."""

    @property
    def last_words(self) -> str:
        """The last line of the complaint, fit for a sentence; empty where there is none."""
        return self.complaint.rpartition("\n")[2][:200].rstrip(".")


async def run_tool(
    argv: Sequence[str], *, environ: Mapping[str, str], folder: Path, seconds: float, limit: int
) -> Ran:
    """Run it in `folder` to its end; when this is cancelled, the tool and what it started are ended first.

    TimeoutError after `seconds`; NoPictureError where it cannot be started or writes more than `limit` bytes.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, ear = await loop.subprocess_exec(
            lambda: _Ear(limit),
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            env=dict(environ),
            cwd=folder,
            start_new_session=True,
            umask=0o077,
        )
    except OSError as error:
        raise NoPictureError(f"{argv[0]} cannot be started ({error.strerror}); install it again.") from error
    try:
        async with asyncio.timeout(seconds):
            await ear.heard()
        if ear.too_much:
            raise too_large(limit)
        return Ran(transport.get_returncode() or 0, bytes(ear.output), _readable(ear.complaint))
    finally:
        await _end(transport, ear)


def too_large(limit: int) -> NoPictureError:
    """The picture cannot be sent, whatever it shows."""
    return NoPictureError(f"The picture is larger than {limit // 1_000_000} MB; take a window or a region.")


class _Ear(asyncio.SubprocessProtocol):
    """What a running tool says; the end of the process is told even while a child holds its pipes."""

    def __init__(self, limit: int) -> None:
        self.output = bytearray()
        self.complaint = b""
        self.too_much = False
        self.exited = asyncio.Event()
        self._limit = limit
        self._over = asyncio.Event()
        """Nothing more is of interest: the process has ended, or wrote too much."""
        self._open = {1, 2}
        self._drained = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.complaint = (self.complaint + data)[-COMPLAINT_LIMIT:]
        elif len(self.output) + len(data) > self._limit:
            self.too_much = True
            self._over.set()
        else:
            self.output += data

    def pipe_connection_lost(self, fd: int, _: Exception | None) -> None:
        self._open.discard(fd)
        if not self._open:
            self._drained.set()

    def process_exited(self) -> None:
        self.exited.set()
        self._over.set()

    async def heard(self) -> None:
        """Wait until the tool has ended and all its words are here, or there are too many of them."""
        await self._over.wait()
        if not self.too_much:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), DRAIN_SECONDS)


async def _end(transport: asyncio.SubprocessTransport, ear: _Ear) -> None:
    """Leave nothing running: the tool, and on POSIX all that it started."""
    try:
        if transport.get_returncode() is None:
            _kill(transport)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ear.exited.wait(), KILL_SECONDS)
    finally:
        transport.close()


def _kill(transport: asyncio.SubprocessTransport) -> None:
    with contextlib.suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(transport.get_pid(), signal.SIGKILL)
        else:
            transport.kill()


def _readable(complaint: bytes) -> str:
    text = "".join(c if c.isprintable() else "\n" for c in complaint.decode("utf-8", "replace"))
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
