"""What goes wrong at the endpoint, as the editor sees it: typed errors, kept words, and a next turn that works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault

from .conftest import Shared
from .editor import SLOW, Listener, Stream

REFUSALS = {
    400: ("invalid_request", False),
    401: ("auth", False),
    402: ("payment", False),
    403: ("permission", False),
    404: ("model_not_found", False),
    413: ("invalid_request", False),
}


def error_message(stream: Stream) -> str:
    """The sentence of the error that a stream ended with."""
    return str(stream.values[-1]["error"]["message"])


class Witness:
    """A session with one turn, and how it must be found after a failure."""

    def __init__(self, window: Shared) -> None:
        self.window = window
        self.session = window.editor.session()
        window.editor.chat("before", sessionId=self.session)
        self.before = window.editor.result("cmt/session/get", {"sessionId": self.session})
        self.may_have_cost = False

    def ask(self) -> Stream:
        """The question that fails."""
        return self.window.editor.streaming_chat("the failing question", sessionId=self.session)

    def failed(self, stream: Stream) -> dict[str, Any]:
        """The error's data, after everybody was told the same."""
        answer = stream.answer(30)
        assert "error" in answer, answer
        error: dict[str, Any] = answer["error"]
        assert error["code"] == -32803
        end = stream.values[-1]
        assert (end["kind"], end["stopReason"], end["error"]) == ("end", "error", error)
        final = self.window.editor.final(end["turnId"])
        assert (final["phase"], final["error"]) == ("failed", error)
        assert "the failing question" not in error["message"]
        data: dict[str, Any] = error["data"]
        self.may_have_cost = "may have cost" in data.get("hint", "")
        return data

    def left_no_trace(self) -> None:
        """The history is as it was, and the next turn works and knows nothing of the failed one.

        What it may have cost is booked, as an estimate.
        """
        editor = self.window.editor
        self.window.sim._faults.clear()
        after = editor.result("cmt/session/get", {"sessionId": self.session})
        if self.may_have_cost:
            assert self.before["session"]["cost"]["nanoUsd"] < after["session"]["cost"]["nanoUsd"]
            assert after["session"]["usage"]["estimated"] is True
            money = {name: self.before["session"][name] for name in ("cost", "usage")}
            after = after | {"session": after["session"] | money}
        assert after == self.before
        assert editor.chat("after", sessionId=self.session)["stopReason"] == "end_turn"
        assert "the failing question" not in str(self.window.sim.requests[-1].body)


@pytest.fixture
def witness(shared_window: Shared) -> Iterator[Witness]:
    """A session of the test's own; afterwards the status is idle."""
    made = Witness(shared_window)
    yield made
    shared_window.sim._answers.clear()
    shared_window.sim._faults.clear()
    assert shared_window.editor.idle_status()["turns"] == []


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_typed_and_final(status: int, witness: Witness) -> None:
    """One request, no retry, a kind and a sentence that says what to do."""
    sent = len(witness.window.sim.requests)
    witness.window.sim.fail_next(Fault.status(status))
    stream = witness.ask()
    data = witness.failed(stream)
    assert (data["kind"], data["retryable"]) == REFUSALS[status]
    assert len(error_message(stream)) > 20
    assert len(witness.window.sim.requests) == sent + 1
    witness.left_no_trace()


def test_an_overload_is_tried_again_and_told(witness: Witness) -> None:
    """529, then the answer: a `retry` value with its delay before any text."""
    witness.window.sim.reply_with("at last")
    witness.window.sim.fail_next(Fault.status(529), Fault.status(529))
    stream = witness.ask()
    result = stream.result(30)
    assert result["text"] == stream.text == "at last"
    assert result["timing"]["retries"] == 2
    retries = [value for value in stream.values if value["kind"] == "retry"]
    assert [(r["attempt"], r["maxAttempts"]) for r in retries] == [(1, 3), (2, 3)]
    assert all(0 <= r["delayMs"] <= 1000 and r["reason"] for r in retries)
    assert stream.kinds.index("retry") < stream.kinds.index("text")
    assert witness.window.editor.phases(result["turnId"]) == ["started", "retrying", "streaming", "ended"]


def test_an_overload_that_stays_is_an_error_that_may_be_tried_again(witness: Witness) -> None:
    """Three attempts and no more."""
    sent = len(witness.window.sim.requests)
    witness.window.sim.fail_next(*[Fault.status(529)] * 3)
    data = witness.failed(witness.ask())
    assert (data["kind"], data["retryable"]) == ("overloaded", True)
    assert len(witness.window.sim.requests) == sent + 3
    witness.left_no_trace()


def test_the_endpoint_says_how_long_to_wait(witness: Witness) -> None:
    """429 with `retry-after`: waited for when short; beyond a minute it fails at once and says when."""
    witness.window.sim.fail_next(Fault.status(429, retry_after=1))
    stream = witness.ask()
    assert stream.result(30)["stopReason"] == "end_turn"
    assert [v["delayMs"] for v in stream.values if v["kind"] == "retry"] == [1000]
    witness = Witness(witness.window)
    witness.window.sim.fail_next(Fault.status(429, retry_after=7200))
    data = witness.failed(witness.ask())
    assert (data["kind"], data["retryAfterMs"]) == ("rate_limited", 7_200_000)
    witness.left_no_trace()


@pytest.mark.parametrize(
    "fault",
    [
        Fault.cut(after_events=6),
        Fault.hang_up(after_events=6),
        Fault.reset(after_events=6),
        Fault.error_event(after_events=6),
        Fault.error_event("api_error", after_events=6),
    ],
    ids=["cut", "hang_up", "reset", "overloaded event", "error event"],
)
def test_a_break_after_some_text_keeps_the_text_and_says_so(fault: Fault, witness: Witness) -> None:
    """`truncated`: what came stays, is marked, and goes along with the next question."""
    editor, sim = witness.window.editor, witness.window.sim
    sent = len(sim.requests)
    sim.reply_with(SLOW)
    sim.fail_next(fault)
    stream = witness.ask()
    result = stream.result(30)
    assert result["stopReason"] == "truncated"
    assert result["text"] == stream.text != ""
    assert SLOW.whole_text.startswith(result["text"])
    assert any("cut off" in notice for notice in result["notices"])
    assert len(sim.requests) == sent + 1
    kept = editor.turns(witness.session)[-1]
    assert (kept["text"], kept["stopReason"]) == (result["text"], "truncated")
    assert kept["usage"]["inputTokens"] > 0
    assert editor.chat("go on", sessionId=witness.session)["stopReason"] == "end_turn"
    assert result["text"].strip() in str(sim.requests[-1].body["messages"])


@pytest.mark.parametrize(
    "fault",
    [
        Fault.reset(),
        Fault.hang_up(after_events=0),
        Fault.cut(after_events=1),
        Fault.error_event(after_events=1),
    ],
    ids=["reset", "hang_up", "cut", "error event"],
)
def test_a_break_before_any_text_is_tried_again(fault: Fault, witness: Witness) -> None:
    """Nothing was shown, so nothing is lost: the second attempt answers."""
    witness.window.sim.reply_with(*["second"] * 2)
    witness.window.sim.fail_next(fault)
    stream = witness.ask()
    assert stream.result(30)["text"] == "second"
    assert "retry" in stream.kinds


@pytest.mark.parametrize("kind", ["html", "not_http", "empty"])
def test_something_that_is_no_endpoint_is_an_error_and_not_an_answer(kind: Any, witness: Witness) -> None:
    """A login page of a hotel, another protocol, nothing at all."""
    witness.window.sim.fail_next(*[Fault.junk_body(kind)] * 3)
    data = witness.failed(witness.ask())
    assert data["kind"] in ("internal", "network")
    witness.left_no_trace()


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(code: int, witness: Witness) -> None:
    """Neither question nor key go to another host; the error names it."""
    with Listener() as elsewhere:
        witness.window.sim.fail_next(*[Fault.redirect(code, f"{elsewhere.url}/v1/messages")] * 3)
        stream = witness.ask()
        data = witness.failed(stream)
        assert data["kind"] == "network"
        assert "127.0.0.1" in error_message(stream)
        assert elsewhere.connections == 0
    witness.left_no_trace()


@pytest.mark.parametrize(
    "junk", ["bad_json", "bad_utf8", "unknown_event", "unknown_block", "two_starts", "no_stop"]
)
def test_a_foul_stream_ends_in_a_known_way(junk: Any, witness: Witness) -> None:
    """Whatever the endpoint sends, the turn has a result or a typed error, and the window lives."""
    witness.window.sim.reply_with(*[SLOW] * 3)
    witness.window.sim.fail_next(*[Fault.junk_stream(junk)] * 3)
    stream = witness.ask()
    answer = stream.answer(30)
    if "error" in answer:
        assert answer["error"]["data"]["kind"] in ("internal", "network", "invalid_request")
    else:
        assert answer["result"]["stopReason"] in ("end_turn", "truncated")
    witness.window.sim._answers.clear()
    witness.window.sim._faults.clear()
    assert witness.window.editor.chat("after", sessionId=witness.session)["stopReason"] == "end_turn"


def test_a_prompt_that_is_too_long_is_said_as_such(witness: Witness) -> None:
    """`context_too_large`, with nothing kept."""
    message = "prompt is too long: 250000 tokens > 200000 maximum"
    witness.window.sim.fail_next(*[Fault.status(400, message=message)] * 2)
    data = witness.failed(witness.ask())
    assert data["kind"] == "context_too_large"
    witness.left_no_trace()


def test_a_slow_endpoint_is_waited_for_with_signs_of_life(witness: Witness) -> None:
    """Nothing for a second: the stream says what it waits for, and the progress too."""
    witness.window.sim.reply_with(Answer(text="slow"))
    witness.window.sim.fail_next(Fault.stall())
    stream = witness.ask()
    waiting = witness.window.editor.value(stream.token, "waiting")
    assert waiting["phase"] == "sending"
    assert waiting["elapsedMs"] >= 800
    witness.window.sim.release()
    assert stream.result()["text"] == "slow"
