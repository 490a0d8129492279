"""The sums that a status and a list of sessions show: a few rows each, however long the past is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.core.money.attempt import Totals
from cmt_lsp.core.money.schema import ATTEMPT_AS_SUM, FINAL
from cmt_lsp.core.money.sums import ADDED, sums_of
from cmt_lsp.core.storage.salvage import one_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmt_lsp.core.money.attempt import Origin, Sums
    from cmt_lsp.core.storage.store import Connection

_OF_TURN = f"SELECT {ADDED} FROM (SELECT {ATTEMPT_AS_SUM} FROM attempts WHERE turn_id = ? AND {FINAL})"  # noqa: S608  names of the schema, here and below
_OF_SESSION = f"SELECT {ADDED} FROM session_sums WHERE session_id = ?"  # noqa: S608
_OF_WINDOW = f"SELECT {ADDED} FROM session_sums WHERE window_id = ?"  # noqa: S608
_OF_DAY = f"SELECT {ADDED} FROM day_sums WHERE day = ?"  # noqa: S608
_AT_ONCE = 500
"""Sessions in one statement; SQLite takes a limited number of values."""


def totals(connection: Connection, origin: Origin, window_id: str, day: str) -> Totals:
    """What a turn, its session, a window and a day have used, as of one moment."""
    queries = (
        (_OF_TURN, origin.turn_id),
        (_OF_SESSION, origin.session_id),
        (_OF_WINDOW, window_id),
        (_OF_DAY, day),
    )
    with one_moment(connection):
        return Totals(*(sums_of(connection.execute(query, (key,)).fetchone()) for query, key in queries))


def sums_by_session(connection: Connection, session_ids: Sequence[str]) -> dict[str, Sums]:
    """What each session has used; sessions without an attempt in a final state are left out."""
    found: dict[str, Sums] = {}
    for start in range(0, len(session_ids), _AT_ONCE):
        some = session_ids[start : start + _AT_ONCE]
        rows = connection.execute(
            f"SELECT session_id, {ADDED} FROM session_sums"  # noqa: S608
            f" WHERE session_id IN ({', '.join('?' * len(some))}) GROUP BY session_id",
            some,
        )
        found.update({row[0]: sums_of(row[1:]) for row in rows})
    return found
