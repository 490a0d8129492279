"""`cmt-lsp usage`: what was spent, by day, model, workspace and session; on the screen, as JSON, CSV or a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.render import one_line
from cmt_lsp.terminal.sessions import find_session
from cmt_lsp.terminal.tables import console, run_in_window
from cmt_lsp.terminal.usage.csv import write_csv
from cmt_lsp.terminal.usage.figures import Figures, short_path
from cmt_lsp.terminal.usage.file import write_page
from cmt_lsp.terminal.usage.page import PageData, render
from cmt_lsp.terminal.usage.screen import (
    MOST_ROWS,
    Row,
    day_rows,
    group_rows,
    show_notes,
    show_rows,
    show_totals,
)
from cmt_lsp.terminal.window import Window

Grouping: TypeAlias = Literal["day", "model", "workspace", "session"]
Report: TypeAlias = dict[str, Any]

RECENT_DAYS = 30
"""What the screen shows by day, model and workspace where no days are named."""
EVERY_GROUP = 10_000
"""As many groups as the server names at most."""
PAGE_WORKSPACES = 12


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person wants to see; days as YYYY-MM-DD."""

    by: Grouping | None = None
    first: str | None = None
    last: str | None = None
    workspace: str | None = None
    session: str | None = None
    form: Literal["screen", "json", "csv"] = "screen"
    page: str | None = None
    """The file of an HTML page; nothing else is written then."""
    no_color: bool = False


def run(wish: Wish, command: Sequence[str] | None = None) -> int:
    """Show it; the exit code."""
    folder = None if wish.workspace is None else str(Path(wish.workspace).resolve())
    page = None if wish.page is None else Path(wish.page).absolute()

    async def talk(window: Window) -> int:
        ledger = await _ledger(window, folder, wish.session)
        if page is not None:
            await _write_page(ledger, wish, page)
        elif wish.form == "json":
            report = await ledger.ask(wish.by, wish.first, wish.last, limit=EVERY_GROUP if wish.by else None)
            sys.stdout.write(json.dumps(report, indent=2) + "\n")
        elif wish.form == "csv":
            write_csv(
                await ledger.ask(wish.by or "day", wish.first, wish.last, limit=EVERY_GROUP), sys.stdout
            )
        else:
            await _show(ledger, wish)
        return 0

    return run_in_window(talk, command)


@dataclass(frozen=True, slots=True)
class _Ledger:
    """The server's reports about one scope, and by what the screen divides it."""

    window: Window
    scope: Mapping[str, str]
    about: str
    tables: Sequence[Grouping]

    async def ask(
        self,
        by: Grouping | None,
        first: str | None,
        last: str | None,
        *,
        then_by: str | None = None,
        limit: int | None = None,
    ) -> Report:
        """A report; absent wishes are left out."""
        wishes = {"from": first, "to": last, "groupBy": by, "thenBy": then_by, "limit": limit}
        params = {name: value for name, value in wishes.items() if value is not None}
        return await self.window.ask("cmt/usage", {**self.scope, **params})


async def _ledger(window: Window, folder: str | None, session: str | None) -> _Ledger:
    if session is not None:
        return await _ledger_of_session(window, session)
    if folder is not None:
        return _Ledger(
            window, {"scope": "workspace", "id": folder}, short_path(folder), ("day", "model", "session")
        )
    return _Ledger(window, {"scope": "all"}, "all workspaces", ("day", "model", "workspace"))


async def _ledger_of_session(window: Window, which: str) -> _Ledger:
    """By id, beginning of one, or name; a deleted session is still in the ledger under its id."""
    try:
        session = await find_session(window, which)
    except TroubleError:
        ledger = _Ledger(window, {"scope": "session", "id": which}, f"session {which}", ("day", "model"))
        if not (await ledger.ask(None, None, None))["requests"]:
            raise
        return ledger
    whose = {"scope": "session", "id": str(session["id"])}
    return _Ledger(window, whose, f"session {session['name']}", ("day", "model"))


async def _show(ledger: _Ledger, wish: Wish) -> None:
    whole = await ledger.ask(None, wish.first, wish.last)
    if not whole["requests"]:
        sys.stderr.write(_nothing(ledger, wish))
        return
    today = date.fromisoformat(whole["today"])
    screen = console(no_color=wish.no_color)
    screen.print(one_line(f"Usage of {ledger.about}"), style="bold")
    show_totals(screen, await _totals(ledger, wish, whole, today))
    first, last, span = wish.first, wish.last, ""
    if first is None and last is None and wish.session is None:
        first, last, span = (
            str(today - timedelta(days=RECENT_DAYS - 1)),
            str(today),
            f", last {RECENT_DAYS} days",
        )
    for by in (wish.by,) if wish.by else ledger.tables:
        report = await ledger.ask(
            by, first, last, limit=MOST_ROWS if by in ("workspace", "session") else None
        )
        if not report["groups"]:
            screen.print(f"Nothing in the last {RECENT_DAYS} days; --from and --to show others.")
            break
        screen.print(f"By {by}{span}", style="bold")
        rows = day_rows(report, *_days(report, first, last)) if by == "day" else group_rows(report, by)
        show_rows(screen, by, rows)
    show_notes(screen, Figures.of(whole), whole["timeZone"])


async def _totals(ledger: _Ledger, wish: Wish, whole: Report, today: date) -> list[Row]:
    """The days that were named, or today, this month and all."""
    if wish.first is not None or wish.last is not None:
        name = f"{wish.first or 'first'} to {wish.last or 'today'}"
        return [_total(wish.first if wish.first == wish.last and wish.first else name, whole)]
    day = await ledger.ask(None, str(today), str(today))
    month = await ledger.ask(None, str(today.replace(day=1)), str(today))
    return [_total("today", day), _total(f"{today:%B}", month), _total("all", whole)]


def _total(name: str, report: Report) -> Row:
    return Row(name, Figures.of(report), report["sessions"])


def _days(report: Report, first: str | None, last: str | None) -> tuple[date, date]:
    """The days of a chart: those that were named, else from the first with spending, else up to today."""
    keys = [group["key"] for group in report["groups"]]
    today = report["today"]
    begin = date.fromisoformat(first or min(keys, default=last or today))
    return begin, max(begin, date.fromisoformat(last or max([today, *keys])))


def _nothing(ledger: _Ledger, wish: Wish) -> str:
    if wish.first or wish.last or ledger.scope["scope"] != "all":
        days = f" from {wish.first}" if wish.first else ""
        days += f" up to {wish.last}" if wish.last else ""
        return f"Nothing was spent in {one_line(ledger.about)}{days}. `cmt-lsp usage` shows everything.\n"
    return 'Nothing was spent yet. `cmt-lsp ask "..."` asks a first question, and its cost shows here.\n'


async def _write_page(ledger: _Ledger, wish: Wish, path: Path) -> None:
    days = (wish.first, wish.last)
    whole = await ledger.ask("day", *days, then_by="model")
    first, last = _days(whole, *days)
    data = PageData(
        whole=whole,
        models=await ledger.ask("model", *days),
        workspaces=await ledger.ask("workspace", *days, limit=PAGE_WORKSPACES),
        about=ledger.about,
        first=first,
        last=last,
        made_at=f"{datetime.now().astimezone():%Y-%m-%d %H:%M}",
    )
    write_page(path, render(data))
    sys.stderr.write(f"Wrote {one_line(path)}; open it in a browser.\n")
