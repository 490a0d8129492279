"""Salvage: finding damage in an SQLite file, and reading out of a damaged one whatever can still be read."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Connection: TypeAlias = sqlite3.Connection
Definition: TypeAlias = tuple[str, str, str, str]
"""Type, name, table and statement of something in a file's schema."""

SIDE_FILES = ("", "-journal", "-wal", "-shm")
"""What belongs to a file, itself included."""
_MOST_MISSED = 1500
"""Tries in vain, in ever wider steps, before a table is taken for read: they go 23,000 numbers far, more than the rows
below any one damaged page."""
_WIDEST_GAP = 1_000_000
"""Between the numbers of two rows; what says more is damaged."""
_MOST_ADDED = 16 * 1024 * 1024
"""Bytes that may be missing at a file's end; a damaged header may tell of any number."""
_DEFINITIONS = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""The second one comes of SQLite's own message about a damaged name."""


def check_pages(connection: Connection, pragma: str) -> None:
    """Raise SQLite's own damage error when a page does not fit the others."""
    first = connection.execute(f"PRAGMA {pragma}(1)").fetchone()
    if first is None or first[0] != "ok":
        raise damage("a page does not fit the others")


def check_rows(connection: Connection, audit: tuple[str, ...]) -> None:
    """Raise the same error when rows contradict each other: each query gives 0 for a sound file."""
    with one_moment(connection):
        if any(connection.execute(query).fetchone()[0] for query in audit):
            raise damage("rows contradict each other")


def definitions(statements: Iterable[str]) -> frozenset[Definition]:
    """What a file holds of tables, indexes and triggers once these statements have run."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            connection.execute(statement).close()
        return frozenset(connection.execute(_DEFINITIONS))


def check_definitions(connection: Connection, wanted: frozenset[Definition]) -> None:
    """Raise the same error when a definition is not as it was made: it may name a column that does not exist."""
    if not wanted <= set(connection.execute(_DEFINITIONS)):
        raise damage("a definition was changed")


def is_damage(error: Exception) -> bool:
    """Whether the file is to blame, and not the disk, a lock or the caller."""
    return isinstance(error, UnicodeDecodeError) or has_code(error, _DAMAGED)


def damage(what: str) -> sqlite3.DatabaseError:
    """SQLite's own error for a damaged file."""
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def has_code(error: Exception, codes: tuple[int, ...]) -> bool:
    """Whether SQLite gave one of these primary result codes."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in codes


@contextlib.contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """One view of the file for several statements, whatever other processes write meanwhile."""
    connection.execute("BEGIN").close()
    try:
        yield
    finally:
        connection.execute("ROLLBACK").close()


def salvage(damaged: Path, target: Connection, tables: tuple[str, ...]) -> str:
    """Copy every row that can be read; the sentence says how many, and how many not where a table's numbers tell.

    The damaged file is not changed. Where more is wrong with it than its rows, a copy is put right and read first: it
    gets the changes in its journal, which may be nowhere else, and its length and its definitions, without which SQLite
    reads nothing at all.
    """
    with contextlib.ExitStack() as stack:
        sources = [damaged]
        if _is_short(damaged) or _has_journal(damaged) or not _is_defined(damaged, target):
            sources.insert(0, stack.enter_context(_copied(damaged, target)))
        counts = [_carried(sources, damaged, target, table) for table in tables]
    return ", ".join(counts)


def _is_short(path: Path) -> bool:
    return _told_size(path) > _size(path)


def _has_journal(path: Path) -> bool:
    return any(_size(path, side) for side in ("-journal", "-wal"))


def _is_defined(path: Path, target: Connection) -> bool:
    """Whether the file has the definitions of its successor."""
    with suppress(*_UNREADABLE), closing(_reader(path, immutable=True)) as reader:
        return set(target.execute(_DEFINITIONS)) == set(reader.execute(_DEFINITIONS))
    return False


@contextlib.contextmanager
def _copied(path: Path, target: Connection) -> Iterator[Path]:
    copy = path.with_name(f"{path.name}.copy-{secrets.token_hex(2)}")
    try:
        for side in SIDE_FILES[:3]:
            if _size(path, side):
                source, place = path.with_name(path.name + side), copy.with_name(copy.name + side)
                place.touch(mode=0o600, exist_ok=False)
                shutil.copyfile(source, place)
        os.truncate(copy, max(_told_size(path), _size(path)))
        _define(copy, target)
        yield copy
    finally:
        for side in SIDE_FILES:
            copy.with_name(copy.name + side).unlink(missing_ok=True)


def _define(copy: Path, target: Connection) -> None:
    """Give a file the definitions of its successor; they come in the same order, for steps are only ever added."""
    wanted = target.execute("SELECT type, name, tbl_name, sql, rowid FROM sqlite_master").fetchall()
    with suppress(*_UNREADABLE), closing(_reader(copy, immutable=False)) as connection:
        connection.executemany(
            "UPDATE sqlite_master SET type = ?, name = ?, tbl_name = ?, sql = ? WHERE rowid = ?", wanted
        )
        connection.commit()


def _told_size(path: Path) -> int:
    """How long the file is by its own header, where that is believable; see https://sqlite.org/fileformat.html."""
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100:
        return 0
    page = int.from_bytes(header[16:18], "big")
    told = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
    return told if told <= _size(path) * 4 + _MOST_ADDED else 0


def _size(path: Path, side: str = "") -> int:
    with suppress(OSError):
        return path.with_name(path.name + side).stat().st_size
    return 0


def _carried(sources: list[Path], damaged: Path, target: Connection, table: str) -> str:
    for source in sources:
        with suppress(*_UNREADABLE), closing(_reader(source, immutable=source == damaged)) as reader:
            _carry_over(reader, target, table)
    (count,) = target.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  a name of our schema
    lost = max(0, _highest_number(sources, damaged, target, table) - count)
    return f"{count} {table} ({lost} lost)" if lost else f"{count} {table}"


def _reader(path: Path, *, immutable: bool) -> Connection:
    """Immutable for the file that is to be kept: playing back its journal would change it."""
    from urllib.parse import quote

    connection = sqlite3.connect(f"file:{quote(str(path))}?immutable={int(immutable)}", uri=True)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    # With this, and after a first failure, SQLite works with those tables whose definitions it can read.
    connection.execute("PRAGMA writable_schema=ON").close()
    with suppress(*_UNREADABLE):
        connection.execute("SELECT 1 FROM sqlite_master").close()
    return connection


def _carry_over(reader: Connection, target: Connection, table: str) -> None:
    present = {row[1] for row in reader.execute(f"PRAGMA table_info({table})")}
    wanted = target.execute(f"PRAGMA table_info({table})").fetchall()
    names = ", ".join(row[1] for row in wanted if row[1] in present)
    key = [row[1] for row in sorted(wanted, key=lambda row: row[5]) if row[5]]
    marks = ", ".join("?" * (names.count(",") + 1))
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  names of our schema
    numbered = _has_numbers(target, table)
    rows = _rows_by_number(reader, table, names) if numbered else _rows_by_key(reader, table, names, key)
    for row in rows:
        with suppress(sqlite3.IntegrityError, sqlite3.InterfaceError):
            target.execute(insert, row).close()


def _has_numbers(connection: Connection, table: str) -> bool:
    try:
        connection.execute(f"SELECT rowid FROM {table} LIMIT 0").close()  # noqa: S608  a name of our schema
    except sqlite3.OperationalError:
        return False
    return True


def _rows_by_number(reader: Connection, table: str, names: str) -> Iterator[list[Any]]:
    """Every row that can be found by its number: behind a damaged page the next number is tried, and the next.

    Numbers only ever grow here, whatever a damaged page says, so that this comes to an end. Next to damage rows are
    read one by one: Python looks one row ahead, and drops the row in its hand when that one cannot be read.
    """
    query = f"SELECT rowid, {names} FROM {table} NOT INDEXED WHERE rowid >= ? ORDER BY rowid LIMIT ?"  # noqa: S608
    number = missed = 0
    while missed < _MOST_MISSED:
        at_once = 1 if missed else -1
        at_end = True
        try:
            for found, *row in reader.execute(query, (number, at_once)):
                if not number <= found <= number + _WIDEST_GAP:
                    raise damage("a number out of order")
                yield row
                number, missed, at_end = found + 1, 0, at_once < 0
        except _UNREADABLE as error:
            if not is_damage(error):
                return
            number, missed = number + (1 + missed // 50 if missed else 0), missed + 1
            at_end = False
        if at_end:
            return


def _rows_by_key(reader: Connection, table: str, names: str, key: list[str]) -> Iterator[list[Any]]:
    """Rows from the front up to the damage, and then from the back."""
    for order in ("ASC", "DESC"):
        by = ", ".join(f"{name} {order}" for name in key)
        with suppress(*_UNREADABLE):
            yield from map(list, reader.execute(f"SELECT {names} FROM {table} ORDER BY {by}"))  # noqa: S608


def _highest_number(sources: list[Path], damaged: Path, target: Connection, table: str) -> int:
    """The number of the newest row that a numbered table ever had; 0 for other tables."""
    query = "SELECT seq FROM sqlite_sequence WHERE name = ?"
    found = [0]
    with suppress(sqlite3.Error):
        found += [row[0] for row in target.execute(query, (table,))]
    for source in sources:
        with suppress(*_UNREADABLE), closing(_reader(source, immutable=source == damaged)) as reader:
            found += [row[0] for row in reader.execute(query, (table,))]
    return max(number for number in found if isinstance(number, int))
