"""Usage reports as the server sends them, from a real ledger file, without a server in between."""

from __future__ import annotations

import sqlite3
import sys
from datetime import date
from pathlib import Path
from typing import Any

from cmt_lsp.core.money.report import checked_query, usage_report
from cmt_lsp.server.rpc.convert import wire_converter
from cmt_lsp.server.shapes.money import report_shape
from cmt_lsp.terminal.usage.page import PageData

sys.path.insert(0, str(Path(__file__).parents[1] / "core" / "money"))
from attempt_rows import book, ledger_file

__all__ = ["TODAY", "book", "book_days", "ledger_file", "page_data", "report"]

TODAY = "2026-11-22"
_CONVERTER = wire_converter()


def report(connection: sqlite3.Connection, scope: str = "all", key: str = "", **wish: Any) -> dict[str, Any]:
    """A UsageReport of the wire contract, as JSON holds it."""
    query = checked_query(scope, key, **wish)  # type: ignore[arg-type]
    shape = report_shape(usage_report(connection, query), query, {}, TODAY, "Europe/Berlin (UTC+0100)")
    made: dict[str, Any] = _CONVERTER.unstructure(shape)
    return made


def page_data(connection: sqlite3.Connection, first: str, last: str, workspaces: int = 12) -> PageData:
    """What the page of these days is made of."""
    days = {"first_day": first, "last_day": last}
    return PageData(
        whole=report(connection, group_by="day", then_by="model", **days),
        models=report(connection, group_by="model", **days),
        workspaces=report(connection, group_by="workspace", limit=workspaces, **days),
        about="all workspaces",
        first=date.fromisoformat(first),
        last=date.fromisoformat(last),
        made_at="2026-11-22 12:00",
    )


def book_days(connection: sqlite3.Connection, days: dict[str, dict[str, int]], **more: Any) -> None:
    """Attempts by day and model: what each cost, in nano-dollars; reads and writes of the cache go with it."""
    for number, (day, models) in enumerate(sorted(days.items())):
        for model, nano in models.items():
            book(
                connection, day=day, model=model, session_id=f"s{number}", nano_usd=nano, saved_nano_usd=nano // 2 - 3,
                input_tokens=7 * number + 1, cache_creation_5m_input_tokens=100 + number, output_tokens=11 + number,
                cache_creation_1h_input_tokens=number, cache_read_input_tokens=900 * number, expected_p90=20,
                expected_input=1010 * number, expected_nano=nano + 5, **more,
            )  # fmt: skip
