"""The tables that commands print: one look for all of them, plain where the output is no terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cmt_lsp.terminal.outcome import exit_code
from cmt_lsp.terminal.window import Window, open_window

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 200  # columns where nobody looks: nothing is cut that a later program may need


def run_in_window(talk: Callable[[Window], Awaitable[int]], command: Sequence[str] | None = None) -> int:
    """Start a server for the current folder, do `talk`, and return its exit code; 1 after a failure."""

    async def whole() -> int:
        async with open_window(Path.cwd(), command=command, asks=True) as window:
            return await talk(window)

    return exit_code(lambda: asyncio.run(whole()))


def console(*, no_color: bool = False) -> Console:
    """Where tables go; foreign text is given as cleaned plain text, never as markup."""
    from rich.console import Console

    class Screen(Console):
        """A console whose reader may leave; Rich itself would end the process from inside a task."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    wide = None if sys.stdout.isatty() else PIPED_WIDTH
    return Screen(no_color=no_color or None, width=wide, highlight=False, markup=False, emoji=False)


def table(*columns: str) -> Table:
    """An empty table. A name that begins with `>` is a column of figures, set to the right; with `=` one of ids.

    Neither is ever broken; the other columns give way where the terminal is narrow.
    """
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in columns:
        made.add_column(
            name.lstrip(">="), justify="right" if name[0] == ">" else "left", no_wrap=name[0] in ">="
        )
    return made
