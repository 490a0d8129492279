"""Sixel, the picture protocol of DEC terminals: six rows at a time, one pass for each colour."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmt_lsp.terminal.picture.indexed import Indexed

_BAND = 6  # rows
_LETTERS = bytes(63 + min(bits, 63) for bits in range(256))
_RUNS = re.compile(rb"(.)\1{3,}", re.DOTALL)


def sixel(picture: Indexed) -> bytes:
    """The escape sequence that draws a picture where the cursor stands, a pixel for each of its pixels."""
    head = b'\x1bPq"1;1;%d;%d' % (picture.width, len(picture.rows))
    registers = [
        b"#%d;2;%d;%d;%d" % (number, *(round(part / 2.55) for part in colour))
        for number, colour in enumerate(picture.colours)
    ]
    bands = [_band(picture.rows[at : at + _BAND]) for at in range(0, len(picture.rows), _BAND)]
    return head + b"".join(registers) + b"-".join(bands) + b"\x1b\\"


def _band(rows: tuple[bytes, ...]) -> bytes:
    """Six rows: for each colour in them the columns as letters, back to the left after each."""
    return b"$".join(b"#%d%s" % (colour, _columns(rows, colour)) for colour in sorted(set().union(*rows)))


def _columns(rows: tuple[bytes, ...], colour: int) -> bytes:
    """One letter for each column: its lowest bit stands for the uppermost row."""
    bits = 0
    for number, row in enumerate(rows):
        bits |= int.from_bytes(row.translate(_bit_of(colour, number)), "big")
    letters = bits.to_bytes(len(rows[0]), "big").translate(_LETTERS).rstrip(b"?")
    return _RUNS.sub(lambda run: b"!%d%s" % (len(run[0]), run[1]), letters)


@cache
def _bit_of(colour: int, row: int) -> bytes:
    table = bytearray(256)
    table[colour] = 1 << row
    return bytes(table)
