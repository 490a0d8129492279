"""The source file that the demo talks about: one of the person's own where there is a fitting one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.window import LANGUAGES, read_document

FITTING = range(3_000, 24_000)  # bytes: enough for the prompt cache, little enough to read
BEST = 8_000
LOOKED_AT = 3_000  # directory entries; a demo does not search a disk
DEPTH = 4
NO_SOURCES = {"node_modules", "venv", "build", "dist", "target", "vendor", "__pycache__", "site-packages"}
PROSE = {".css", ".html", ".json", ".md", ".sql", ".toml", ".yaml", ".yml"}
OWN = Path(__file__).with_name("connection.py")


@dataclass(frozen=True, slots=True)
class Sample:
    """Files with their texts, the first one named by the person or found; `word` says why it is another."""

    files: tuple[tuple[Path, str], ...]
    word: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return sum(len(text.encode()) for _, text in self.files)


def choose(folder: Path, named: str | None) -> Sample:
    """The file named, else a fitting one of the folder, else one of this package. Raises TroubleError."""
    own = (OWN, read_document(OWN))
    if named is not None:
        path = Path(named).absolute()
        text = read_document(path)
        if len(text.encode()) >= FITTING.start:
            return Sample(((path, text),))
        word = f"{path.name} alone is too short for the prompt cache; {own[0].name} of this package goes with it."
        return Sample(((path, text), own), word)
    for path in sorted(_candidates(folder), key=_distance):
        try:
            return Sample(((path, read_document(path)),))
        except TroubleError:
            continue
    return Sample((own,), "No source file of a fitting size is here, so that the demo reads one of its own.")


def _candidates(folder: Path) -> Iterator[Path]:
    left = LOOKED_AT
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = (
            [] if depth >= DEPTH else sorted(n for n in folders if n[0] != "." and n not in NO_SOURCES)
        )
        for name in sorted(names):
            left -= 1
            path = Path(place, name)
            if path.suffix in LANGUAGES.keys() - PROSE and not path.is_symlink() and _size(path) in FITTING:
                yield path
        if left <= 0:
            return


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _distance(path: Path) -> int:
    return abs(_size(path) - BEST)
