"""Starting the decoder: a file goes in as an open descriptor, a checked picture comes out, and nothing is trusted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.errors import BadImageError
from cmt_lsp.api.vision.container import ImageFacts, inspect_image
from cmt_lsp.api.vision.sizes import MAX_IMAGE_BYTES, MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

TIME_LIMIT = 10.0
WORKS = "save it as PNG, JPEG, WebP or GIF"

_LONGEST_ANSWER = MAX_IMAGE_BYTES + 500_000
_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP")


@dataclass(frozen=True, slots=True)
class Picture:
    """What the decoder made of a file: the picture to send, as our own look at its bytes tells it."""

    original: ImageFacts
    """Of the file, as the decoder told it: words for the person, nothing that is relied on."""
    sent: bytes
    facts: ImageFacts
    """Of what is sent."""
    note: str
    """How it was compressed, where that lost something."""
    thumbnail: bytes


def command(order: Mapping[str, Any]) -> list[str]:
    """The child's command line: isolated, no site folder, and two folders as its only extras."""
    library = find_spec("PIL")  # finds the folder; the package is not imported here
    if library is None or library.origin is None:
        raise BadImageError("images need the Pillow package: install cmt-lsp again with its dependencies")
    here = Path(__file__)
    script, package = here.with_name("decoder.py"), here.parents[3]
    folders = [str(Path(library.origin).parents[1]), str(package)]
    return [sys.executable, "-I", "-S", str(script), *folders, json.dumps(order)]


def environment() -> dict[str, str]:
    """No key and no setting of the server reaches the child."""
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}


def decode(file: BinaryIO, order: Mapping[str, Any], name: str) -> Picture:
    """The picture in an open file; BadImageError. For programs without an event loop."""
    try:
        done = subprocess.run(  # noqa: S603 - our own script, no shell, nothing of the image on the command line
            command(order),
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_slow(name) from error
    return picture_in(done.stdout, name)


async def decode_async(file: BinaryIO, order: Mapping[str, Any], name: str) -> Picture:
    """`decode` without blocking the event loop; cancelling it ends the child."""
    process = await asyncio.create_subprocess_exec(
        *command(order),
        stdin=file,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(),
        limit=1 << 20,
    )
    try:
        async with asyncio.timeout(TIME_LIMIT):
            answer = await _read(process.stdout) if process.stdout else b""
            if len(answer) <= _LONGEST_ANSWER:
                await process.wait()
    except TimeoutError as error:
        raise _too_slow(name) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()  # to the end of its output, or the pipe would stay open
    return await asyncio.to_thread(picture_in, answer, name)


async def _read(stream: asyncio.StreamReader) -> bytes:
    """All that the child says, and hardly more than it may."""
    parts, size = [], 0
    while size <= _LONGEST_ANSWER and (part := await stream.read(1 << 20)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def picture_in(answer: bytes, name: str) -> Picture:
    """Check the child's answer by its bytes; one that breaks its form means a broken or captured child."""
    line, _, rest = answer.partition(b"\n")
    try:
        told = json.loads(line)
        if "error" in told:
            raise _refused(told, name)
        sent, thumbnail = rest[: told["sent"]], rest[told["sent"] :]
        original = _original(*told["original"])
        note = " ".join(str(word) for word in told["done"])[:80]
        return Picture(original, sent, _facts(sent), note, thumbnail if _is_small_png(thumbnail) else b"")
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(name) from error


def damaged(name: str) -> BadImageError:
    """The error of a file that no decoder gets through."""
    return BadImageError(f"{name} is damaged or not what it seems: open it in an image program and {WORKS}")


def too_many_pixels(name: str, width: int, height: int) -> BadImageError:
    """The error of a picture that is not decoded for its size."""
    size = f"{width} x {height} pixels"
    return BadImageError(f"{name} has {size}, and at most 40 million can be read: save a smaller copy")


def _refused(told: Mapping[str, Any], name: str) -> BadImageError:
    if told["error"] == "memory":
        return BadImageError(f"{name} needs too much memory to decode: save a smaller copy and choose that")
    if told["error"] == "pixels":
        width, height = told["size"]
        return too_many_pixels(name, int(width), int(height))
    return damaged(name)


def _original(media_type: str, width: int, height: int, clean: bool, animated: bool) -> ImageFacts:
    if type(width) is not int or type(height) is not int or min(width, height) < 1:
        raise ValueError("no size of an image")
    return ImageFacts(str(media_type)[:20], width, height, clean is True, animated is True)


def _facts(sent: bytes) -> ImageFacts:
    """What the picture to send is; ValueError where it is none, or holds anything else."""
    facts = inspect_image(sent)
    if facts is None or not facts.clean or facts.animated or len(sent) > MAX_IMAGE_BYTES:
        raise ValueError("no plain picture")
    if not 0 < facts.width * facts.height <= MAX_PIXELS:
        raise ValueError("no size of an image")
    return facts


def _is_small_png(data: bytes) -> bool:
    facts = inspect_image(data)
    return facts is not None and facts.media_type == "image/png" and facts.clean and facts.width <= 512


def _too_slow(name: str) -> BadImageError:
    return BadImageError(
        f"{name} took longer than {TIME_LIMIT:.0f} s to decode: save a smaller copy and try again"
    )
