"""Ctrl-C as an event of the loop: the first asks, the second insists, the third is Python's own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

EXIT_CODE = 130  # what a shell reports for a program that Ctrl-C ended


@contextlib.contextmanager
def on_ctrl_c(react: Callable[[int], None]) -> Iterator[None]:
    """Call `react(1)` in the running loop at the first Ctrl-C and `react(2)` at the second.

    `signal.signal` and not the loop's own way, which Windows has not.
    """
    loop = asyncio.get_running_loop()
    count = 0

    def caught(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count > 2:
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(react, count)

    before = signal.signal(signal.SIGINT, caught)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
