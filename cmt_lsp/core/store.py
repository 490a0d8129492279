"""StoreFile: opening, securing, mending and using one SQLite file; used by one thread only.

A damaged file is moved aside and kept, and what can be read of it is carried into a fresh one. A file of a newer
schema is read and never written.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import stat
import time
from collections import deque
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn, TypeAlias, TypeVar

from cmt_lsp.api.errors import InternalError, StoreUnavailableError
from cmt_lsp.core.state_dir import is_ours, secure_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
Connection: TypeAlias = sqlite3.Connection

BUSY_TIMEOUT_MS = 5000
FULL_CHECK_BYTES = 64 * 1024 * 1024
"""A larger file is not read whole at every start; damage in it shows when a bad page is used."""

_LEAST_WAIT = 0.05
"""Seconds that even a late job waits for a lock: others hold it for some milliseconds only."""
_SIDE_FILES = ("", "-journal", "-wal", "-shm")
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; steps are only ever added, at the end."""

    name: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file holds: its steps in order, its tables, and how to make salvaged rows whole again."""

    migrations: tuple[Migration, ...]
    tables: tuple[str, ...]
    repair: tuple[str, ...] = ()


def choose_journal_mode(version: tuple[int, int, int]) -> str:
    """`wal` where SQLite has the mend of the WAL-reset bug, else `truncate`.

    That bug (3.7.0 to 3.51.2, mended also in 3.50.7 and 3.44.6) loses commits when several processes share a file.
    """
    mended = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)
    return "wal" if mended else "truncate"


class StoreFile:
    """One file and the connection to it."""

    def __init__(
        self,
        path: Path,
        schema: Schema,
        clock: Callable[[], float],
        sqlite_version: tuple[int, int, int] | None = None,
        noun: str = "session store",
    ) -> None:
        """`noun` is what the person knows the file as."""
        self.path = path
        self.notices: deque[str] = deque()
        self.last_failure = ""
        self.number = 0
        """Grows when a fresh file takes the place of one that this process had in use."""
        self._schema = schema
        self._clock = clock
        self._noun = noun
        self._journal_mode = choose_journal_mode(sqlite_version or sqlite3.sqlite_version_info)
        self._until: float | None = None
        self._busy_ms = 0
        self._connection: Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._newer = False

    def read(self, job: Callable[[Connection], T], until: float | None = None) -> T:
        """Run `job`; StoreUnavailableError where the file cannot be read.

        `until`, a moment of `time.monotonic`, ends the wait for a lock of another process sooner than usual.
        """
        return self._guarded(job, until)

    def write(self, change: Callable[[Connection], T], until: float | None = None) -> T:
        """Run `change` in one immediate transaction and make it durable; `until` as for `read`."""

        def transact(connection: Connection) -> T:
            if self._newer:
                self._fail(
                    f"{self.path.name} was written by a newer cmt-lsp and is only read; update cmt-lsp to save again."
                )
            with _transaction(connection):
                return change(connection)

        return self._guarded(transact, until)

    def close(self) -> None:
        """Close the connection; the next use opens the file again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _guarded(self, job: Callable[[Connection], T], until: float | None) -> T:
        """Open where needed, run, and give SQLite's errors a kind and a sentence; damage is mended once."""
        self._until = until
        for attempt in (1, 2):
            try:
                connection = self._open()
                self._limit_wait(connection)
                return job(connection)
            except sqlite3.IntegrityError as error:
                raise InternalError(
                    f"The {self._noun} refused a change that contradicts what it holds."
                ) from error
            except sqlite3.DatabaseError as error:
                if not _has_code(error, _HELD):
                    self.close()
                if _has_code(error, _DAMAGED) and attempt == 1:
                    self._mend()
                    continue
                self._fail(self._sentence(error), error)
            except OSError as error:
                self.close()
                self._fail(
                    f"{self.path} cannot be used ({error.strerror}); check the disk and the folder.", error
                )
        raise AssertionError("the second attempt returns or raises")

    def _fail(self, sentence: str, cause: BaseException | None = None) -> NoReturn:
        self.last_failure = sentence
        raise StoreUnavailableError(sentence) from cause

    def _wait(self) -> float:
        """Seconds that this job may still wait for a lock of another process."""
        longest = BUSY_TIMEOUT_MS / 1000
        if self._until is None:
            return longest
        return min(longest, max(_LEAST_WAIT, self._until - time.monotonic()))

    def _limit_wait(self, connection: Connection) -> None:
        wanted = int(self._wait() * 1000)
        if wanted != self._busy_ms:
            connection.execute(f"PRAGMA busy_timeout={wanted}").close()
            self._busy_ms = wanted

    def _open(self) -> Connection:
        """The connection to the file that is at the path now: another process may have moved ours aside."""
        if self._connection is not None and self._inode == _inode(self.path):
            return self._connection
        self.close()
        secure_dir(self.path.parent)
        with self._opening():
            self._check_owner()
            if not self.path.exists():
                self._create()
            elif self.path.stat().st_size == 0:
                self._set_aside("was empty")
                self._create()
            connection = self._connect(self.path)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection, self._inode = connection, _inode(self.path)
        return connection

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        """One process at a time makes, checks, migrates or mends the file."""
        from filelock import FileLock, Timeout

        locks = self.path.parent / "locks"
        secure_dir(locks)
        lock = FileLock(locks / f"{self.path.name}.lock", timeout=self._wait(), mode=0o600)
        try:
            lock.acquire()
        except Timeout as error:
            self._fail(f"Another cmt-lsp holds the {self._noun}; it is tried again at the next turn.", error)
        try:
            yield
        finally:
            lock.release()

    def _check_owner(self) -> None:
        with suppress(FileNotFoundError):
            found = self.path.lstat()
            if not stat.S_ISREG(found.st_mode) or not is_ours(found):
                self._fail(f"{self.path} is not a file of yours; move it away or set CMT_STATE_DIR.")
            if found.st_mode & 0o077:
                self.path.chmod(0o600)

    def _connect(self, path: Path) -> Connection:
        wait = self._wait()
        connection = sqlite3.connect(path, isolation_level=None, timeout=wait)
        self._busy_ms = int(wait * 1000)
        # Damage inside a text must cost that text's letters, not the whole row.
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}").close()
        return connection

    def _prepare(self, connection: Connection) -> None:
        """Choose the journal, prove that commits are durable, check the pages, bring the schema up to date."""
        if self.path.stat().st_size <= FULL_CHECK_BYTES:
            _check(connection)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        self._newer = version > len(self._schema.migrations)
        if self._newer:
            connection.execute("PRAGMA query_only=ON").close()
            self.notices.append(
                f"{self.path.name} was written by a newer cmt-lsp: it is only read, and nothing is saved; update cmt-lsp."
            )
            return
        connection.execute(f"PRAGMA journal_mode={self._journal_mode}").close()
        if connection.execute("PRAGMA synchronous").fetchone()[0] != 2:
            self._fail(f"SQLite does not keep {self.path.name} durable here (synchronous is not FULL).")
        _migrate(connection, self._schema.migrations)

    def _create(self) -> None:
        """Make the file whole under another name and rename it, so that nobody ever meets half a file."""
        draft = self.path.with_name(f"{self.path.name}.new-{secrets.token_hex(4)}")
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        try:
            with closing(self._connect(draft)) as connection:
                _migrate(connection, self._schema.migrations)
            draft.replace(self.path)
            self.number += self._inode is not None
        finally:
            draft.unlink(missing_ok=True)
        sync_dir(self.path.parent)

    def _mend(self) -> None:
        """Put a fresh file in the place of a damaged one, with all rows that can still be read."""
        with self._opening():
            if self.path.exists() and not _is_sound(self.path):
                aside = self._set_aside("was damaged")
                self._create()
                self._salvage(aside)

    def _set_aside(self, what: str) -> Path:
        stamp = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}-{secrets.token_hex(2)}")
        for side in _SIDE_FILES:
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + side).replace(aside.with_name(aside.name + side))
        self.notices.append(f"The {self._noun} {what}; it is kept as {aside} and a fresh one was started.")
        return aside

    def _salvage(self, aside: Path) -> None:
        with closing(self._connect(self.path)) as target:
            target.execute("PRAGMA foreign_keys=OFF").close()
            saved = [_carried(aside, target, table) for table in self._schema.tables]
            with _transaction(target):
                for statement in self._schema.repair:
                    target.execute(statement).close()
        self.notices.append(
            f"Recovered from the damaged {self._noun}: {', '.join(saved)}; rows on damaged pages are lost."
        )

    def _sentence(self, error: sqlite3.Error) -> str:
        reasons = {
            sqlite3.SQLITE_BUSY: "another process holds it; it is tried again at the next turn",
            sqlite3.SQLITE_LOCKED: "another process holds it; it is tried again at the next turn",
            sqlite3.SQLITE_FULL: "the disk is full; free some space",
            sqlite3.SQLITE_READONLY: "it is read-only; make it writable or set CMT_STATE_DIR",
            sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the folder's permissions",
            sqlite3.SQLITE_IOERR: "the disk does not answer; check it",
        }
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return f"The {self._noun} {self.path} failed: {reasons.get(code, 'SQLite says ' + str(error))}."


@contextlib.contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """One view of the file for several statements, whatever other processes write meanwhile."""
    connection.execute("BEGIN").close()
    try:
        yield
    finally:
        connection.execute("ROLLBACK").close()


def sync_dir(path: Path) -> None:
    """Make a rename durable; folders cannot be synced everywhere."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE").close()
    try:
        yield
        connection.execute("COMMIT").close()
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK").close()
        raise


def _migrate(connection: Connection, migrations: tuple[Migration, ...]) -> None:
    """Run the missing steps in one transaction; another process may have run them meanwhile."""
    if connection.execute("PRAGMA user_version").fetchone()[0] >= len(migrations):
        return
    with _transaction(connection):
        done = connection.execute("PRAGMA user_version").fetchone()[0]
        for migration in migrations[done:]:
            for statement in migration.statements:
                connection.execute(statement).close()
        connection.execute(f"PRAGMA user_version={max(done, len(migrations))}").close()


def _check(connection: Connection) -> None:
    """Raise SQLite's own damage error when a page does not fit the others."""
    first = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if first is None or first[0] != "ok":
        error = sqlite3.DatabaseError("a page does not fit the others")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
            _check(connection)
    except sqlite3.DatabaseError as error:
        return not _has_code(error, _DAMAGED)
    return True


def _carried(aside: Path, target: Connection, table: str) -> str:
    """Carry a table over and say how many rows came, and how many did not where its numbering tells."""
    count = _carry_over(aside, target, table)
    lost = max(0, _highest_number(aside, target, table) - count)
    return f"{count} {table} ({lost} lost)" if lost else f"{count} {table}"


def _highest_number(aside: Path, target: Connection, table: str) -> int:
    """The number of the newest row that a numbered table ever had; 0 for other tables."""
    query = "SELECT seq FROM sqlite_sequence WHERE name=?"
    numbers = [0]
    with suppress(sqlite3.Error), closing(_immutable(aside)) as source:
        numbers += [row[0] for row in source.execute(query, (table,))]
    with suppress(sqlite3.Error):
        numbers += [row[0] for row in target.execute(query, (table,))]
    return max(number for number in numbers if isinstance(number, int))


def _immutable(path: Path) -> Connection:
    """For reading only: playing back its journal would change a file that is to be kept."""
    connection = sqlite3.connect(f"file:{_uri_path(path)}?immutable=1", uri=True)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def _carry_over(aside: Path, target: Connection, table: str) -> int:
    """Copy every readable row, from the front up to the damage and then from the back; the count is returned."""
    before = target.total_changes
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error), closing(_immutable(aside)) as source:
            rows = source.execute(f"SELECT * FROM {table} ORDER BY rowid {order}")  # noqa: S608  a name of our schema
            columns = [column[0] for column in rows.description]
            _insert_all(target, table, columns, rows)
    return target.total_changes - before


def _insert_all(target: Connection, table: str, columns: list[str], rows: sqlite3.Cursor) -> None:
    known = {row[1] for row in target.execute(f"PRAGMA table_info({table})")}
    kept = [index for index, name in enumerate(columns) if name in known]
    names = ", ".join(columns[index] for index in kept)
    marks = ", ".join("?" * len(kept))
    statement = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  names of our schema
    for row in rows:
        with suppress(sqlite3.IntegrityError, sqlite3.InterfaceError):
            target.execute(statement, [row[index] for index in kept]).close()


def _has_code(error: sqlite3.Error, codes: tuple[int, ...]) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in codes


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _uri_path(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))
