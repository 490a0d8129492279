"""The folder of transcripts: private files, each written once and then the editor's.

They are copies of what the store holds. A file that exists is never written again: an editor may have it open, and
would show the old text or ask which of the two is right.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import StoreUnavailableError
from cmt_lsp.core.chatfile.marks import session_tag
from cmt_lsp.core.conversation import name_from
from cmt_lsp.core.storage.state_dir import secure_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmt_lsp.core.chatfile.answer import ChatTurn

FOLDER = "transcripts"
KEPT_DAYS = 30
_SLUG = 40
_TRIES = 1000
_LONGEST = 20_000_000
"""Characters of a file that are read."""


class TranscriptFolder:
    """Writes, finds and removes the files of transcripts; every method may wait for the disk."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FOLDER

    def write(self, session_id: str, title: str, text: str, now: float) -> Path:
        """A new file of this session, readable by nobody else; StoreUnavailableError."""
        try:
            secure_dir(self.path.parent)
            secure_dir(self.path)
            return self._write(file_stem(session_id, title, now), text)
        except OSError as error:
            raise StoreUnavailableError(
                f"The transcript cannot be written to {self.path} ({error.strerror}); the answer is kept in its session."
            ) from error

    def _write(self, stem: str, text: str) -> Path:
        for number in range(1, _TRIES):
            path = self.path / (f"{stem}.md" if number == 1 else f"{stem}-{number}.md")
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            return path
        raise OSError(0, f"{_TRIES} transcripts of this session were made in one minute")

    def read(self, path: Path) -> str | None:
        """A transcript as it was last saved; None where that cannot be read, and for a link."""
        try:
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(handle, encoding="utf-8", newline="") as file:
                return file.read(_LONGEST)
        except (OSError, ValueError):
            return None

    def remove_session(self, session_id: str) -> None:
        """Remove every file of a session, and what editors put beside it under its name."""
        tag = f"-{session_tag(session_id)}"
        for path in self._files():
            if tag in path.name:
                with suppress(OSError):
                    path.unlink()

    def sweep(self, now: float) -> None:
        """Remove what nobody changed for `KEPT_DAYS` days."""
        for path in self._files():
            with suppress(OSError):
                if path.lstat().st_mtime < now - KEPT_DAYS * 86400:
                    path.unlink()

    def _files(self) -> Iterator[Path]:
        """The files of the folder, unless it is not ours to look into."""
        with suppress(OSError, StoreUnavailableError):
            if self.path.is_dir():
                secure_dir(self.path)
                yield from [path for path in self.path.iterdir() if path.is_symlink() or path.is_file()]


def file_stem(session_id: str, title: str, now: float) -> str:
    """Day and minute, what it is about, and the end of the session's id."""
    moment = datetime.fromtimestamp(now).strftime("%Y-%m-%d-%H%M")  # noqa: DTZ006  the person's own clock
    slug = re.sub(r"[^\w.]+", "-", title)[:_SLUG].strip("-._").lower()
    return "-".join(part for part in (moment, slug, session_tag(session_id)) if part)


def file_title(name: str, turns: Sequence[ChatTurn]) -> str:
    """What a file is called: the session's name, unless that is the beginning of the first question.

    No question is ever in a file name; the first action and its file tell transcripts apart as well.
    """
    first = turns[0] if turns else None
    question = name_from(first.question) if first is not None else ""
    if first is None or not question or not name.startswith(question):
        return name
    place = first.attached[0].title.split(",", 1)[0].rsplit("/", 1)[-1] if first.attached else ""
    return f"{first.title or 'ask'} {place}"
