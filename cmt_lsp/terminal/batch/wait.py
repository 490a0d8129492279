"""Waiting for a batch in a terminal: one line that tells what is known, until the end or until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmt_lsp.terminal.batch.view import OPEN, find, standing
from cmt_lsp.terminal.connection import AnswerError
from cmt_lsp.terminal.interrupt import EXIT_CODE, on_ctrl_c
from cmt_lsp.terminal.render import StatusLine, Wait, one_line, say_note, wants_colour
from cmt_lsp.terminal.window import Window, open_window

FIRST_LOOK, LAST_LOOK = 2.0, 30.0  # seconds between two looks, at first and later on
LOOK_SECONDS = 3600.0  # fetching a very large batch
TICK = 0.1
BAR_CELLS = 20
PASSING = ("network", "overloaded", "rate_limited", "timeout", "stalled", "ledger_unavailable")
"""Errors that asking again may not meet."""


async def wait_for_end(which: str, *, no_color: bool, command: Sequence[str] | None = None) -> int:
    """Look until the batch has ended, and print how; Ctrl-C leaves it to itself. The exit code."""
    line = StatusLine(sys.stderr, colour=wants_colour(sys.stderr, refused=no_color))

    async def converse() -> int:
        line.say(Wait("starting"))
        async with open_window(Path.cwd(), command=command, tell=lambda text: _tell(line, text)) as window:
            batch = await _until_ended(window, await find(window, which), line)
        line.clear()
        sys.stdout.write(standing(batch))
        return int(batch["state"] in ("failed", "lost"))

    talk, ticking = asyncio.create_task(converse()), asyncio.create_task(_tick(line))

    def leave(_count: int) -> None:
        talk.cancel()

    with on_ctrl_c(leave):
        try:
            return await talk
        except asyncio.CancelledError:
            line.clear()
            sys.stderr.write(
                f"The batch goes on without us; `cmt-lsp batch status {one_line(which)} --wait` waits again.\n"
            )
            return EXIT_CODE
        finally:
            line.clear()
            ticking.cancel()


async def _until_ended(window: Window, batch: dict[str, Any], line: StatusLine) -> dict[str, Any]:
    pause, told = FIRST_LOOK, ""
    while True:
        try:
            batch = await _look(window, str(batch["id"]), line)
        except AnswerError as refused:
            if refused.kind not in PASSING:
                raise
            if refused.message != told:
                told = refused.message
                _tell(line, refused.message)
        else:
            if batch["state"] not in OPEN:
                return batch
        line.say(Wait(f"{_standing(batch)}; next look in", pause))
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, LAST_LOOK)


async def _look(window: Window, batch_id: str, line: StatusLine) -> dict[str, Any]:
    """One look; while answers are fetched, how many of them."""

    def progress(value: Mapping[str, Any]) -> None:
        if value.get("kind") == "report":
            line.say(Wait(f"fetching {_bar(str(value.get('message', '')))}"))

    line.say(Wait("looking"))
    result = await window.connection.request(
        "cmt/batch/status",
        {"batchId": batch_id},
        seconds=LOOK_SECONDS,
        progress=progress,
        progress_token="workDoneToken",  # noqa: S106  the name of a field
    )
    return dict(result)


def _standing(batch: Mapping[str, Any]) -> str:
    state = str(batch["state"]).replace("_", " ")
    return f"{batch['requests']} prompts {state}"


def _bar(message: str) -> str:
    """`1200 of 5000 answers` with a bar before it; other words as they are."""
    words = message.split()
    if len(words) < 3 or not (words[0].isdigit() and words[2].isdigit() and int(words[2])):
        return message
    filled = BAR_CELLS * int(words[0]) // int(words[2])
    return f"{'█' * filled}{'░' * (BAR_CELLS - filled)} {message}"


def _tell(line: StatusLine, text: str) -> None:
    line.clear()
    say_note(text)


async def _tick(line: StatusLine) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(TICK)
            line.draw()
