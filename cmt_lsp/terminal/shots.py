"""Pictures that the server takes for a question: of the screen, a window, a region, or out of the clipboard."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.render import one_line, tokens
from cmt_lsp.terminal.window import Window

ANSWER_SECONDS = 120.0  # the server stops a tool, and a person who does not choose, long before

WHAT_TO_DO = {
    "screen": "taking a picture",
    "window": "click a window, Esc gives up",
    "region": "draw a region, Esc gives up",
    "clipboard": "reading the clipboard",
}


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to take: `screen`, `window`, `region` or `clipboard`, after `delay` seconds."""

    what: str
    delay: int = 0


async def take(
    shots: Sequence[Shot],
    window: Window,
    *,
    model: str | None,
    tell: Callable[[str], None],
    save: str | None = None,
) -> list[dict[str, Any]]:
    """The pictures as a question names them; each is told of with its size and price, and kept in `save` if asked.

    Raises TroubleError, the server's own where no picture came.
    """
    images = []
    for shot in shots:
        held = await _taken(shot, window, model, with_data=save is not None)
        if save is not None:
            _write(Path(save), base64.b64decode(held.pop("data")))
        tell(described(held))
        for change in held["image"]["sent"]["changes"]:
            tell(f"before it is sent: {one_line(change)}")
        images.append({"handle": held["handle"]})
    return images


def described(held: Mapping[str, Any]) -> str:
    """A picture in a line: its name, size, and what it costs to send."""
    image, chosen = held["image"], held["image"]["models"][0]
    size = f"{image['width']} x {image['height']}, {_bytes(image['bytes'])}"
    price = f"{tokens(chosen['tokens'])} tokens, {chosen['display']} with {chosen['model']}"
    return one_line(f"{image['name']}: {size}, {price}")


async def _taken(shot: Shot, window: Window, model: str | None, *, with_data: bool) -> dict[str, Any]:
    method = "cmt/image/clipboard" if shot.what == "clipboard" else "cmt/screenshot/take"
    params: dict[str, Any] = {"withData": with_data}
    if model is not None:
        params["model"] = model
    if shot.what != "clipboard":
        params |= {"what": shot.what, "delaySeconds": shot.delay}
    held: dict[str, Any] = await window.connection.request(
        method, params, seconds=ANSWER_SECONDS + shot.delay
    )
    return held


def check_new(save: str | None) -> None:
    """Refuse to keep a picture where there is a file already, before it is taken. Raises TroubleError."""
    if save is not None and Path(save).exists():
        raise _exists(save)


def _write(path: Path, data: bytes) -> None:
    """A new file for the person alone; what is there already is not overwritten."""
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise TroubleError(f"{path} cannot be written: {error.strerror}.", kind="bad_params") from error


def _exists(path: object) -> TroubleError:
    return TroubleError(f"{path} exists already.", hint="Name another file.", kind="bad_params")


def _bytes(count: int) -> str:
    return f"{count / 1000:.0f} kB" if count < 999_500 else f"{count / 1_000_000:.1f} MB"
