"""Everybody who hears of a comparison: of each answer as of a turn of its own, and of all of them in one progress."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import CmtError
from cmt_lsp.api.models import Cost
from cmt_lsp.server.window.audience import Audience
from cmt_lsp.server.window.progress_line import ProgressLine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cmt_lsp.core.compare.comparison import Comparison
    from cmt_lsp.core.turn import Turn, TurnEvent, TurnResult
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.status import WindowStatus


class ComparisonAudience:
    """Tells the answers of a comparison to all who asked; the stream of each ends as soon as its turn has."""

    def __init__(self, caller: Caller, status: WindowStatus, count: int) -> None:
        """`count` is how many models are asked."""
        self._audiences = [Audience(caller, status, alone=False) for _ in range(count)]
        self._line = ProgressLine(caller, self._cancel)
        self._comparison: Comparison | None = None

    @property
    def listeners(self) -> list[Callable[[TurnEvent], None]]:
        """One for each model."""
        return [self._listener(audience) for audience in self._audiences]

    def begin(self, comparison: Comparison) -> None:
        """Tell the start of every answer, before the first step of any."""
        self._comparison = comparison
        for audience, turn in zip(self._audiences, comparison.turns, strict=True):
            audience.begin(turn)
        self._line.begin()

    async def follow(self, comparison: Comparison) -> tuple[TurnResult, ...]:
        """Wait for all ends, telling each; the rows, or the error that kept all of them from being sent.

        A cancelled wait stops the answers and still gives their rows.
        """
        tellings = [
            asyncio.create_task(_tell_end(turn, audience))
            for audience, turn in zip(self._audiences, comparison.turns, strict=True)
        ]
        while True:
            try:
                await asyncio.wait(tellings)
                rows = await comparison.rows()
            except asyncio.CancelledError:
                comparison.cancel("user")
            except CmtError as error:
                self._line.close(error.message)
                raise
            else:
                self._line.close(_summary(rows))
                return rows

    def _listener(self, audience: Audience) -> Callable[[TurnEvent], None]:
        def listen(event: TurnEvent) -> None:
            audience.emit(event)
            self._line.event(event)

        return listen

    def _cancel(self) -> None:
        if self._comparison:
            self._comparison.cancel("user")


async def _tell_end(turn: Turn, audience: Audience) -> None:
    try:
        audience.finish(await turn.result())
    except CmtError as error:
        audience.fail(error)


def _summary(rows: Sequence[TurnResult]) -> str:
    """One line for the end of a comparison: how many answered, what it cost, how long it took."""
    answered = sum(row.error is None for row in rows)
    of_all = f"{answered} answers" if answered == len(rows) else f"{answered} of {len(rows)} answered"
    cost = Cost.sum(row.cost for row in rows).display
    return f"{of_all} · {cost} · {max(row.timing.total_ms for row in rows) / 1000:.1f} s"
