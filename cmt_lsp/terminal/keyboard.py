"""Lines that a person or a program types, read so that nothing ever waits for the next one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator


async def typed_lines() -> AsyncIterator[str]:
    """Each line of standard input until it ends.

    A daemon thread reads the bare descriptor: an executor's thread would be waited for at the end, and a buffered
    stream cannot be locked again while Python shuts down.
    """
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def tell(line: str | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended before the line did
            loop.call_soon_threadsafe(lines.put_nowait, line)

    def read(descriptor: int) -> None:
        rest = b""
        while data := os.read(descriptor, 4096):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                tell(line.decode("utf-8", "replace"))
        tell(None)

    threading.Thread(target=read, args=(sys.stdin.fileno(),), name="keyboard", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line
