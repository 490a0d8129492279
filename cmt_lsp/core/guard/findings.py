"""Findings: where a text holds what looks like a secret, told without telling the secret.

Plain words decide where an expression is tried, and no expression can repeat more than a few thousand characters, so that
the time grows with the text and with nothing else. The text is looked at in windows, so that one that is full of findings
is not read to its end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cmt_lsp.core.guard.patterns import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cmt_lsp.core.guard.patterns import Pattern

MOST_FINDINGS = 20
"""Of one text; who sees twenty needs no more to decide."""
_WINDOW = 64 * 1024
_MOST_MATCHES = 500
"""Of one pattern in one window; to weigh a match costs more than to find it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that looks like a secret; `masked` shows at most a third of it."""

    kind: str
    line: int
    """Counted from 1."""
    masked: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.kind} ({self.masked})"


def find_secrets(text: str, first_line: int = 1) -> tuple[Finding, ...]:
    """What looks like a secret in a text, in its order, each place once; at most `MOST_FINDINGS`."""
    lowered = _lower(text)
    found: dict[tuple[int, int], tuple[str, str]] = {}
    for start in range(0, len(text), _WINDOW):
        for pattern in PATTERNS:
            for match in islice(
                _matches(pattern, lowered if pattern.any_case else text, start), _MOST_MATCHES
            ):
                span = match.span("secret")
                secret = text[slice(*span)]
                if pattern.confirms(secret, match) and not _is_within(span, found):
                    found[span] = (pattern.kind, masked(secret, pattern.head(match)))
        if len(found) >= MOST_FINDINGS:
            break
    return tuple(_numbered(text, found, first_line))


def masked(secret: str, head: str = "") -> str:
    """What of a secret may be shown: its known beginning and the last four characters of a long one."""
    return f"{head}...{secret[-4:]}" if len(secret) - len(head) >= 16 else f"{head}..."


def _lower(text: str) -> str:
    """The text in lower case, letter for letter: the dotted I alone becomes two, which would move all that follows."""
    return text.replace("\u0130", "i").lower()


def _matches(pattern: Pattern, text: str, start: int) -> Iterator[re.Match[str]]:
    """The matches whose needle begins in the window at `start`."""
    end = start + _WINDOW
    expression = pattern.compiled()
    for needle in pattern.needles:
        at = text.find(needle, start, end + len(needle) - 1)
        while at >= 0:
            for before in pattern.before:
                if at >= before and (match := expression.match(text, at - before)):
                    yield match
            at = text.find(needle, at + len(needle), end + len(needle) - 1)


def _is_within(span: tuple[int, int], found: Iterable[tuple[int, int]]) -> bool:
    """Whether a place, or a part of it, is found already."""
    return any(span[0] < end and begin < span[1] for begin, end in found)


def _numbered(text: str, found: dict[tuple[int, int], tuple[str, str]], first_line: int) -> Iterator[Finding]:
    line, seen = first_line, 0
    for (start, _), (kind, shown) in sorted(found.items())[:MOST_FINDINGS]:
        line += text.count("\n", seen, start)
        seen = start
        yield Finding(kind, line, shown)
