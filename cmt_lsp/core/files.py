"""Reading a file the person named: inside the workspace, regular, small, text; opened once."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BlockedFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_LIMIT = 5 * 1024 * 1024
"""Bytes of one text file."""
_KERNEL = (Path("/proc"), Path("/sys"))
"""What looks like files there is the machine itself: environments and keys of every process."""
_DEVICES = frozenset(
    (
        "con",
        "prn",
        "aux",
        "nul",
        "conin$",
        "conout$",
        *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
    )
)


def read_file(path: str | Path, workspace_folders: Iterable[str | Path]) -> str:
    """The text of a workspace file; BlockedFileError says why it may not or cannot be read.

    Links are resolved first and the result must lie inside a resolved folder, compared part by part. Then each part
    is opened without following links, so a link that appears in between is refused and not followed.
    """
    try:
        folder, inside = _place(Path(path), workspace_folders)
        handle = _open_inside(folder, inside)
    except (OSError, ValueError, RuntimeError) as error:
        raise BlockedFileError(f"{_shown(path)} cannot be opened ({_reason(error)}).") from error
    try:
        return _read_text(handle, path)
    finally:
        os.close(handle)


def _place(path: Path, folders: Iterable[str | Path]) -> tuple[Path, Path]:
    """The resolved workspace folder that holds the file, and the way from there."""
    if not path.is_absolute():
        raise BlockedFileError(f"{_shown(path)} is no absolute path; send the whole path.")
    if os.name == "nt" and (trouble := windows_trouble(path.parts[1:])):
        raise BlockedFileError(f"{_shown(path)} {trouble}; name a file.")
    resolved = path.resolve(strict=True)
    if any(resolved.is_relative_to(kernel) for kernel in _KERNEL):
        raise BlockedFileError(f"{_shown(path)} is no file on a disk; attach a text file.")
    for folder in folders:
        root = Path(folder).resolve()
        if resolved.is_relative_to(root) and resolved != root:
            return root, resolved.relative_to(root)
    raise BlockedFileError(
        f"{_shown(path)} lies outside the workspace; open it in the editor to attach it from there."
    )


def windows_trouble(parts: Iterable[str]) -> str | None:
    """What a path means on Windows that is no file: a device in any folder, a second stream of a file."""
    for part in parts:
        if ":" in part:
            return "names a stream of a file"
        if part.rstrip(" .").partition(".")[0].rstrip().lower() in _DEVICES:
            return "names a device"
    return None


def _open_inside(folder: Path, inside: Path) -> int:
    """Open part by part, following no link; O_NONBLOCK keeps a pipe from blocking the open."""
    flags = (
        os.O_RDONLY
        | getattr(os, "O_NOFOLLOW", 0)
        | getattr(os, "O_NONBLOCK", 0)
        | getattr(os, "O_CLOEXEC", 0)
    )
    if os.open not in os.supports_dir_fd:
        return os.open(folder / inside, flags)
    handle = os.open(folder, flags | os.O_DIRECTORY)
    for index, part in enumerate(inside.parts):
        last = index == len(inside.parts) - 1
        try:
            if last:
                _check_kind(os.stat(part, dir_fd=handle, follow_symlinks=False), inside)
            deeper = os.open(part, flags if last else flags | os.O_DIRECTORY, dir_fd=handle)
        finally:
            os.close(handle)
        handle = deeper
    return handle


def _read_text(handle: int, path: str | Path) -> str:
    _check_kind(os.fstat(handle), path)
    data = _read_up_to(handle, FILE_LIMIT + 1)
    if len(data) > FILE_LIMIT:
        raise _too_large(path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BlockedFileError(
            f"{_shown(path)} is not UTF-8 text; save it as UTF-8 or attach a part."
        ) from error


def _check_kind(found: os.stat_result, path: str | Path) -> None:
    """Kind and size, before the file is opened too, since to open a device may already do something."""
    if not stat.S_ISREG(found.st_mode):
        raise BlockedFileError(f"{_shown(path)} is no regular file; attach a text file.")
    if found.st_size > FILE_LIMIT:
        raise _too_large(path)


def _too_large(path: str | Path) -> BlockedFileError:
    return BlockedFileError(f"{_shown(path)} is over {FILE_LIMIT // 2**20} MB; attach a selection of it.")


def _read_up_to(handle: int, limit: int) -> bytes:
    """At most `limit` bytes: a file may grow while it is read, and some claim a size of zero and have no end."""
    pieces: list[bytes] = []
    left = limit
    while left and (piece := os.read(handle, min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _shown(path: str | Path) -> str:
    return repr(str(path))[:300]


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else "not a usable path"
