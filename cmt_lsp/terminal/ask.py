"""`cmt-lsp ask`: one question from a shell, through a real server, streamed as it comes.

Standard output holds the answer and nothing else; everything about it goes to standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmt_lsp.terminal.images import draw, inspect, line
from cmt_lsp.terminal.interrupt import EXIT_CODE
from cmt_lsp.terminal.outcome import exit_code
from cmt_lsp.terminal.picture.protocol import terminal_protocol
from cmt_lsp.terminal.preview import show_preview
from cmt_lsp.terminal.question import FilePart, Question, place, prepare
from cmt_lsp.terminal.render import StatusLine, Wait, clean, say_note, summary, waiting, wants_colour
from cmt_lsp.terminal.shots import WHAT_TO_DO, take
from cmt_lsp.terminal.stopping import Stoppable
from cmt_lsp.terminal.window import Window, open_window

TICK = 0.1  # seconds between two drawings of the status line


def run(question: Question, command: Sequence[str] | None = None) -> int:
    """Ask, print, and return the exit code: 0, 1 after a failure, 130 after Ctrl-C."""

    def ask() -> int:
        params, parts = prepare(question)
        return asyncio.run(_Asking(question).run(params, parts, command))

    return exit_code(ask)


class _Asking:
    """One question under way, and what Ctrl-C does to it."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._status = StatusLine(sys.stderr, colour=wants_colour(sys.stderr, refused=question.no_color))
        self._shown = 0
        self._at_line_start = True
        self._stoppable = Stoppable(self._stopping)

    async def run(
        self, params: dict[str, Any], parts: Sequence[FilePart], command: Sequence[str] | None
    ) -> int:
        ticking = asyncio.create_task(self._tick())
        try:
            return await self._stoppable.run(self._converse(params, parts, command))
        finally:
            ticking.cancel()
            self._end_line()

    async def _converse(
        self, params: dict[str, Any], parts: Sequence[FilePart], command: Sequence[str] | None
    ) -> int:
        self._status.say(Wait("starting"))
        async with open_window(Path.cwd(), command=command, tell=self._tell, asks=True) as window:
            await self._show_images(params, window)
            placed = await self._with_shots(await place(self._question, params, parts, window), window)
            if self._question.dry_run:
                self._status.clear()
                question = self._question
                return await show_preview(
                    window, placed, as_json=question.as_json, no_color=question.no_color
                )
            with self._stoppable.turns_in(window):
                result = await window.chat(placed, self._show)
            return self._finish(result)

    async def _with_shots(self, params: dict[str, Any], window: Window) -> dict[str, Any]:
        question = self._question
        if not question.shots:
            return params
        self._status.say(Wait(WHAT_TO_DO[question.shots[0].what]))
        taken = await take(
            question.shots, window, model=question.model, tell=self._tell, save=question.save_shots
        )
        return {**params, "images": [*params.get("images", []), *taken]}

    async def _show_images(self, params: Mapping[str, Any], window: Window) -> None:
        """What the pictures are and cost, before they are sent."""
        hidden = self._question.no_picture or self._question.as_json
        protocol = terminal_protocol() if params.get("images") and not hidden else None
        for image in params.get("images", ()):
            seen = await inspect(window, image["path"], params.get("model"))
            self._status.clear()
            draw(seen, protocol)
            if seen:
                sys.stderr.write(f"{line(seen)}\n")

    def _show(self, event: Mapping[str, Any]) -> None:
        """One value of the stream: text to standard output, anything else to the status line."""
        if event.get("kind") == "text":
            if self._question.as_json or not sys.stdout.isatty():
                self._status.say(Wait("receiving"))
            if not self._question.as_json:
                self._write(str(event.get("text", "")))
        elif (wait := waiting(event)) is not None:
            self._status.say(wait)

    def _tell(self, text: str) -> None:
        self._end_line()
        say_note(text)

    def _write(self, text: str) -> None:
        if sys.stdout.isatty():
            self._status.clear()
        sys.stdout.write(clean(text))
        sys.stdout.flush()
        self._shown += len(text)
        self._at_line_start = text.endswith("\n") if text else self._at_line_start

    def _end_line(self) -> None:
        self._status.clear()
        if not self._at_line_start:
            self._at_line_start = True
            with contextlib.suppress(BrokenPipeError):
                sys.stdout.write("\n")
                sys.stdout.flush()

    def _finish(self, result: Mapping[str, Any]) -> int:
        if self._question.as_json:
            sys.stdout.write(json.dumps(result, indent=2) + "\n")
        else:
            self._write(str(result.get("text", ""))[self._shown :])
        self._end_line()
        for notice in result.get("notices") or []:
            say_note(notice)
        sys.stderr.write(summary(result) + "\n")
        if self._stoppable.interrupted:
            return EXIT_CODE
        return 1 if result.get("stopReason") == "truncated" else 0

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._status.draw()

    def _stopping(self) -> None:
        if sys.stdout.isatty():
            self._end_line()
        self._status.say(Wait("cancelling"))
