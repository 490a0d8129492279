"""An event loop whose clock jumps to the next timer as soon as nothing else is to be done: seconds cost nothing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Instead of waiting for a timer, moves the loop's clock to it; waits that nothing would ever end are errors."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found:
            if timeout is None:
                raise RuntimeError("everything waits for something that will never come")
            self.loop.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time is `now`, in seconds."""

    def __init__(self) -> None:
        selector = _Jumping()
        selector.loop = self
        self.now = 0.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; RuntimeError for a dead-lock."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
