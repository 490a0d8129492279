"""Places in files that a transcript speaks of: `path:line` in a text, and links to files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmt_lsp.core.chatfile.page import Page

MOST = 500
"""Places of one transcript that are looked for: each is a question to the disk."""
_FILE = r"(?<![\w/.:%~@+-])((?:/|[A-Za-z]:[\\/])?(?:[\w.@+-]+[\\/])*[\w@+-][\w.@+-]*\.\w{1,12})"
_PATH = re.compile(rf"{_FILE}(?::|`?, lines? )(\d{{1,7}})\b")
"""`src/a.py:10`, and what titles say: `src/a.py, lines 10 to 12`."""
_LINK = re.compile(r"(?<=\]\()(file:[^\s()<>#]+)#L(\d{1,7})(?:-L(\d{1,7}))?(?=\))")
_SIGNS = (":", ", line")
_LONGEST_LINE = 2000


@dataclass(frozen=True, slots=True)
class Mention:
    """One place: columns in code points, the file as it is named, and the line from 1."""

    row: int
    start: int
    end: int
    path: str
    """A path, or a `file:` URI."""
    line: int


def mentions(page: Page) -> Iterator[Mention]:
    """Everything on the page that looks like a place in a file, the newest turns first, `MOST` at most."""
    count = 0
    for row in range(len(page.lines) - 1, -1, -1):
        for found in in_line(row, page.lines[row]):
            yield found
            count += 1
            if count == MOST:
                return


def in_line(row: int, line: str) -> Iterator[Mention]:
    """The places in one line; a line that is too long to be read holds none."""
    if len(line) > _LONGEST_LINE or not any(sign in line for sign in _SIGNS):
        return
    taken = [found.span() for found in _LINK.finditer(line)]
    for pattern in (_LINK, _PATH):
        for found in pattern.finditer(line):
            start, end = found.span()
            if pattern is _PATH and any(first <= start < last for first, last in taken):
                continue
            yield Mention(row, start, end, found[1], int(found[2]))
