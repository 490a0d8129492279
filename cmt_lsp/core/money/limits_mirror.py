"""LimitsMirror: the budgets once more, in a small file beside the ledger, for the day the ledger cannot be opened.

Without it, losing the ledger would lift every budget. The ledger leads: the mirror follows it inside the ledger's own
transactions, and gives back what a damaged ledger has lost.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.errors import StoreUnavailableError
from cmt_lsp.core.money.budget import SCOPES, Limit
from cmt_lsp.core.money.budget_rows import append_limit, read_limits
from cmt_lsp.core.storage.state_dir import sync_dir

if TYPE_CHECKING:
    from pathlib import Path

    from cmt_lsp.core.storage.store import Connection

FILE_NAME = "limits.json"
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Copy:
    """The limits as of a place in the ledger's journal of limits."""

    seq: int
    limits: tuple[Limit, ...]


class LimitsMirror:
    """The file of last known limits; `agreed` runs on the ledger's thread, `last_known` on any."""

    def __init__(self, path: Path) -> None:
        self.notices: deque[str] = deque()
        self._path = path
        self._seen: _Copy | None = None
        self._failing = False

    def agreed(self, connection: Connection, *, at: float, window_id: str) -> tuple[Limit, ...]:
        """The limits set by command; part of the caller's immediate transaction.

        Where the journal of limits is shorter than the mirror remembers, rows were lost, and the mirror's limits are set
        again. Where it is longer, the mirror is written anew; one that cannot be written is tried again the next time.
        """
        newest = _newest(connection)
        if self._seen is None or self._seen.seq != newest:
            with suppress(OSError, ValueError):
                self._seen = self._load()
            if self._seen is not None and self._seen.seq > newest:
                _set_again(connection, self._seen.limits, at, window_id)
                newest = _newest(connection)
                self.notices.append("The ledger had lost your budgets; they are in force again as they were.")
        limits = read_limits(connection)
        if self._seen is None or self._seen.seq != newest:
            self._follow(_Copy(newest, limits))
        return limits

    def last_known(self) -> tuple[Limit, ...]:
        """The limits as they were when the ledger last worked; none where there is no such file.

        StoreUnavailableError: there is one and it cannot be read, so that no limit may be taken for absent.
        """
        try:
            found = self._load()
        except (OSError, ValueError) as error:
            raise StoreUnavailableError(
                f"The copy of your budgets, {self._path}, cannot be read; mend it or delete it."
            ) from error
        return found.limits if found is not None else ()

    def _follow(self, copy: _Copy) -> None:
        try:
            self._write(copy)
        except OSError as error:
            if not self._failing:
                self.notices.append(
                    f"The copy of your budgets, {self._path}, cannot be written ({error.strerror}): should the ledger be "
                    "lost, its budgets are lost too; make room for it."
                )
            self._failing = True
        else:
            self._failing = False

    def _load(self) -> _Copy | None:
        """None where no file is there: no limit was ever set. OSError, ValueError where it is unreadable."""
        try:
            handle = os.open(
                self._path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        with os.fdopen(handle, "rb") as file:
            return _decoded(json.loads(file.read(_MOST_BYTES)))

    def _write(self, copy: _Copy) -> None:
        """Make the file whole under another name, durable and private, and rename it."""
        if copy.seq == 0 and not self._path.exists():
            return  # no limit was ever set
        draft = self._path.with_name(f"{self._path.name}.new-{secrets.token_hex(4)}")
        text = json.dumps({"seq": copy.seq, "limits": [asdict(limit) for limit in copy.limits]})
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)
        sync_dir(self._path.parent)
        self._seen = copy


def _newest(connection: Connection) -> int:
    (seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM limits").fetchone()
    return int(seq)


def _set_again(connection: Connection, wanted: tuple[Limit, ...], at: float, window_id: str) -> None:
    """Bring the journal to what the mirror says, with new rows."""
    present = {limit.scope: limit for limit in read_limits(connection)}
    for limit in wanted:
        if present.pop(limit.scope, None) != limit:
            append_limit(connection, limit.scope, limit.limit_nano, limit.warn_at, at=at, window_id=window_id)
    for scope in present:
        append_limit(connection, scope, None, None, at=at, window_id=window_id)


def _decoded(raw: Any) -> _Copy:
    """ValueError for anything that `_write` does not write."""
    try:
        copy = _Copy(
            int(raw["seq"]),
            tuple(
                Limit(row["scope"], int(row["limit_nano"]), tuple(map(int, row["warn_at"])), "user")
                for row in raw["limits"]
            ),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("no copy of limits") from error
    if any(limit.scope not in SCOPES or limit.limit_nano <= 0 for limit in copy.limits):
        raise ValueError("no limits")
    return copy
