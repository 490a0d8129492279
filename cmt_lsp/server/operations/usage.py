"""Usage: what was used and what it cost, out of the ledger."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.core.births import real_path
from cmt_lsp.core.money.report import checked_query, last_turn, usage_report
from cmt_lsp.server import wire
from cmt_lsp.server.rpc.uris import fs_path
from cmt_lsp.server.shapes.money import report_shape

if TYPE_CHECKING:
    from cmt_lsp.core.money.report import UsageReport
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window


async def usage(window: Window, caller: Caller, params: wire.UsageParams) -> wire.UsageReport:
    """Tokens and cost of a scope and of some days, divided into groups where the caller wants them."""
    query = checked_query(
        params.scope,
        await _key(window, params),
        first_day=params.from_,
        last_day=params.to,
        group_by=params.group_by,
        then_by=params.then_by,
        limit=params.limit,
    )
    ledger = window.manager.ledger
    report = await asyncio.wrap_future(ledger.read(partial(usage_report, query=query)))
    labels = await _labels(window, report, params.group_by)
    return report_shape(report, query, labels, ledger.today(), ledger.zone_name)


async def _key(window: Window, params: wire.UsageParams) -> str:
    """What the scope's id means here; without one the window's own. No session and no turn yet have no spending."""
    if params.scope == "all":
        if params.id is not None:
            raise BadParamsError("$.id names one turn, session, window or workspace; leave it out for all.")
        return ""
    if params.scope == "workspace":
        return str(window.workspace or "") if params.id is None else _workspace(params.id)
    if params.id is not None:
        return params.id
    if params.scope == "window":
        return window.manager.ledger.window_id
    session = window.current or ""
    if params.scope == "session":
        return session
    newest = partial(last_turn, session_id=session)
    return await asyncio.wrap_future(window.manager.ledger.read(newest)) or ""


def _workspace(given: str) -> str:
    """A folder by path or `file:` URI, which need not exist any more; '' for work outside of any workspace."""
    if given == "":
        return ""
    path = fs_path(given) if given.startswith("file:") else given
    if path and Path(path).is_absolute() and "\0" not in path:
        return real_path(path) or ""
    raise BadParamsError("$.id is not a folder; give its absolute path or its file: URI.")


async def _labels(window: Window, report: UsageReport, group_by: str | None) -> dict[str, str]:
    """The names of the sessions among the groups, where the transcripts still have them."""
    if group_by != "session":
        return {}
    return await window.manager.sessions.names([part.key for part in report.groups or ()])
