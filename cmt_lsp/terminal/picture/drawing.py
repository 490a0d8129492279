"""A small PNG as the bytes that draw it in one of the protocols."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cmt_lsp.terminal.picture.indexed import read_indexed
from cmt_lsp.terminal.picture.sixel import sixel

if TYPE_CHECKING:
    from cmt_lsp.terminal.picture.protocol import Protocol

_CELL = 9  # pixels of a character's width; the true one differs by a third at most
_NARROWEST_CELL = 8
_PIECE = 4096  # base64 characters of one kitty escape


def drawing(png: bytes, width: int, protocol: Protocol, columns: int) -> bytes:
    """The escape sequences that draw a picture of so many pixels' width, never wider than `columns`.

    Empty where the PNG cannot be drawn.
    """
    room = max(1, columns - 1)
    cells = min(room, -(-width // _CELL))
    if protocol == "kitty":
        return _kitty(png, cells)
    if protocol == "iterm":
        encoded = base64.b64encode(png)
        form = b"inline=1;size=%d;width=%d;preserveAspectRatio=1" % (len(png), cells)
        return b"\x1b]1337;File=%s:%s\x07" % (form, encoded)
    picture = read_indexed(png)
    return b"" if picture is None else sixel(picture.every(-(-picture.width // (room * _NARROWEST_CELL))))


def _kitty(png: bytes, cells: int) -> bytes:
    encoded = base64.b64encode(png)
    pieces = [encoded[at : at + _PIECE] for at in range(0, len(encoded), _PIECE)]
    escapes = []
    for number, piece in enumerate(pieces):
        first = b"f=100,a=T,q=2,c=%d," % cells if number == 0 else b""
        more = number + 1 < len(pieces)
        escapes.append(b"\x1b_G%sm=%d;%s\x1b\\" % (first, more, piece))
    return b"".join(escapes)
