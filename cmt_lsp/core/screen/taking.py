"""Taking a picture of the screen or out of the clipboard: the chosen tools in turn, until one gives a picture."""

from __future__ import annotations

import base64
import binascii
import re
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import NoPictureError
from cmt_lsp.api.vision.container import inspect_image, name_of_other_format
from cmt_lsp.api.vision.file import MAX_FILE_BYTES
from cmt_lsp.core.screen.choice import ANSWER, FILE, chosen_answer, commands_for
from cmt_lsp.core.screen.drop import private_file, read_picture
from cmt_lsp.core.screen.powershell import NO_IMAGE, NOTHING
from cmt_lsp.core.screen.tool import run_tool, too_large

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.core.screen.choice import Command, Wish
    from cmt_lsp.core.screen.desktop import Desktop
    from cmt_lsp.core.screen.tool import Ran

TOOL_SECONDS = 15.0
CHOOSING_SECONDS = 60.0
"""How long a person may take to point at something."""
FIRST_LIMIT = 64 * 1024
"""Bytes that the program asked before may print."""

_NOTHING_COPIED = "The clipboard holds no image; copy one first."
_NOTHING_CHOSEN = "Nothing was chosen, so that there is no picture; try again."
_EMPTY = re.compile(
    r"not available|no suitable type|nothing is copied|no selection|no image|-1700|\bempty\b", re.IGNORECASE
)
"""How the clipboard tools say that there is no image."""
_GIVEN_UP = re.compile(rf"cancel|abort|{re.escape(NOTHING)}", re.IGNORECASE)
_APPLESCRIPT = re.compile(rb"\xc2\xabdata PNGf([0-9A-Fa-f]+)\xc2\xbb")


@dataclass(frozen=True, slots=True)
class Picture:
    """What a tool gave: the bytes of an image of a kind that can be sent, by its header."""

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    tool: str


class _FailedError(NoPictureError):
    """One tool failed on its own account; another may do."""


async def take_picture(
    wish: Wish,
    desktop: Desktop,
    environ: Mapping[str, str],
    state_dir: Path,
    *,
    choosing_seconds: float = CHOOSING_SECONDS,
    tool_seconds: float = TOOL_SECONDS,
) -> Picture:
    """The picture, which is nowhere else; NoPictureError says why there is none and what to do.

    Cancelling ends the tool. `environ` is the tool's whole environment, see `tool_environment`.
    """
    commands = commands_for(wish, desktop)
    for command in commands:
        try:
            seconds = choosing_seconds if command.chosen else tool_seconds
            data = await _run(command, wish, environ, state_dir, seconds)
            return _picture(data, command.tool)
        except _FailedError:
            if command is commands[-1]:
                raise
        except TimeoutError as error:
            raise _too_slow(command, seconds) from error
    raise AssertionError("commands_for gives at least one")


async def _run(
    command: Command, wish: Wish, environ: Mapping[str, str], state_dir: Path, seconds: float
) -> bytes:
    """The bytes that one tool gave."""
    with private_file(state_dir) if command.gives == "file" else nullcontext() as path:
        folder = path.parent if path is not None else Path(Path.home().anchor)
        argv = [str(path) if word == FILE else word for word in command.argv]
        if command.first:
            ran = await run_tool(
                command.first, environ=environ, folder=folder, seconds=seconds, limit=FIRST_LIMIT
            )
            answer = chosen_answer(command, _good(ran, command, wish).output.decode("utf-8", "replace"))
            if answer is None:
                raise NoPictureError(_NOTHING_COPIED if wish == "clipboard" else _NOTHING_CHOSEN)
            argv = [answer if word == ANSWER else word for word in argv]
        limit = MAX_FILE_BYTES * (1 if command.gives == "bytes" else 2) + 100
        ran = await run_tool(argv, environ=environ, folder=folder, seconds=seconds, limit=limit)
        _good(ran, command, wish)
        data = ran.output if path is None else read_picture(path, MAX_FILE_BYTES, command.tool)
    data = _decoded(data, command)
    if not data:
        raise _nothing(command, wish)
    if len(data) > MAX_FILE_BYTES:
        raise too_large(MAX_FILE_BYTES)
    return data


def _good(ran: Ran, command: Command, wish: Wish) -> Ran:
    """The tool's own word for how it went; raises what its failure means."""
    if ran.code == 0:
        return ran
    if wish == "clipboard" and (_EMPTY.search(ran.complaint) or NO_IMAGE in ran.complaint):
        raise NoPictureError(_NOTHING_COPIED)
    if command.chosen and (not ran.complaint or _GIVEN_UP.search(ran.complaint)):
        raise NoPictureError(_NOTHING_CHOSEN)
    why = ran.last_words or f"exit code {ran.code}"
    raise _FailedError(f"{command.tool} took no picture ({why}){_advice(command)}.")


def _nothing(command: Command, wish: Wish) -> NoPictureError:
    """What it means that a tool ended well without a picture."""
    if wish == "clipboard":
        return NoPictureError(_NOTHING_COPIED)
    if command.chosen:
        return NoPictureError(_NOTHING_CHOSEN)
    return _FailedError(f"{command.tool} ended without a picture{_advice(command)}.")


def _advice(command: Command) -> str:
    """macOS alone asks the person for each program that may see the screen, and its tool does not say so."""
    if command.tool == "screencapture":
        return (
            "; allow screen recording for your editor or terminal in System Settings, Privacy & Security, "
            "and start it again"
        )
    return "; run it in a terminal to see what it needs"


def _decoded(data: bytes, command: Command) -> bytes:
    if command.gives == "applescript":
        found = _APPLESCRIPT.search(data)
        return bytes.fromhex(found[1].decode("ascii")) if found and len(found[1]) % 2 == 0 else b""
    if command.gives != "base64":
        return data
    try:
        return base64.b64decode(data.strip(), validate=True)
    except binascii.Error as error:
        raise _FailedError(f"{command.tool} wrote something that is no picture{_advice(command)}.") from error


def _picture(data: bytes, tool: str) -> Picture:
    facts = inspect_image(data)
    if facts is None or not facts.width or not facts.height:
        kind = name_of_other_format(data)
        what = f"a picture in {kind} format, which cannot be sent" if kind else "something that is no picture"
        raise _FailedError(f"{tool} wrote {what}; save the picture as PNG and attach it by its path.")
    return Picture(data, facts.media_type, facts.width, facts.height, tool)


def _too_slow(command: Command, seconds: float) -> NoPictureError:
    if command.chosen:
        return NoPictureError(f"Nothing was chosen within {seconds:.0f} s; try again.")
    return NoPictureError(f"{command.tool} did not end within {seconds:.0f} s and was stopped; try again.")
