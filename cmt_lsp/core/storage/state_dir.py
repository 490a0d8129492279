"""The folder of this program's own files: found, made and kept private."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping


def find_state_dir(environ: Mapping[str, str]) -> Path:
    """`$CMT_STATE_DIR`, else `$XDG_STATE_HOME/cmt-lsp`, else the platform's own place; nothing is created."""
    chosen = environ.get("CMT_STATE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    home = environ.get("XDG_STATE_HOME")
    if home and Path(home).is_absolute():
        return Path(home) / "cmt-lsp"
    from platformdirs import user_state_path

    return user_state_path("cmt-lsp", appauthor=False)


def secure_dir(path: Path) -> None:
    """Make a private folder (0700 under any umask), or raise StoreUnavailableError where it is not ours alone.

    A symlink is refused: whoever planted it would choose where the transcripts go.
    """
    try:
        _make(path)
        found = path.lstat()
    except OSError as error:
        raise StoreUnavailableError(
            f"The state folder {path} cannot be made ({error.strerror}); set CMT_STATE_DIR to a folder of yours."
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "not a folder"
        raise StoreUnavailableError(
            f"The state folder {path} is {kind}; set CMT_STATE_DIR to a real folder of yours."
        )
    if not is_ours(found):
        raise StoreUnavailableError(
            f"The state folder {path} belongs to another user; set CMT_STATE_DIR to a folder of yours."
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)


def sync_dir(path: Path) -> None:
    """Make a rename durable; folders cannot be synced everywhere."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_ours(found: os.stat_result) -> bool:
    """Whether the file belongs to this user; always true where the platform has no such notion."""
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


def _make(path: Path) -> None:
    """Like `mkdir -p`, but private for the parents too: their mode would follow the umask."""
    if path.is_symlink() or path.exists():
        return
    _make(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
