"""The editor's open documents, in step with every edit.

Three things differ from pygls: lines end only where LSP says (a form feed or U+2028 does not end one), positions
past the end of a line mean its end, and a document that is not open has no text here, since reading a file is a
decision of its own. And a document remembers what was changed in it, so that a place in an earlier state can be found
again.
"""

from __future__ import annotations

import io
import itertools
import logging
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.workspace import PositionCodec, ServerTextPosition, TextDocument, Workspace

from cmt_lsp.core.prompts.drift import Change, difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

logger = logging.getLogger(__name__)

CHANGES_KEPT = 5_000
"""Changes of one document; somebody who types for an hour makes fewer."""


class LineCodec(PositionCodec):
    """Positions of the editor to positions in code points; beyond the end means the end."""

    def position_from_client_units(
        self, lines: Sequence[str], position: types.Position
    ) -> ServerTextPosition:
        """The same place in code points; inside a character means after it, past the last line the very end."""
        if position.line >= len(lines):
            return _end_of(lines)
        line = lines[position.line].rstrip("\r\n")
        return ServerTextPosition(position.line, self._code_points(line, position.character))

    def _code_points(self, line: str, units: int) -> int:
        if units >= self.client_num_units(line):
            return len(line)
        if self.encoding == types.PositionEncodingKind.Utf32 or line.isascii():
            return units
        taken = 0
        for index, char in enumerate(line):
            if taken >= units:
                return index
            taken += self.impl.code_units_for_char(char)
        return len(line)


def _end_of(lines: Sequence[str]) -> ServerTextPosition:
    """The place after the last character; after a final line ending that is the start of one more line."""
    if not lines:
        return ServerTextPosition(0, 0)
    if lines[-1].endswith(("\r", "\n")):
        return ServerTextPosition(len(lines), 0)
    return ServerTextPosition(len(lines) - 1, len(lines[-1]))


class OpenDocument(TextDocument):
    """One document that the editor has open."""

    _lines: tuple[str, ...] = ()
    _lines_of: str | None = None

    def __init__(self, *args: Any, revisions: Iterator[int] | None = None, **options: Any) -> None:
        """As pygls's; `revisions` numbers the states of all documents of a window, so that no two share one."""
        super().__init__(*args, **options)
        self._revisions = itertools.count() if revisions is None else revisions
        self.revision = next(self._revisions)
        """Which state this is; unlike the version it is our own, and another one after each change."""
        self._changes: deque[tuple[int, Change]] = deque(maxlen=CHANGES_KEPT)
        self._waiting: list[Callable[[], object]] = []

    def when_changed(self, callback: Callable[[], object]) -> None:
        """Call once at the next change; never, where the document is closed before that."""
        self._waiting.append(callback)

    def changes_since(self, revision: int) -> list[Change] | None:
        """What was changed since an earlier state, in order; None where that is not remembered."""
        if revision == self.revision:
            return []
        found: list[Change] = []
        for before, change in reversed(self._changes):
            found.append(change)
            if before == revision:
                return found[::-1]
        return None

    @property
    def lines(self) -> Sequence[str]:
        """The lines with their endings, split at \\n, \\r\\n and \\r only; kept until the next edit."""
        if self._lines_of is not self._source:
            self._lines = tuple(io.StringIO(self.source, newline=""))
            self._lines_of = self._source
        return self._lines

    def server_position_at_offset(self, offset: int) -> ServerTextPosition:
        """The place of a character; that of the end of a text without a final line end is on its last line."""
        left = offset
        for number, line in enumerate(self.lines):
            if left < len(line):
                return ServerTextPosition(number, left)
            left -= len(line)
        return _end_of(self.lines)

    def _apply_incremental_change(self, change: types.TextDocumentContentChangePartial) -> None:
        start = self.offset_at_position(change.range.start)
        end = max(start, self.offset_at_position(change.range.end))
        source = self.source
        self._source = source[:start] + change.text + source[end:]
        self._note(Change(start, end, len(change.text)))

    def _apply_full_change(self, change: types.TextDocumentContentChangeEvent) -> None:
        """Some editors send the whole text each time; what they changed is told by comparing."""
        self._note(difference(self.source, change.text))
        self._source = change.text

    def _note(self, change: Change) -> None:
        self._changes.append((self.revision, change))
        self.revision = next(self._revisions)
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()


class OpenDocuments(Workspace):
    """The documents that the editor has open, by uri."""

    revisions: Iterator[int] | None = None
    """Numbers every state of every document."""

    @classmethod
    def like(cls, other: Workspace) -> OpenDocuments:
        """An empty one with the root, the folders and the position encoding of `other`."""
        folders = list(other.folders.values())
        made = cls(other.root_uri, types.TextDocumentSyncKind.Incremental, folders, other.position_encoding)
        made._position_codec = LineCodec(other.position_encoding)
        made.revisions = itertools.count()
        return made

    def get_text_document(self, doc_uri: str) -> TextDocument:
        """The open document; raises KeyError for any other, and reads no file."""
        document: TextDocument = self.text_documents[unquote(doc_uri)]
        return document

    def opened(self, uri: str) -> OpenDocument | None:
        """The open document, or None."""
        document: OpenDocument | None = self.text_documents.get(unquote(uri))
        return document

    def update_text_document(
        self, text_doc: types.VersionedTextDocumentIdentifier, change: types.TextDocumentContentChangeEvent
    ) -> None:
        """Apply one change; a change to a document that is not open is logged and dropped."""
        if self.opened(text_doc.uri) is None:
            logger.warning("Ignored a change to a document that is not open")
            return
        super().update_text_document(text_doc, change)

    def _create_text_document(
        self,
        doc_uri: str,
        source: str | None = None,
        version: int | None = None,
        language_id: str | None = None,
    ) -> TextDocument:
        return OpenDocument(
            doc_uri,
            source=source,
            version=version,
            language_id=language_id,
            sync_kind=self._sync_kind,
            position_codec=self._position_codec,
            revisions=self.revisions,
        )
