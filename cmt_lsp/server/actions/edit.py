"""Edits: a new text for a place, as one change that the editor can undo as one."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from lsprotocol import types

from cmt_lsp.core.prompts.drift import Stretch
from cmt_lsp.server.actions.place import now_at, range_of
from cmt_lsp.server.rpc.messages import RpcError

if TYPE_CHECKING:
    from cmt_lsp.server.actions.place import Place
    from cmt_lsp.server.rpc.documents import OpenDocument, OpenDocuments
    from cmt_lsp.server.rpc.peer import Peer

logger = logging.getLogger(__name__)

APPLY_SECONDS = 60.0
"""For an editor that asks the person before it changes a text."""
ECHO_SECONDS = 2.0
"""For the editor to tell of the change it made; one of them waits half a second for a pause in the typing."""
LATE_SECONDS = 0.7
"""For an editor that refused an edit to tell what was typed since the text that the edit was for."""
TRIES = 3
"""Somebody who types on and on is not followed for ever."""
LATE_SECONDS = 0.7
"""For what was typed right before an edit came and was refused for it; Eglot tells of typing half a second late."""
TRIES = 3
_ANNOTATION = "cmt"


class Editing:
    """Applies the edits of a document one after the other, each to the text as the editor last told it."""

    def __init__(self, documents: OpenDocuments) -> None:
        self._documents = documents
        self._one_at_a_time: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By document."""

    async def apply(self, peer: Peer, place: Place, new_text: str, label: str, described: str) -> str | None:
        """Have the editor replace a place; None once it said that it did, else why not, as a sentence's second half."""
        if not _can_apply(peer):
            return "this editor does not let a server change its text"
        async with self._one_at_a_time.setdefault(place.uri, asyncio.Lock()):
            refused = ""
            for _ in range(TRIES):
                document = self._documents.opened(place.uri)
                if document is None:
                    return refused or "its file was closed meanwhile"
                stretch = now_at(place, document)
                if stretch is None:
                    return refused or "the text was changed meanwhile"
                stretch = _with_line_end(document, stretch, new_text)
                edit = _workspace_edit(peer, document, stretch, new_text, label, described)
                answer = await _ask(peer, document, types.ApplyWorkspaceEditParams(edit, label))
                if answer is None or not answer.may_be_late or not await answer.came_late():
                    return None if answer is None else answer.reason
                refused = answer.reason
            return refused


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why an edit was not applied; `change` is set by the next change of the document, counted from the question on."""

    reason: str
    change: asyncio.Event
    may_be_late: bool = True

    async def came_late(self) -> bool:
        """Whether the person had typed something that the editor had not told yet, as some do only when they pause."""
        return await _within(self.change, LATE_SECONDS)


async def _ask(peer: Peer, document: OpenDocument, params: types.ApplyWorkspaceEditParams) -> _Refused | None:
    """None once the edit is made and told of: nothing may be decided on the text before that."""
    change = asyncio.Event()
    document.when_changed(change.set)
    try:
        answer = await peer.request(types.WORKSPACE_APPLY_EDIT, params, APPLY_SECONDS)
    except TimeoutError:
        told = f"the editor did not say within {APPLY_SECONDS:.0f} s whether it made the change"
        return _Refused(told, change, may_be_late=False)
    except RpcError as error:
        logger.info("The editor refused an edit with error %s", error.code)
        return _Refused(f"the editor refused it ({error.message.rstrip('.')[:200]})", change)
    if not getattr(answer, "applied", False):
        told = getattr(answer, "failure_reason", None) or "without a reason"
        return _Refused(f"the editor refused it ({str(told).rstrip('.')[:200]})", change)
    await _within(change, ECHO_SECONDS)  # an editor that never tells of it must not hold up the next edit
    return None


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether it happens in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _can_apply(peer: Peer) -> bool:
    workspace = peer.capabilities.workspace
    return workspace is not None and workspace.apply_edit is True


def _with_line_end(document: OpenDocument, stretch: Stretch, new_text: str) -> Stretch:
    """Whole lines that are to vanish go with their line end, so that no empty line stays."""
    source = document.source
    at_start = stretch.start == 0 or source[stretch.start - 1] in "\r\n"
    if new_text or not at_start or source[stretch.end : stretch.end + 1] not in ("\r", "\n"):
        return stretch
    length = 2 if source.startswith("\r\n", stretch.end) else 1
    return Stretch(stretch.start, stretch.end + length)


def _workspace_edit(
    peer: Peer, document: OpenDocument, stretch: Stretch, new_text: str, label: str, described: str
) -> types.WorkspaceEdit:
    """With the document's version and an annotation where the editor knows these."""
    workspace = peer.capabilities.workspace
    known = workspace.workspace_edit if workspace is not None else None
    place = range_of(document, stretch)
    if known is None or not known.document_changes:
        return types.WorkspaceEdit(changes={document.uri: [types.TextEdit(place, new_text)]})
    named = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
    if known.change_annotation_support is None:
        plain = types.TextDocumentEdit(named, [types.TextEdit(place, new_text)])
        return types.WorkspaceEdit(document_changes=[plain])
    annotated = types.AnnotatedTextEdit(annotation_id=_ANNOTATION, range=place, new_text=new_text)
    return types.WorkspaceEdit(
        document_changes=[types.TextDocumentEdit(named, [annotated])],
        change_annotations={
            _ANNOTATION: types.ChangeAnnotation(label, needs_confirmation=False, description=described)
        },
    )
