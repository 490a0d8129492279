"""Two windows on one state folder: what one makes the other finds, and only one speaks in a session at a time."""

from __future__ import annotations

from cmt_lsp.simulator import Simulator

from .conftest import MakeEditor
from .editor import BEFORE_HEADERS, MIDWAY, SLOW


def test_a_session_moves_from_window_to_window(make_editor: MakeEditor, sim: Simulator) -> None:
    """Listed, opened, continued, renamed, deleted elsewhere: each window sees the other's work without a restart."""
    left, right = make_editor(), make_editor()
    for editor in (left, right):
        editor.open()
    sim.reply_with("one", "two", "three")
    session = left.session(name="Shared")
    left.chat("first", 30, sessionId=session)
    listed = right.result("cmt/session/list", {"scope": "all"})["sessions"]
    assert [(s["id"], s["name"], s["turns"], s["state"]) for s in listed] == [(session, "Shared", 1, "idle")]
    assert right.result("cmt/session/list", {"scope": "window"})["sessions"] == []
    right.chat("second", 30, sessionId=session)
    assert len(sim.requests[-1].body["messages"]) == 3
    left.chat("third", sessionId=session)
    assert len(sim.requests[-1].body["messages"]) == 5
    assert [t["text"] for t in right.turns(session)] == ["one", "two", "three"]
    right.result("cmt/session/update", {"sessionId": session, "name": "Renamed"})
    assert left.result("cmt/session/get", {"sessionId": session})["session"]["name"] == "Renamed"
    left.result("cmt/session/delete", {"sessionId": session})
    assert right.refused("cmt/chat", {"text": "x", "sessionId": session})["data"]["kind"] == "unknown_session"

    busy = left.session(name="Busy")
    sim.fail_next(BEFORE_HEADERS)
    before = len(sim.requests)
    stream = left.streaming_chat("slow", sessionId=busy)
    sim.wait_stalled(before)
    found = right.result("cmt/session/get", {"sessionId": busy})["session"]
    assert found["state"] == "elsewhere"
    assert left.result("cmt/session/get", {"sessionId": busy})["session"]["state"] == "busy"
    for method, params in (
        ("cmt/chat", {"text": "x", "sessionId": busy}),
        ("cmt/session/delete", {"sessionId": busy}),
        ("cmt/session/clear", {"sessionId": busy}),
    ):
        error = right.refused(method, params)
        assert (error["data"]["kind"], "another window" in error["message"]) == ("session_busy", True), method
    assert right.result("cmt/cancel", {"sessionId": busy}) == {"cancelled": 0}
    sim.release()
    assert stream.result()["stopReason"] == "end_turn"
    assert right.chat("and now", sessionId=busy)["stopReason"] == "end_turn"


def test_a_killed_window_frees_its_sessions(make_editor: MakeEditor, sim: Simulator) -> None:
    """kill -9 midway: the other window finds the session idle and goes on."""
    left, right = make_editor(), make_editor()
    for editor in (left, right):
        editor.open()
    session = left.session()
    sim.reply_with("kept")
    left.chat("first", 30, sessionId=session)
    sim.reply_with(SLOW)
    sim.fail_next(MIDWAY)
    left.streaming_chat("second", sessionId=session).first_text()
    assert right.result("cmt/session/get", {"sessionId": session})["session"]["state"] == "elsewhere"
    left.process.kill()
    left.exit_code()
    found = right.result("cmt/session/get", {"sessionId": session})
    assert found["session"]["state"] == "idle"
    assert [t["text"] for t in found["turns"]] == ["kept"]
    assert right.chat("go on", 30, sessionId=session)["stopReason"] == "end_turn"


def test_windows_that_write_at_once_lose_nothing(make_editor: MakeEditor, sim: Simulator) -> None:
    """Thirty sessions made and renamed in three windows at the same time: all there, all renamed."""
    windows = [make_editor() for _ in range(3)]
    for editor in windows:
        editor.open()
        editor.result("cmt/doctor")
    asked = [
        (editor, editor.ask("cmt/session/create", {"name": f"s{n}"})) for n in range(10) for editor in windows
    ]
    made = [(editor, editor.answer(request)["result"]["id"]) for editor, request in asked]
    renamed = [
        (editor, editor.ask("cmt/session/update", {"sessionId": session, "name": f"n{n}"}))
        for n, (editor, session) in enumerate(made)
    ]
    for editor, request in renamed:
        assert "result" in editor.answer(request)
    names = {s["name"] for s in windows[0].result("cmt/session/list", {"scope": "all"})["sessions"]}
    assert names == {f"n{n}" for n in range(30)}
