"""Which attempts of a turn have not ended yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmt_lsp.core.storage.store import Connection


def open_attempts(connection: Connection, turn_id: str) -> list[str]:
    """The ids of the turn's attempts that are booked and not settled, in the order of booking."""
    rows = connection.execute(
        "SELECT id FROM attempts WHERE turn_id = ? AND state IN ('reserved', 'streaming') ORDER BY seq",
        (turn_id,),
    )
    return [row[0] for row in rows]
