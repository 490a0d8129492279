"""A large picture from its path to the content block that is sent, beside Pillow's own open, resize and save."""

from __future__ import annotations

import asyncio
import io
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import bare_picture
from .figures import Figure, rounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from .figures import Scale

LIMIT = 1.5


def measure(scale: Scale) -> list[Figure]:
    """A screenshot of 20 MB and a photo, in turns with a process of their own and with none."""
    kinds = {
        "screenshot with a photo, 20 MB, sent as JPEG": screenshot,
        "screenshot of text, 20 MB unpacked, sent as PNG": text_alone,
        "photo of 15 MB, sent as JPEG": photo,
    }
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (what, make) in enumerate(kinds.items()):
            path = Path(folder) / f"picture {number}"
            path.write_bytes(make(small=scale.share == 0))
            taken = [_round(path) for _ in rounds(scale, 8)]
            ours, apart, within = (list(column) for column in zip(*taken, strict=True))
            figures += [
                Figure(what, "ms", ours, "Pillow in a process of its own", apart, "ratio", LIMIT),
                Figure("the same", "ms", ours, "Pillow in a process that runs", within, "ratio", LIMIT),
            ]
    return figures


def _round(path: Path) -> tuple[float, float, float]:
    from cmt_lsp.api.vision_handler import VisionHandler

    image = None

    def ours() -> None:
        nonlocal image
        image = asyncio.run(VisionHandler("high").load_image_async(path))
        image.to_dict()

    mine = _milliseconds(ours)
    assert image is not None
    size = (image.width or 0, image.height or 0)
    command = [sys.executable, "-I", bare_picture.__file__, str(path), *map(str, size)]
    apart = _milliseconds(lambda: subprocess.run(command, check=True, stdout=subprocess.PIPE))
    return mine, apart, _milliseconds(lambda: bare_picture.resized(str(path), *size))


def _milliseconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1000


def screenshot(*, small: bool) -> bytes:
    """Windows of text, with a photo in one of them, as a PNG of up to 20 MB."""
    import PIL.Image

    width, height = (2700, 300) if small else (6340, 3560)
    picture = _text(width, height)
    busy = PIL.Image.effect_noise((width // 2, height // 2), 90)
    picture.paste(
        PIL.Image.merge("RGB", [busy, busy.rotate(180), busy.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)]),
        (width // 4, height // 4),
    )
    return _saved(picture, "PNG", compress_level=1)


def text_alone(*, small: bool) -> bytes:
    """Text as some screenshot tools save it, in a hurry."""
    return _saved(_text(3000, 100 if small else 2200), "PNG", compress_level=0)


def _text(width: int, height: int) -> Image:
    import PIL.Image
    import PIL.ImageDraw

    rng = random.Random(7)
    picture = PIL.Image.new("RGB", (width, height), (250, 250, 250))
    pen = PIL.ImageDraw.Draw(picture)
    for y in range(0, height, 24):
        for x in range(0, width, 480):
            words = f"{rng.random():.16f} = value[{rng.randrange(10**9)}]"
            pen.text((x, y), words, fill=(rng.randrange(200), 40, 90))
    return picture


def _saved(picture: Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def photo(*, small: bool) -> bytes:
    """A camera's JPEG, with its tags."""
    import PIL.Image

    width, height = (2700, 300) if small else (6000, 4000)
    tags = PIL.Image.Exif()
    tags[0x010E] = "somewhere"
    grey = PIL.Image.effect_noise((width, height), 40)
    slope = PIL.Image.linear_gradient("L").resize((width, height))
    picture = PIL.Image.merge("RGB", [grey, grey.rotate(180), slope])
    return _saved(picture, "JPEG", quality=88, exif=tags)
