"""Fences: attached text between two marks that cannot occur inside it, under a title of one line.

What is attached is material, not instruction: nothing inside can close the fence or look like a title.
"""

from __future__ import annotations

import hashlib
import io
import re

from cmt_lsp.api.surrogates import mend

_ESCAPES = re.compile(
    r"""\x1b(?: \[ [0-?]* [ -/]* [@-~]          # CSI: colours, cursor
            | [\]PX^_] .*? (?:\x07|\x1b\\|\Z)   # OSC and other strings: titles, links
            | [ -/]* [0-~] )                    # the rest: character sets, resets
        | \x9b [0-?]* [ -/]* [@-~]""",
    re.VERBOSE | re.DOTALL,
)
_OVERWRITTEN = re.compile(r"[^\r\n]*\r(?!\n|\Z)")
_LAST_RESORT = 1_000_000


def fenced(title: str, text: str) -> str:
    """Title, opening mark, text, closing mark; the same text gives the same bytes."""
    mark = _mark(text)
    end = "" if not text or text.endswith("\n") else "\n"
    return f"{one_line(title)}\n<{mark}>\n{text}{end}</{mark}>"


def one_line(text: str) -> str:
    """A title is one line: a file name with a line break in it must not look like content."""
    return " ".join(mend(text).split())


def lines_of(text: str) -> list[str]:
    """Lines with their ends, split where editors split: at \\n, \\r\\n and \\r, and at nothing else."""
    return list(io.StringIO(text, newline=""))


def cut_at_line(text: str, limit: int) -> tuple[str, int]:
    """The whole lines that fit into `limit` characters, and how many do not."""
    if len(text) <= limit:
        return text, 0
    head = text[:limit]
    if head.endswith("\r") and text[limit] == "\n":
        head = head[:-1]
    end = max(head.rfind("\n"), head.rfind("\r")) + 1
    return text[:end], len(lines_of(text[end:]))


def without_escapes(text: str) -> str:
    """Terminal output as it was to be read: no colours, and of a line that was written over only its last state.

    Text without any escape sequence is returned as it is, since a lone \\r in it may be a line end.
    """
    plain = _ESCAPES.sub("", text)
    return text if plain == text else _OVERWRITTEN.sub("", plain)


def _mark(text: str) -> str:
    """A tag name that does not occur in the text: it depends on the text, so nobody can plant it there."""
    for salt in range(_LAST_RESORT):
        mark = "attached-" + hashlib.sha256(f"{salt}:{text}".encode()).hexdigest()[:12]
        if mark not in text:
            return mark
    raise AssertionError("no text holds a million chosen hashes of itself")
