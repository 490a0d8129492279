"""`cmt-lsp budget`: what may be spent, how much of it is left, and how to change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cmt_lsp.terminal.render import one_line
from cmt_lsp.terminal.tables import console, run_in_window, table
from cmt_lsp.terminal.window import Window

BAR_CELLS = 20
SPANS = {
    "turn": "each turn",
    "session": "each session",
    "window": "each editor window",
    "workspace": "this workspace",
    "day": "today",
    "month": "this month",
}


def show_budgets(*, no_color: bool, command: Sequence[str] | None = None) -> int:
    """Print every limit with what is spent of it. The exit code."""
    return _run("cmt/budget/get", {}, no_color, command)


def set_budget(
    scope: str,
    usd: float | None,
    warn_at: list[int] | None,
    *,
    no_color: bool,
    command: Sequence[str] | None = None,
) -> int:
    """Set a limit, or remove it where `usd` is None, and print them all. The exit code."""
    params: dict[str, Any] = {"scope": scope, "limitUsd": usd}
    return _run("cmt/budget/set", params | ({"warnAt": warn_at} if warn_at else {}), no_color, command)


def _run(operation: str, params: Mapping[str, Any], no_color: bool, command: Sequence[str] | None) -> int:
    async def talk(window: Window) -> int:
        answer = await window.ask(operation, params)
        screen = console(no_color=no_color)
        budgets = answer.get("budgets", [])
        if not budgets:
            screen.print("No budget is set. `cmt-lsp budget set day 5` stops at 5 dollars a day.")
        else:
            made = table(
                "=budget", "of", ">spent", ">held", ">limit", ">left", "=", ">used", "warns at", "set by"
            )
            for budget in budgets:
                made.add_row(*(one_line(cell) for cell in _row(budget)))
            screen.print(made)
        for notice in answer.get("notices") or []:
            screen.print(f"note: {one_line(notice)}")
        return 0

    return run_in_window(talk, command)


def _row(budget: Mapping[str, Any]) -> list[str]:
    return [
        budget["scope"],
        SPANS.get(budget["scope"], ""),
        *(_usd(budget[name]) for name in ("spentNanoUsd", "heldNanoUsd", "limitNanoUsd", "remainingNanoUsd")),
        _bar(budget["level"]),
        f"{budget['level']}%",
        ", ".join(f"{percent}%" for percent in budget["warnAt"]),
        "settings" if budget["source"] == "settings" else "you",
    ]


def _bar(level: int) -> str:
    filled = min(BAR_CELLS, level * BAR_CELLS // 100)
    return "█" * filled + "░" * (BAR_CELLS - filled)


def _usd(nano_usd: int) -> str:
    return f"${nano_usd / 1e9:,.4f}" if nano_usd < 10**10 else f"${nano_usd / 1e9:,.2f}"
