"""`cmt/status`: the whole state, seldom enough, right at the end, and only for those who asked."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator

from .conftest import MakeEditor, Shared
from .editor import NOTIFIED, SLOW, Editor

SHORTEST_GAP = 0.25


@pytest.fixture
def sim(shared_window: Shared) -> Simulator:
    """The module's endpoint."""
    return shared_window.sim


@pytest.fixture
def editor(shared_window: Shared) -> Editor:
    """The module's window, in a session of the test's own."""
    shared_window.editor.session()
    return shared_window.editor


def test_the_last_status_is_idle_and_adds_up(editor: Editor, sim: Simulator) -> None:
    """After three turns in two sessions: window, session and turn have the sums of the results."""
    first = editor.session()
    before = editor.idle_status(lambda s: s["session"]["id"] == first)
    results = [editor.chat("one", sessionId=first), editor.chat("two", sessionId=first)]
    second = editor.session()
    results.append(editor.chat("three", sessionId=second))
    status = editor.idle_status(
        lambda s: (
            s["usage"]["session"]["outputTokens"] > 0
            and _output(s, "window") - _output(before, "window") == total(results)
        )
    )
    assert status["turns"] == []
    assert status["busy"] is False
    assert status["session"]["id"] == second
    assert status["usage"]["turn"] == results[-1]["usage"]
    assert status["cost"]["turn"] == results[-1]["cost"]
    for field in ("inputTokens", "outputTokens", "totalInputTokens", "cacheReadInputTokens"):
        grown = status["usage"]["window"][field] - before["usage"]["window"][field]
        assert grown == sum(r["usage"][field] for r in results)
        assert status["usage"]["session"][field] == results[-1]["usage"][field]
    grown = status["cost"]["window"]["nanoUsd"] - before["cost"]["window"]["nanoUsd"]
    assert grown == sum(r["cost"]["nanoUsd"] for r in results)
    assert status["cost"]["session"]["nanoUsd"] == results[-1]["cost"]["nanoUsd"]
    assert status["cache"] == results[-1]["cache"]
    assert 0 < status["contextFill"] < 1
    assert all(status["text"].values())


def total(results: list[dict[str, Any]]) -> int:
    """Output tokens of some turns."""
    return sum(r["usage"]["outputTokens"] for r in results)


def _output(status: dict[str, Any], scope: str) -> int:
    return int(status["usage"][scope]["outputTokens"])


def test_a_turn_in_flight_is_shown_with_its_phase(editor: Editor, sim: Simulator) -> None:
    """Busy, the turn, its session, how much text came; later nothing of it."""
    sim.reply_with(SLOW)
    sim.fail_next(Fault.stall(after_events=8))
    stream = editor.streaming_chat("x")
    stream.first_text()
    mine = stream.values[0]["turnId"]

    def streams(message: dict[str, Any]) -> bool:
        turns = message["params"]["turns"] if message.get("method") == "cmt/status" else []
        return any(turn["turnId"] == mine and turn["phase"] == "streaming" for turn in turns)

    status = editor.expect(streams)["params"]
    assert status["busy"] is True
    assert status["turns"][0]["outputCharacters"] > 0
    assert status["session"]["state"] == "busy"
    assert "streaming" in status["text"]["short"]
    sim.release()
    stream.result()
    assert editor.idle_status()["turns"] == []


@pytest.mark.parametrize("way", ["error", "cancel", "truncated", "bad image"])
def test_a_turn_that_ends_badly_leaves_an_idle_status(way: str, editor: Editor, sim: Simulator) -> None:
    """Not only the turn: the session shows idle too, and a failure is said in a sentence."""
    session = editor.session()
    sent, more = len(sim.requests), dict[str, Any]()
    if way == "error":
        sim.fail_next(Fault.status(401))
    elif way == "cancel":
        sim.fail_next(Fault.stall())
    elif way == "truncated":
        sim.reply_with(SLOW)
        sim.fail_next(Fault.cut(after_events=8))
    else:
        more = {"images": [{"data": "QUJD"}]}
    stream = editor.streaming_chat("x", sessionId=session, **more)
    started = stream.started()
    if way == "cancel":
        sim.wait_stalled(sent)
        editor.result("cmt/cancel", {})
    answer = stream.answer()
    failed = "error" in answer
    turns = 0 if failed else 1
    status = editor.idle_status(
        lambda s: (
            (s["session"]["id"], s["session"]["turns"], "message" in s)
            == (started["sessionId"], turns, failed)
        )
    )
    assert status["turns"] == []
    assert status["session"]["state"] == "idle"
    assert status.get("message") == (answer["error"]["message"] if failed else None)


def test_a_message_goes_when_the_next_turn_starts(editor: Editor, sim: Simulator) -> None:
    """An old failure is no news."""
    sim.fail_next(Fault.status(403))
    editor.refused("cmt/chat", {"text": "x"})
    told = editor.idle_status(lambda s: "message" in s)
    editor.chat("y")
    after = editor.idle_status(lambda s: _output(s, "window") > _output(told, "window"))
    assert "message" not in after


def test_status_comes_at_most_four_times_a_second(make_editor: MakeEditor, sim: Simulator) -> None:
    """A fast answer of a second and a half makes a handful of messages, not hundreds."""
    import time

    editor = make_editor()
    editor.open()
    editor.chat("warm up")
    times: list[float] = []
    put = editor._inbox.put

    def noting(message: Any) -> None:
        if message is not None and message.get("method") == "cmt/status":
            times.append(time.monotonic())
        put(message)

    vars(editor._inbox)["put"] = noting
    sim.reply_with(Answer(chunks=tuple("abcdefghij" * 15), chunk_delay=0.01))
    began = time.monotonic()
    editor.chat("x")
    editor.idle_status()
    took = time.monotonic() - began
    assert 2 <= len(times) <= took / SHORTEST_GAP + 2
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert sum(gap < SHORTEST_GAP * 0.8 for gap in gaps) <= 1, gaps


def test_only_those_who_asked_are_told(make_editor: MakeEditor) -> None:
    """Status and turn are declared one by one; anything but true is no."""
    for declared, expected in (
        ({}, set()),
        ({"status": True}, {"cmt/status"}),
        ({"turn": True}, {"cmt/turn"}),
        ({"status": "yes", "turn": 1}, set()),
    ):
        editor = make_editor()
        editor.open({"experimental": {"cmt": declared}})
        editor.chat("x")
        if "cmt/status" in expected:
            editor.call("cmt/status")
        assert {m["method"] for m in editor.messages if "method" in m} == expected


def test_names_and_models_show_as_soon_as_they_change(editor: Editor) -> None:
    """Create, rename and clear are seen without a turn."""
    session = editor.session(name="First")
    editor.idle_status(lambda s: s["session"]["name"] == "First")
    editor.result("cmt/session/update", {"sessionId": session, "name": "Second"})
    editor.idle_status(lambda s: s["session"]["name"] == "Second")
    fresh = editor.result("cmt/session/clear", {"sessionId": session})
    assert editor.idle_status(lambda s: s["session"]["id"] == fresh["id"])["session"]["turns"] == 0
    editor.result("cmt/session/delete", {"sessionId": fresh["id"]})
    editor.idle_status(lambda s: "session" not in s)


def test_an_editor_that_declared_nothing_odd_is_not_told_of_experiments(make_editor: MakeEditor) -> None:
    """`experimental` may be anything that some editor puts there."""
    odds: list[Any] = [[], {"cmt": []}]
    for odd in odds:
        editor = make_editor()
        editor.open(NOTIFIED | {"experimental": odd})
        editor.result("cmt/doctor")
        assert [m for m in editor.messages if "method" in m] == []
