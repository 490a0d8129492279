"""Context: selections, files, diagnostics and notes become ordered, fenced blocks of text.

What is attached is material, not instruction: each piece stands between two marks that cannot occur inside it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.api.surrogates import mend
from cmt_lsp.api.usage_fold import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTEXT_LIMIT = 600_000
"""Characters of all pieces of one turn together, about 170,000 tokens."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Some lines of a document; lines count from 1 and both ends are inside."""

    uri: str
    path: str | None
    language: str | None
    start_line: int
    end_line: int
    text: str
    version: int | None = None
    symbol: str | None = None
    unsaved: bool = False


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A document from its first to its last line."""

    uri: str
    text: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding of a tool; `line` counts from 1."""

    line: int
    severity: Literal["error", "warning", "information", "hint"]
    message: str
    source: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """The findings in one document."""

    uri: str
    items: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class NamedText:
    """Any text under a title, such as a log or a diff."""

    title: str
    text: str


ContextItem: TypeAlias = Selection | WholeFile | Diagnostics | NamedText
BlockKind: TypeAlias = Literal[
    "system", "history", "image", "file", "text", "selection", "diagnostics", "prompt"
]

_ORDER: dict[type, int] = {WholeFile: 0, NamedText: 1, Selection: 2, Diagnostics: 3}
"""What changes least from turn to turn comes first, so that the cached part of the prompt is long."""


@dataclass(frozen=True, slots=True)
class Block:
    """One piece as it is sent: where it came from, its text, and the content block that carries it."""

    origin: str
    kind: BlockKind
    text: str
    content_block: dict[str, object]
    estimated_tokens: int
    cut_lines: int = 0
    """How many lines at the end were left out to keep within the limit."""
    cached: bool = False
    """A cache breakpoint stands at or after this piece."""


def context_blocks(items: Sequence[ContextItem], limit: int = CONTEXT_LIMIT) -> list[Block]:
    """Order, deduplicate and fence the items; what exceeds its share of `limit` characters is cut at a line's end.

    The same items give the same bytes, whatever turn they belong to.
    """
    wanted = sorted(dict.fromkeys(items), key=lambda item: _ORDER[type(item)])
    texts = [_text(item) for item in wanted]
    shares = _shares([len(text) for text in texts], limit)
    return [_block(item, text, share) for item, text, share in zip(wanted, texts, shares, strict=True)]


def _shares(sizes: Sequence[int], limit: int) -> list[int]:
    """Split the limit fairly: what a small piece leaves over goes to the larger ones."""
    shares = [0] * len(sizes)
    left, waiting = limit, len(sizes)
    for index in sorted(range(len(sizes)), key=lambda i: sizes[i]):
        shares[index] = min(sizes[index], left // waiting)
        left -= shares[index]
        waiting -= 1
    return shares


def _block(item: ContextItem, text: str, share: int) -> Block:
    kept, cut_lines = _cut(text, share)
    title = _title(item) + (f"; the last {cut_lines} lines are left out" if cut_lines else "")
    mark = _mark(kept)
    fenced = f"{title}\n<{mark}>\n{kept}{'' if kept.endswith(chr(10)) or not kept else chr(10)}</{mark}>"
    return Block(
        origin=_origin(item),
        kind=_kind(item),
        text=fenced,
        content_block={"type": "text", "text": fenced},
        estimated_tokens=estimate_tokens(len(fenced.encode())),
        cut_lines=cut_lines,
    )


def _cut(text: str, share: int) -> tuple[str, int]:
    """The whole lines that fit, and how many do not."""
    if len(text) <= share:
        return text, 0
    end = text.rfind("\n", 0, share + 1) + 1
    return text[:end], len(text[end:].splitlines())


def _mark(text: str) -> str:
    """A tag name that does not occur in the text: it depends on the text, so nobody can plant it there."""
    for salt in range(1_000_000):
        mark = "attached-" + hashlib.sha256(f"{salt}:{text}".encode()).hexdigest()[:12]
        if mark not in text:
            return mark
    raise AssertionError("no text holds a million chosen hashes of itself")


def _kind(item: ContextItem) -> BlockKind:
    match item:
        case WholeFile():
            return "file"
        case Selection():
            return "selection"
        case Diagnostics():
            return "diagnostics"
        case NamedText():
            return "text"


def _origin(item: ContextItem) -> str:
    return item.title if isinstance(item, NamedText) else item.uri


def _title(item: ContextItem) -> str:
    match item:
        case WholeFile():
            return _one_line(f"File {item.uri}{_in_language(item.language)}")
        case Selection():
            place = f" in {item.symbol}" if item.symbol else ""
            state = ", with unsaved changes" if item.unsaved else ""
            lines = f"lines {item.start_line} to {item.end_line}"
            return _one_line(
                f"Selection from {item.path or item.uri}, {lines}{place}{_in_language(item.language)}{state}"
            )
        case Diagnostics():
            return _one_line(f"Diagnostics of {item.uri}")
        case NamedText():
            return _one_line(item.title)


def _text(item: ContextItem) -> str:
    if isinstance(item, Diagnostics):
        return "".join(_finding(found) for found in item.items)
    return mend(item.text)


def _finding(found: Diagnostic) -> str:
    source = " ".join(part for part in (found.source, found.code) if part)
    return (
        _one_line(f"line {found.line}: {found.severity}: {found.message}{f' [{source}]' if source else ''}")
        + "\n"
    )


def _in_language(language: str | None) -> str:
    return f" ({language})" if language else ""


def _one_line(text: str) -> str:
    """A title is one line: a file name with a line break in it must not look like content."""
    return " ".join(mend(text).split())
