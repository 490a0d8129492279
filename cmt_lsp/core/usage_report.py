"""The ledger's sums in the shape that scripts ask for: one summary of all sessions, and the same by session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmt_lsp.api.models import Cost
from cmt_lsp.api.token_tracker import figures
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.sums import ADDED, sums_of

if TYPE_CHECKING:
    from cmt_lsp.core.storage.store import Connection


def usage_by_session(connection: Connection) -> dict[str, Any]:
    """`global_summary` and `sessions`; tokens as whole numbers, money in US dollars."""
    rows = connection.execute(
        f"SELECT session_id, max(model), {ADDED} FROM session_sums GROUP BY session_id"  # noqa: S608  names of the schema
    )
    sessions = {row[0]: (row[1], sums_of(row[2:])) for row in rows}
    sums = [found for _, found in sessions.values()]
    usage = sum((one.usage for one in sums), Usage())
    total = figures(usage, Cost.sum(one.cost for one in sums), sum(one.requests for one in sums))
    return {
        "global_summary": {"session_count": len(sessions)} | total,
        "sessions": {
            session: {"model": model} | figures(one.usage, one.cost, one.requests)
            for session, (model, one) in sessions.items()
        },
    }
