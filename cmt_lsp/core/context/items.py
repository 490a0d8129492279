"""Context items: what a person attaches or pins, as values; and the block each of them becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "information", "hint"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Some lines of a document; lines count from 1 and both ends are inside."""

    uri: str
    path: str | None
    """Relative to the workspace folder that holds it, else absolute; None where it is no file."""
    language: str | None
    start_line: int
    end_line: int
    text: str
    version: int | None = None
    symbol: str | None = None
    """What encloses it, such as `Class.method`."""
    unsaved: bool = False
    remark: str | None = None
    """What else the model must know of it, such as that another copy of the document differs."""


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A document from its first to its last line; `path` as for a selection."""

    uri: str
    text: str
    language: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding of a tool; `line` counts from 1, and `code_lines` are the lines it speaks of."""

    line: int
    severity: Severity
    message: str
    source: str | None = None
    code: str | None = None
    code_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """The findings in one document, or those that touch the lines `within`; `path` as for a selection."""

    uri: str
    items: tuple[Diagnostic, ...]
    path: str | None = None
    within: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class NamedText:
    """Any text under a title, such as a log or a diff."""

    title: str
    text: str


ContextItem: TypeAlias = Selection | WholeFile | Diagnostics | NamedText
BlockKind: TypeAlias = Literal[
    "system", "history", "image", "file", "text", "selection", "diagnostics", "prompt"
]


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


def kind_of(item: ContextItem) -> Literal["file", "text", "selection", "diagnostics"]:
    """The item's kind in the words of the contract."""
    match item:
        case WholeFile():
            return "file"
        case Selection():
            return "selection"
        case Diagnostics():
            return "diagnostics"
        case NamedText():
            return "text"


def origin_of(item: ContextItem) -> str:
    """Where an item comes from: a path, a URI or a title."""
    return item.title if isinstance(item, NamedText) else item.path or item.uri
