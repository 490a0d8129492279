"""`cmt-lsp screenshot`: take a picture, see what it would cost, keep it, or ask about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from cmt_lsp.terminal import ask
from cmt_lsp.terminal.outcome import exit_code
from cmt_lsp.terminal.question import Question
from cmt_lsp.terminal.render import say_note
from cmt_lsp.terminal.shots import Shot, check_new, take
from cmt_lsp.terminal.tables import run_in_window
from cmt_lsp.terminal.window import Window


def run(shot: Shot, question: Question, save: str | None, command: Sequence[str] | None = None) -> int:
    """Take it, and ask where the question has a prompt; the exit code."""
    if question.prompt:
        return ask.run(replace(question, shots=(shot,), save_shots=save), command)

    async def talk(window: Window) -> int:
        await take([shot], window, model=question.model, tell=_say, save=save)
        if save is None:
            say_note("the picture was not kept; --save FILE keeps it, --ask QUESTION asks about it")
        return 0

    def whole() -> int:
        check_new(save)
        return run_in_window(talk, command)

    return exit_code(whole)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
