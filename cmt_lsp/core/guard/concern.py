"""Concerns: what of a question should not leave before the person has said so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cmt_lsp.core.context.items import Diagnostics, NamedText, Selection
from cmt_lsp.core.guard.findings import find_secrets
from cmt_lsp.core.guard.ignore import ignored_by
from cmt_lsp.core.guard.names import secret_by_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cmt_lsp.core.context.items import ContextItem
    from cmt_lsp.core.guard.findings import Finding
    from cmt_lsp.core.turn import ImageSource

QUESTION = "the question"
_SHOWN = 3
"""Findings that are told one by one; the others are counted."""


_REASONS = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that would be sent; `origin` is the same for all pieces of one file."""

    origin: str
    label: str
    text: str
    path: Path | None = None
    first_line: int = 1
    where: str = ""
    """Which part of the origin it is, where that has several."""
    is_document: bool = False
    """Whether the origin names something that will be there again, unlike what was typed."""


@dataclass(frozen=True, slots=True)
class Concern:
    """One file, text or question that is held, with the reasons; no word of a secret is in it."""

    origin: str
    label: str
    kinds: frozenset[str]
    """What was found, for remembering an answer: another kind in the same file is another question."""
    reasons: tuple[str, ...]
    is_document: bool = False
    """Whether an answer can hold for later questions too."""

    def __str__(self) -> str:
        return f"{self.label}: {'; '.join(self.reasons)}"


def pieces_of(
    text: str, items: Iterable[ContextItem] = (), images: Iterable[ImageSource] = ()
) -> tuple[Piece, ...]:
    """Everything of a question that may hold a secret or lie in a file that is ignored."""
    question = (Piece(QUESTION, QUESTION, text),) if text else ()
    pictures = (
        Piece(str(i.path), i.path.name, "", _absolute(i.path), is_document=True)
        for i in images
        if i.path is not None
    )
    return (*(piece for item in items for piece in _pieces(item)), *pictures, *question)


def concerns_of(
    pieces: Sequence[Piece], folders: Iterable[Path] = (), *, scan: bool = True
) -> tuple[Concern, ...]:
    """What is held, in order, once for each file; reads ignore files. Without `scan` only those count."""
    kinds: dict[str, set[str]] = {}
    reasons: dict[str, dict[str, None]] = {}
    labels: dict[str, str] = {}
    within = tuple(folders)
    for piece in pieces:
        for kind, reason in _reasons(piece, within, scan=scan):
            kinds.setdefault(piece.origin, set()).add(kind)
            reasons.setdefault(piece.origin, {})[piece.where + reason] = None
            labels.setdefault(piece.origin, _shown(piece.label))
    documents = {piece.origin for piece in pieces if piece.is_document}
    return tuple(
        Concern(origin, label, frozenset(kinds[origin]), _some(tuple(reasons[origin])), origin in documents)
        for origin, label in labels.items()
    )


def _some(reasons: tuple[str, ...]) -> tuple[str, ...]:
    left = len(reasons) - _REASONS
    return reasons if left <= 1 else (*reasons[:_REASONS], f"and {left} more")


def file_of(uri: str) -> Path | None:
    """The path that a `file:` URI of this machine names; None for any other."""
    try:
        parts = urlsplit(uri)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            return None
        path = unquote(parts.path)
    except ValueError:
        return None
    if path[2:3] == ":" and path[:1] == "/":  # file:///C:/x
        path = path[1:]
    return _absolute(Path(path)) if path and "\0" not in path else None


def _absolute(path: Path) -> Path | None:
    return path if path.is_absolute() else None


def _pieces(item: ContextItem) -> Iterator[Piece]:
    match item:
        case NamedText(title, text):
            # The title leaves as well, and is shown in the question about the text.
            name = "an attached text" if find_secrets(title) else title
            yield Piece(f"text {name}", name, text)
            yield Piece(f"text {name}", name, title)
        case Diagnostics(uri, entries):
            text = "\n".join("\n".join((entry.message, *entry.code_lines)) for entry in entries)
            yield Piece(uri, _name_of(uri), text, file_of(uri), is_document=True)
        case Selection():
            yield Piece(
                item.uri, _name_of(item.uri), item.text, file_of(item.uri), item.start_line, is_document=True
            )
        case _:
            yield Piece(item.uri, _name_of(item.uri), item.text, file_of(item.uri), is_document=True)


def _reasons(piece: Piece, folders: Sequence[Path], *, scan: bool) -> Iterator[tuple[str, str]]:
    """Kind and sentence for each reason to hold a piece; a link counts under its own name and under its target's."""
    for path in _names(piece.path):
        if (place := ignored_by(path, folders)) is not None:
            yield "ignored", f"ignored by {place}"
        if scan and (kind := secret_by_name(path)) is not None:
            yield kind, f"named like {kind}"
    if scan:
        yield from _told(find_secrets(piece.text, piece.first_line))


def _names(path: Path | None) -> tuple[Path, ...]:
    if path is None:
        return ()
    try:
        return tuple(dict.fromkeys((path, path.resolve())))
    except (OSError, ValueError, RuntimeError):  # a loop of links, a name too long
        return (path,)


def _told(findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    for finding in findings[:_SHOWN]:
        yield finding.kind, str(finding)
    for kind, count in Counter(finding.kind for finding in findings[_SHOWN:]).items():
        yield kind, f"{count} more of kind {kind}"


def _name_of(uri: str) -> str:
    path = file_of(uri)
    return path.name if path is not None and path.name else uri


def _shown(label: str) -> str:
    """One printable line, however long a title is."""
    return "".join(c if c.isprintable() else " " for c in label)[:200]
