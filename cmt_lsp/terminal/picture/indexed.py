"""A small PNG of at most 256 colours as its pixels, read with the standard library alone."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

LARGEST = 512  # pixels on a side; a thumbnail has 256
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED_8_BITS = (8, 3, 0, 0, 0)  # bits, colour type, compression, filter method, no interlacing


@dataclass(frozen=True, slots=True)
class Indexed:
    """Rows of colour numbers, and the colours as (red, green, blue) from 0 to 255."""

    width: int
    rows: tuple[bytes, ...]
    colours: tuple[tuple[int, int, int], ...]

    def every(self, step: int) -> Indexed:
        """A copy made of each `step`th pixel of each `step`th row."""
        rows = tuple(row[::step] for row in self.rows[::step])
        return Indexed(len(rows[0]), rows, self.colours)


def read_indexed(png: bytes) -> Indexed | None:
    """The pixels; None for anything but a whole small PNG with a palette and eight bits a pixel."""
    try:
        return _read(png)
    except (struct.error, zlib.error, IndexError, ValueError):
        return None


def _read(png: bytes) -> Indexed | None:
    parts: dict[bytes, bytes] = {}
    at = len(_SIGNATURE)
    while png.startswith(_SIGNATURE) and at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        parts[kind] = parts.get(kind, b"") + png[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, *form = struct.unpack(">IIBBBBB", parts.get(b"IHDR", b""))
    if tuple(form) != _INDEXED_8_BITS or not 0 < width <= LARGEST or not 0 < height <= LARGEST:
        return None
    palette = parts.get(b"PLTE", b"")
    colours = tuple((r, g, b) for r, g, b in zip(*(palette[part::3] for part in range(3)), strict=True))
    lines = zlib.decompressobj().decompress(parts.get(b"IDAT", b""), height * (width + 1))
    rows = _unfiltered(lines, width, height)
    if max(map(max, rows)) >= len(colours):
        return None
    return Indexed(width, tuple(rows), colours)


def _unfiltered(lines: bytes, width: int, height: int) -> list[bytes]:
    rows: list[bytes] = []
    above = bytes(width)
    for number in range(height):
        line = lines[number * (width + 1) : (number + 1) * (width + 1)]
        if len(line) != width + 1:
            raise ValueError("the pixels end early")
        above = line[1:] if line[0] == 0 else _predicted(line[0], line[1:], above)
        rows.append(above)
    return rows


def _predicted(kind: int, line: bytes, above: bytes) -> bytes:
    """Undo one of the four predictions: by the left, the upper, both, and whichever is nearest."""
    row = bytearray(len(line))
    left = corner = 0
    for x, (value, up) in enumerate(zip(line, above, strict=True)):
        guess = (0, left, up, (left + up) // 2, _nearest(left, up, corner))[kind]
        row[x] = left = (value + guess) & 0xFF
        corner = up
    return bytes(row)


def _nearest(left: int, up: int, corner: int) -> int:
    aim = left + up - corner
    return min((left, up, corner), key=lambda value: abs(aim - value))
