"""Pieces: one attached item and the document it speaks of, as a context item of the core; plain functions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.core.context import items as context
from cmt_lsp.core.context.fences import one_line
from cmt_lsp.core.context.symbols import symbol_at
from cmt_lsp.server import wire
from cmt_lsp.server.rpc.uris import fs_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmt_lsp.server.rpc.documents import OpenDocument

SEVERITIES: dict[int, context.Severity] = {1: "error", 2: "warning", 3: "information", 4: "hint"}
_CODE_LINES = 5
"""Lines of code beside one finding."""
_CODE_WIDTH = 300
_SYMBOL_LENGTH = 200
_FURTHEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Source:
    """The document that an item speaks of, as it stood when the question came."""

    document: OpenDocument | None = None
    """None where it is neither open nor could be read."""
    is_open: bool = False
    unsaved: bool = False
    """Whether the open document differs from its file."""


def shown_path(uri: str, folders: Sequence[Path]) -> str | None:
    """A file's path within the workspace folder that holds it, else its whole path; None for what is no file."""
    path = fs_path(uri) if uri.startswith("file:") else None
    if path is None:
        return None
    normal = Path(os.path.normpath(path))
    for folder in folders:
        if normal.is_relative_to(folder) and normal != folder:
            inside = normal.relative_to(folder)
            return (Path(folder.name) / inside if len(folders) > 1 else inside).as_posix()
    return str(normal)


def piece(item: wire.ContextItem, source: Source, folders: Sequence[Path]) -> context.ContextItem:
    """The item as the core takes it; BadParamsError says what is wrong with a range."""
    match item:
        case wire.TextItem():
            return context.NamedText(item.title, item.text)
        case wire.DiagnosticsItem():
            return _diagnostics(item, source.document, shown_path(item.uri, folders))
        case wire.FileItem():
            if source.document is None:
                raise AssertionError("a file is read before it is made a piece")
            language = source.document.language_id
            return context.WholeFile(
                item.uri, source.document.source, language, shown_path(item.uri, folders)
            )
        case wire.SelectionItem():
            return _selection(item, source, shown_path(item.uri, folders))


def _selection(item: wire.SelectionItem, source: Source, path: str | None) -> context.Selection:
    """Some lines of a document; a selection that ends before a line's first character leaves that line out."""
    _check(item.range)
    document = source.document
    synced = None if document is None else _selected(item.range, document, given=item.text is not None)
    text = item.text if item.text is not None else synced
    if text is None:
        raise AssertionError("a selection has its text, or a document to take it from")
    first, last = _lines(item.range, document if synced is not None else None)
    language = item.language_id or (document.language_id if document else None)
    agrees = synced is not None and document is not None and _same(text, synced)
    symbol = one_line(item.symbol or "")[:_SYMBOL_LENGTH] or None
    if symbol is None and agrees and document is not None:
        symbol = symbol_at(document.source, language, first, last)
    return context.Selection(
        uri=item.uri,
        path=path,
        language=language,
        start_line=first,
        end_line=last,
        text=text,
        version=item.version if item.version is not None else (document.version if document else None),
        symbol=symbol,
        unsaved=source.unsaved,
        remark=_remark(item, source, agrees=agrees),
    )


def _remark(item: wire.SelectionItem, source: Source, *, agrees: bool) -> str | None:
    """Where the editor's text and the synced copy are not the same, which of them this is."""
    if item.text is None or not source.is_open or source.document is None or agrees:
        return None
    now = source.document.version
    if item.version is not None and item.version != now:
        return f"while the open document is at version {now} and has other text there"
    return "as the editor shows it, while the synced copy of this version has other text there"


def _same(text: str, synced: str) -> bool:
    """Editors that send text may have changed its line ends."""
    return text.replace("\r\n", "\n") == synced.replace("\r\n", "\n")


def _check(chosen: wire.Range) -> None:
    start, end = chosen.start, chosen.end
    if min(start.line, start.character, end.line, end.character) < 0:
        raise BadParamsError("range has a negative number; lines and characters count from 0.")
    if (end.line, end.character) < (start.line, start.character):
        raise BadParamsError("range ends before it starts; give the smaller position as start.")


def _lines(chosen: wire.Range, document: OpenDocument | None) -> tuple[int, int]:
    """First and last line from 1, no further than the document goes."""
    start, end = chosen.start, chosen.end
    last = end.line - 1 if end.character == 0 and end.line > start.line else end.line
    if document is not None:
        last = min(last, max(start.line, len(document.lines) - 1))
    return start.line + 1, last + 1


def _selected(chosen: wire.Range, document: OpenDocument, *, given: bool) -> str | None:
    """The text of a range; a start beyond the document is refused, and None where the text is `given` anyway."""
    if chosen.start.line > _last_line(document):
        if given:
            return None
        raise BadParamsError(
            f"range starts at line {chosen.start.line + 1} of a document with {_last_line(document) + 1} lines; "
            "select again."
        )
    first, last = (document.offset_at_position(_position(place)) for place in (chosen.start, chosen.end))
    return document.source[first:last]


def _position(place: wire.Position) -> types.Position:
    """No further than LSP's numbers go: editors select to the end with the largest number they know."""
    return types.Position(min(place.line, _FURTHEST), min(place.character, _FURTHEST))


def _last_line(document: OpenDocument) -> int:
    """From 0; after a final line end there is one more line, where the cursor may stand."""
    lines = document.lines
    return len(lines) if lines and lines[-1].endswith(("\r", "\n")) else max(0, len(lines) - 1)


def _diagnostics(
    item: wire.DiagnosticsItem, document: OpenDocument | None, path: str | None
) -> context.Diagnostics:
    """The problems, or those that touch the item's range, each with the code it speaks of where that is at hand."""
    entries, within = item.items, None
    if item.range is not None:
        _check(item.range)
        entries = [entry for entry in entries if entry.range and _touch(entry.range, item.range)]
        within = _lines(item.range, document)
        if not entries:
            raise BadParamsError(
                f"none of the {len(item.items)} problems touches range; leave range out to attach all."
            )
    found = tuple(_diagnostic(entry, document) for entry in entries)
    return context.Diagnostics(item.uri, found, path, within)


def _touch(one: wire.Range, other: wire.Range) -> bool:
    """Whether two ranges overlap or meet: a cursor at a problem's edge means that problem."""

    def key(position: wire.Position) -> tuple[int, int]:
        return position.line, position.character

    return key(one.start) <= key(other.end) and key(other.start) <= key(one.end)


def _diagnostic(entry: wire.DiagnosticEntry, document: OpenDocument | None) -> context.Diagnostic:
    return context.Diagnostic(
        line=1 if entry.range is None else entry.range.start.line + 1,
        severity=SEVERITIES.get(entry.severity or 1, "error"),
        message=entry.message,
        source=entry.source,
        code=None if entry.code is None else str(entry.code),
        code_lines=_code_lines(entry.range, document),
    )


def _code_lines(chosen: wire.Range | None, document: OpenDocument | None) -> tuple[str, ...]:
    if chosen is None or document is None or chosen.start.line < 0:
        return ()
    first, last = _lines(chosen, document)
    lines = document.lines[first - 1 : min(last, first - 1 + _CODE_LINES)]
    return tuple(line.rstrip("\r\n")[:_CODE_WIDTH] for line in lines)
