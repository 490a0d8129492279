"""Bytes of a server-sent event stream to events, in time linear in the bytes and with bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

from cmt_lsp.api.errors import BadAnswerError

LINE_LIMIT = 4 * 1024 * 1024
"""Bytes of one line, and of the joined data of one event."""
EVENT_LIMIT = 200_000
"""Events of one stream."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One dispatched event: its name, where the server gave one, and its data as undecoded UTF-8."""

    name: str | None
    data: bytes


class SseParser:
    """Incremental parser: feed chunks as they arrive, get the events they complete.

    Line ends may be LF, CR or CRLF, also split over chunks; a byte order mark, comments and unknown fields are
    skipped. An event that is not closed by an empty line is never dispatched, so a cut stream shows no half event.
    Raises BadAnswerError over a limit.
    """

    __slots__ = ("_after_cr", "_at_start", "_data", "_data_size", "_events", "_name", "_tail", "_tail_size")

    def __init__(self) -> None:
        self._tail: list[bytes] = []  # pieces of the open line; joined once, which keeps long lines linear
        self._tail_size = 0
        self._after_cr = False
        self._at_start = True
        self._name: str | None = None
        self._data: list[bytes] = []
        self._data_size = 0
        self._events = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that `chunk` completes, oldest first."""
        if self._after_cr and chunk[:1] == b"\n":  # the second half of a CRLF
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk[-1:] == b"\r"
        return self._take_lines(self._complete_lines(chunk))

    def _complete_lines(self, chunk: bytes) -> list[bytes]:
        """The lines that end inside `chunk`; an open rest is kept for the next one."""
        lines = chunk.splitlines()  # on bytes this splits at CR, LF and CRLF only
        rest = b"" if chunk[-1:] in (b"\n", b"\r") else lines.pop()
        if lines and self._tail:
            lines[0] = b"".join([*self._tail, lines[0]])
            self._tail.clear()
            self._tail_size = 0
        if rest:
            self._tail.append(rest)
            self._tail_size += len(rest)
            if self._tail_size > LINE_LIMIT:
                raise _too_long()
        return lines

    def _take_lines(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(self._dispatch())
                self._name = None
                continue
            if self._at_start:
                self._at_start = False
                line = line.removeprefix(_BOM)
            self._take_field(line)
        return events

    def _take_field(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._data_size += len(value)
            if self._data_size > LINE_LIMIT:
                raise _too_long()
            self._data.append(value)
        elif line == b"data":
            self._data.append(b"")
        elif line.startswith(b"event:"):
            self._name = line[6:].strip().decode("utf-8", "replace")

    def _dispatch(self) -> ServerSentEvent:
        self._events += 1
        if self._events > EVENT_LIMIT:
            raise BadAnswerError(f"The answer was stopped after {EVENT_LIMIT} events; ask for less at once.")
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        self._data_size = 0
        return ServerSentEvent(self._name, data)


def _too_long() -> BadAnswerError:
    return BadAnswerError(
        f"The endpoint sent a line of more than {LINE_LIMIT // 2**20} MB, so the answer was stopped.",
        hint="Check that the base URL leads to a server that speaks the Messages API.",
    )
