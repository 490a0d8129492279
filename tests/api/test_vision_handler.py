"""Images: what is refused and why, what is changed and what never is, and that decoding can hurt nobody."""

from __future__ import annotations

import asyncio
import base64
import io
import math
import os
import random
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from cmt_lsp.api import vision_handler
from cmt_lsp.api.errors import BadImageError
from cmt_lsp.api.vision import child
from cmt_lsp.api.vision.container import inspect_image
from cmt_lsp.api.vision_handler import ImageContent, Tier, VisionHandler, image_tokens, scaled_size
from cmt_lsp.simulator.tokens import count_image

SECRET = b"52.5200 N 13.4050 E"
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


def picture(kind: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 0 if mode in {"1", "L", "P", "I;16"} else (200, 30, 60, 128)[: len(mode)]).save(
        out, kind, **options
    )
    return out.getvalue()


def noise(kind: str, size: tuple[int, int], **options: Any) -> bytes:
    out = io.BytesIO()
    Image.frombytes("RGB", size, random.Random(1).randbytes(3 * size[0] * size[1])).save(out, kind, **options)
    return out.getvalue()


def sent(image: ImageContent) -> bytes:
    return base64.b64decode(image.data)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


# What is kept, and what is changed


@pytest.mark.parametrize("kind", FORMATS)
def test_a_plain_image_is_sent_byte_for_byte(kind: str, tmp_path: Path) -> None:
    """Also under a name that claims another format."""
    path = tmp_path / "image.dat"
    path.write_bytes(picture(kind))
    image = VisionHandler().load_image(path)
    assert (image.media_type, sent(image), image.changes) == (FORMATS[kind], picture(kind), ())
    assert (image.source_type, image.width, image.height, image.name) == ("base64", 64, 48, "image.dat")


def test_the_claimed_media_type_does_not_count() -> None:
    assert VisionHandler().load_image_from_bytes(picture("JPEG"), "image/png").media_type == "image/jpeg"


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x010E] = SECRET.decode()
    tags.get_ifd(0x8825)[29] = SECRET.decode()
    return tags


def with_text() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", SECRET.decode())
    return picture("PNG", pnginfo=info)


def tagged_images() -> dict[str, bytes]:
    plain = picture("JPEG")
    first, rest = picture("PNG")[:33], picture("PNG")[33:]
    app13 = b"\xff\xed" + struct.pack(">H", len(SECRET) + 2) + SECRET
    return {
        "jpeg exif": picture("JPEG", exif=exif()),
        "jpeg comment": picture("JPEG", comment=SECRET),
        "jpeg colour profile": picture("JPEG", icc_profile=SECRET * 10),
        "png colour profile in the clear": first + png_chunk(b"iCCP", SECRET) + rest,
        "webp colour profile": picture("WEBP", icc_profile=SECRET * 10),
        "jpeg between two segments": plain[:20] + SECRET + plain[20:],
        "jpeg xmp": picture("JPEG", xmp=SECRET),
        "jpeg iptc": plain[:2] + app13 + plain[2:],
        "jpeg thumbnail": b"\xff\xd8\xff\xe0"
        + struct.pack(">H", 16 + 21)
        + plain[6:18]
        + b"\x07\x01"
        + SECRET
        + b"\0\0"
        + plain[20:],
        "jpeg with more behind its end": plain + SECRET,
        "jpeg with a segment between scans": plain[:-2] + app13 + plain[-2:],
        "png exif": picture("PNG", exif=exif()),
        "png text": with_text(),
        "png unknown chunk": first + png_chunk(b"prVt", SECRET) + rest,
        "png with more behind its end": picture("PNG") + SECRET,
        "webp exif": picture("WEBP", exif=exif().tobytes()),
        "webp xmp": picture("WEBP", xmp=SECRET),
        "webp with more behind its end": picture("WEBP") + SECRET,
        "webp with a part behind its length": picture("WEBP")
        + b"ICCP"
        + struct.pack("<I", len(SECRET))
        + SECRET
        + b"\0",
        "gif comment": picture("GIF", comment=SECRET),
        "gif with more behind its end": picture("GIF") + SECRET,
    }


@pytest.mark.parametrize("tagged", tagged_images())
def test_metadata_and_hidden_data_never_leave(tagged: str) -> None:
    data = tagged_images()[tagged]
    assert SECRET in data
    image = VisionHandler().load_image_from_bytes(data)
    assert SECRET not in sent(image)
    assert "metadata removed" in image.changes
    facts = inspect_image(sent(image))
    assert facts is not None
    assert facts.clean
    assert not Image.open(io.BytesIO(sent(image))).getexif()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_metadata_go_without_a_touch_to_the_pixels(kind: str) -> None:
    """A photo is not compressed a second time for its tags, nor a screenshot packed again for its profile."""
    plain, tagged = noise(kind, (300, 200)), noise(kind, (300, 200), icc_profile=SECRET, exif=exif())
    image = VisionHandler().load_image_from_bytes(tagged)
    assert (sent(image) == plain, image.changes) == (True, ("metadata removed",))


def test_a_progressive_photo_keeps_all_its_scans() -> None:
    plain = noise("JPEG", (300, 200), progressive=True)
    image = VisionHandler().load_image_from_bytes(noise("JPEG", (300, 200), progressive=True, exif=exif()))
    assert sent(image) == plain
    assert Image.open(io.BytesIO(plain)).tobytes() == Image.open(io.BytesIO(sent(image))).tobytes()


def test_a_photo_as_png_becomes_jpeg_and_a_screenshot_stays_exact() -> None:
    """By how their pixels compress, and only where they must be written anew."""
    grain = Image.effect_noise((3000, 400), 60)
    photo = Image.merge("RGB", [grain, grain.rotate(180), Image.linear_gradient("L").resize((3000, 400))])
    screen = Image.new("RGB", (3000, 1000), "white")
    for n in range(200):
        screen.paste((n, 0, 99), (n * 15, n * 5, n * 15 + 9, n * 5 + 20))
    for shown, kind in ((photo, "image/jpeg"), (screen, "image/png")):
        out = io.BytesIO()
        shown.save(out, "PNG")
        image = VisionHandler().load_image_from_bytes(out.getvalue())
        assert image.media_type == kind
        assert ("written as JPEG of quality 90" in image.changes) is (kind == "image/jpeg")


async def test_beside_many_images_each_is_smaller() -> None:
    """The endpoint refuses a whole request for one side over 2000 pixels beside more than 20 images."""
    handler, data = VisionHandler(), picture("PNG", (2400, 100))
    assert (await handler.load_image_from_bytes_async(data, beside=19)).width == 2400
    assert (await handler.load_image_from_bytes_async(data, beside=20)).width == 2000


@pytest.mark.parametrize("text", ["data:image/png;base64,{}", "data:;base64,{}", "DATA:image/gif;BASE64,{}"])
def test_a_data_uri_is_its_bytes(text: str) -> None:
    image = VisionHandler().load_image(text.format(base64.b64encode(picture("PNG")).decode()))
    assert (sent(image), image.media_type, image.name) == (picture("PNG"), "image/png", "image")


def test_a_data_uri_of_nothing_is_refused() -> None:
    for text in ("data:image/png;base64,", "data:image/png;base64,%%", "data:text/plain,hello"):
        with pytest.raises(BadImageError):
            VisionHandler().load_image(text)


def test_a_turned_photo_comes_out_upright() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    image = VisionHandler().load_image_from_bytes(picture("JPEG", (64, 48), exif=tags))
    assert (image.width, image.height) == (48, 64) == Image.open(io.BytesIO(sent(image))).size


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_sent(kind: str) -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=50, lossless=True)
    image = VisionHandler().load_image_from_bytes(out.getvalue())
    assert "first frame only" in image.changes
    first = Image.open(io.BytesIO(sent(image)))
    assert getattr(first, "n_frames", 1) == 1
    assert first.convert("RGB").getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize(("tier", "size"), [("standard", (1568, 784)), ("high", (2576, 1288))])
def test_a_large_image_is_scaled_to_what_the_model_sees_and_says_so(
    tier: Tier, size: tuple[int, int]
) -> None:
    image = VisionHandler(tier).load_image_from_bytes(picture("PNG", (4000, 2000)))
    assert (image.width, image.height) == size == Image.open(io.BytesIO(sent(image))).size
    assert image.changes == (f"scaled from 4000 x 2000 to {size[0]} x {size[1]}",)


def test_the_tier_can_differ_per_image() -> None:
    assert (
        VisionHandler("high").load_image_from_bytes(picture("PNG", (2000, 10)), tier="standard").width == 1568
    )
    assert VisionHandler("high").load_image_from_bytes(picture("PNG", (2000, 10))).width == 2000


def test_an_image_over_five_megabytes_is_compressed_to_fit() -> None:
    data = noise("PNG", (1500, 1200))
    assert len(data) * 4 / 3 > 5_000_000
    image = VisionHandler().load_image_from_bytes(data)
    assert (image.media_type, image.width, image.height) == ("image/jpeg", 1500, 1200)
    assert len(image.data) <= 5_000_000
    assert image.changes == ("written as JPEG of quality 90",)


def test_transparency_becomes_white_and_not_black_when_it_must_go() -> None:
    out = io.BytesIO()
    Image.frombytes(
        "RGBA", (1400, 1100), random.Random(2).randbytes(1400 * 1100 * 3) + bytes(1400 * 1100)
    ).save(out, "PNG")
    image = VisionHandler().load_image_from_bytes(out.getvalue())
    assert image.media_type == "image/jpeg"
    bottom = Image.open(io.BytesIO(sent(image))).convert("L").crop((0, 1000, 1400, 1100))
    assert bottom.getextrema()[0] > 240


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_pixel_survives_scaling(mode: str) -> None:
    image = VisionHandler().load_image_from_bytes(picture("PNG", (3000, 60), mode))
    assert (image.media_type, image.width, image.height) == ("image/png", 2576, 52)


def test_sixteen_bits_a_sample_keep_their_brightness() -> None:
    out = io.BytesIO()
    Image.new("I;16", (3000, 60), 32_768).save(out, "PNG")
    image = VisionHandler().load_image_from_bytes(out.getvalue())
    assert Image.open(io.BytesIO(sent(image))).getpixel((5, 5)) == 128


def test_a_print_photo_in_four_inks_is_sent_as_rgb() -> None:
    image = VisionHandler().load_image_from_bytes(picture("JPEG", (3000, 60), "CMYK"))
    assert Image.open(io.BytesIO(sent(image))).mode == "RGB"


# What is refused


@pytest.mark.parametrize(
    ("named", "data"),
    [
        ("TIFF", picture("TIFF")),
        ("BMP", picture("BMP")),
        ("ICO", picture("ICO")),
        ("PDF", picture("PDF")),
        ("AVIF", b"\x00\x00\x00\x20ftypavif" + bytes(20)),
        ("HEIC", b"\x00\x00\x00\x20ftypheic" + bytes(20)),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("PSD", b"8BPS\x00\x01" + bytes(30)),
        ("not an image", picture("PPM")),
        ("EPS", picture("EPS")),
        ("not an image", b"ANTHROPIC_API_KEY=x"),
        ("not an image", b"\x89PNG\r\n\x1a\n"),
        ("not an image", b"\xff\xd8\xff\xd9"),
        ("not an image", b"RIFF\x00\x00\x00\x00WEBP"),
        ("not an image", b"GIF89a"),
    ],
)
def test_another_format_renamed_is_refused_before_any_decoder(
    named: str, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "command", lambda _order: pytest.fail("a decoder was started"))
    path = tmp_path / "shot.png"
    path.write_bytes(data)
    with pytest.raises(BadImageError, match=rf"shot\.png is .*{named}.*save it as PNG, JPEG, WebP or GIF"):
        VisionHandler().load_image(path)


def bombs() -> dict[str, bytes]:
    def png_header(width: int, height: int) -> bytes:
        return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))

    small = picture("PNG")
    line = zlib.compress(bytes(20_000_000), 9)
    vp8x = b"VP8X" + struct.pack("<I", 10) + b"\x02\x00\x00\x00" + b"\x9f\x86\x01" * 2
    jpeg = picture("JPEG")
    frame = jpeg.index(b"\xff\xc0")
    gif = picture("GIF", (4, 4), "P")
    descriptor = gif.index(b"\x2c")
    lying_gif = gif[: descriptor + 5] + b"\xff\xff\xff\xff" + gif[descriptor + 9 :]
    lying_png = small[:8] + small[8:33] + png_header(30_000, 30_000) + small[33:]
    return {
        "png header": small[:8] + png_header(60_000, 60_000) + small[33:],
        "png lines": small[:8] + png_header(30_000, 30_000) + png_chunk(b"IDAT", line) + small[-12:],
        "png second header": lying_png,
        "png no size": small[:8] + png_header(0, 5) + small[33:],
        "webp canvas": b"RIFF" + struct.pack("<I", 4 + len(vp8x)) + b"WEBP" + vp8x,
        "jpeg frame": jpeg[: frame + 5] + b"\xff\xff\xff\xff" + jpeg[frame + 9 :],
        "gif screen": gif[:6] + b"\xff\xff\xff\xff" + gif[10:],
        "gif frame beyond its screen": lying_gif,
    }


@pytest.mark.parametrize("bomb", bombs())
def test_a_small_file_of_huge_pixels_is_refused_at_once(bomb: str) -> None:
    """And the memory of this process stays as it was."""
    data = bombs()[bomb]
    assert len(data) < 40_000
    before, started = psutil.Process().memory_info().rss, time.monotonic()
    with pytest.raises(BadImageError):
        VisionHandler().load_image_from_bytes(data)
    assert time.monotonic() - started < 3  # about 0.1 s on an idle machine
    assert psutil.Process().memory_info().rss - before < 20_000_000


def test_more_pixels_than_allowed_are_named() -> None:
    with pytest.raises(BadImageError, match=r"9000 x 9000 pixels, and at most 40 million"):
        VisionHandler().load_image_from_bytes(picture("PNG", (9000, 9000), "1"))


def test_the_largest_allowed_picture_is_read_within_the_memory_limit() -> None:
    image = VisionHandler().load_image_from_bytes(picture("PNG", (6300, 6300), "RGBA"))
    assert (image.width, image.height) == scaled_size(6300, 6300, "high") == (1932, 1932)


def test_a_picture_that_needs_more_memory_than_the_child_may_have_is_named_so() -> None:
    """34 bytes of WebP need three canvases of 160 MB."""
    data = picture("WEBP", (6300, 6300), lossless=True, method=0)
    assert len(data) < 100
    with pytest.raises(BadImageError, match="needs too much memory to decode: save a smaller copy"):
        VisionHandler().load_image_from_bytes(data)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_image_is_refused(kind: str) -> None:
    data = noise(kind, (200, 200))
    with pytest.raises(BadImageError, match=r"photo is (damaged|not an image)"):
        VisionHandler().load_image_from_bytes(data[: len(data) // 2], name="photo")


def test_an_empty_and_an_oversized_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match="is empty"):
        VisionHandler().load_image_from_bytes(b"")
    with pytest.raises(BadImageError, match="larger than 20 MB"):
        VisionHandler().load_image_from_bytes(bytes(20_000_001))
    big = tmp_path / "big.png"
    with big.open("wb") as file:
        file.truncate(10_000_000_000)
    with pytest.raises(BadImageError, match=r"big\.png is larger than 20 MB"):
        VisionHandler().load_image(big)


def test_anything_but_a_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe with no writer would block an open that waits."""
    fifo = tmp_path / "pipe.png"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(BadImageError, match="not a regular file"):
            VisionHandler().load_image(path)
    with pytest.raises(BadImageError, match=r"not an image|empty"):
        VisionHandler().load_image("/proc/self/environ")


def test_a_missing_file_says_to_check_the_path(tmp_path: Path) -> None:
    with pytest.raises(
        BadImageError, match=r"gone\.png cannot be read: there is no such file; check the path"
    ):
        VisionHandler().load_image(tmp_path / "gone.png")


def test_a_name_too_long_or_unprintable_does_not_flood_the_error() -> None:
    with pytest.raises(BadImageError) as caught:
        VisionHandler().load_image("x\n\udcff" + "y" * 100_000)
    assert len(caught.value.message) < 200
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "path",
    [
        "file://evil.example/share/a.png",
        "//evil.example/share/a.png",
        "\\\\evil.example\\share\\a.png",
        "file:////evil.example/share/a.png",
        "https://evil.example/a.png",
        "http://169.254.169.254/latest",
        "ftp://evil.example/a.png",
        "data:image/png;base64,AAAA",
        "a\x00.png",
        "file:///tmp/a%00.png",
    ],
)
def test_other_hosts_urls_and_impossible_names_are_refused_unopened(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("a file was opened"))
    with pytest.raises(BadImageError):
        VisionHandler().load_image(path)


def test_a_local_file_uri_a_symlink_and_a_name_with_a_colon_are_read(tmp_path: Path) -> None:
    real = tmp_path / "my shot:1.png"
    real.write_bytes(picture("PNG"))
    link = tmp_path / "link.png"
    link.symlink_to(real)
    for path in (real.as_uri(), real.as_uri().replace("file://", "file://localhost"), link, str(real)):
        assert VisionHandler().load_image(path).width == 64


# The child process


def test_the_image_library_is_never_imported_here() -> None:
    code = (
        "import sys, base64; from cmt_lsp.api import VisionHandler;"
        f"print(VisionHandler().load_image_from_bytes(base64.b64decode({base64.b64encode(picture('WEBP'))!r})).width,"
        "'PIL' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert out.stdout.split() == ["64", "False"]


def test_no_secret_reaches_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    monkeypatch.setattr(
        child, "command", lambda _order: [sys.executable, "-c", "import os; print(sorted(os.environ))"]
    )
    listed = subprocess.run(child.command({}), env=child.environment(), capture_output=True, text=True).stdout
    assert "[" in listed
    assert "ANTHROPIC" not in listed
    assert "HOME" not in listed


@pytest.mark.parametrize(
    "script",
    [
        "import os; os.abort()",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "raise SystemExit(0)",
        "print('not json')",
        "print('[]')",
        'print(\'{"width": 64, "height": 48, "same": false, "kind": "SVG"}\'); print("<svg/>")',
        'print(\'{"width": 64, "height": "48", "same": true}\')',
        'print(\'{"width": -64, "height": -48, "same": true}\')',
    ],
)
async def test_a_child_that_dies_or_lies_is_an_error_and_nothing_more(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "command", lambda _order: [sys.executable, "-c", script])
    with pytest.raises(BadImageError, match="damaged or not what it seems"):
        VisionHandler().load_image_from_bytes(picture("PNG"))
    with pytest.raises(BadImageError, match="damaged or not what it seems"):
        await VisionHandler().load_image_from_bytes_async(picture("PNG"))


CAPTURED = """
import json, sys
told = {"original": ["image/png", 64, 48, True, False], "done": [], "sent": len(DATA)}
sys.stdout.buffer.write(json.dumps(told).encode() + b"\\n" + DATA)
"""


@pytest.mark.parametrize(
    "data",
    [
        with_text(),
        picture("PNG") + SECRET,
        picture("GIF")[:-1],
        b"",
        picture("BMP"),
        picture("PNG", (9000, 9000), "1"),
    ],
    ids=["with text", "with more behind it", "cut", "nothing", "another format", "too large"],
)
async def test_what_a_captured_child_sends_is_read_again(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a whole, plain, still picture is taken from it."""
    script = f"DATA = {data!r}{CAPTURED}"
    monkeypatch.setattr(child, "command", lambda _order: [sys.executable, "-c", script])
    with pytest.raises(BadImageError, match="damaged or not what it seems"):
        await VisionHandler().load_image_from_bytes_async(picture("PNG"))


async def test_a_child_that_talks_for_ever_is_ended_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its words do not fill the memory."""
    script = "import sys\nwhile True: sys.stdout.buffer.write(bytes(1 << 20))"
    monkeypatch.setattr(child, "command", lambda _order: [sys.executable, "-c", script])
    before = psutil.Process().memory_info().rss
    with pytest.raises(BadImageError, match="damaged or not what it seems"):
        await VisionHandler().load_image_from_bytes_async(picture("PNG"))
    assert psutil.Process().memory_info().rss - before < 40_000_000
    assert decoders() == []


async def test_a_child_that_hangs_is_ended_and_named_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        child, "command", lambda _order: [sys.executable, "-c", "import time; time.sleep(60)"]
    )
    monkeypatch.setattr(child, "TIME_LIMIT", 0.3)
    with pytest.raises(BadImageError, match="took longer than"):
        VisionHandler().load_image_from_bytes(picture("PNG"))
    with pytest.raises(BadImageError, match="took longer than"):
        await VisionHandler().load_image_from_bytes_async(picture("PNG"))
    assert decoders() == []


async def test_cancelling_ends_the_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"import pathlib, time; pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    monkeypatch.setattr(child, "command", lambda _order: [sys.executable, "-c", script])
    task = asyncio.create_task(VisionHandler().load_image_from_bytes_async(picture("PNG")))
    async with asyncio.timeout(20):
        while not ready.exists():  # the event is in another process
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert decoders() == []


def decoders() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]


async def test_the_loop_runs_on_while_a_large_image_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(noise("PNG", (2000, 1200)))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticker = asyncio.create_task(tick())
    image = await VisionHandler().load_image_async(path)
    ticker.cancel()
    assert (image.width, image.media_type) == (2000, "image/jpeg")
    assert ticks > 10


async def test_both_doors_give_the_same_image(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture("JPEG", exif=exif()))
    assert await VisionHandler().load_image_async(path) == VisionHandler().load_image(path)


def test_damaged_headers_are_refused_and_never_crash_the_reader(
    campaign_size: Callable[[int, int], int],
) -> None:
    rng = random.Random(5)
    originals = [*(noise(kind, (40, 30)) for kind in FORMATS), *tagged_images().values(), *bombs().values()]
    for _ in range(campaign_size(3000, 200_000)):
        data = bytearray(rng.choice(originals))
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(min(len(data), 300))] = rng.randrange(256)
        facts = inspect_image(bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))
        assert facts is None or facts.media_type in FORMATS.values()


def test_damaged_images_give_an_image_or_a_reason(campaign_size: Callable[[int, int], int]) -> None:
    rng = random.Random(6)
    originals = [noise(kind, (40, 30)) for kind in FORMATS] + list(tagged_images().values())
    for _ in range(campaign_size(25, 2000)):
        data = bytearray(rng.choice(originals))
        for _ in range(3):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            image = VisionHandler().load_image_from_bytes(bytes(data))
        except BadImageError:
            continue
        assert image.to_dict()["source"]["media_type"] in FORMATS.values()


# Messages, URLs and tokens


def test_images_stand_before_the_text() -> None:
    image = VisionHandler().load_image_from_bytes(picture("PNG"))
    message = VisionHandler().build_vision_message(text="What's in this image?", images=[image, image])
    assert message["role"] == "user"
    assert [block["type"] for block in message["content"]] == ["image", "image", "text"]
    assert message["content"][0] == {
        "type": "image",
        "source": {
            "type": "base64",
            "media_type": "image/png",
            "data": base64.b64encode(picture("PNG")).decode(),
        },
    }


def test_no_text_makes_no_empty_block() -> None:
    image = VisionHandler().load_image_from_bytes(picture("PNG"))
    assert len(VisionHandler().build_vision_message(" ", [image])["content"]) == 1


def test_an_https_url_is_handed_on_as_typed() -> None:
    url = "https://example.org/a.png?size=1"
    image = VisionHandler().image_from_url(url)
    assert image.to_dict() == {"type": "image", "source": {"type": "url", "url": url}}
    assert image.tokens("high") is None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "https:///a.png",
        "https://u:p@example.org/a",
        "https://a b/",
        "https://a\n.b/",
        "a.png",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(BadImageError, match="plain https"):
        VisionHandler().image_from_url(url)


def test_what_the_endpoint_would_refuse_together_is_refused_here() -> None:
    small = ImageContent("base64", "image/png", "A" * 1000, 100, 100)
    large = ImageContent("base64", "image/png", "A" * 1000, 2001, 100, "wide.png")
    heavy = ImageContent("base64", "image/png", "A" * 5_000_000, 100, 100)
    build = VisionHandler().build_vision_message
    assert len(build("x", [large] * 20)["content"]) == 21
    assert len(build("x", [small] * 100)["content"]) == 101
    for images, words in [
        ([small] * 20 + [large], r"wide\.png"),
        ([small] * 101, "at most 100"),
        ([heavy] * 7, "30 MB"),
    ]:
        with pytest.raises(BadImageError, match=words):
            build("x", images)


def test_a_model_brings_its_own_limits() -> None:
    """Its tier, and 100 images for a small context window or 600; a stranger is taken for the best, with 100."""
    small = ImageContent("base64", "image/png", "A" * 1000, 100, 100)
    assert (
        len(VisionHandler.for_model("claude-opus-5-5").build_vision_message("", [small] * 600)["content"])
        == 600
    )
    for model, most in (("claude-opus-5-5", 600), ("claude-haiku-4-5", 100), ("nobody-knows", 100)):
        with pytest.raises(BadImageError, match=f"send at most {most}"):
            VisionHandler.for_model(model).build_vision_message("", [small] * (most + 1))
    assert (
        VisionHandler.for_model("claude-haiku-4-5").load_image_from_bytes(picture("PNG", (2000, 10))).width
        == 1568
    )
    assert (
        VisionHandler.for_model("nobody-knows").load_image_from_bytes(picture("PNG", (2000, 10))).width
        == 2000
    )


def test_image_bytes_are_not_in_the_repr() -> None:
    image = VisionHandler().load_image_from_bytes(picture("PNG"))
    assert image.data not in repr(image)


@pytest.mark.parametrize(
    ("tokens", "width", "height", "tier"),
    [
        (1, 1, 1, "standard"),
        (64, 200, 200, "standard"),
        (2691, 1920, 1080, "high"),
        (1521, 1092, 1092, "standard"),
        (4784, 2576, 1456, "high"),
        (56, 60_000, 1, "standard"),
    ],
)
def test_tokens_are_patches_of_28_pixels(tokens: int, width: int, height: int, tier: Tier) -> None:
    assert image_tokens(width, height, tier) == tokens


@pytest.mark.parametrize("tier", ["standard", "high"])
def test_tokens_are_those_of_the_published_formula(tier: Tier) -> None:
    """For 1,000 sizes: the formula written out here, and the simulator's own, which found its way by itself."""
    edge, cap = {"standard": (1568, 1568), "high": (2576, 4784)}[tier]
    rng = random.Random(28)
    for _ in range(1000):
        width, height = (round(10 ** rng.uniform(0, 4.2)) for _ in range(2))
        scale = min(1.0, edge / max(width, height))
        seen = max(1, round(width * scale)), max(1, round(height * scale))
        tokens = image_tokens(width, height, tier)
        assert tokens == count_image(width, height, tier)
        plain = math.ceil(seen[0] / 28) * math.ceil(seen[1] / 28)
        assert tokens == plain if plain <= cap else 0.9 * cap < tokens <= cap


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from(["standard", "high"]))
def test_no_image_costs_more_than_its_tiers_cap_and_none_grows(width: int, height: int, tier: Tier) -> None:
    seen = scaled_size(width, height, tier)
    assert seen[0] <= width
    assert seen[1] <= height
    assert max(seen) <= vision_handler.LONG_EDGE[tier]
    assert 1 <= image_tokens(width, height, tier) <= vision_handler.TOKEN_CAP[tier]
    assert scaled_size(*seen, tier) == seen
