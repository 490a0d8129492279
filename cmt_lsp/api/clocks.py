"""How long each phase of a request may take, measured by the event loop's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from cmt_lsp.api.errors import CmtError, StalledError, UpstreamTimeoutError

_UPLOAD_FLOOR = 64 * 1024
"""Bytes a second; a slower upload of images counts as dead."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clocks:
    """Limits in seconds. Any of them ends the request with a typed error."""

    connect: float = 10.0
    """For the TCP connection, and again for TLS."""
    first_byte: float = 60.0
    """From the start of an attempt to the first byte of the answer's body, dripped headers included; uploading a
    large request adds to it."""
    silence: float = 90.0
    """Without any byte. Pings come every 15 to 30 s while a model thinks."""
    no_event: float = 900.0
    """Without an event of the message, while pings come."""
    total: float = 1800.0
    """For one attempt from its start to the end of its answer."""


class AttemptClock:
    """The clocks of one attempt, running from its construction. Time the consumer takes does not count as silence.

    One timer serves all reads: it looks at the deadline of the read that is under way and sets itself again. A
    timer for every read would cost more than parsing what was read (25 us to 15, measured).
    """

    __slots__ = ("_alarm", "_clocks", "_deadline", "_ends_at", "_loop", "_reading", "_without_event", "host")

    def __init__(self, clocks: Clocks, host: str) -> None:
        self._clocks = clocks
        self.host = host
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + clocks.total
        self._without_event = 0.0
        self._deadline = 0.0
        self._reading: asyncio.Timeout | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Drop the timer; the attempt is over."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    async def until_first_byte(self, opening: Awaitable[T], upload: int) -> T:
        """Await the first bytes of the answer to a request of `upload` bytes."""
        limit = self._clocks.first_byte + upload / _UPLOAD_FLOOR
        late = UpstreamTimeoutError(
            f"{self.host} did not answer within {self._clocks.first_byte:g} seconds; try again."
        )
        return await self._within(opening, min(self._loop.time() + limit, self._ends_at), late)

    async def until_next_bytes(self, reading: Awaitable[T]) -> T:
        """Await more bytes of the answer."""
        began = self._loop.time()
        limit, late = min(
            (self._clocks.silence, "silence"),
            (self._clocks.no_event - self._without_event, "no_event"),
            (self._ends_at - began, "total"),
        )
        self._watch(began + limit)
        try:
            async with asyncio.timeout(None) as self._reading:
                return await reading
        except TimeoutError:
            if self._reading is not None and self._reading.expired():
                raise self._late(late) from None
            raise
        finally:
            self._reading = None
            self._without_event += self._loop.time() - began

    def _watch(self, deadline: float) -> None:
        """See to it that the alarm looks at the read by its deadline."""
        self._deadline = deadline
        if self._alarm is None or self._alarm.when() > deadline:
            self.stop()
            self._alarm = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        """End the read that is over its deadline, or look again at the deadline of a younger one."""
        self._alarm = None
        if self._reading is None:
            return
        if self._loop.time() >= self._deadline:
            self._reading.reschedule(self._deadline)
        else:
            self._watch(self._deadline)

    def event_seen(self) -> None:
        """An event of the message came; the wait for one starts anew."""
        self._without_event = 0.0

    async def _within(self, work: Awaitable[T], deadline: float, late: CmtError) -> T:
        try:
            async with asyncio.timeout_at(deadline) as timer:
                return await work
        except TimeoutError:
            if timer.expired():
                raise late from None
            raise

    def _late(self, which: str) -> CmtError:
        clocks = self._clocks
        if which == "silence":
            return StalledError(f"{self.host} has sent nothing for {clocks.silence:g} seconds; try again.")
        if which == "no_event":
            minutes = clocks.no_event / 60
            return StalledError(
                f"{self.host} has sent only signs of life for {minutes:g} minutes; try again."
            )
        return UpstreamTimeoutError(
            f"The answer took longer than {clocks.total / 60:g} minutes; ask for less at once."
        )
