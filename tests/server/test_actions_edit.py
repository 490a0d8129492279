"""Edits in editors that answer late, never, or do not tell what they did."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.protocol import default_converter
from pygls.workspace import Workspace

from cmt_lsp.core.prompts.drift import Stretch
from cmt_lsp.core.prompts.target import Outline, target_of
from cmt_lsp.server.actions import edit
from cmt_lsp.server.actions.edit import Editing
from cmt_lsp.server.actions.place import Place, place_in, range_of, stretch_of
from cmt_lsp.server.rpc.convert import wire_converter
from cmt_lsp.server.rpc.documents import LineCodec, OpenDocument, OpenDocuments
from cmt_lsp.server.rpc.messages import Response
from cmt_lsp.server.rpc.outbox import Outbox
from cmt_lsp.server.rpc.peer import Peer

URI = "file:///w/a.py"
TEXT = "a = 1\n\nb = 2\n"


class Link:
    """An editor that keeps each edit until the test answers it."""

    backlog = 0
    stalled_for = 0.0

    def __init__(self) -> None:
        self.asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.withdrawn: list[Any] = []
        self.questions: Any = None

    def send(self, frame: bytes, *, droppable: bool = False) -> None:
        message = json.loads(frame.split(b"\r\n\r\n", 1)[1])
        if message["method"] == types.WORKSPACE_APPLY_EDIT:
            self.asked.put_nowait(message)
        else:
            self.withdrawn.append(message["params"]["id"])

    def applied(self, message: dict[str, Any], *, applied: bool = True) -> None:
        self.questions.settle(Response(message["id"], {"applied": applied}, None, bare=False))

    def on_drained(self, callback: Callable[[], None]) -> None:
        callback()

    def watch(self, process_id: int) -> None: ...

    def stop(self, reason: str, code: int | None) -> None: ...


class Room:
    """One open document and an editor that can apply edits."""

    def __init__(self) -> None:
        self.link = Link()
        outbox = Outbox(wire_converter(), default_converter())
        outbox.link, self.link.questions = self.link, outbox.questions
        self.peer = Peer(outbox)
        workspace = types.WorkspaceClientCapabilities(apply_edit=True)
        capabilities = types.ClientCapabilities(workspace=workspace)
        self.peer.initialize_params = types.InitializeParams(capabilities, None, None)
        self.documents = OpenDocuments.like(Workspace(None))
        item = types.TextDocumentItem(URI, "python", 0, TEXT)
        self.documents.put_text_document(item)
        self.editing = Editing(self.documents)

    @property
    def document(self) -> OpenDocument:
        found = self.documents.opened(URI)
        assert found is not None
        return found

    def place(self, words: str) -> Place:
        outline = Outline(self.document.source, "python")
        start = outline.text.index(words)
        target = target_of(outline, start, start + len(words))
        assert target is not None
        return place_in(self.document, outline, target)

    def type(self, text: str, offset: int) -> None:
        """Tell the server of something typed at an offset."""
        place = self.document.client_position_at_offset(offset)
        named = types.VersionedTextDocumentIdentifier((self.document.version or 0) + 1, URI)
        change = types.TextDocumentContentChangePartial(types.Range(place, place), text)
        self.documents.update_text_document(named, change)

    def change(self, params: dict[str, Any]) -> None:
        """Tell the server of the edit that was applied."""
        ((place, new),) = [(one["range"], one["newText"]) for one in params["edit"]["changes"][URI]]
        start, end = (types.Position(**place[side]) for side in ("start", "end"))
        named = types.VersionedTextDocumentIdentifier(self.document.version or 1, URI)
        change = types.TextDocumentContentChangePartial(types.Range(start, end), new)
        self.documents.update_text_document(named, change)


async def test_silence_is_told_and_the_question_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that nobody knows whether the change was made, and asks for no second one, whatever is typed."""
    monkeypatch.setattr(edit, "APPLY_SECONDS", 0.05)
    room = Room()
    applying = asyncio.create_task(room.editing.apply(room.peer, room.place("b = 2"), "b = 3", "label", ""))
    message = await room.link.asked.get()
    room.type("#\n", 0)
    refused = await applying
    assert refused is not None
    assert "did not say within" in refused
    assert room.link.withdrawn == [message["id"]]
    assert room.link.asked.empty()


async def test_a_second_edit_waits_until_the_first_was_told_of() -> None:
    """An editor that applied an edit and has not said how the text now is would get the next one in the wrong place."""
    room = Room()
    above, below = room.place("a = 1"), room.place("b = 2")
    first = asyncio.create_task(room.editing.apply(room.peer, above, "a = 1\na = 2", "label", ""))
    second = asyncio.create_task(room.editing.apply(room.peer, below, "b = 3", "label", ""))
    message = await room.link.asked.get()
    room.link.applied(message)
    finished, _ = await asyncio.wait([first, second], timeout=0.2)
    assert finished == set()
    assert room.link.asked.empty()
    room.change(message["params"])
    assert await first is None
    message = await room.link.asked.get()
    assert message["params"]["edit"]["changes"][URI][0]["range"]["start"] == {"line": 3, "character": 0}
    room.link.applied(message)
    room.change(message["params"])
    assert await second is None
    assert room.document.source == "a = 1\na = 2\n\nb = 3\n"


async def test_an_editor_that_never_tells_holds_up_nothing_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit, "ECHO_SECONDS", 0.05)
    room = Room()
    applying = asyncio.create_task(room.editing.apply(room.peer, room.place("a = 1"), "a = 2", "label", ""))
    room.link.applied(await room.link.asked.get())
    async with asyncio.timeout(5):
        assert await applying is None


async def test_an_edit_refused_for_typing_not_yet_told_of_is_tried_again() -> None:
    """Where the typing was elsewhere; a refusal without any typing is the last word."""
    room = Room()
    applying = asyncio.create_task(room.editing.apply(room.peer, room.place("b = 2"), "b = 3", "label", ""))
    message = await room.link.asked.get()
    room.link.applied(message, applied=False)
    room.type("# typed\n", 0)
    message = await room.link.asked.get()
    assert message["params"]["edit"]["changes"][URI][0]["range"]["start"] == {"line": 3, "character": 0}
    room.link.applied(message)
    room.change(message["params"])
    assert await applying is None
    assert room.document.source == "# typed\na = 1\n\nb = 3\n"


async def test_an_edit_refused_for_typing_in_its_place_is_not_tried_again() -> None:
    """The editor's own reason is told."""
    room = Room()
    applying = asyncio.create_task(room.editing.apply(room.peer, room.place("b = 2"), "b = 3", "label", ""))
    room.link.applied(await room.link.asked.get(), applied=False)
    room.type("x", 8)
    assert await applying == "the editor refused it (without a reason)"
    assert room.link.asked.empty()


async def test_an_editor_that_refuses_again_and_again_is_left_alone() -> None:
    room = Room()
    applying = asyncio.create_task(room.editing.apply(room.peer, room.place("b = 2"), "b = 3", "label", ""))
    for _ in range(edit.TRIES):
        room.link.applied(await room.link.asked.get(), applied=False)
        room.type("#\n", 0)
    assert await applying == "the editor refused it (without a reason)"


async def test_edits_of_two_documents_do_not_wait_for_each_other() -> None:
    """One editor asks its person before each."""
    room = Room()
    other = "file:///w/b.py"
    room.documents.put_text_document(types.TextDocumentItem(other, "python", 0, TEXT))
    found = room.documents.opened(other)
    assert found is not None
    outline = Outline(TEXT, "python")
    target = target_of(outline, 0, 5)
    assert target is not None
    places = (room.place("a = 1"), place_in(found, outline, target))
    tasks = [asyncio.create_task(room.editing.apply(room.peer, place, "x", "label", "")) for place in places]
    messages = [await room.link.asked.get() for _ in tasks]
    for message in messages:
        room.link.applied(message, applied=False)
    assert [await task for task in tasks] == ["the editor refused it (without a reason)"] * 2


def test_changes_are_remembered_from_any_state_of_this_document_and_no_other() -> None:
    """A state of the document before it was closed is not one of the new one."""
    room = Room()
    before = room.document.revision
    named = types.VersionedTextDocumentIdentifier(1, URI)
    for text in ("x", "y"):
        room.documents.update_text_document(named, types.TextDocumentContentChangeWholeDocument(text))
    changes = room.document.changes_since(before)
    assert changes is not None
    assert len(changes) == 2
    assert room.document.changes_since(room.document.revision) == []
    assert room.document.changes_since(before + 1000) is None
    room.documents.remove_text_document(URI)
    room.documents.put_text_document(types.TextDocumentItem(URI, "python", 0, TEXT))
    assert room.document.changes_since(before) is None


@pytest.mark.parametrize(
    ("text", "line", "character"),
    [("a\nb", 1, 1), ("a\n", 1, 0), ("", 0, 0), ("a\r\né😀", 1, 3), ("\r", 1, 0)],
)
def test_the_end_of_a_text_is_a_place_in_it(text: str, line: int, character: int) -> None:
    """An edit that ended on a line beyond the last one would be refused."""
    document = OpenDocument(
        URI, text, 0, "python", position_codec=LineCodec(types.PositionEncodingKind.Utf16)
    )
    assert document.client_position_at_offset(len(text)) == types.Position(line, character)


@given(
    st.text(alphabet="aé日😀\r\n\f\u2028\t", max_size=20),
    st.integers(0, 20),
    st.integers(0, 20),
    st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)
def test_a_stretch_and_its_range_in_the_editors_units_are_the_same_place(
    text: str, one: int, other: int, units: str
) -> None:
    """Both ways, for every line end; only between CR and LF there is no place, and the end of the line is meant."""
    codec = LineCodec(types.PositionEncodingKind(units))
    document = OpenDocument(URI, text, 0, "python", position_codec=codec)
    start, end = sorted(min(offset, len(text)) for offset in (one, other))
    if not any(text[offset - 1 : offset + 1] == "\r\n" for offset in (start, end)):
        stretch = Stretch(start, end)
        assert stretch_of(document, range_of(document, stretch)) == stretch
