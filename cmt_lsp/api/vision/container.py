"""What an image file is, told by its bytes alone: format, size, and whether it holds anything but a picture.

Nothing is decoded here; only lengths and markers are read. A file counts as clean when every part of it is known to be
needed for one still picture, so that EXIF, GPS, comments, thumbnails, animation and appended data make it unclean.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_PARTS = 10_000
_MAX_SCANS = 64  # of a JPEG; each one is a pass over all pixels, and cameras write at most 10

_PNG_PARTS = frozenset(
    {
        b"IHDR",
        b"PLTE",
        b"tRNS",
        b"IDAT",
        b"IEND",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"cICP",
        b"sBIT",
        b"bKGD",
        b"pHYs",
    }
)
_LONGEST_PNG_PART = 768  # bytes of a palette; only pixels take more
_WEBP_PARTS = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH"})
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_PARTS = _JPEG_SIZES | {0xC4, 0xCC, 0xDA, 0xDB, 0xDD}  # tables, scans and restart intervals
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

_OTHER_FORMATS = (
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"BM", "BMP"),
    (0, b"8BPS", "PSD"),
    (0, b"%PDF", "PDF"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"gimp xcf", "XCF"),
    (0, b"%!PS", "EPS"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"icns", "ICNS"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "SVG or XML"),
)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the container says; pixels. Hostile files lie, so the decoder checks the size again."""

    media_type: str
    width: int
    height: int
    clean: bool
    animated: bool


def inspect_image(data: bytes) -> ImageFacts | None:
    """The facts of a PNG, JPEG, WebP or GIF; None for any other format and for a broken header."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data[:6] in {b"GIF87a", b"GIF89a"}:
            return _gif(data)
    except (IndexError, ValueError):
        return None
    return None


def image_size(head: bytes) -> tuple[int, int] | None:
    """Width and height by the first bytes of a picture alone; None where they do not tell."""
    try:
        width, height = _size(head)
    except (IndexError, ValueError):
        return None
    return (width, height) if width and height else None


def stripped(data: bytes) -> bytes | None:
    """A PNG or JPEG with its pixels byte for byte and nothing beside them; None where it cannot be had that way."""
    try:
        if data.startswith(b"\x89PNG"):
            chunks = [(kind, start, end) for kind, start, end in _png_chunks(data) if end <= len(data)]
            kept = [data[start:end] for kind, start, end in chunks if _is_picture(kind, end - start)]
            return b"".join([data[:8], *kept])
        return _bare_jpeg(data) if data.startswith(b"\xff\xd8") else None
    except (IndexError, ValueError):
        return None


def png_pixels(data: bytes) -> bytes | None:
    """The compressed pixels of a PNG; None where a checksum is wrong."""
    chunks = list(_png_chunks(data))
    if any(zlib.crc32(data[start + 4 : end - 4]) != _big(data, end - 4, 4) for _, start, end in chunks):
        return None
    return b"".join(data[start + 8 : end - 4] for kind, start, end in chunks if kind == b"IDAT")


def name_of_other_format(data: bytes) -> str | None:
    """The name of a well-known format that cannot be sent."""
    return next((name for at, magic, name in _OTHER_FORMATS if data[at : at + len(magic)] == magic), None)


def _size(head: bytes) -> tuple[int, int]:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _big(head, 16, 4), _big(head, 20, 4)
    if head[:6] in {b"GIF87a", b"GIF89a"}:
        return _little(head, 6, 2), _little(head, 8, 2)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp_size(head, {head[12:16]: 20})
    frames = _jpeg_segments(head) if head.startswith(b"\xff\xd8\xff") else iter(())
    start = next((start for code, start, _ in frames if code in _JPEG_SIZES), len(head))
    return _big(head, start + 3, 2), _big(head, start + 1, 2)


def _png(data: bytes) -> ImageFacts:
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise ValueError("no IHDR")
    clean, animated, end = True, False, 0
    for kind, start, end in _png_chunks(data):
        clean = clean and _is_picture(kind, end - start)
        animated = animated or kind == b"acTL"
    clean = clean and kind == b"IEND" and end == len(data)
    return ImageFacts("image/png", _big(data, 16, 4), _big(data, 20, 4), clean, animated)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk, to the end of the picture or of the file."""
    position = 8
    for _ in range(_MAX_PARTS):
        start, kind = position, data[position + 4 : position + 8]
        position += 12 + _big(data, position, 4)
        yield kind, start, position
        if kind == b"IEND" or position > len(data) - 12:
            return


def _is_picture(kind: bytes, length: int) -> bool:
    return kind in _PNG_PARTS and (kind == b"IDAT" or length - 12 <= _LONGEST_PNG_PART)


def _jpeg(data: bytes) -> ImageFacts:
    size, clean, scans = None, True, 0
    after: int | None = 2
    for number, (code, start, end) in enumerate(_jpeg_segments(data)):
        clean = clean and _is_jpeg_part(code, data[start:end]) and after in (None, _marker(code, start))
        after = None if code == 0xDA else end
        if code == 0xD9:
            clean = clean and start == len(data)
            break
        if code in _JPEG_SIZES and size is None:
            size = _big(data, start + 3, 2), _big(data, start + 1, 2)
        scans += code == 0xDA
        if scans > _MAX_SCANS:
            raise ValueError("a picture that is never done")
        if number == _MAX_PARTS:
            clean = False
            break
    else:
        clean = False
    if size is None:
        raise ValueError("no frame header")
    return ImageFacts("image/jpeg", *size, clean, animated=False)


def _marker(code: int, start: int) -> int:
    """Where the two bytes of a marker stand, before the two of its length."""
    return start - 2 if code == 0xD9 else start - 4


def _bare_jpeg(data: bytes) -> bytes:
    """Tables and scans; what follows a scan's header up to the next marker is its pixels."""
    parts, after_scan = [data[:2]], None
    for code, start, end in _jpeg_segments(data):
        marker = _marker(code, start)
        if after_scan is not None:
            parts.append(data[after_scan:marker])
        after_scan = end if code == 0xDA else None
        if _is_jpeg_part(code, data[start:end]):
            parts.append(data[marker:end])
    return b"".join(parts)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker code, start and end of each segment's content; the end marker's start is what follows it."""
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        code, start = data[found.end() - 1], found.end()
        if code == 0xD9:
            yield code, start, start
            return
        position = start + _big(data, start, 2)
        yield code, start + 2, position


def _is_jpeg_part(code: int, content: bytes) -> bool:
    """Pixels and their tables, the end, JFIF with no thumbnail, or Adobe's colour note."""
    if code in _JPEG_PARTS or code == 0xD9:
        return True
    if code == 0xE0:
        return content[:5] == b"JFIF\x00" and len(content) == 14
    return code == 0xEE and content[:5] == b"Adobe" and len(content) == 12


def _webp(data: bytes) -> ImageFacts:
    parts: dict[bytes, int] = {}
    position = 12
    while position + 8 <= len(data) and len(parts) < _MAX_PARTS:
        parts.setdefault(data[position : position + 4], position + 8)
        length = _little(data, position + 4, 4)
        position += 8 + length + length % 2
    clean = position == len(data) == _little(data, 4, 4) + 8 and parts.keys() <= _WEBP_PARTS
    return ImageFacts("image/webp", *_webp_size(data, parts), clean, animated=b"ANIM" in parts)


def _webp_size(data: bytes, parts: dict[bytes, int]) -> tuple[int, int]:
    if (start := parts.get(b"VP8X")) is not None:
        return _little(data, start + 4, 3) + 1, _little(data, start + 7, 3) + 1
    if (start := parts.get(b"VP8L")) is not None:
        bits = _little(data, start + 1, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    start = parts.get(b"VP8 ", len(data))
    return _little(data, start + 6, 2) & 0x3FFF, _little(data, start + 8, 2) & 0x3FFF


def _gif(data: bytes) -> ImageFacts:
    width, height = _little(data, 6, 2), _little(data, 8, 2)
    position = 13 + _colour_table(data[10])
    frames, clean = 0, True
    for _ in range(_MAX_PARTS):
        introducer = data[position]
        if introducer == 0x3B:
            clean = clean and position + 1 == len(data)
            break
        if introducer == 0x2C:
            frames += 1
            position = _past_blocks(data, position + 11 + _colour_table(data[position + 9]))
        else:
            clean = clean and introducer == 0x21 and data[position + 1] == 0xF9  # graphic control only
            position = _past_blocks(data, position + 2)
        if frames > 1:
            break
    else:
        clean = False
    return ImageFacts("image/gif", width, height, clean and frames == 1, animated=frames > 1)


def _colour_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _past_blocks(data: bytes, position: int) -> int:
    while length := data[position]:
        position += 1 + length
    return position + 1


def _big(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(_exactly(data, start, length), "big")


def _little(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(_exactly(data, start, length), "little")


def _exactly(data: bytes, start: int, length: int) -> bytes:
    part = data[start : start + length]
    if len(part) != length:
        raise ValueError("the file ends early")
    return part
