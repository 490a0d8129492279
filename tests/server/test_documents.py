"""The server's copy of a document is the editor's, after any edits in any position encoding."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types
from raw_client import RawClient

from cmt_lsp.server.rpc.documents import OpenDocuments

URI = "file:///folder/a%20b.txt"
UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
ENCODINGS = [types.PositionEncodingKind(name) for name in UNITS]

text = st.text(alphabet="ab \t\n\r\f\v\x1c\x1d\x1e\x85\u2028\u2029é€😀\U0010ffff", max_size=30)
place = st.tuples(st.integers(0, 12), st.integers(0, 40))
edit = st.tuples(place, place, text)


def documents(encoding: types.PositionEncodingKind) -> OpenDocuments:
    return OpenDocuments.like(OpenDocuments("file:///folder", position_encoding=encoding))


def opened(encoding: types.PositionEncodingKind, content: str) -> OpenDocuments:
    made = documents(encoding)
    made.put_text_document(types.TextDocumentItem(URI, "text", 0, content))
    return made


def change(start: tuple[int, int], end: tuple[int, int], new: str) -> types.TextDocumentContentChangePartial:
    return types.TextDocumentContentChangePartial(
        types.Range(types.Position(*start), types.Position(*end)), new
    )


def reference_offset(content: str, where: tuple[int, int], encoding: str) -> int:
    """The meaning of a position, written as LSP words it: lines, then code units, both cut at their end."""
    ends = [m.end() for m in re.finditer(r"\r\n|\n|\r", content)]
    starts = [0, *ends]
    line, units = where
    if line >= len(starts):
        return len(content)
    stop = starts[line + 1] if line + 1 < len(starts) else len(content)
    own = re.sub(r"(\r\n|\n|\r)\Z", "", content[starts[line] : stop])
    codec, width = UNITS[encoding]
    for characters in range(len(own) + 1):
        if len(own[:characters].encode(codec)) // width >= units:
            return starts[line] + characters
    return starts[line] + len(own)


@settings(max_examples=400)
@given(st.sampled_from(ENCODINGS), text, st.lists(edit, min_size=1, max_size=8))
def test_any_edits_give_the_editors_text(
    encoding: types.PositionEncodingKind, content: str, edits: list[Any]
) -> None:
    """Form feeds and Unicode's own line separators are text; positions beyond the end mean the end."""
    made = opened(encoding, content)
    for number, (start, end, new) in enumerate(edits, 1):
        start, end = sorted((start, end))
        first, last = (reference_offset(content, where, encoding.value) for where in (start, end))
        content = content[:first] + new + content[last:]
        version = types.VersionedTextDocumentIdentifier(version=number, uri=URI)
        made.update_text_document(version, change(start, end, new))

        document = made.opened(URI)
        assert document is not None
        assert (document.source, document.version) == (content, number)


@settings(max_examples=200)
@given(st.sampled_from(ENCODINGS), text, place, place)
def test_the_text_of_a_range_is_what_the_editor_shows(
    encoding: types.PositionEncodingKind, content: str, start: tuple[int, int], end: tuple[int, int]
) -> None:
    """Selections are cut where the editor cuts them."""
    start, end = sorted((start, end))
    document = opened(encoding, content).get_text_document(URI)
    first, last = (reference_offset(content, where, encoding.value) for where in (start, end))
    selected = types.Range(types.Position(*start), types.Position(*end))

    assert document.text_in_client_range(selected) == content[first:last]
    assert selected == types.Range(
        types.Position(*start), types.Position(*end)
    )  # the caller's own is left alone


def test_lines_end_where_lsp_says() -> None:
    """And keep their endings."""
    content = "a\fb\u2028c\x85d\r\ne\rf\n\ng"

    assert opened(ENCODINGS[1], content).get_text_document(URI).lines == (
        "a\fb\u2028c\x85d\r\n",
        "e\r",
        "f\n",
        "\n",
        "g",
    )
    assert opened(ENCODINGS[1], "").get_text_document(URI).lines == ()


def test_a_whole_text_replaces_and_version_zero_is_a_version() -> None:
    """A change without a range is the whole document."""
    made = opened(ENCODINGS[0], "old")
    version = types.VersionedTextDocumentIdentifier(version=0, uri=URI)
    made.update_text_document(version, types.TextDocumentContentChangeWholeDocument("new"))
    document = made.get_text_document(URI)

    assert (document.source, document.version, list(document.lines)) == ("new", 0, ["new"])


@pytest.mark.parametrize("there", [True, False])
def test_a_document_that_is_not_open_is_never_read(there: bool, tmp_path: Path) -> None:
    """Neither a file on disk nor a relative path of an unnamed buffer."""
    file = tmp_path / "secret.txt"
    if there:
        file.write_text("secret")
    made = documents(ENCODINGS[0])

    assert made.opened(file.as_uri()) is None
    for uri in (file.as_uri(), "untitled:secret.txt", "not a uri", "http://["):
        with pytest.raises(KeyError):
            made.get_text_document(uri)
        made.update_text_document(
            types.VersionedTextDocumentIdentifier(version=1, uri=uri), change((0, 0), (0, 0), "x")
        )
    assert made.text_documents == {}


def test_an_empty_document_stays_empty_although_its_file_is_not(tmp_path: Path) -> None:
    """The editor's copy counts."""
    file = tmp_path / "full.txt"
    file.write_text("on disk")
    made = documents(ENCODINGS[0])
    made.put_text_document(types.TextDocumentItem(file.as_uri(), "text", 0, ""))

    assert made.get_text_document(file.as_uri()).source == ""


# --- through a real process


@pytest.mark.parametrize("encoding", UNITS)
def test_the_editors_first_encoding_is_used(encoding: str) -> None:
    """An edit behind an emoji, in the units that were agreed on."""
    column = len("😀".encode(UNITS[encoding][0])) // UNITS[encoding][1]
    with RawClient() as client:
        result = client.initialize(capabilities={"general": {"positionEncodings": [encoding]}})
        client.notify(
            "textDocument/didOpen",
            {"textDocument": {"uri": URI, "languageId": "x", "version": 1, "text": "a\u2028\n😀b"}},
        )
        where = {"line": 1, "character": column}
        edit = {"range": {"start": where, "end": where}, "text": "-"}
        client.notify(
            "textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [edit]}
        )

        assert result["capabilities"]["positionEncoding"] == encoding
        assert client.result("probe/document", {"uri": "file:///folder/a b.txt"}) == {
            "text": "a\u2028\n😀-b",
            "version": 2,
        }
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        assert client.result("probe/document", {"uri": URI}) is None


def test_a_change_to_an_unopened_document_is_no_event(shared: RawClient) -> None:
    """No popup, no error, no document."""
    change = {"textDocument": {"uri": "file:///never", "version": 1}, "contentChanges": [{"text": "x"}]}
    shared.notify("textDocument/didChange", change)
    shared.notify("textDocument/didClose", {"textDocument": {"uri": "file:///never"}})

    assert shared.result("probe/document", {"uri": "file:///never"}) is None
    assert shared.popups() == []
