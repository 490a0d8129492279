"""Settling: the last step of a turn. Nobody hears its result before its record and its money are durable."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cmt_lsp.core.turn import TurnResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from cmt_lsp.api.errors import CmtError
    from cmt_lsp.core.money.meter import Meter
    from cmt_lsp.core.turn import CancelReason, Turn


@dataclass(slots=True, eq=False)
class _Awaited:
    """A turn that somebody waits for; `outcome` once it is decided."""

    turn: Turn
    meter: Meter
    outcome: TurnResult | CmtError | None = None


class Settling:
    """The turns of this process whose results are still awaited."""

    def __init__(self, then: Callable[[], None]) -> None:
        """`then` is called after each turn."""
        self._then = then
        self._awaited: dict[str, _Awaited] = {}

    @property
    def running(self) -> list[Turn]:
        """The turns that are not settled, oldest first."""
        return [awaited.turn for awaited in self._awaited.values()]

    def cancel_all(self, reason: CancelReason) -> int:
        """Stop every running turn; how many were stopped."""
        return sum(turn.cancel(reason) for turn in self.running)

    def expect(self, turn: Turn, meter: Meter) -> None:
        """A turn begins."""
        self._awaited[turn.id] = _Awaited(turn, meter)

    def settle(self, turn: Turn, outcome: TurnResult | CmtError, saved: Future[None] | None = None) -> None:
        """A turn ended; it is told once `saved`, where it leaves a record, and the ledger are done with it."""
        awaited, loop = self._awaited[turn.id], asyncio.get_running_loop()
        awaited.outcome = outcome
        if saved is None:
            self._when_booked(awaited, loop, None)
        else:
            saved.add_done_callback(partial(self._saved, awaited, loop))

    async def settled(self, timeout: float) -> None:  # noqa: ASYNC109  a limit for all turns together
        """Wait until no turn runs; what the disk has not confirmed by then is settled as not saved."""
        waiting = [asyncio.ensure_future(turn.result()) for turn in self.running]
        if not waiting:
            return
        await asyncio.wait(waiting, timeout=timeout)
        for awaited in list(self._awaited.values()):
            self._finish(awaited, "the disk did not answer in time")
        for waiter in waiting:
            waiter.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _saved(self, awaited: _Awaited, loop: asyncio.AbstractEventLoop, done: Future[None]) -> None:
        """On the store's thread: the record is durable, or waits."""
        error = done.exception()
        self._when_booked(awaited, loop, None if error is None else str(error))

    def _when_booked(self, awaited: _Awaited, loop: asyncio.AbstractEventLoop, failure: str | None) -> None:
        """Finish once the ledger holds every attempt: nobody hears of a turn whose money could still be lost."""
        awaited.meter.when_durable(partial(self._finish_soon, awaited, loop, failure))

    def _finish_soon(self, awaited: _Awaited, loop: asyncio.AbstractEventLoop, failure: str | None) -> None:
        """On whatever thread ended last; the loop may be gone."""
        try:
            loop.call_soon_threadsafe(self._finish, awaited, failure)
        except RuntimeError:
            self._awaited.pop(awaited.turn.id, None)

    def _finish(self, awaited: _Awaited, failure: str | None) -> None:
        """On the loop: tell the result, what of it is not on disk, and which budget it brought near its end."""
        outcome = awaited.outcome
        if outcome is None:
            return
        if isinstance(outcome, TurnResult):
            unsaved = () if failure is None else (f"not saved: {failure}",)
            outcome = replace(outcome, notices=(*outcome.notices, *unsaved, *awaited.meter.warnings))
        self._awaited.pop(awaited.turn.id, None)
        awaited.turn.settle(outcome)
        self._then()
