"""What the editor attaches to a question, turned into the core's context items.

Text of open documents comes from the synced copy, unsaved edits included. A file that is not open is read only when
it lies in a workspace folder. What cannot be attached is left out and told; where nothing is left, it is refused.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError, BlockedFileError, CmtError
from cmt_lsp.core.context.fences import one_line
from cmt_lsp.core.files import read_file
from cmt_lsp.server import wire
from cmt_lsp.server.rpc.documents import OpenDocument
from cmt_lsp.server.rpc.uris import fs_path
from cmt_lsp.server.window.pieces import Source, piece, shown_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmt_lsp.core.context.items import ContextItem
    from cmt_lsp.server.rpc.documents import OpenDocuments

_TOLD = 5
"""Refused items that one error names."""


@dataclass(frozen=True, slots=True)
class Attached:
    """The items that go along, in order, and a sentence for each that does not or is not what it seems."""

    items: tuple[ContextItem, ...] = ()
    notices: tuple[str, ...] = ()


async def attached(
    documents: OpenDocuments,
    folders: tuple[Path, ...],
    items: Sequence[wire.ContextItem],
    place: str = "$.context",
) -> Attached:
    """Every item that can be attached. Open documents are copied before anything is awaited, so that no edit comes between.

    Where every item is refused, the first refusal is raised, and its message names the others.
    """
    copies = {item.uri: _copy(documents, item.uri) for item in items if not isinstance(item, wire.TextItem)}
    found: list[ContextItem] = []
    notices: list[str] = []
    refused: list[CmtError] = []
    for index, item in enumerate(items):
        try:
            source = await _source(item, copies, documents, folders)
            made = piece(item, source, folders)
        except CmtError as error:
            refused.append(_named(error, f"{place}[{index}]", item, folders))
            continue
        found.append(made)
        notices += _doubts(made)
    if refused and not found:
        raise _together(refused)
    return Attached(tuple(found), (*(f"Left out: {error.message}" for error in refused), *notices))


async def _source(
    item: wire.ContextItem,
    copies: Mapping[str, OpenDocument | None],
    documents: OpenDocuments,
    folders: tuple[Path, ...],
) -> Source:
    """The document of an item: the open one, else the file where its text is needed or may be read."""
    if isinstance(item, wire.TextItem):
        return Source()
    document = copies[item.uri]
    if document is not None:
        unsaved = isinstance(item, wire.SelectionItem) and await _differs_from_disk(document, folders)
        return Source(document, is_open=True, unsaved=unsaved)
    if isinstance(item, wire.SelectionItem) and item.text is not None:
        return Source()
    try:
        text = await asyncio.to_thread(read_file, local_path(item.uri, "uri"), folders)
    except CmtError:
        if isinstance(item, wire.DiagnosticsItem):
            return Source()  # the problems are told without their code
        raise
    return Source(OpenDocument(item.uri, text, position_codec=documents.position_codec))


async def _differs_from_disk(document: OpenDocument, folders: tuple[Path, ...]) -> bool:
    """False too where the file may not be looked at, or is none."""
    with suppress(CmtError):
        path = local_path(document.uri, "uri")
        on_disk = await asyncio.to_thread(read_file, path, folders)
        return on_disk.removeprefix("\ufeff") != document.source.removeprefix("\ufeff")
    return False


def _copy(documents: OpenDocuments, uri: str) -> OpenDocument | None:
    """The open document as it is now; None where the editor has not opened it."""
    document = documents.opened(uri)
    if document is None:
        return None
    return OpenDocument(
        uri, document.source, document.version, document.language_id, position_codec=document.position_codec
    )


def _named(error: CmtError, place: str, item: wire.ContextItem, folders: tuple[Path, ...]) -> CmtError:
    """The same error with the item's place and name before its sentence."""
    title = item.title if isinstance(item, wire.TextItem) else shown_path(item.uri, folders) or item.uri
    sentence = error.message
    for field in ("range", "uri"):
        if sentence.startswith(f"{field} "):
            place, sentence = f"{place}.{field}", sentence.removeprefix(f"{field} ")
    return type(error)(
        f"{place} ({one_line(title)[:200]}): {sentence}", hint=error.hint, command=error.command
    )


def _together(refused: Sequence[CmtError]) -> CmtError:
    first, *others = refused
    told = " ".join([first.message, *(error.message for error in others[: _TOLD - 1])])
    more = f" And {len(refused) - _TOLD} more." if len(refused) > _TOLD else ""
    return type(first)(told + more, hint=first.hint, command=first.command)


def _doubts(made: ContextItem) -> list[str]:
    """What the person should know of a selection whose text is not that of the synced copy."""
    remark = getattr(made, "remark", None)
    return [f"{getattr(made, 'path', None) or 'The selection'}: sent {remark}."] if remark else []


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
