"""A turn as work-done progress: what editors show that know nothing of us."""

from __future__ import annotations

from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator

from .conftest import MakeEditor, Shared
from .editor import SLOW, TITLED, Editor


@pytest.fixture
def sim(shared_window: Shared) -> Simulator:
    """The module's endpoint."""
    return shared_window.sim


@pytest.fixture
def editor(shared_window: Shared) -> Editor:
    """The module's window, in a session of the test's own."""
    shared_window.editor.session()
    return shared_window.editor


def accept(editor: Editor) -> str:
    """Take the progress that the server offers; its token."""
    asked = editor.call("window/workDoneProgress/create", 20)
    editor.send({"jsonrpc": "2.0", "id": asked["id"], "result": None})
    return str(asked["params"]["token"])


def messages(editor: Editor, token: object) -> list[str]:
    """The lines of a progress."""
    return [value["message"] for value in editor.values(token) if "message" in value]


def test_a_progress_of_the_editor_begins_counts_and_ends_with_the_bill(
    editor: Editor, sim: Simulator
) -> None:
    """begin, report ..., end on the very token; the last line has tokens, money and time; the answer comes after."""
    sim.reply_with(Answer(chunks=tuple(f"word {n} " for n in range(30)), chunk_delay=0.03))
    request = editor.ask("cmt/chat", {"text": "x", "workDoneToken": 7})
    result = editor.answer(request, 20)["result"]
    kinds = [value["kind"] for value in editor.values(7)]
    assert (kinds[0], kinds[-1]) == ("begin", "end")
    assert "report" in kinds
    assert editor.values(7)[0]["cancellable"] is True
    last = messages(editor, 7)[-1]
    assert result["cost"]["display"] in last
    assert f"{result['usage']['outputTokens']} out" in last
    order = [m for m in editor.messages if m.get("id") == request or m.get("params", {}).get("token") == 7]
    assert order[-1].get("id") == request


def test_streaming_and_progress_go_side_by_side(editor: Editor, sim: Simulator) -> None:
    """Both tokens in one request: each has its own whole story."""
    token = editor.token()
    result = editor.chat("x", partialResultToken=token, workDoneToken=f"work-{token}")
    assert "".join(v["text"] for v in editor.values(token) if v["kind"] == "text") == result["text"]
    assert [v["kind"] for v in editor.values(f"work-{token}")][-1] == "end"


def test_a_streamed_chat_gets_no_progress_that_nobody_asked_for(make_editor: MakeEditor) -> None:
    """The stream is the progress."""
    editor = make_editor()
    editor.open(TITLED)
    editor.streaming_chat("x").result()
    assert all(m["method"] == "$/progress" for m in editor.messages if "method" in m)


def test_the_server_offers_a_progress_where_the_editor_shows_one(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    """For requests and for commands, which go on out of band."""
    editor = make_editor()
    editor.open(TITLED)
    before = len(sim.requests)
    for index, door in enumerate(("request", "command")):
        sim.reply_with(SLOW)
        sim.fail_next(Fault.stall(after_events=12))
        if door == "request":
            editor.ask("cmt/chat", {"text": "x"})
        else:
            editor.command("cmt.chat", {"text": "x"})
        token = accept(editor)
        assert editor.value(token, "begin")["title"] == "Claude"
        editor.value(token, "report")
        sim.wait_stalled(before + index)
        sim.release()
        assert " out" in editor.value(token, "end")["message"]


def test_an_editor_that_refuses_the_progress_is_served(make_editor: MakeEditor, sim: Simulator) -> None:
    """An error, or an answer long after the end: the turn is as ever, and no progress stays open."""
    editor = make_editor()
    editor.open(TITLED)
    sim.reply_with("one", "two")
    first = editor.ask("cmt/chat", {"text": "x"})
    asked = editor.call("window/workDoneProgress/create", 20)
    editor.send({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no"}})
    assert editor.answer(first, 20)["result"]["text"] == "one"
    second = editor.ask("cmt/chat", {"text": "y"})
    asked = editor.call("window/workDoneProgress/create", 20)
    assert editor.answer(second, 20)["result"]["text"] == "two"
    editor.send({"jsonrpc": "2.0", "id": asked["id"], "result": None})
    editor.result("cmt/doctor")
    kinds = [value["kind"] for value in editor.values(asked["params"]["token"])]
    assert kinds in ([], ["begin", "end"])


def test_a_wait_for_a_retry_counts_down(editor: Editor, sim: Simulator) -> None:
    """The line says why and how long, to the end of the wait."""
    sim.fail_next(Fault.status(529, retry_after=3))
    token = editor.token()
    result = editor.chat("x", partialResultToken=token, workDoneToken="w")
    assert result["timing"]["retries"] == 1
    waits = [value["elapsedMs"] for value in editor.values(token) if value["kind"] == "waiting"]
    between = [elapsed for elapsed in waits if 500 < elapsed < 2900]
    assert between == [], "nobody speaks of waiting for an answer between two attempts"
    lines = messages(editor, "w")
    counted = [line for line in lines if "attempt 2 of 3" in line]
    shown = [line.rsplit(" in ", 1)[1] for line in counted]
    assert [line for line in shown if line != "0 s"] == ["3 s", "2 s", "1 s"], lines


def test_a_failure_ends_the_progress_with_its_reason(editor: Editor, sim: Simulator) -> None:
    """The person reads the sentence of the error."""
    sim.fail_next(Fault.status(403))
    error: dict[str, Any] = editor.refused("cmt/chat", {"text": "x", "workDoneToken": "failing"})
    assert editor.values("failing")[-1] == {"kind": "end", "message": error["message"]}
