"""One response on its way out, and every way it can be kept from arriving."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from cmt_lsp.simulator.connection import LAST_CHUNK, Connection, chunk
from cmt_lsp.simulator.events import PING, Event, event
from cmt_lsp.simulator.failures import error_body
from cmt_lsp.simulator.faults import Drip, Fault, Strike

SLICE = 64 * 1024


class EndedError(Exception):
    """A fault ended the response; `act` says which. Only the delivery raises it."""

    def __init__(self, act: str) -> None:
        """`act` becomes the recorded outcome."""
        super().__init__(act)
        self.act = act


@dataclass(frozen=True, slots=True)
class Sent:
    """How far a body got: plain bytes, whole events, the text in them, and whether thinking was begun."""

    bytes: int = 0
    events: int = 0
    text: str = ""
    thought: bool = False


class Delivery:
    """Sends one head and one body over a connection under a fault; counts what was really handed over."""

    def __init__(
        self,
        connection: Connection,
        fault: Fault,
        released: asyncio.Event,
        *,
        chunked: bool,
        compress: bool,
        on_start: Callable[[], None],
        on_stall: Callable[[bool], None],
        on_last: Callable[[Sent], None],
    ) -> None:
        """`released` ends every stall of this response; `compress` gzips the body.

        `on_start` is called when the headers are out, `on_stall` when silence begins (True) and ends (False).
        `on_last` is called before the last piece, so that whoever has read it finds the books closed.
        """
        self._connection = connection
        self._released = released
        self._chunked = chunked
        self._gzip = zlib.compressobj(wbits=31) if compress else None
        self._on_start, self._on_stall, self._on_last = on_start, on_stall, on_last
        self._drip_head, self._drip_body = fault.drip_head, fault.drip_body
        self._at_start = [s for s in fault.strikes if s.before_headers]
        self._at_events = sorted(
            (s for s in fault.strikes if s.after_events is not None), key=lambda s: s.after_events or 0
        )
        self._at_bytes = sorted(
            (s for s in fault.strikes if s.after_bytes is not None), key=lambda s: s.after_bytes or 0
        )
        self._block = 0
        self._bytes = 0
        self._events = 0
        self._text: list[str] = []
        self._thought = False

    def sent(self) -> Sent:
        """What was handed over so far."""
        return Sent(self._bytes, self._events, "".join(self._text), self._thought)

    async def send(
        self,
        head: bytes,
        events: Iterable[Event],
        *,
        first_delay: float = 0.0,
        delay: float = 0.0,
        coalesce: bool = False,
    ) -> None:
        """Send everything; raises EndedError when a fault ended it and PeerGoneError when the client left."""
        for strike in self._at_start:
            await self._strike(strike)
        await self._write(head, self._drip_head)
        self._on_start()
        if coalesce and delay == 0 and not (self._at_events or self._at_bytes):
            await self._send_coalesced(events)
        else:
            await self._send_paced(events, first_delay, delay)
        await self._strike_due()
        await self._body(b"")
        await self._finish()

    async def _send_paced(self, events: Iterable[Event], first_delay: float, delay: float) -> None:
        first = True
        for each, last in _with_last(events):
            if self._at_events:
                await self._strike_due()
            if each.name == "content_block_delta":
                pause = first_delay if first else delay
                first = False
                if pause > 0:
                    await asyncio.sleep(pause)
            data = each.encode()
            if last:
                self._close_books(each, len(data))
            await self._body(data)
            self._count(each)

    async def _send_coalesced(self, events: Iterable[Event]) -> None:
        held = bytearray()
        for each, last in _with_last(events):
            data = each.encode()
            held += data
            if last:
                self._close_books(each, len(held))
            self._count(each)
            if last or len(held) >= SLICE:
                await self._body(bytes(held))
                held.clear()

    def _close_books(self, last: Event, size: int) -> None:
        """Tell what will have been sent, unless a strike may still prevent it."""
        if not (self._at_bytes or self._at_events):
            sent = self.sent()
            self._on_last(
                replace(sent, bytes=sent.bytes + size, events=sent.events + 1, text=sent.text + last.text)
            )

    def _count(self, each: Event) -> None:
        self._events += 1
        if each.name == "content_block_delta":
            text = each.text
            if text:
                self._text.append(text)
            else:
                self._thought = True
        elif each.name == "content_block_start":
            self._block = each.data.get("index", 0)

    async def _body(self, data: bytes) -> None:
        """Plain body bytes, interrupted at the places of the fault."""
        while self._at_bytes and (self._at_bytes[0].after_bytes or 0) <= self._bytes + len(data):
            strike = self._at_bytes.pop(0)
            cut = (strike.after_bytes or 0) - self._bytes
            await self._part(data[:cut])
            data = data[cut:]
            await self._strike(strike)
        await self._part(data)

    async def _part(self, data: bytes) -> None:
        for at in range(0, len(data), SLICE):
            part = data[at : at + SLICE]
            self._bytes += len(part)
            wire = (
                part
                if self._gzip is None
                else self._gzip.compress(part) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
            )
            await self._write(chunk(wire) if self._chunked else wire, self._drip_body)

    async def _write(self, data: bytes, drip: Drip | None) -> None:
        if drip is None:
            await self._connection.send(data)
            return
        for piece in _pieces(data, drip.size):
            await self._connection.send(piece)
            await asyncio.sleep(drip.delay)

    async def _finish(self) -> None:
        rest = b"" if self._gzip is None else self._gzip.flush(zlib.Z_FINISH)
        if self._chunked:
            await self._connection.send((chunk(rest) if rest else b"") + LAST_CHUNK)
        elif rest:
            await self._connection.send(rest)

    async def _strike_due(self) -> None:
        while self._at_events and (self._at_events[0].after_events or 0) <= self._events:
            await self._strike(self._at_events.pop(0))

    async def _strike(self, strike: Strike) -> None:
        match strike.act:
            case "stall":
                await self._stall()
            case "pings":
                await self._pings(strike)
            case "endless":
                await self._endless(strike)
            case _:
                await self._end(strike)

    async def _end(self, strike: Strike) -> None:
        """The acts after which nothing more is sent."""
        if strike.act == "reset":
            self._connection.reset()
            raise EndedError("reset")
        if strike.act == "hang_up" or not self._chunked:
            self._connection.close()
            raise EndedError(strike.act)
        if strike.act == "error_event":
            body = error_body(200, strike.message, kind=strike.error_type)
            await self._body(Event("error", body).encode())
        await self._finish()
        raise EndedError(strike.act)

    async def _stall(self) -> None:
        """Send nothing until released; the client leaving ends it."""
        self._on_stall(True)
        waits = [asyncio.ensure_future(e.wait()) for e in (self._released, self._connection.peer_closed)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._on_stall(False)

    async def _pings(self, strike: Strike) -> None:
        """Pings until the time is over or the request is released; the send notices a client that left."""
        self._on_stall(True)
        loop = asyncio.get_running_loop()
        end = None if strike.seconds is None else loop.time() + strike.seconds
        while not self._released.is_set() and (end is None or loop.time() < end):
            await self._part(PING.encode())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._released.wait(), strike.every)
        self._on_stall(False)

    async def _endless(self, strike: Strike) -> None:
        delta = event(
            "content_block_delta", index=self._block, delta={"type": "text_delta", "text": strike.message}
        )
        data = delta.encode()
        while True:
            await self._part(data)
            self._count(delta)
            if strike.every:
                await asyncio.sleep(strike.every)


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def _with_last(events: Iterable[Event]) -> Iterator[tuple[Event, bool]]:
    """Each event, and whether it is the last one."""
    source = iter(events)
    held = next(source, None)
    while held is not None:
        following = next(source, None)
        yield held, following is None
        held = following
