"""The ledger as a JSON file and back, a row at a time, in the format that a TokenTracker saves and loads.

An entry holds every column of its attempt. Imports go by the attempt's id: what is known already stays as it is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.usage_file import read_usage, write_usage
from cmt_lsp.core.money.attempt_json import COLUMNS, entry_of, row_of
from cmt_lsp.core.money.schema import TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo
    from typing import TextIO

    from cmt_lsp.core.money.attempt_json import Row
    from cmt_lsp.core.storage.store import Connection
    from cmt_lsp.core.storage.store_thread import Store

_PAGE = 1000
"""Rows that are read at once. A reader that stays in the file keeps other windows from writing."""
_CONTENT = ("session_id", "started_at", "model", *TOKENS[:5])
"""What tells a request without an id from others; not its cost, which may be booked later."""

_NAMES = ", ".join(COLUMNS)
_SELECT = f"SELECT seq, {_NAMES} FROM attempts WHERE seq > ? ORDER BY seq LIMIT {_PAGE}"  # noqa: S608  names of ours
# The rows of an import wait in a table of this connection's own, in a file that SQLite removes by itself. Temporary
# tables need no lock on the ledger, however long the reading takes.
_WAITING_ROOM = (
    "DROP TABLE IF EXISTS temp.waiting",
    "DROP TABLE IF EXISTS temp.same",
    f"CREATE TEMP TABLE waiting AS SELECT {_NAMES} FROM attempts WHERE 0",  # noqa: S608  the same
    "CREATE UNIQUE INDEX waiting_ids ON waiting (id)",
    "CREATE TEMP TABLE same (content BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID",
)
_WAIT = f"INSERT OR IGNORE INTO waiting VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608  the same
_COUNT_SAME = "INSERT INTO same VALUES (?, 1) ON CONFLICT (content) DO UPDATE SET times = times + 1"
# Looked up first: a conflict would use up a number, and the numbers tell how many rows a damaged file has lost.
_TAKE_OVER = (
    f"INSERT INTO attempts ({_NAMES}) SELECT {_NAMES} FROM waiting"  # noqa: S608  the same
    " WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.id = waiting.id) ORDER BY waiting.rowid"
)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: requests that are new in the ledger, and those that it knew."""

    added: int
    known: int


def export_ledger(store: Store, file: TextIO) -> int:
    """Write every attempt, in the order of booking; how many there were.

    Those that still run are there too, with their holds. The ledger may change meanwhile.
    """
    return write_usage(file, _entries(store))


def import_ledger(store: Store, file: TextIO, zone: tzinfo | None = None) -> Imported:
    """Add the attempts of a file, all or none: UsageFileError names the entry that is wrong.

    An entry without an id gets one made of its content, so that the same file adds nothing twice. A file of a
    TokenTracker says nothing of days: they begin in `zone`, else in this machine's.
    """
    # A ledger that cannot be written says so before the file is read.
    store.write(lambda _: None, keep=False).result()
    rows = read_usage(file, lambda entry: row_of(entry, zone))
    store.submit(_open_waiting_room).result()
    read = store.submit(partial(_let_wait, rows=rows)).result()
    added = store.write(_take_over, keep=False).result()
    return Imported(added, read - added)


def _open_waiting_room(connection: Connection) -> None:
    for statement in _WAITING_ROOM:
        connection.execute(statement).close()


def _let_wait(connection: Connection, rows: Iterable[Row]) -> int:
    """Put all rows into the table beside the ledger; how many were read."""
    read = 0
    connection.execute("BEGIN").close()
    try:
        for row in rows:
            row["id"] = row["id"] or _made_up_id(connection, row)
            connection.execute(_WAIT, [row[name] for name in COLUMNS]).close()
            read += 1
    finally:
        connection.execute("COMMIT").close()
    return read


def _take_over(connection: Connection) -> int:
    """Book what waits; how many rows are new. Part of the caller's transaction."""
    cursor = connection.execute(_TAKE_OVER)
    try:
        return cursor.rowcount
    finally:
        cursor.close()


def _made_up_id(connection: Connection, row: Row) -> str:
    """The same for the same content, and another one for each further request of just that content in the file."""
    content = json.dumps([row[name] for name in _CONTENT]).encode()
    digest = hashlib.sha256(content).digest()[:12]
    connection.execute(_COUNT_SAME, (digest,)).close()
    times = connection.execute("SELECT times FROM same WHERE content = ?", (digest,)).fetchall()[0][0]
    return f"import-{digest.hex()}" + (f"-{times}" if times > 1 else "")


def _entries(store: Store) -> Iterator[dict[str, Any]]:
    last = 0
    while page := store.submit(partial(_page, after=last)).result():
        for number, row in page:
            last = number
            yield entry_of(row)


def _page(connection: Connection, after: int) -> list[tuple[int, Row]]:
    rows = connection.execute(_SELECT, (after,))
    return [(row[0], dict(zip(COLUMNS, row[1:], strict=True))) for row in rows]
