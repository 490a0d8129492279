"""`cmt-lsp doctor`: is everything in place? Costs nothing and sends nothing."""

from __future__ import annotations

from collections.abc import Sequence

from cmt_lsp.terminal.render import one_line
from cmt_lsp.terminal.tables import console, run_in_window
from cmt_lsp.terminal.window import Window

SIGNS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


def examine(*, no_color: bool, command: Sequence[str] | None = None) -> int:
    """Print the server's checks, each with what to do about it; 1 when one of them failed."""

    async def talk(window: Window) -> int:
        from rich.text import Text

        checks = (await window.ask("cmt/doctor")).get("checks", [])
        screen = console(no_color=no_color)
        for check in checks:
            sign, colour = SIGNS.get(check["state"], ("?", "yellow"))
            line = Text.assemble(
                (f"{sign} ", colour), (one_line(check["name"]), "bold"), f": {one_line(check['detail'])}"
            )
            screen.print(line, soft_wrap=True)
            if check.get("advice"):
                screen.print(Text(f"  {one_line(check['advice'])}", style="dim"), soft_wrap=True)
        return int(any(check["state"] == "fail" for check in checks))

    return run_in_window(talk, command)
