"""Hostile images, made when they are asked for: small files that grow, lie, loop, or are something else."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image, PngImagePlugin


def picture(kind: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> bytes:
    """A plain picture."""
    out = io.BytesIO()
    Image.new(mode, size, 0 if mode in {"1", "L", "P"} else (200, 30, 60, 128)[: len(mode)]).save(
        out, kind, **options
    )
    return out.getvalue()


def chunk(kind: bytes, content: bytes, crc: int | None = None) -> bytes:
    """A chunk of a PNG."""
    told = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", told)


def png(*chunks: bytes, width: int = 64, height: int = 48, bits: int = 8, colour: int = 2) -> bytes:
    """A PNG of these chunks behind a header that says what it likes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """So many zero bytes, as small as they can be packed."""
    packer = zlib.compressobj(9)
    piece = bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(count >> 20)) + packer.flush()


PIXELS = chunk(b"IDAT", zlib.compress(bytes(48 * (1 + 3 * 64))))
JPEG = picture("JPEG")


def with_frame(data: bytes, height: int, width: int) -> bytes:
    """A JPEG whose frame says another size."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def segment(code: int, content: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, code]) + struct.pack(">H", len(content) + 2) + content


def _endless_scans() -> bytes:
    data = picture("JPEG", (2000, 2000), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * 2000 + b"\xff\xd9"


def _looping_exif() -> bytes:
    ifd = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01" + struct.pack(">HHII", 0x8769, 4, 1, 8) + struct.pack(">I", 8)
    return JPEG[:2] + segment(0xE1, b"Exif\x00\x00" + ifd) + JPEG[2:]


def _webp(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _animation(kind: str, frames: int) -> bytes:
    pictures = [Image.new("RGB", (8, 8), (n % 256, 0, 99)) for n in range(frames)]
    out = io.BytesIO()
    pictures[0].save(out, kind, save_all=True, append_images=pictures[1:], duration=10)
    return out.getvalue()


def _gif_of_many_frames() -> bytes:
    gif = picture("GIF", (4, 4), "P")
    at = gif.index(b"\x2c")
    return gif[:-1] + gif[at:-1] * 50_000 + b"\x3b"


def _lying_gif() -> bytes:
    gif = picture("GIF", (4, 4), "P")
    at = gif.index(b"\x2c")
    return gif[: at + 5] + b"\xff\xff\xff\xff" + gif[at + 9 :]


def _png_text() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>" * 100)
    return picture("PNG", pnginfo=info)


REFUSED: dict[str, Callable[[], bytes]] = {
    "png of 60,000 squared": lambda: png(PIXELS, width=60_000, height=60_000),
    "png of a gigabyte": lambda: png(chunk(b"IDAT", zeros(100 << 20)), width=30_000, height=30_000),
    "png with a second header": lambda: png(
        chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 6, 0, 0, 0)), PIXELS
    ),
    "png of no size": lambda: png(PIXELS, width=0),
    "png of the largest size": lambda: png(PIXELS, width=0x7FFFFFFF, height=0x7FFFFFFF),
    "png cut short": lambda: picture("PNG", (400, 400))[:-400],
    "png that is a page": lambda: b"\x89PNG\r\n\x1a\n<html><script>alert(1)</script>" + bytes(200),
    "jpeg of 65,535 squared": lambda: with_frame(JPEG, 65_535, 65_535),
    "jpeg of no size": lambda: with_frame(JPEG, 0, 0),
    "jpeg cut short": lambda: picture("JPEG", (900, 900))[:1500],
    "jpeg of endless scans": _endless_scans,
    "webp of 100,000 squared": lambda: _webp(
        b"VP8X" + struct.pack("<I", 10) + b"\x02\x00\x00\x00" + b"\x9f\x86\x01" * 2
    ),
    "webp of a canvas and no more": lambda: _webp(b"VP8X" + struct.pack("<I", 10) + bytes(10)),
    "webp of half a gigabyte in 34 bytes": lambda: picture("WEBP", (6300, 6300), lossless=True, method=0),
    "webp cut short": lambda: picture("WEBP", (400, 400))[:-20],
    "gif of 65,535 squared": lambda: picture("GIF")[:6] + b"\xff\xff\xff\xff" + picture("GIF")[10:],
    "gif with a frame beyond its screen": _lying_gif,
    "gif cut short": lambda: picture("GIF", (400, 400))[:60],
}
"""What must end in an error."""

CLEANED: dict[str, Callable[[], bytes]] = {
    "png with 50 MB in its text": lambda: png(chunk(b"zTXt", b"a\x00\x00" + zeros(50 << 20)), PIXELS),
    "png with 50 MB in its profile": lambda: png(chunk(b"iCCP", b"a\x00\x00" + zeros(50 << 20)), PIXELS),
    "png with a wrong checksum": lambda: png(chunk(b"IDAT", zlib.compress(bytes(48 * 193)), crc=1)),
    "png with 100,000 empty parts": lambda: png(chunk(b"prVt", b"") * 9000, PIXELS),
    "png with a script in its text": _png_text,
    "png with an archive behind it": lambda: picture("PNG") + b"PK\x03\x04" + bytes(5000),
    "png with an archive in its pixels": lambda: png(
        chunk(b"IDAT", zlib.compress(bytes(48 * 193)) + b"PK\x03\x04" + bytes(500))
    ),
    "png of 39 million pixels in 150 KB": lambda: picture("PNG", (6250, 6250), "1"),
    "animated png": lambda: _animation("PNG", 300),
    "jpeg with 6 MB of metadata": lambda: JPEG[:2] + segment(0xE1, bytes(60_000)) * 100 + JPEG[2:],
    "jpeg with metadata that loop": _looping_exif,
    "jpeg with a script in its comment": lambda: picture("JPEG", comment=b"<script>alert(1)</script>"),
    "webp of 300 frames": lambda: _animation("WEBP", 300),
    "gif of 50,000 frames": _gif_of_many_frames,
    "gif with a comment of a megabyte": lambda: (
        picture("GIF")[:-1] + b"\x21\xfe" + (b"\xff" + b"x" * 255) * 4096 + b"\x00\x3b"
    ),
    "gif of 36 million pixels in 100 KB": lambda: picture("GIF", (6000, 6000), "P"),
}
"""What does no harm once it is decoded: it leaves as a plain picture, with nothing of the rest."""

RENAMED: dict[str, Callable[[], bytes]] = {
    "psd": lambda: b"8BPS\x00\x01" + bytes(6) + b"\x00\x03" + b"\xff" * 40,
    "tiff": lambda: picture("TIFF"),
    "bmp": lambda: picture("BMP"),
    "ico": lambda: picture("ICO"),
    "icns": lambda: b"icns" + bytes(100),
    "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://169.254.169.254/'/></svg>",
    "pdf": lambda: picture("PDF"),
    "heic": lambda: b"\x00\x00\x00\x20ftypheic" + bytes(100),
    "avif": lambda: picture("AVIF"),
    "jp2": lambda: picture("JPEG2000"),
    "jxl": lambda: b"\xff\x0a" + bytes(100),
    "fits": lambda: b"SIMPLE  =                    T" + b" " * 2850,
    "xcf": lambda: b"gimp xcf v011\x00" + bytes(100),
    "eps": lambda: picture("EPS"),
    "ppm": lambda: picture("PPM"),
    "tga": lambda: picture("TGA"),
    "pcx": lambda: picture("PCX"),
    "dds": lambda: picture("DDS"),
    "qoi": lambda: b"qoif" + bytes(100),
    "exr": lambda: b"v/1\x01" + bytes(100),
    "a wave file": lambda: b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(100),
}
"""Other formats under the name of a PNG."""
