"""Frames of the LSP base protocol: bytes in, message bodies out, and the reverse.

The reader takes bytes in any pieces and gives whole bodies. It is tolerant, since clients are not: names of headers
in any case, a missing space, bare LF, unknown headers and stray lines between frames. It finds its way back after a
broken frame, because a header can be told from a body: valid JSON never holds a raw line break next to the letters
`Content-Length`. It never asks for the memory that a header claims.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BODY: Final = 64 * 1024 * 1024
"""The one limit on the size of a message, in bytes, both ways."""

MAX_HEADER_LINE: Final = 8 * 1024
MAX_HEADER_LINES: Final = 32

MAX_SKIPPED: Final = 4 * MAX_BODY
"""Bytes without a frame after which the other side cannot be speaking this protocol."""

_LENGTH = re.compile(rb"content-length[ \t]{0,8}:[ \t]{0,8}(\d{1,20})[ \t]{0,8}\r?\n", re.IGNORECASE)
_LENGTH_NAME = re.compile(rb"\s*content-length\s*:", re.IGNORECASE)
_REST_OF_HEADER = re.compile(rb"[ \t]*(?::[ \t]*\d*[ \t]*\r?)?")
_LONGEST_HEADER: Final = 64
"""Longer than any match of `_LENGTH`; so much is kept when a piece may end inside one."""


class FrameError(Exception):
    """The input cannot be read as frames any more."""


@dataclass(frozen=True, slots=True)
class Body:
    """One message, not decoded; cut short where the frame was broken off by the next one."""

    data: bytes


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A frame over the limit, which is skipped."""

    claimed: int


Frame = Body | TooLarge


def encode_frame(body: bytes) -> bytes:
    """One frame around one body."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class FrameReader:
    """Turns a stream of bytes into frames; `skipped` counts the bytes that belonged to none."""

    def __init__(self) -> None:
        self.skipped = 0
        self._skipped_in_a_row = 0
        self._buffer = bytearray()
        self._looked_at = 0
        """How much of the buffer holds nothing that was looked for."""
        self._body_length: int | None = None
        """None while headers are read."""
        self._block = _Block()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes; raises `FrameError` after `MAX_SKIPPED` bytes without one."""
        self._buffer += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        while self._body_length is None:
            line = self._take_line()
            if line is None:
                return None
            if line.strip():
                self._skip(self._block.add(line))
            elif (refused := self._end_block()) is not None:
                return refused
        return self._take_body(self._body_length)

    def _take_line(self) -> bytes | None:
        """One line with its ending; of a line over the limit the tail, where the next header may begin."""
        end = self._buffer.find(b"\n", self._looked_at) + 1
        size = end or len(self._buffer)
        if size > MAX_HEADER_LINE:
            useless = size - _LONGEST_HEADER
            self._take(useless)
            self._skip(useless + self._block.size)
            self._block = _Block()
            end -= useless if end else 0
        if not end:
            self._looked_at = len(self._buffer)
            return None
        return self._take(end)

    def _end_block(self) -> TooLarge | None:
        """After the blank line: a body follows, or nothing that can be used."""
        block, self._block = self._block, _Block()
        if block.length is None:
            self._skip(block.size)
        elif block.length > MAX_BODY:
            self._skip(block.size)
            return TooLarge(block.length)
        else:
            self._body_length = block.length
        return None

    def _take_body(self, length: int) -> Body | None:
        """The body once it is there, or what there is of it when the next frame begins inside."""
        end = min(length, len(self._buffer))
        header = self._header_within(end)
        if header is None and end < length:
            self._looked_at = end
            return None
        self._body_length = None
        self._skipped_in_a_row = 0
        return Body(self._take(_end_of_json(self._buffer, end) if header is None else header))

    def _header_within(self, end: int) -> int | None:
        start = max(0, self._looked_at - _LONGEST_HEADER)
        if self._buffer.find(b"\n", start, end) < 0:  # the usual case, at the speed of memchr
            return None
        match = _LENGTH.search(self._buffer, start, end)
        return match.start() if match else None

    def _take(self, size: int) -> bytes:
        with memoryview(self._buffer) as view, view[:size] as part:
            taken = bytes(part)
        del self._buffer[:size]
        self._looked_at = 0
        return taken

    def _skip(self, size: int) -> None:
        self.skipped += size
        self._skipped_in_a_row += size
        if self._skipped_in_a_row > MAX_SKIPPED:
            raise FrameError("no frame in a very long input")


class _Block:
    """The headers of one frame as they come in; the last length that was said counts.

    A header that nothing followed leaves its length behind, and the next frame says its own.
    """

    def __init__(self) -> None:
        self.length: int | None = None
        self.size = 0
        self._lines = 0

    def add(self, line: bytes) -> int:
        """Take in one line that is not blank; the answer is how many bytes turned out to be of no use."""
        match = _LENGTH.search(line)
        wasted = 0
        if self._lines == MAX_HEADER_LINES or (match and match.start()):
            wasted = self.size  # too many headers, or the rest of a broken body before this one
            self.length, self.size, self._lines = None, 0, 0
        self._lines += 1
        self.size += len(line)
        if match is not None:
            self.length = int(match[1])
        elif _LENGTH_NAME.match(line):
            self.length = None
        return wasted


def _end_of_json(buffer: bytearray, end: int) -> int:
    """Where a body of `end` bytes ends, the beginning of the next header cut off.

    A claim a little too long swallows a part of that header, and with it the whole next message.
    """
    first = max(0, end - _LONGEST_HEADER)
    tail = bytes(buffer[first:end])
    if tail.rstrip().endswith((b"}", b"]")):
        return end
    begins = (at for at in range(len(tail)) if _begins_header(tail[at:].lower()))
    return first + next(begins, len(tail))


def _begins_header(text: bytes) -> bool:
    name = b"content-length"
    return name.startswith(text) or (
        text.startswith(name) and bool(_REST_OF_HEADER.fullmatch(text[len(name) :]))
    )
