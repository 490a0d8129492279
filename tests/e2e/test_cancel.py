"""Stopping a turn: every way to say it, in every state, and how long the connection lives on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator

from .conftest import MakeEditor, Shared
from .editor import BEFORE_HEADERS, MIDWAY, NOTIFIED, SLOW, TITLED, Editor, Stream, pipe_is_full, wait_until

FAST = 0.1
"""Seconds from the wish to the closed connection, at the 99th percentile."""
GENEROUS = 1.0
"""For a single sample on a machine that does other things as well."""

Canceller = Callable[[Editor, Stream, dict[str, Any]], None]


def by_request(editor: Editor, stream: Stream, started: dict[str, Any]) -> None:
    """`$/cancelRequest`."""
    editor.notify("$/cancelRequest", {"id": stream.request_id})


def by_turn(editor: Editor, stream: Stream, started: dict[str, Any]) -> None:
    """`cmt/cancel` of a turn."""
    editor.ask("cmt/cancel", {"turnId": started["turnId"]})


def by_session(editor: Editor, stream: Stream, started: dict[str, Any]) -> None:
    """`cmt/cancel` of a session."""
    editor.ask("cmt/cancel", {"sessionId": started["sessionId"]})


def of_all(editor: Editor, stream: Stream, started: dict[str, Any]) -> None:
    """`cmt/cancel` of everything."""
    editor.ask("workspace/executeCommand", {"command": "cmt.cancel"})


def by_progress(editor: Editor, stream: Stream, started: dict[str, Any]) -> None:
    """The person's click on the progress."""
    editor.notify("window/workDoneProgress/cancel", {"token": f"work-{stream.token}"})


WAYS: list[Canceller] = [by_request, by_turn, by_session, of_all, by_progress]


@pytest.fixture
def window(shared_window: Shared) -> Iterator[Shared]:
    """The module's window, warm, in a session of the test's own."""
    shared_window.editor.session()
    shared_window.editor.chat("warm up")
    yield shared_window
    assert shared_window.editor.idle_status()["turns"] == []


def chat(editor: Editor, text: str = "Go on") -> Stream:
    """A streamed chat with a progress that can be cancelled."""
    token = editor.token()
    params = {"text": text, "partialResultToken": token, "workDoneToken": f"work-{token}", "maxTokens": 4000}
    return Stream(editor, token, editor.ask("cmt/chat", params))


def test_a_turn_on_its_way_is_stopped_by_any_word(window: Shared) -> None:
    """Five ways, before the headers and midway: a `cancelled` result, one end, a closed connection."""
    for way in WAYS:
        for fault in (BEFORE_HEADERS, MIDWAY):
            window.sim.reply_with(SLOW)
            window.sim.fail_next(fault)
            stream = chat(window.editor)
            started = stream.started()
            request = window.stalled()
            if fault is MIDWAY:
                stream.first_text()
            asked = time.time()
            way(window.editor, stream, started)
            result = stream.result()
            closed = window.sim.wait_closed(request).closed_at
            assert closed is not None
            assert closed - asked < GENEROUS, way.__name__
            assert result["stopReason"] == "cancelled"
            assert result["usage"]["estimated"] is True
            assert result["cost"]["estimated"] is True
            assert SLOW.whole_text.startswith(result["text"])
            assert bool(result["text"]) == (fault is MIDWAY)
            assert window.editor.phases(started["turnId"])[-1] == "ended"
            assert [v["kind"] for v in window.editor.values(f"work-{stream.token}")][-1] == "end"
            _forget_script(window.sim)


def test_partial_text_is_kept_and_goes_on(window: Shared) -> None:
    """The next question carries what had come of the stopped answer."""
    stream = _midway(window)
    window.editor.ask("cmt/cancel", {})
    result = stream.result()
    assert window.editor.turns(result["sessionId"])[-1]["text"] == result["text"] != ""
    assert window.editor.turns(result["sessionId"])[-1]["stopReason"] == "cancelled"
    window.sim.reply_with("more")
    assert window.editor.chat("Go on")["text"] == "more"
    assert result["text"] in str(window.sim.requests[-1].body["messages"])


def test_cancelling_during_the_wait_for_a_retry(window: Shared) -> None:
    """The wait ends at once, and no second request goes out."""
    before = len(window.sim.requests)
    window.sim.fail_next(Fault.status(529, retry_after=30))
    stream = chat(window.editor)
    retry = window.editor.value(stream.token, "retry")
    assert retry["delayMs"] == 30_000
    asked = time.monotonic()
    window.editor.ask("cmt/cancel", {})
    assert stream.result()["stopReason"] == "cancelled"
    assert time.monotonic() - asked < GENEROUS
    assert len(window.sim.requests) == before + 1


def test_cancelling_twice_is_cancelling_once(window: Shared) -> None:
    """Two words in one write: one answer, one end."""
    stream = _midway(window)
    window.editor.notify("$/cancelRequest", {"id": stream.request_id})
    window.editor.notify("$/cancelRequest", {"id": stream.request_id})
    window.editor.ask("cmt/cancel", {})
    window.editor.notify("window/workDoneProgress/cancel", {"token": f"work-{stream.token}"})
    assert stream.result()["stopReason"] == "cancelled"


def test_cancelling_what_has_ended_changes_nothing(window: Shared) -> None:
    """The answer stays; `cmt/cancel` says that it stopped nothing."""
    window.sim.reply_with("done")
    stream = chat(window.editor)
    result = stream.result()
    window.editor.notify("$/cancelRequest", {"id": stream.request_id})
    window.editor.notify("window/workDoneProgress/cancel", {"token": f"work-{stream.token}"})
    for what in ({}, {"turnId": result["turnId"]}, {"sessionId": result["sessionId"]}, {"turnId": "none"}):
        assert window.editor.result("cmt/cancel", what) == {"cancelled": 0}
    assert window.editor.turns(result["sessionId"])[-1]["text"] == "done"


def test_cancel_stops_what_it_names_and_nothing_else(window: Shared) -> None:
    """Of three running turns the one of the named session ends."""
    editor = window.editor
    sessions = [editor.session() for _ in range(3)]
    window.sim.fail_next(*[BEFORE_HEADERS] * 3)
    base = len(window.sim.requests)
    streams = [editor.streaming_chat("x", sessionId=session) for session in sessions]
    for index in range(3):
        window.sim.wait_stalled(base + index)
    assert editor.result("cmt/cancel", {"sessionId": sessions[1]}) == {"cancelled": 1}
    assert streams[1].result()["stopReason"] == "cancelled"
    window.sim.release()
    assert {streams[0].result()["stopReason"], streams[2].result()["stopReason"]} == {"end_turn"}


def test_a_turn_stopped_before_its_first_step_has_a_start_and_an_end(window: Shared) -> None:
    """The word comes at all moments between the question and its request; stream and progress are whole each time."""
    editor = window.editor
    session = editor.session()
    for gap in range(60):
        token = editor.token()
        params = {
            "text": "x",
            "sessionId": session,
            "partialResultToken": token,
            "workDoneToken": f"work-{token}",
        }
        question = editor.prepared("cmt/chat", params)
        between = [editor.prepared("cmt/cancel", {"turnId": "none"}) for _ in range(gap)]
        stop = editor.prepared("cmt/cancel", {"sessionId": session})
        editor.send_bytes(b"".join(data for _, data in [question, *between, stop]))
        editor.answer(stop[0])
        assert "result" in editor.answer(question[0])
        kinds = [value["kind"] for value in editor.values(token)]
        assert (kinds[0], kinds[-1]) == ("started", "end")
        assert [v["kind"] for v in editor.values(f"work-{token}")][-1] == "end"


def test_a_turn_is_stopped_while_the_server_warms_up(make_editor: MakeEditor, sim: Simulator) -> None:
    """The first question, stopped before the SDK is loaded: answered at once, nothing sent, nothing booked."""
    editor = make_editor()
    editor.open()
    stream = editor.streaming_chat("x")
    assert editor.value(stream.token, "waiting")["phase"] == "warming_up"
    asked = time.monotonic()
    editor.notify("$/cancelRequest", {"id": stream.request_id})
    result = stream.result()
    assert time.monotonic() - asked < GENEROUS
    assert (result["stopReason"], result["usage"]["totalInputTokens"]) == ("cancelled", 0)
    assert sim.requests == []


def test_a_cancel_is_obeyed_while_the_editor_does_not_read(make_editor: MakeEditor, sim: Simulator) -> None:
    """The pipe is full and the answer endless: the connection closes all the same, and the end is there later."""
    editor = make_editor()
    editor.open()
    sim.reply_with(SLOW)
    sim.fail_next(Fault.endless(text="and so on and so on " * 50))
    stream = chat(editor)
    stream.first_text()
    editor.stop_reading()
    wait_until(lambda: pipe_is_full(editor), 30)
    asked = time.time()
    editor.notify("$/cancelRequest", {"id": stream.request_id})
    closed = sim.wait_closed(0).closed_at
    assert closed is not None
    assert closed - asked < GENEROUS
    editor.go_on_reading()
    assert stream.result()["stopReason"] == "cancelled"


def test_the_progress_that_the_server_offers_can_be_cancelled(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    """No token given: the server asks for a progress, shows it, and a click on it stops the turn."""
    editor = make_editor()
    editor.open(NOTIFIED | TITLED)
    sim.fail_next(BEFORE_HEADERS)
    request = editor.ask("cmt/chat", {"text": "x"})
    asked = editor.call("window/workDoneProgress/create", 20)
    token = asked["params"]["token"]
    editor.send({"jsonrpc": "2.0", "id": asked["id"], "result": None})
    assert editor.value(token, "begin")["cancellable"] is True
    sim.wait_stalled(0)
    editor.notify("window/workDoneProgress/cancel", {"token": token})
    assert editor.answer(request)["result"]["stopReason"] == "cancelled"
    editor.value(token, "end")


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_the_connection_closes_within_a_tenth_of_a_second(
    window: Shared, campaign_size: Callable[[int, int], int], figure: Callable[[str, str], None]
) -> None:
    """Request, turn, session, all and progress, before headers and midway, in turn: the 99th percentile holds."""
    count = campaign_size(30, 300)
    taken = []
    for n in range(count):
        window.sim.reply_with(SLOW)
        window.sim.fail_next((BEFORE_HEADERS, MIDWAY)[n % 2])
        stream = chat(window.editor)
        started = stream.started()
        request = window.stalled()
        asked = time.time()
        WAYS[n % len(WAYS)](window.editor, stream, started)
        closed = window.sim.wait_closed(request).closed_at
        assert closed is not None
        taken.append(closed - asked)
        assert stream.result()["stopReason"] == "cancelled"
        _forget_script(window.sim)
    p50, p99 = statistics.median(taken), sorted(taken)[int(len(taken) * 0.99) - 1]
    figure("cancel to closed connection", _spread(taken))
    assert p50 < FAST / 2
    assert p99 < (FAST if count >= 100 else GENEROUS)


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_the_connection_closes_as_fast_while_nobody_reads(
    window: Shared, campaign_size: Callable[[int, int], int], figure: Callable[[str, str], None]
) -> None:
    """The same with a full pipe and an endless answer."""
    editor, count, taken = window.editor, campaign_size(3, 100), []
    for _ in range(count):
        window.sim.reply_with(SLOW)
        window.sim.fail_next(Fault.endless(text="and so on " * 200))
        stream = chat(editor)
        stream.first_text()
        editor.stop_reading()
        wait_until(lambda: pipe_is_full(editor), 30)
        asked = time.time()
        editor.notify("$/cancelRequest", {"id": stream.request_id})
        closed = window.sim.wait_closed(len(window.sim.requests) - 1).closed_at
        assert closed is not None
        taken.append(closed - asked)
        editor.go_on_reading()
        assert stream.result()["stopReason"] == "cancelled"
        _forget_script(window.sim)
        editor.session()
    p99 = sorted(taken)[int(len(taken) * 0.99) - 1]
    figure("cancel to closed connection, pipe unread", _spread(taken))
    assert p99 < (FAST if count >= 100 else GENEROUS)


def _spread(taken: list[float]) -> str:
    """The distribution of some times in seconds, in milliseconds."""
    ranked = [seconds * 1000 for seconds in sorted(taken)]
    p99 = ranked[int(len(ranked) * 0.99) - 1]
    return (
        f"n={len(ranked)} p50 {statistics.median(ranked):.1f} ms, p99 {p99:.1f} ms, max {ranked[-1]:.1f} ms"
    )


def _midway(window: Shared) -> Stream:
    """A turn whose answer has begun and stands still."""
    window.sim.reply_with(SLOW)
    window.sim.fail_next(MIDWAY)
    stream = chat(window.editor)
    stream.first_text()
    window.stalled()
    return stream


def _forget_script(sim: Simulator) -> None:
    """Answers that no request came for; the next test scripts its own."""
    sim._answers.clear()


def test_an_answer_that_was_scripted_is_whole_again_after_all_that(window: Shared) -> None:
    """Nothing of the stopped turns is left in the way of the next one."""
    window.sim.reply_with(Answer(text="whole"))
    assert window.editor.chat("And now?")["text"] == "whole"
