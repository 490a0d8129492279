"""`cmt-lsp ask --dry-run`: every block that a question would send, with its tokens and its price; nothing is sent."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cmt_lsp.terminal.render import dollars, one_line, say_note, tokens
from cmt_lsp.terminal.tables import console, table

if TYPE_CHECKING:
    from rich.table import Table

    from cmt_lsp.terminal.window import Window

Row = Mapping[str, Any]

_ROOM_FOR_KIND = 72  # columns from which on the kind of a block fits beside its name
_ROOM_FOR_TEXT = 110  # columns from which on a look at the text fits beside the figures
_FIGURES = 88  # columns that everything but the text needs
_HISTORY = 6  # blocks of history that are told one by one


async def show_preview(window: Window, params: Mapping[str, Any], *, as_json: bool, no_color: bool) -> int:
    """Print what a question with these params would send; the exit code."""
    shown = await window.ask("cmt/preview", params)
    if as_json:
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
        return 0
    screen = console(no_color=no_color)
    screen.print(_table(grouped(shown["blocks"]), screen.width))
    for line in totals(shown):
        screen.print(one_line(line))
    for notice in shown.get("notices") or []:
        say_note(notice)
    return 0


def grouped(blocks: Sequence[Row]) -> list[Row]:
    """The blocks, a long history as one row for each use of the cache."""
    if sum(block["kind"] == "history" for block in blocks) <= _HISTORY:
        return list(blocks)
    rows: list[dict[str, Any]] = []
    for block in blocks:
        last = rows[-1] if rows else None
        if last and block["kind"] == last["kind"] == "history" and block["cache"] == last["cache"]:
            last["blocks"] = last.get("blocks", 1) + 1
            for name in ("tokens", "coldNanoUsd", "warmNanoUsd"):
                if name in block:
                    last[name] += block[name]
            last["origin"] = f"history, {last['blocks']} blocks"
            last["text"] = ""
        else:
            rows.append(dict(block))
    return list(rows)


def totals(shown: Row) -> list[str]:
    """The sums, and what the answer will add."""
    blocks, prediction = shown["blocks"], shown["prediction"]
    about = "" if prediction["exact"] else "about "
    count = f"{len(blocks)} block{'s' if len(blocks) != 1 else ''}"
    first = f"{shown['model']}: {count}, {about}{tokens(shown['tokens'])} tokens"
    if any("coldNanoUsd" not in block for block in blocks):
        return [f"{first}; the model has no price. Nothing was sent."]
    cold = sum(block["coldNanoUsd"] for block in blocks)
    now = sum(block["warmNanoUsd"] for block in blocks)
    price = f"{dollars(now)} now" + (f", {dollars(cold)} with a cold cache" if cold != now else "")
    answer = f"With the answer {prediction['cost']['display']}. Nothing was sent."
    return [f"{first}, {price}.", answer]


def _table(rows: Sequence[Row], width: int) -> Table:
    with_kind, with_text = width >= _ROOM_FOR_KIND, width >= _ROOM_FOR_TEXT
    made = table("what", *(["=kind"] if with_kind else []), ">tokens", ">cold", ">now", "=cache")
    if with_text:
        made.add_column("begins", no_wrap=True, overflow="ellipsis", max_width=width - _FIGURES)
    for row in rows:
        cells = [_name(row), _kind(row)] if with_kind else [_name(row, pinned=row["pinned"])]
        cells += [tokens(row["tokens"]), _price(row, "cold"), _price(row, "warm")]
        cells.append({"read": "read", "written": "write"}.get(row["cache"], ""))
        cells += [begins(str(row.get("text", "")))] if with_text else []
        made.add_row(*(one_line(cell) for cell in cells))
    return made


def begins(text: str) -> str:
    """The first line of what is inside: title and mark of an attachment are told by its row."""
    lines = text.split("\n", 2)
    if len(lines) == 3 and lines[1].startswith("<attached-"):
        text = lines[2].rpartition("</attached-")[0]
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _name(row: Row, *, pinned: bool = False) -> str:
    cut = row.get("cutLines", 0)
    notes = [*(["pinned"] if pinned else []), *([f"{cut:,} lines cut"] if cut else [])]
    return f"{row['origin']} ({', '.join(notes)})" if notes else str(row["origin"])


def _kind(row: Row) -> str:
    return f"pinned {row['kind']}" if row["pinned"] else str(row["kind"])


def _price(row: Row, which: str) -> str:
    nano = row.get(f"{which}NanoUsd")
    return "?" if nano is None else dollars(nano)
