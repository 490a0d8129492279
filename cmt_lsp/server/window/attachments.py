"""What the editor attaches to a question, turned into the core's context items.

Text of open documents comes from the synced copy, unsaved edits included. A file that is not open is read only when
it lies in a workspace folder.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from lsprotocol import types

from cmt_lsp.api.errors import BadParamsError, BlockedFileError
from cmt_lsp.core.context import items as context
from cmt_lsp.core.files import read_file
from cmt_lsp.server import wire
from cmt_lsp.server.rpc.documents import OpenDocument
from cmt_lsp.server.rpc.uris import fs_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmt_lsp.server.rpc.documents import OpenDocuments

SEVERITIES = {1: "error", 2: "warning", 3: "information", 4: "hint"}


async def context_items(
    documents: OpenDocuments, folders: tuple[Path, ...], items: Sequence[wire.ContextItem]
) -> tuple[context.ContextItem, ...]:
    """Every item in order. Open documents are copied before anything is awaited, so that no edit comes between."""
    copies = {item.uri: _copy(documents, item.uri) for item in items if _is_of_a_document(item)}
    texts = {uri: copy for uri, copy in copies.items() if copy is not None}
    for index, item in enumerate(items):
        if _is_of_a_document(item) and item.uri not in texts and getattr(item, "text", None) is None:
            path = local_path(item.uri, f"$.context[{index}].uri")
            text = await asyncio.to_thread(read_file, path, folders)
            texts[item.uri] = OpenDocument(item.uri, text, position_codec=documents.position_codec)
    return tuple(_context_item(index, item, texts) for index, item in enumerate(items))


def _is_of_a_document(item: wire.ContextItem) -> TypeGuard[wire.SelectionItem | wire.FileItem]:
    return isinstance(item, wire.FileItem | wire.SelectionItem)


def _copy(documents: OpenDocuments, uri: str) -> OpenDocument | None:
    """The open document as it is now; None where the editor has not opened it."""
    document = documents.opened(uri)
    if document is None:
        return None
    return OpenDocument(
        uri, document.source, document.version, document.language_id, position_codec=document.position_codec
    )


def _context_item(
    index: int, item: wire.ContextItem, texts: Mapping[str, OpenDocument]
) -> context.ContextItem:
    match item:
        case wire.TextItem():
            return context.NamedText(item.title, item.text)
        case wire.DiagnosticsItem():
            return context.Diagnostics(item.uri, tuple(_diagnostic(entry) for entry in item.items))
        case wire.FileItem():
            document = texts[item.uri]
            return context.WholeFile(item.uri, document.source, document.language_id)
        case wire.SelectionItem():
            return _selection(index, item, texts)


def _selection(index: int, item: wire.SelectionItem, texts: Mapping[str, OpenDocument]) -> context.Selection:
    """Some lines of a document; a selection that ends before a line's first character leaves that line out."""
    start, end = item.range.start, item.range.end
    if min(start.line, start.character, end.line, end.character) < 0:
        raise BadParamsError(
            f"$.context[{index}].range has a negative number; lines and characters count from 0."
        )
    if (end.line, end.character) < (start.line, start.character):
        raise BadParamsError(f"$.context[{index}].range ends before it starts; select again.")
    document = texts.get(item.uri)
    last = end.line - 1 if end.character == 0 and end.line > start.line else end.line
    return context.Selection(
        uri=item.uri,
        path=fs_path(item.uri),
        language=item.language_id or (document.language_id if document else None),
        start_line=start.line + 1,
        end_line=last + 1,
        text=_selected(index, item.range, texts[item.uri]) if item.text is None else item.text,
        version=item.version if item.version is not None else (document.version if document else None),
    )


def _selected(index: int, chosen: wire.Range, document: OpenDocument) -> str:
    if chosen.start.line >= max(1, len(document.lines)):
        raise BadParamsError(
            f"$.context[{index}].range starts at line {chosen.start.line + 1} of a document with "
            f"{len(document.lines)} lines; select again."
        )
    first = document.offset_at_position(types.Position(chosen.start.line, chosen.start.character))
    last = document.offset_at_position(types.Position(chosen.end.line, chosen.end.character))
    return document.source[first:last]


def _diagnostic(entry: wire.DiagnosticEntry) -> context.Diagnostic:
    return context.Diagnostic(
        line=1 if entry.range is None else entry.range.start.line + 1,
        severity=SEVERITIES.get(entry.severity or 1, "error"),  # type: ignore[arg-type]
        message=entry.message,
        source=entry.source,
        code=None if entry.code is None else str(entry.code),
    )


def local_path(given: str, place: str) -> Path:
    """A path of this machine from a path or a `file:` URI; BlockedFileError for anything that is elsewhere."""
    path = fs_path(given) if given.startswith("file:") else given
    if not path or "://" in path or path.startswith(("//", "\\\\")):
        raise BlockedFileError(
            f"{place} is no file on this machine; open it in the editor or give its local path."
        )
    if not Path(path).is_absolute():
        raise BadParamsError(f"{place} must be an absolute path or a file: URI.")
    return Path(path)
