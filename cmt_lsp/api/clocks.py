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
    """The clocks of one attempt, running from its construction. Time the consumer takes does not count as silence."""

    __slots__ = ("_clocks", "_ends_at", "_host", "_loop", "_without_event")

    def __init__(self, clocks: Clocks, host: str) -> None:
        self._clocks = clocks
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + clocks.total
        self._without_event = 0.0

    async def until_first_byte(self, opening: Awaitable[T], upload: int) -> T:
        """Await the first bytes of the answer to a request of `upload` bytes."""
        limit = self._clocks.first_byte + upload / _UPLOAD_FLOOR
        late = UpstreamTimeoutError(
            f"{self._host} did not answer within {self._clocks.first_byte:g} seconds; try again."
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
        try:
            async with asyncio.timeout(limit) as timer:
                return await reading
        except TimeoutError:
            if timer.expired():
                raise self._late(late) from None
            raise
        finally:
            self._without_event += self._loop.time() - began

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
            return StalledError(f"{self._host} has sent nothing for {clocks.silence:g} seconds; try again.")
        if which == "no_event":
            minutes = clocks.no_event / 60
            return StalledError(
                f"{self._host} has sent only signs of life for {minutes:g} minutes; try again."
            )
        return UpstreamTimeoutError(
            f"The answer took longer than {clocks.total / 60:g} minutes; ask for less at once."
        )
