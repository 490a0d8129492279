"""Spool: entries that the ledger could not take, kept durably in a second place until it can.

One file for each process, one line for each entry. Whoever finds the file of a dead process takes it over by renaming
it, and books what it holds. Entries are applied in any order and any number of times, so nothing is counted twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import time
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.errors import StoreUnavailableError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.entry import Closing, Hearing, Opening
from cmt_lsp.core.money.holder import LEASE_SECONDS, Holder, is_gone, this_machine
from cmt_lsp.core.storage.state_dir import is_ours, secure_dir, sync_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cmt_lsp.core.money.entry import Entry

_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def spool_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where a spool may lie, the best place first: never where the ledger lies, whose disk may be full."""
    home = environ.get("XDG_CACHE_HOME")
    if home and Path(home).is_absolute():
        cache = Path(home) / "cmt-lsp"
    else:
        from platformdirs import user_cache_path

        cache = user_cache_path("cmt-lsp", appauthor=False)
    from tempfile import gettempdir

    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    return cache / "spool", Path(gettempdir()) / f"cmt-lsp-spool-{user}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries on their way into the ledger, and the files that hold them."""

    own: tuple[Entry, ...]
    adopted: tuple[Entry, ...]
    files: tuple[Path, ...]
    damaged: tuple[Path, ...]
    """Adopted files with lines that nobody can read."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them."""
        return self.own + self.adopted


class Spool:
    """The spool of one process for one ledger; used by one thread at a time.

    What this process spooled stays in memory too, so that only its own death makes the file needed.
    """

    def __init__(self, folders: Sequence[Path], ledger: Path, holder: Holder) -> None:
        self._folders = folders
        self._prefix = _prefix(ledger)
        self._owner = f"{_digest(holder.machine)}_{holder.pid}_{holder.started!r}"
        self._handle: int | None = None
        self._own: list[Entry] = []
        self._own_files: list[Path] = []
        self._adopted: list[Path] = []

    @property
    def waiting(self) -> bool:
        """Whether anything waits to be booked."""
        return bool(self._own or self._adopted)

    def append(self, entries: Iterable[Entry]) -> Path | None:
        """Keep entries; the file they are in, durably, or None where no place takes them and only memory is left."""
        kept = list(entries)
        self._own += kept
        lines = b"".join(map(_encoded, kept))
        for folder in (None, *self._folders):  # the file in use, then a fresh one wherever there is a place
            with suppress(OSError, StoreUnavailableError):
                if folder is not None:
                    self._create(folder)
                if self._handle is not None and self._is_in_place(self._handle):
                    _write(self._handle, lines)
                    return self._own_files[-1]
            self._put_down()
        return None

    def adopt(self) -> None:
        """Take over the files of processes that are gone."""
        for folder in self._folders:
            with suppress(OSError):
                if _is_private(folder):
                    for path in folder.glob(f"{self._prefix}*.jsonl"):
                        self._adopt(path)

    def touch(self) -> None:
        """Say that this process is still there, to those who cannot look at it."""
        for path in (*self._own_files, *self._adopted):
            with suppress(OSError):
                os.utime(path)

    def take(self) -> Batch:
        """All that waits; the caller ends it with `discard` or `keep`."""
        self._put_down()
        entries: list[Entry] = []
        read: list[Path] = []
        damaged: list[Path] = []
        for path in self._adopted:
            with suppress(OSError):
                found, whole = _read(path)
                entries += found
                read.append(path)
                if not whole:
                    damaged.append(path)
        batch = Batch(tuple(self._own), tuple(entries), (*self._own_files, *read), tuple(damaged))
        self._adopted = [path for path in self._adopted if path not in read]
        self._own, self._own_files = [], []
        return batch

    def discard(self, batch: Batch, *, all_read: bool = True) -> list[Path]:
        """The ledger has it: remove the files, but keep those with lines that could not be read under another name."""
        kept: list[Path] = []
        for path in batch.files:
            with suppress(OSError):
                if all_read and path not in batch.damaged:
                    path.unlink()
                else:
                    kept.append(path.replace(path.with_suffix(".damaged")))
        return kept

    def keep(self, batch: Batch) -> None:
        """The ledger still does not take it."""
        self._own[:0] = batch.own
        self._adopted += batch.files

    def _create(self, folder: Path) -> None:
        secure_dir(folder)
        path = folder / self._new_name()
        self._handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | _FLAGS, 0o600)
        self._own_files.append(path)
        sync_dir(folder)

    def _new_name(self) -> str:
        return f"{self._prefix}{self._owner}_{secrets.token_hex(4)}.jsonl"

    def _is_in_place(self, handle: int) -> bool:
        """Whether the file is still where others will look for it."""
        return os.path.samestat(os.fstat(handle), self._own_files[-1].lstat())

    def _put_down(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):
                os.close(handle)

    def _adopt(self, path: Path) -> None:
        found = path.lstat()
        owner = _owner_of(path.name)
        if owner is None or self._owner in path.name or not stat.S_ISREG(found.st_mode) or not is_ours(found):
            return
        if is_gone(owner, found.st_mtime + LEASE_SECONDS, time.time()):
            ours = path.with_name(self._new_name())
            with suppress(FileNotFoundError):  # another process was faster
                path.rename(ours)
                self._adopted.append(ours)


def waiting_files(folders: Iterable[Path], ledger: Path) -> list[Path]:
    """The files in which processes keep what this ledger could not take, their own and dead ones'."""
    found: list[Path] = []
    for folder in folders:
        with suppress(OSError):
            found += folder.glob(f"{_prefix(ledger)}*.jsonl")
    return found


def _prefix(ledger: Path) -> str:
    return f"spool_{_digest(str(ledger))}_"


def _is_private(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and is_ours(found)


def _owner_of(name: str) -> Holder | None:
    """The process that a file's name speaks of; None for a name that is not one of ours."""
    with suppress(ValueError):
        _, _, machine, pid, started, _ = name.split("_")
        here = this_machine()
        return Holder(here if machine == _digest(here) else machine, int(pid), float(started))
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _write(handle: int, lines: bytes) -> None:
    """Append durably, or leave the file as it was and raise OSError."""
    size = os.fstat(handle).st_size
    try:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except OSError:
        with suppress(OSError):
            os.ftruncate(handle, size)
        raise


def _read(path: Path) -> tuple[list[Entry], bool]:
    """The entries of a file, and whether every line that was finished could be read.

    A last line without its end was never acknowledged to anybody.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | _FLAGS), "rb") as file:
        *lines, _ = file.read().split(b"\n")
    entries = [entry for line in lines if (entry := _decoded(line)) is not None]
    return entries, len(entries) == len(lines)


def _encoded(entry: Entry) -> bytes:
    text = json.dumps({"is": type(entry).__name__, **asdict(entry)}, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _decoded(line: bytes) -> Entry | None:
    """None for a line that is not as it was written."""
    with suppress(ValueError, TypeError, KeyError):
        if zlib.crc32(line[9:]) == int(line[:8], 16):
            return _entry(json.loads(line[9:]))
    return None


def _entry(raw: dict[str, Any]) -> Entry:
    name = raw.pop("is")
    if name == "Opening":
        return Opening(**raw)
    opening = raw.pop("opening")
    parts = {
        "usage": Usage(**raw.pop("usage")),
        "cost": Cost(**raw.pop("cost")),
        "opening": opening and Opening(**opening),
    }
    made: Hearing | Closing = {"Hearing": Hearing, "Closing": Closing}[name](**raw, **parts)
    return made
