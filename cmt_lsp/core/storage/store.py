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
from cmt_lsp.core.storage.salvage import (
    SIDE_FILES,
    check_definitions,
    check_pages,
    check_rows,
    damage,
    definitions,
    has_code,
    is_damage,
    salvage,
)
from cmt_lsp.core.storage.state_dir import is_ours, secure_dir, sync_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from cmt_lsp.core.storage.salvage import Definition

T = TypeVar("T")
Connection: TypeAlias = sqlite3.Connection
BUSY_TIMEOUT_MS = 5000
FULL_CHECK_BYTES = 16 * 1024 * 1024
"""Up to this size every index is compared with its table at the start, and every sum with its rows (0.4 s)."""
QUICK_CHECK_BYTES = 64 * 1024 * 1024
"""Up to this size every page is read (0.2 s); damage in a larger file shows when a bad page is used."""

_STEPS_AHEAD = 1000
"""More steps than any later version can have."""
_LEAST_WAIT = 0.05
"""Seconds that even a late job waits for a lock: others hold it for some milliseconds only."""
_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; steps are only ever added, at the end."""

    name: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one of several changes gave, or the error for which it was undone."""

    result: object = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file holds: its steps in order, its tables, and how to make salvaged rows whole again."""

    migrations: tuple[Migration, ...]
    tables: tuple[str, ...]
    repair: tuple[str, ...] = ()
    audit: tuple[str, ...] = ()
    """Queries that give 0 for a sound file: damage that no page shows."""


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
            self._check_writable()
            with _transaction(connection):
                return change(connection)

        return self._guarded(transact, until)

    def write_together(
        self, changes: Sequence[Callable[[Connection], object]], until: float | None = None
    ) -> list[Outcome]:
        """Run changes one after the other and make them durable by one commit; what each gave, or why it was refused.

        A change that is refused leaves nothing behind and the others alone. Where SQLite itself fails, nothing of any of
        them is kept, and its error is raised.
        """

        def transact(connection: Connection) -> list[Outcome]:
            self._check_writable()
            with _transaction(connection):
                return [_apart(connection, change) for change in changes]

        return self._guarded(transact, until)

    def _check_writable(self) -> None:
        if self._newer:
            self._fail(
                f"{self.path.name} was written by a newer cmt-lsp and is only read; update cmt-lsp to save again."
            )

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
                if attempt == 2:
                    self._mend()
                connection = self._open()
                self._limit_wait(connection)
                return job(connection)
            except sqlite3.IntegrityError as error:
                raise InternalError(
                    f"The {self._noun} refused a change that contradicts what it holds."
                ) from error
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if not has_code(error, _HELD):
                    self.close()
                if is_damage(error) and attempt == 1:
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
        wanted = -(-int(self._wait() * 1000) // 50) * 50  # in steps, so that it rarely has to be set
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
                aside = self._set_aside()
                self._create()
                self._tell_kept("was empty", aside)
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
        """Choose the journal, prove that commits are durable, bring the schema up to date, look for damage."""
        size = self.path.stat().st_size
        if size <= QUICK_CHECK_BYTES:
            check_pages(connection, "integrity_check" if size <= FULL_CHECK_BYTES else "quick_check")
        if self._is_newer(connection):
            connection.execute("PRAGMA query_only=ON").close()
            self.notices.append(
                f"{self.path.name} was written by a newer cmt-lsp: it is only read, and nothing is saved; update cmt-lsp."
            )
            return
        self._choose_journal(connection)
        if connection.execute("PRAGMA synchronous").fetchone()[0] != 2:
            self._fail(f"SQLite does not keep {self.path.name} durable here (synchronous is not FULL).")
        try:
            _migrate(connection, self._schema.migrations)
        except sqlite3.OperationalError as error:
            if has_code(error, (sqlite3.SQLITE_ERROR,)):  # the file is not of the version that it claims
                raise damage("a step of the schema does not fit") from error
            raise
        check_definitions(connection, self._definitions())
        if size <= FULL_CHECK_BYTES:
            check_rows(connection, self._schema.audit)

    def _is_newer(self, connection: Connection) -> bool:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        known = len(self._schema.migrations)
        if not 0 <= version <= known + _STEPS_AHEAD:
            raise damage("a version that nobody wrote")
        self._newer = version > known
        return self._newer

    def _definitions(self) -> frozenset[Definition]:
        return definitions(
            statement for migration in self._schema.migrations for statement in migration.statements
        )

    def _is_sound(self) -> bool:
        """Whether there is nothing to mend, also because the file cannot be read for another reason than damage."""
        try:
            with closing(self._connect(self.path)) as connection:
                check_pages(connection, "integrity_check")
                if not self._is_newer(connection):
                    if connection.execute("PRAGMA user_version").fetchone()[0] < len(self._schema.migrations):
                        return False  # it is damaged, or it would have been brought up to date
                    check_definitions(connection, self._definitions())
                    check_rows(connection, self._schema.audit)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            return not is_damage(error)
        return True

    def _choose_journal(self, connection: Connection) -> None:
        """Leave it as it is where a window with another SQLite has the file open: any mode works for all."""
        try:
            connection.execute(f"PRAGMA journal_mode={self._journal_mode}").close()
        except sqlite3.OperationalError as error:
            if not has_code(error, _HELD):
                raise

    def _create(self, damaged: Path | None = None) -> str:
        """Make the file whole under another name and rename it, so that nobody ever meets half a file.

        What can be read of a `damaged` one is in it; the result says what that was.
        """
        draft = self.path.with_name(f"{self.path.name}.new-{secrets.token_hex(4)}")
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        try:
            with closing(self._connect(draft)) as connection:
                _migrate(connection, self._schema.migrations)
                saved = "" if damaged is None else self._salvage(damaged, connection)
            draft.replace(self.path)
            self.number += self._inode is not None
        finally:
            draft.unlink(missing_ok=True)
        sync_dir(self.path.parent)
        return saved

    def _mend(self) -> None:
        """Put a fresh file in the place of a damaged one, with all rows that can still be read."""
        with self._opening():
            if not self.path.exists() or self._is_sound():
                return
            aside = self._set_aside()
            try:
                saved = self._create(aside)
            except BaseException:
                _move(aside, self.path)
                raise
        self._tell_kept("was damaged", aside)
        self.notices.append(
            f"Recovered from the damaged {self._noun}: {saved}; rows on damaged pages are lost."
        )

    def _set_aside(self) -> Path:
        stamp = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}-{secrets.token_hex(2)}")
        _move(self.path, aside)
        return aside

    def _tell_kept(self, what: str, aside: Path) -> None:
        self.notices.append(f"The {self._noun} {what}; it is kept as {aside} and a fresh one was started.")

    def _salvage(self, damaged: Path, target: Connection) -> str:
        target.execute("PRAGMA foreign_keys=OFF").close()
        with _transaction(target):
            saved = salvage(damaged, target, self._schema.tables)
            for statement in self._schema.repair:
                target.execute(statement).close()
        # Else every later job would find damage, and set one more copy aside.
        check_rows(target, self._schema.audit)
        return saved

    def _sentence(self, error: Exception) -> str:
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


def _move(path: Path, to: Path) -> None:
    """Rename a file with all that belongs to it."""
    for side in SIDE_FILES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + side).replace(to.with_name(to.name + side))


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


def _apart(connection: Connection, change: Callable[[Connection], object]) -> Outcome:
    """One change of several in a transaction: its result, or the error that undid it and nothing else."""
    connection.execute("SAVEPOINT change").close()
    try:
        result = change(connection)
    except (sqlite3.Error, UnicodeDecodeError, OSError):
        raise
    except Exception as error:  # noqa: BLE001  whatever a change raises belongs to its caller
        connection.execute("ROLLBACK TO change").close()
        return Outcome(error=error)
    finally:
        with suppress(sqlite3.Error):  # gone where the whole transaction is
            connection.execute("RELEASE change").close()
    return Outcome(result)


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


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
