"""Pins: what stays with a session, through the real server: sent first, read anew, told when it changed or is gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Simulator

from .conftest import MakeEditor, Shared

LONG = "".join(f"value_{n} = {n}\n" for n in range(3000))
"""Long enough to be cached on every model."""


@pytest.fixture
def folder(shared_window: Shared, request: pytest.FixtureRequest) -> Path:
    """A folder of the test's own in the workspace."""
    made = shared_window.editor.world / request.node.name.partition("[")[0]
    made.mkdir()
    return made


def file(path: Path) -> dict[str, Any]:
    return {"kind": "file", "uri": path.as_uri()}


def sent(sim: Simulator) -> list[list[str]]:
    """The texts of each message of the newest request."""
    return [
        [block.get("text", "") for block in message["content"]]
        for message in sim.requests[-1].body["messages"]
    ]


def states(session: dict[str, Any]) -> list[tuple[str, str]]:
    return [(pin["title"], pin["state"]) for pin in session.get("pinned", [])]


def test_a_pinned_file_opens_every_prompt_and_is_read_from_the_cache(
    shared_window: Shared, folder: Path
) -> None:
    """It stands before the history, turn after turn in the same bytes, so that the second question reads it."""
    editor, sim = shared_window.editor, shared_window.sim
    (folder / "a.py").write_text(LONG)
    made = editor.result("cmt/session/create", {"pinned": [file(folder / "a.py")]})
    (pin,) = made["pinned"]
    assert (pin["kind"], pin["state"], pin["uri"]) == ("file", "fresh", (folder / "a.py").as_uri())
    assert pin["title"] == f"{folder.name}/a.py"
    assert pin["tokens"] > 10_000
    editor.chat("one", sessionId=made["id"])
    first = sent(sim)
    second = editor.chat("two", sessionId=made["id"])
    assert first[0][0].startswith(f"File {folder.name}/a.py")
    assert [texts[-1] for texts in sent(sim)][::2] == ["one", "two"]
    assert sent(sim)[0] == first[0]
    assert second["cache"]["readTokens"] >= pin["tokens"] * 0.5
    turns = editor.turns(made["id"])
    assert "attachments" not in turns[0]


def test_a_changed_file_is_read_anew_and_the_loss_is_told_once(shared_window: Shared, folder: Path) -> None:
    """With its price; after that question it is fresh again. An open document is what is sent, unsaved edits and all."""
    editor, sim = shared_window.editor, shared_window.sim
    path = folder / "a.py"
    path.write_text(LONG)
    session = editor.session(pinned=[file(path)])
    editor.chat("one", sessionId=session)
    path.write_text("changed = 1\n" + LONG)
    shown = editor.result("cmt/session/get", {"sessionId": session})["session"]
    assert states(shown) == [(f"{folder.name}/a.py", "changed")]
    told = editor.chat("two", sessionId=session)
    (notice,) = [line for line in told["notices"] if "a.py" in line]
    assert "changed since it was last sent" in notice
    assert "cached tokens are lost" in notice
    assert "costs $0." in notice
    assert "changed = 1" in sent(sim)[0][0]
    assert "a.py" not in str(editor.chat("three", sessionId=session).get("notices"))
    document = {"uri": path.as_uri(), "languageId": "python", "version": 1, "text": "unsaved = 2\n"}
    editor.notify("textDocument/didOpen", {"textDocument": document})
    editor.chat("four", sessionId=session)
    assert "unsaved = 2" in sent(sim)[0][0]


def test_a_missing_file_is_told_and_left_out(shared_window: Shared, folder: Path) -> None:
    """The question goes out with the rest; put back, the file goes along again."""
    editor, sim = shared_window.editor, shared_window.sim
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(f"text of {name}\n")
    session = editor.session(pinned=[file(folder / "a.txt"), file(folder / "b.txt")])
    (folder / "a.txt").unlink()
    told = editor.chat("one", sessionId=session)
    assert told["stopReason"] == "end_turn"
    (notice,) = [line for line in told["notices"] if "a.txt" in line]
    assert "left out" in notice
    assert "unpin" in notice
    assert [text.split("\n")[0] for text in sent(sim)[0]] == [f"File {folder.name}/b.txt", "one"]
    shown = editor.result("cmt/session/get", {"sessionId": session})["session"]
    assert [state for _, state in states(shown)] == ["missing", "fresh"]
    assert shown["pinned"][0]["tokens"] == 0
    assert "cannot be opened" in shown["pinned"][0]["reason"]
    (folder / "a.txt").write_text("back\n")
    editor.chat("two", sessionId=session)
    assert "back" in sent(sim)[0][0]


def test_a_pinned_selection_keeps_its_text_and_says_when_its_document_moved_on(
    shared_window: Shared, folder: Path
) -> None:
    editor, sim = shared_window.editor, shared_window.sim
    path = folder / "a.py"
    path.write_text("def f():\n    return 1\n")
    span = {"start": {"line": 0, "character": 0}, "end": {"line": 2, "character": 0}}
    pin = {"kind": "selection", "uri": path.as_uri(), "range": span}
    session = editor.session(pinned=[pin, {"kind": "text", "title": "rules", "text": "be brief"}])
    path.write_text("def f():\n    return 2\n")
    editor.chat("one", sessionId=session)
    assert "return 1" in sent(sim)[0][0]
    assert "as it was pinned" in sent(sim)[0][0].split("\n")[0]
    shown = editor.result("cmt/session/get", {"sessionId": session})["session"]
    assert states(shown) == [(f"{folder.name}/a.py, lines 1 to 2", "changed"), ("rules", "fresh")]


def test_pins_are_added_removed_and_replaced(shared_window: Shared, folder: Path) -> None:
    """By id, URI or title; what is not pinned is named with what is; the same file twice is one pin."""
    editor = shared_window.editor
    for name in "abc":
        (folder / name).write_text(name)
    session = editor.session(pinned=[file(folder / "a")])

    def update(**change: Any) -> list[str]:
        made = editor.result("cmt/session/update", {"sessionId": session, **change})
        return [title.rpartition("/")[2] for title, _ in states(made)]

    assert update(pin=[file(folder / "b"), file(folder / "a")]) == ["a", "b"]
    assert update(name="renamed") == ["a", "b"]
    assert update(unpin=[(folder / "a").as_uri()]) == ["b"]
    assert update(pinned=[file(folder / "c")]) == ["c"]
    error = editor.refused("cmt/session/update", {"sessionId": session, "unpin": ["nothing"]})
    assert "pinned are: " in error["message"]
    missing = {"sessionId": session, "pin": [file(folder / "missing")]}
    assert editor.refused("cmt/session/update", missing)["message"].startswith("$.pin[0] (")
    assert update(name="again") == ["c"]
    assert update(pinned=[]) == []


def test_what_is_pinned_and_attached_is_sent_once(shared_window: Shared, folder: Path) -> None:
    editor, sim = shared_window.editor, shared_window.sim
    (folder / "a.py").write_text("x = 1\n")
    session = editor.session(pinned=[file(folder / "a.py")])
    uri = (folder / "a.py").as_uri()
    document = {"uri": uri, "languageId": "python", "version": 1, "text": "x = 1\n"}
    editor.notify("textDocument/didOpen", {"textDocument": document})
    params = {"text": "one", "context": [file(folder / "a.py")], "sessionId": session}
    shown = editor.result("cmt/preview", params)
    told = editor.chat(**params)
    assert [block["pinned"] for block in shown["blocks"]] == [True, False]
    assert len(sent(sim)[0]) == 2
    assert any("sent once" in notice for notice in told["notices"])


def test_a_fork_and_a_fresh_start_keep_the_pins_and_an_export_shows_them(
    shared_window: Shared, folder: Path
) -> None:
    editor = shared_window.editor
    (folder / "a.py").write_text("x = 1\n")
    note = {"kind": "text", "title": "rules", "text": "be brief"}
    session = editor.session(pinned=[file(folder / "a.py"), note])
    editor.chat("one", sessionId=session)
    fork = editor.result("cmt/session/fork", {"sessionId": session})
    fresh = editor.result("cmt/session/clear", {"sessionId": session})
    assert states(fork) == states(fresh) == [(f"{folder.name}/a.py", "fresh"), ("rules", "fresh")]
    exported = editor.result("cmt/session/export", {"sessionId": session, "format": "json"})["text"]
    pins = json.loads(exported)["session"]["pins"]
    assert [pin["kind"] for pin in pins] == ["file", "text"]
    assert "text" not in pins[0]
    markdown = editor.result("cmt/session/export", {"sessionId": session})["text"]
    assert f"## Pinned\n\n- {folder.name}/a.py" in markdown
    assert "be brief" in markdown


def test_pins_outlive_the_window_and_no_file_outside_the_workspace_is_read_for_them(
    make_editor: MakeEditor, world: Path
) -> None:
    """Another window finds them; in a window of another folder the file is missing, whatever the session's own."""
    (world / "one").mkdir()
    (world / "two").mkdir()
    (world / "one" / "a.py").write_text("x = 1\n")
    first = make_editor()
    first.open(rootUri=(world / "one").as_uri())
    session = first.session(name="kept", pinned=[file(world / "one" / "a.py")])
    first.leave()
    for root, state in (("one", "fresh"), ("two", "missing")):
        editor = make_editor()
        editor.open(rootUri=(world / root).as_uri())
        listed = editor.result("cmt/session/list", {"scope": "all"})["sessions"]
        assert [states(one) for one in listed if one["id"] == session] == [[("a.py", state)]]


def test_a_pinned_secret_is_held_until_it_may_leave(shared_window: Shared, folder: Path) -> None:
    """A file that was harmless when it was pinned is looked at again once it changed."""
    editor, sim = shared_window.editor, shared_window.sim
    path = folder / "settings.py"
    path.write_text("debug = True\n")
    session = editor.session(pinned=[file(path)])
    editor.chat("one", sessionId=session)
    path.write_text('aws = "AKIAIOSFODNN7RQ4LPZW"\n')
    before = len(sim.requests)
    error = editor.refused("cmt/chat", {"text": "two", "sessionId": session})
    assert error["data"]["kind"] == "blocked_file"
    assert len(sim.requests) == before
    editor.chat("two", sessionId=session, allowSecrets=True)
    editor.chat("three", sessionId=session)
