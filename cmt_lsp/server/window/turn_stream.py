"""A turn as the values of one `$/progress` stream.

Text is merged for a moment before it leaves, because editors pay far more for a message than the server does;
the first piece leaves at once. While the editor does not read, pieces merge without limit of time, so a slow
editor costs messages and not memory. Exactly one `end` is sent, and nothing after it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MERGE_SECONDS = 0.025
"""How long text is gathered after a piece has left; 20 to 30 ms is below what an eye tells from continuous."""

ON_ITS_WAY = 16 * 1024
"""Bytes that may wait for an editor that reads: the usage is still on its way to the writer when the first text comes,
and waiting until that has left would cost the text a millisecond or two. Above this the editor is behind."""

LONGEST_CLUSTER = 256
"""Code points after which a single grapheme cluster is cut all the same; Unicode's stream-safe text allows 32."""


class GraphemeBuffer:
    """Gathers text and gives it out only up to a grapheme boundary.

    The last cluster is held back, since the next piece may begin with a combining mark that belongs to it.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.offset = 0
        """Characters given out so far."""

    @property
    def empty(self) -> bool:
        """True until the first text comes."""
        return not self.offset and not self._pieces

    def push(self, text: str) -> None:
        """Add text behind what is there."""
        self._pieces.append(text)

    def take(self, *, final: bool = False) -> str:
        """Give out all that may leave, everything when `final`; empty when nothing may."""
        text = "".join(self._pieces)
        cut = len(text) if final else _last_boundary(text)
        self._pieces = [text[cut:]] if cut < len(text) else []
        self.offset += cut
        return text[:cut]


def _last_boundary(text: str) -> int:
    """The start of the last grapheme cluster, 0 for an empty text."""
    from wcwidth import grapheme_boundary_before

    if not text:
        return 0
    start = grapheme_boundary_before(text, len(text))
    return start if len(text) - start <= LONGEST_CLUSTER else len(text)


class Outlet(Protocol):
    """Where stream values go; `backlog` is in bytes."""

    @property
    def backlog(self) -> int: ...

    def progress(self, token: int | str, value: object) -> None: ...

    def on_drained(self, callback: Callable[[], None]) -> None: ...


class TurnStream:
    """Sends one turn's events to one partial-result token, numbered, merged and closed exactly once."""

    def __init__(self, outlet: Outlet, token: int | str, turn_id: str) -> None:
        self._outlet = outlet
        self._token = token
        self._turn_id = turn_id
        self._seq = 0
        self._thinking = GraphemeBuffer()
        self._text = GraphemeBuffer()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting_for_drain = False
        self._ended = False

    def thinking(self, piece: str) -> None:
        """Add a piece of the model's thinking."""
        self._thinking.push(piece)
        self._flush_soon()

    def text(self, piece: str) -> None:
        """Add a piece of the answer; it leaves at once when it is the first, or none left a moment ago."""
        if self._text.empty:
            self._send_thinking(final=True)
            self._stop_timer()
        self._text.push(piece)
        self._flush_soon()

    def send(self, kind: str, **fields: Any) -> None:
        """Send any other value, behind what came before it."""
        self._send_pieces()
        self._send(kind, fields)

    def end(self, **fields: Any) -> None:
        """Send what is left and the one `end`; later calls of anything do nothing."""
        self._stop_timer()
        self._send_pieces(final=True)
        self._send("end", fields)
        self._ended = True

    def _flush_soon(self) -> None:
        if self._timer is None and not self._waiting_for_drain:
            self._flush()

    def _flush(self) -> None:
        self._timer = None
        if self._ended or self._waiting_for_drain:
            return
        if self._outlet.backlog > ON_ITS_WAY:
            self._waiting_for_drain = True
            self._outlet.on_drained(self._drained)
        elif self._send_pieces():
            self._timer = asyncio.get_running_loop().call_later(MERGE_SECONDS, self._flush)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drained(self) -> None:
        self._waiting_for_drain = False
        self._flush_soon()

    def _send_pieces(self, *, final: bool = False) -> bool:
        """Send the gathered thinking, then the gathered text; true when anything left."""
        thought = self._send_thinking(final=final)
        text = self._text.take(final=final)
        if text:
            self._send("text", {"text": text, "offset": self._text.offset - len(text)})
        return thought or bool(text)

    def _send_thinking(self, *, final: bool) -> bool:
        thought = self._thinking.take(final=final)
        if thought:
            self._send("thinking", {"text": thought, "offset": self._thinking.offset - len(thought)})
        return bool(thought)

    def _send(self, kind: str, fields: dict[str, Any]) -> None:
        if self._ended:
            return
        value = {"kind": kind, "turnId": self._turn_id, "seq": self._seq}
        self._seq += 1
        self._outlet.progress(self._token, value | fields)
