"""Places: what an action is about, as the document stood when it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsprotocol import types

from cmt_lsp.core.prompts.drift import Stretch, follow
from cmt_lsp.core.prompts.replacement import Part

if TYPE_CHECKING:
    from cmt_lsp.core.prompts.target import Outline, Target
    from cmt_lsp.server.rpc.documents import OpenDocument


@dataclass(frozen=True, slots=True)
class Place:
    """A part of one state of a document."""

    uri: str
    outline: Outline
    target: Target
    range: types.Range
    """The same part in the editor's positions."""
    revision: int
    version: int | None

    @property
    def part(self) -> Part:
        """It and what stands around it."""
        text, stretch = self.outline.text, self.target.stretch
        return Part(text[: stretch.start], text[stretch.start : stretch.end], text[stretch.end :])

    @property
    def text(self) -> str:
        """What stood there."""
        stretch = self.target.stretch
        return self.outline.text[stretch.start : stretch.end]


def place_in(document: OpenDocument, outline: Outline, target: Target) -> Place:
    """A target in a document as it now is."""
    return Place(
        uri=document.uri,
        outline=outline,
        target=target,
        range=range_of(document, target.stretch),
        revision=document.revision,
        version=document.version,
    )


def range_of(document: OpenDocument, stretch: Stretch) -> types.Range:
    """A stretch in the editor's positions."""
    start, end = (document.client_position_at_offset(offset) for offset in (stretch.start, stretch.end))
    return types.Range(start, end)


def stretch_of(document: OpenDocument, chosen: types.Range) -> Stretch:
    """A range of the editor in characters; its ends may come in either order, and lie beyond the text."""
    start, end = sorted(document.offset_at_position(place) for place in (chosen.start, chosen.end))
    return Stretch(start, end)


def now_at(place: Place, document: OpenDocument | None) -> Stretch | None:
    """Where a place is by now; None where its text was changed, or its document closed and opened with another text."""
    if document is None:
        return None
    changes = document.changes_since(place.revision)
    if changes is None:
        found = place.target.stretch if document.source == place.outline.text else None
    else:
        found = follow(place.target.stretch, changes)
    if found is None or document.source[found.start : found.end] != place.text:
        return None
    same = _at_line_ends(document.source, found) == _at_line_ends(place.outline.text, place.target.stretch)
    return found if same else None


def _at_line_ends(text: str, stretch: Stretch) -> tuple[bool, bool]:
    """Whether a stretch begins where a line does, and ends where one does: what is typed on its lines changes them."""
    begins = stretch.start == 0 or text[stretch.start - 1] in "\r\n"
    return begins, text[stretch.end : stretch.end + 1] in ("", "\r", "\n")
