"""HTTP/1.1 by hand over one socket, so that half frames, drips and true resets can be had.

A web framework would mend exactly what the faults need broken. Only what API clients use is here: requests
with a length or in chunks, keep-alive, `Expect: 100-continue`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qs, urlsplit

_HEX = re.compile(rb"[0-9a-fA-F]{1,12}")
HEAD_LIMIT = 64 * 1024
READ_AHEAD = 4 * 1024 * 1024
FAIR_SHARE = 16
"""Writes after which a fast stream lets the loop look at other sockets, and at its own peer's farewell."""


class PeerGoneError(ConnectionError):
    """The client closed its side; there is nobody to answer."""


class BadRequestError(ValueError):
    """Bytes that are no HTTP request."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are lower case, `body` is empty when it was over the limit."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    too_large: bool = False

    @property
    def keep_alive(self) -> bool:
        """Whether the client means to use the connection again."""
        return self.headers.get("connection", "").lower() != "close"

    def accepts_gzip(self) -> bool:
        """Whether the client said it can read gzip."""
        return "gzip" in self.headers.get("accept-encoding", "").lower()


def encode_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """The status line and headers, blank line included."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Overloaded" if status == 529 else "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client's socket: requests in, bytes out, and the knowledge of whether the client is still there."""

    def __init__(self, serve: Callable[[Connection], Awaitable[None]]) -> None:
        """`serve` runs once per connection and is cancelled by nobody but the simulator's end."""
        self._serve = serve
        self._buffer = bytearray()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._writes = 0
        self._reading = True
        self.peer_closed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._on_closed: list[Callable[[], None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start serving; the write buffer is off so that "sent" means "in the kernel"."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            with contextlib.suppress(PeerGoneError):
                await self._serve(self)
        finally:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Keep what came, and stop reading when nobody takes it."""
        self._buffer += data
        self._wake.set()
        if len(self._buffer) > READ_AHEAD:
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """A client that closes its sending side is taken as gone: no API client half-closes."""
        self._farewell()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by either side."""
        self._farewell()

    def _farewell(self) -> None:
        if self.peer_closed.is_set():
            return
        self.peer_closed.set()
        self._wake.set()
        self._drained.set()
        for call in self._on_closed:
            call()

    def when_closed(self, call: Callable[[], None]) -> None:
        """Call once the client is gone: now, if it is."""
        if self.peer_closed.is_set():
            call()
        else:
            self._on_closed.append(call)

    def pause_writing(self) -> None:
        """The kernel's buffer is full."""
        self._drained.clear()

    def resume_writing(self) -> None:
        """The kernel took everything."""
        self._drained.set()

    async def send(self, data: bytes) -> None:
        """Hand all bytes to the kernel, or raise PeerGoneError."""
        if self.peer_closed.is_set():
            raise PeerGoneError
        self._transport.write(data)
        self._writes += 1
        if not self._drained.is_set():
            await self._drained.wait()
        elif self._writes % FAIR_SHARE == 0:
            await asyncio.sleep(0)
        if self.peer_closed.is_set():
            raise PeerGoneError

    def reset(self) -> None:
        """Close with a real RST: linger of zero seconds drops the connection instead of ending it."""
        sock = cast("socket.socket", self._transport.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """End the connection in order (FIN)."""
        self._transport.close()

    async def _more(self) -> None:
        """Wait for further bytes, or raise PeerGoneError."""
        if self.peer_closed.is_set():
            raise PeerGoneError
        self._wake.clear()
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        await self._wake.wait()

    async def _until(self, mark: bytes, limit: int) -> bytes:
        seen = 0
        while (at := self._buffer.find(mark, max(0, seen - len(mark)))) < 0:
            seen = len(self._buffer)
            if seen > limit:
                raise BadRequestError("a line is too long")
            await self._more()
        return self._cut(at + len(mark))

    def _cut(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def _exactly(self, count: int, *, keep: bool) -> bytes:
        parts: list[bytes] = []
        while count > 0:
            if not self._buffer:
                await self._more()
            part = self._cut(min(count, len(self._buffer)))
            count -= len(part)
            if keep:
                parts.append(part)
        return b"".join(parts)

    async def read_request(self, limit_of: Callable[[str], int]) -> Request:
        """The next request; a body over the limit of its path (bytes) is read to its end and dropped."""
        head = (await self._until(b"\r\n\r\n", HEAD_LIMIT)).decode("latin-1")
        method, target, headers = _parse_head(head)
        parts = urlsplit(target)
        body_limit = limit_of(parts.path)
        if headers.get("expect", "").lower() == "100-continue":
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body, too_large = await self._chunked_body(body_limit)
        else:
            length = _length(headers.get("content-length", "0"))
            too_large = length > body_limit
            body = await self._exactly(length, keep=not too_large)
        return Request(method, parts.path, parse_qs(parts.query), headers, body, too_large)

    async def _chunked_body(self, limit: int) -> tuple[bytes, bool]:
        parts: list[bytes] = []
        total = 0
        while True:
            size = _chunk_size(await self._until(b"\r\n", 1024))
            total += size
            parts.append(await self._exactly(size, keep=total <= limit))
            await self._until(b"\r\n", HEAD_LIMIT)
            if size == 0:
                return (b"", True) if total > limit else (b"".join(parts), False)


def _parse_head(head: str) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.split("\r\n")[:-2]
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequestError("the first line is no HTTP request line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequestError("a header has no colon")
        headers[name.strip().lower()] = value.strip()
    return words[0], words[1], headers


def _length(text: str) -> int:
    if not text.isdecimal():
        raise BadRequestError("the length of the body is no number")
    return int(text)


def _chunk_size(line: bytes) -> int:
    size = line.split(b";")[0].strip()
    if not _HEX.fullmatch(size):
        raise BadRequestError("the size of a chunk is no number")
    return int(size, 16)
