"""`cmt-lsp compare`: one question to several models, their answers beside each other, and what each took.

On a terminal the answers are shown as they come; what stays is the whole of them with a table of the figures, which
is also all that a pipe gets.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmt_lsp.terminal.columns import Race, print_answers
from cmt_lsp.terminal.interrupt import EXIT_CODE
from cmt_lsp.terminal.outcome import exit_code
from cmt_lsp.terminal.question import FilePart, Question, place, prepare
from cmt_lsp.terminal.render import one_line, say_note, waiting
from cmt_lsp.terminal.stopping import Stoppable
from cmt_lsp.terminal.tables import console
from cmt_lsp.terminal.window import open_window

if TYPE_CHECKING:
    from rich.console import Console

WHOLE = (
    "end_turn",
    "stop_sequence",
    "max_tokens",
    "refusal",
)  # reasons of an answer that the model itself ended


def run(question: Question, models: Sequence[str], command: Sequence[str] | None = None) -> int:
    """Ask all models, print, and return the exit code: 0, 1 where one gave no whole answer, 130 after Ctrl-C."""

    def compare() -> int:
        params, parts = prepare(question)
        return asyncio.run(_Comparing(question, models).run(params, parts, command))

    return exit_code(compare)


class _Comparing:
    """One comparison under way."""

    def __init__(self, question: Question, models: Sequence[str]) -> None:
        self._question = question
        self._models = models
        self._screen = console(no_color=question.no_color)
        self._race = Race(_progress_screen(self._screen, as_json=question.as_json))
        self._stoppable = Stoppable(self._race.stopping)

    async def run(
        self, params: dict[str, Any], parts: Sequence[FilePart], command: Sequence[str] | None
    ) -> int:
        with self._race:
            result = {}

            async def converse() -> int:
                result.update(await self._ask(params, parts, command))
                return 0

            code = await self._stoppable.run(converse())
        return code or self._finish(result)

    async def _ask(
        self, params: dict[str, Any], parts: Sequence[FilePart], command: Sequence[str] | None
    ) -> dict[str, Any]:
        async with open_window(Path.cwd(), command=command, tell=say_note) as window:
            placed = await place(self._question, params, parts, window)
            with self._stoppable.turns_in(window):
                return await window.compare({**placed, "models": list(self._models)}, self._show)

    def _show(self, event: Mapping[str, Any]) -> None:
        """One value of one of the streams; `started` pairs a turn with its model."""
        turn = str(event.get("turnId", ""))
        if event.get("kind") == "started":
            self._race.enter(turn, str(event.get("model", "?")))
        if event.get("kind") == "text":
            self._race.add(turn, str(event.get("text", "")))
        elif event.get("kind") == "end":
            self._race.finish(turn, str(event.get("stopReason", "")))
        elif (wait := waiting(event)) is not None:
            self._race.wait(turn, wait)

    def _finish(self, result: Mapping[str, Any]) -> int:
        rows: list[Mapping[str, Any]] = result.get("rows", [])
        if self._question.as_json:
            sys.stdout.write(json.dumps(result, indent=2) + "\n")
        else:
            print_answers(self._screen, rows)
        for row in rows:
            for notice in row.get("notices") or []:
                say_note(f"{one_line(row['model'])}: {notice}")
        if self._stoppable.interrupted:
            return EXIT_CODE
        return 0 if all(row["stopReason"] in WHOLE for row in rows) else 1


def _progress_screen(screen: Console, *, as_json: bool) -> Console | None:
    """Where the race is shown while it runs: a terminal that can be redrawn, unless it shall hold nothing but JSON."""
    live = screen.is_terminal and not screen.is_dumb_terminal and not as_json
    return screen if live else None
