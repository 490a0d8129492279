"""The private place where a tool leaves its picture: one folder for each, gone at once, and after a kill at the next start.

The name of a folder tells the process that made it, so that a sweep leaves the folders of living ones alone.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import NoPictureError
from cmt_lsp.core.storage.process_start import UNKNOWN, process_start
from cmt_lsp.core.storage.state_dir import is_ours, secure_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "pictures"
"""In the state folder."""
FILE_NAME = "picture.png"

_NAME = re.compile(r"(?P<pid>\d+)-(?P<start>\d+\.\d+)-[0-9a-f]{16}")
_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


@contextmanager
def private_file(state_dir: Path) -> Iterator[Path]:
    """An empty file of mode 0600 in a folder of mode 0700 of its own; the folder and all in it are gone afterwards.

    The folder is what keeps others out: a tool may write a new file in the place of ours, with any mode, or more than
    one.
    """
    place = state_dir / FOLDER
    secure_dir(state_dir)
    secure_dir(place)
    folder = place / f"{os.getpid()}-{process_start(os.getpid()) or UNKNOWN}-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    try:
        path = folder / FILE_NAME
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600))
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_picture(path: Path, limit: int, tool: str) -> bytes:
    """What the tool left there, read once: a regular file of ours with no second name, of at most `limit` bytes.

    NoPictureError for anything else; an empty answer where the tool wrote nothing.
    """
    try:
        handle = os.open(path, _READ)
        try:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode) or not is_ours(facts) or facts.st_nlink > 1:
                raise _planted(tool)
            with os.fdopen(handle, "rb", closefd=False) as file:
                return file.read(limit + 1)
        finally:
            os.close(handle)
    except FileNotFoundError:
        return b""
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise _planted(tool) from error
        raise NoPictureError(
            f"The picture of {tool} cannot be read ({error.strerror}); try again."
        ) from error


def sweep(state_dir: Path) -> int:
    """Remove what processes left that no longer live; how many folders that were."""
    swept = 0
    with suppress(OSError):
        for folder in (state_dir / FOLDER).iterdir():
            name = _NAME.fullmatch(folder.name)
            if name and process_start(int(name["pid"])) != float(name["start"]):
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
    return swept


def _planted(tool: str) -> NoPictureError:
    return NoPictureError(
        f"{tool} left something else in the place of its picture, which was not opened; check {tool}."
    )
