"""One attempt on the wire: opened, read to its end under its clocks, and closed in every case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol, TypeAlias

from cmt_lsp.api.answer import AnswerReader
from cmt_lsp.api.classify import request_id_of
from cmt_lsp.api.clocks import AttemptClock
from cmt_lsp.api.stream import MessageFold, StreamEvent

_DRAIN = 0.1
"""Seconds to wait after a complete message for the end of the body, which lets the connection be used again."""

BYTES_AT_ONCE = 8192
"""Bytes of one answer after which others have their turn, about 1 ms of parsing: a read brings up to 64 KiB where an
endpoint sends fast, and 64 such answers in one go kept another request waiting for 0.8 s."""


class Response(Protocol):
    """What is needed of the HTTP library's streamed response."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name."""

    def aiter_bytes(self) -> AsyncGenerator[bytes, None]:
        """The decoded body as it comes."""

    async def aclose(self) -> None:
        """Close the connection, or give it back where the body was read to its end."""


Send: TypeAlias = Callable[[bytes, Callable[[], None]], Awaitable[Response]]
"""Sends a body, calling back as its first byte is handed to a connection, and returns the streamed response."""


class Attempt:
    """Reads one answer into `fold`; use `open`, then `read` until it returns None, then `aclose`."""

    def __init__(
        self, send: Send, body: bytes, fold: MessageFold, clock: AttemptClock, departed: Callable[[], None]
    ) -> None:
        """`departed` is called as the first byte of `body` is handed to a connection."""
        self._send = send
        self._body = body
        self._tell_departed = departed
        self.departed = False
        self._fold = fold
        self._clock = clock
        self._reader = AnswerReader(fold, clock.host)
        self._response: Response | None = None
        self._chunks: AsyncGenerator[bytes, None] | None = None
        self._next: bytes | None = None
        self.request_id: str | None = None

    @property
    def begun(self) -> bool:
        """Whether the endpoint took the request and began a response."""
        return self._response is not None

    async def open(self) -> None:
        """Send the request and wait for the first bytes of the answer."""
        self._next = await self._clock.until_first_byte(self._first_chunk(), len(self._body))

    async def read(self) -> list[StreamEvent] | None:
        """The next events, possibly none, or None at the end; raises CmtError or what the HTTP library raises."""
        chunk, self._next = self._next, None
        if chunk is None and (self._reader.failure or self._fold.complete or self._chunks is None):
            if self._reader.failure:
                raise self._reader.failure
            return None
        if chunk is None:
            chunk = await self._clock.until_next_bytes(self._chunk())
        events = self._take(chunk[:BYTES_AT_ONCE])
        if len(chunk) > BYTES_AT_ONCE and not (self._reader.failure or self._fold.complete):
            self._next = chunk[BYTES_AT_ONCE:]
            await asyncio.sleep(0)
        return events

    async def aclose(self) -> None:
        """Close the socket, or give the connection back where the answer was read to its end."""
        self._clock.stop()
        if self._response is None:
            return
        if self._fold.complete and self._chunks is not None:
            with suppress(Exception):  # the answer is whole; whatever happens now costs only the connection
                async with asyncio.timeout(_DRAIN):
                    while await self._chunk():
                        pass
        if self._chunks is not None:
            await self._chunks.aclose()
        await self._response.aclose()

    def _take(self, chunk: bytes) -> list[StreamEvent]:
        if not chunk:
            self._chunks = None
            return self._reader.end()
        before = self._fold.taken
        events = self._reader.feed(chunk)
        if self._fold.taken != before:
            self._clock.event_seen()
        return events

    async def _first_chunk(self) -> bytes:
        self._response = await self._send(self._body, self._departs)
        self.request_id = request_id_of(self._response.headers)
        self._chunks = self._response.aiter_bytes()
        return await self._chunk()

    def _departs(self) -> None:
        self.departed = True
        self._tell_departed()

    async def _chunk(self) -> bytes:
        """The next bytes, or b"" at the end of the body."""
        if self._chunks is None:
            return b""
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            return b""
