"""Writing the page: at once or not at all, for its owner alone, and over nothing but an older page."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.usage.page import GENERATOR

_HEAD = 2048  # bytes of a file in which a page says what it is


def write_page(path: Path, text: str) -> None:
    """Write a page under this name with mode 0600, for it tells folders and spending. TroubleError says what is wrong.

    An older page of ours is replaced; any other file stays, and so does whatever a link points to.
    """
    if os.path.lexists(path) and not _is_ours(path):
        raise TroubleError(
            f"{path} exists and is no usage page.", hint="Name another file, or delete it first."
        )
    try:
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".usage-", suffix=".html")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(draft).unlink()
            raise
    except OSError as refused:
        raise TroubleError(
            f"{path} cannot be written: {refused.strerror}.", hint="Name a file in a folder of yours."
        ) from refused


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return GENERATOR.encode() in file.read(_HEAD)
    except OSError:
        return False
