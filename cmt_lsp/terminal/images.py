"""`cmt-lsp image`, and what `ask` says of its pictures: size, tokens, price, what is changed, and the picture itself."""

from __future__ import annotations

import base64
import binascii
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from cmt_lsp.terminal.picture.drawing import drawing
from cmt_lsp.terminal.picture.protocol import Protocol, terminal_protocol
from cmt_lsp.terminal.question import existing_file
from cmt_lsp.terminal.render import dollars, one_line, tokens
from cmt_lsp.terminal.tables import console, run_in_window, table
from cmt_lsp.terminal.window import Window

_DATA = "data:image/png;base64,"


def show_images(
    names: Sequence[str],
    *,
    model: str | None = None,
    as_json: bool = False,
    no_picture: bool = False,
    no_color: bool = False,
    command: Sequence[str] | None = None,
) -> int:
    """Print what the files are and what they cost on each model; sends nothing. The exit code."""

    async def talk(window: Window) -> int:
        seen = [await inspect(window, str(existing_file(name)), model) for name in names]
        if as_json:
            sys.stdout.write(json.dumps(seen, indent=2) + "\n")
            return 0
        protocol = None if no_picture else terminal_protocol()
        for one in seen:
            draw(one, protocol)
        _print_tables(seen, no_color=no_color)
        return 0

    return run_in_window(talk, command)


async def inspect(window: Window, path: str, model: str | None) -> dict[str, Any]:
    """The ImageInspection of a file."""
    return await window.ask("cmt/image/inspect", {"path": path, **({"model": model} if model else {})})


def draw(seen: Mapping[str, Any], protocol: Protocol | None) -> None:
    """Draw a picture's small copy on the terminal; nothing without a protocol."""
    if protocol is None:
        return
    try:
        png = base64.b64decode(str(seen.get("thumbnail", "")).removeprefix(_DATA), validate=True)
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (binascii.Error, OSError):
        return
    width = int.from_bytes(png[16:20], "big")
    sys.stderr.flush()
    if png and (escapes := drawing(png, width, protocol, columns)):
        sys.stderr.buffer.write(escapes + b"\n")
        sys.stderr.buffer.flush()


def line(seen: Mapping[str, Any]) -> str:
    """One line about a picture: name, format, size, tokens, price, and what is changed."""
    first = seen["models"][0]
    parts = [
        seen["name"],
        f"{str(seen['format']).upper()} {seen['width']} x {seen['height']}, {size(seen['bytes'])}",
        f"{tokens(first['tokens'])} tokens, {price(first)} on {first['model']}",
        *seen["sent"]["changes"],
    ]
    return one_line(" · ".join(parts))


def size(count: int) -> str:
    """Bytes as people read them: 999 B, 12 kB, 2.1 MB."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 999_500 else f"{count / 1_000_000:.1f} MB"


def price(model: Mapping[str, Any]) -> str:
    """Dollars, or that nobody knows."""
    return dollars(model["nanoUsd"]) if "nanoUsd" in model else "unpriced"


def _print_tables(seen: Sequence[Mapping[str, Any]], *, no_color: bool) -> None:
    screen = console(no_color=no_color)
    files = table("Image", "=Format", ">Pixels", ">Size", ">Tokens", ">Price")
    for one in seen:
        first = one["models"][0]
        files.add_row(
            one_line(one["name"]), str(one["format"]).upper(), f"{one['width']} x {one['height']}",
            size(one["bytes"]), f"{first['tokens']:,}", price(first),
        )  # fmt: skip
    screen.print(files)
    for one in seen:
        if one["sent"]["changes"]:
            screen.print(one_line(f"{one['name']} will be sent {_as(one['sent'])}"))
    together = f" of all {len(seen)}" if len(seen) > 1 else ""
    models = table("=Model", f">Tokens{together}", ">Price")
    for rows in zip(*(one["models"] for one in seen), strict=True):
        priced = all("nanoUsd" in row for row in rows)
        cost = dollars(sum(row["nanoUsd"] for row in rows)) if priced else "unpriced"
        models.add_row(one_line(rows[0]["model"]), f"{sum(row['tokens'] for row in rows):,}", cost)
    screen.print(models)
    for notice in dict.fromkeys(notice for one in seen for notice in one.get("notices") or []):
        screen.print(one_line(notice))


def _as(sent: Mapping[str, Any]) -> str:
    """What leaves: its kind and size, and what was done to it."""
    kind = str(sent["mediaType"]).removeprefix("image/").upper()
    return f"as {kind} of {size(sent['bytes'])}: {', '.join(sent['changes'])}"
