"""Chat through both doors, streamed or not: the words, their order, their sums."""

from __future__ import annotations

from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator

from .conftest import MakeEditor, Shared
from .editor import NOTIFIED, SLOW, TITLED

WORDS = "Grüße, 世界! 👩\u200d👩\u200d👧 e\u0301nd."


@pytest.fixture
def window(shared_window: Shared) -> Shared:
    """The module's window, in a session of the test's own."""
    shared_window.editor.session()
    return shared_window


def test_a_request_is_answered_with_the_whole_turn(window: Shared) -> None:
    """Neither streamed nor shown: one answer that holds everything."""
    window.sim.reply_with(Answer(text=WORDS))
    result = window.editor.chat("Say it")
    assert result["text"] == WORDS
    assert result["stopReason"] == "end_turn"
    assert result["usage"]["totalInputTokens"] > 0
    assert result["cost"]["priced"] is True
    assert result["timing"]["firstTokenMs"] <= result["timing"]["totalMs"]


def test_streamed_text_is_the_answer_piece_by_piece(window: Shared) -> None:
    """started, prediction, usage, text ..., end: numbered, with offsets, joined the very text of the result."""
    window.sim.reply_with(Answer(chunks=tuple(WORDS)))
    stream = window.editor.streaming_chat("Say it in pieces")
    result = stream.result()
    assert stream.text == result["text"] == WORDS
    assert [k for k in stream.kinds if k != "waiting"] == ["started", "prediction", "usage", "text", "end"]
    assert [v["seq"] for v in stream.values] == list(range(len(stream.values)))


def test_a_family_emoji_in_eight_deltas_is_never_torn(window: Shared) -> None:
    """Each piece ends at a grapheme boundary, however the endpoint cut it."""
    family = "👨\u200d👩\u200d👧\u200d👦"
    window.sim.reply_with(Answer(chunks=("a", *family, "b", *family, "e", "\u0301", "x"), chunk_delay=0.03))
    stream = window.editor.streaming_chat("Draw")
    assert stream.result()["text"] == f"a{family}b{family}e\u0301x"
    for value in stream.values:
        if value["kind"] == "text":
            assert value["text"][0] not in "\u200d\u0301👩👧👦", stream.values
            assert value["text"][-1] != "\u200d"


def test_thinking_comes_before_the_text(window: Shared) -> None:
    """A model's summary of its thinking has a kind of its own."""
    window.sim.reply_with(Answer(text="42", thinking="Six times seven."))
    stream = window.editor.streaming_chat("How much?")
    assert stream.result()["text"] == "42"
    kinds = [k for k in stream.kinds if k != "waiting"]
    assert kinds == ["started", "prediction", "usage", "thinking", "text", "end"]
    assert "".join(v["text"] for v in stream.values if v["kind"] == "thinking") == "Six times seven."


def test_a_command_is_accepted_at_once_and_goes_on_out_of_band(window: Shared) -> None:
    """The answer of the command comes while the endpoint is silent; the end comes as `cmt/turn`."""
    window.sim.fail_next(Fault.stall())
    accepted = window.editor.command("cmt.chat", {"text": "Slowly"})["result"]
    assert set(accepted) == {"turnId", "sessionId"}
    window.stalled()
    window.sim.release()
    final = window.editor.final(accepted["turnId"])
    assert final["phase"] == "ended"
    assert final["result"]["stopReason"] == "end_turn"
    assert window.editor.phases(accepted["turnId"]) == ["started", "streaming", "ended"]


def test_a_command_that_asks_to_wait_gets_the_answer(window: Shared) -> None:
    """`wait: true` is the request's answer through the command's door."""
    window.sim.reply_with("waited")
    answer = window.editor.command("cmt.chat", {"text": "Wait", "wait": True})
    assert answer["result"]["text"] == "waited"


def test_a_command_streams_too(window: Shared) -> None:
    """A token in the argument of a command works as in a request."""
    token = window.editor.token()
    window.sim.reply_with("streamed")
    accepted = window.editor.command("cmt.chat", {"text": "Stream", "partialResultToken": token})["result"]
    window.editor.final(accepted["turnId"])
    assert "".join(v["text"] for v in window.editor.values(token) if v["kind"] == "text") == "streamed"
    assert window.editor.values(token)[-1]["kind"] == "end"


def test_both_doors_say_the_same(window: Shared) -> None:
    """Request and command have the same types and the same errors."""
    params: dict[str, Any] = {"text": "x", "maxTokens": 0}
    direct = window.editor.refused("cmt/chat", params)
    command = window.editor.command("cmt.chat", params)["error"]
    assert (direct["code"], direct["data"]["kind"]) == (command["code"], command["data"]["kind"])


def test_the_conversation_is_sent_again_with_each_question(window: Shared) -> None:
    """The second request holds the first question and its answer."""
    window.sim.reply_with("one", "two")
    window.editor.chat("first?")
    window.editor.chat("second?")
    said = [m["role"] for m in window.sim.requests[-1].body["messages"]]
    assert said == ["user", "assistant", "user"]


def test_asking_again_replaces_the_last_answer(window: Shared) -> None:
    """`cmt/retry` sends the same question, and the history keeps one answer."""
    editor, sim = window.editor, window.sim
    sim.reply_with("bad", "better")
    session = editor.session()
    first = editor.chat("q")
    token = editor.token()
    again = editor.result("cmt/retry", {"sessionId": session, "partialResultToken": token})
    assert (first["text"], again["text"]) == ("bad", "better")
    assert [turn["text"] for turn in editor.turns(session)] == ["better"]
    assert editor.values(token)[-1]["kind"] == "end"


def test_a_busy_session_refuses_a_second_question(window: Shared) -> None:
    """`session_busy` at once; the first turn is not disturbed."""
    window.sim.fail_next(Fault.stall())
    stream = window.editor.streaming_chat("first")
    window.stalled()
    error = window.editor.refused("cmt/chat", {"text": "second"})
    assert error["data"]["kind"] == "session_busy"
    assert error["data"]["retryable"] is True
    window.sim.release()
    assert stream.result()["stopReason"] == "end_turn"


def test_turns_of_two_sessions_run_side_by_side(window: Shared) -> None:
    """One session's silence holds up nobody else."""
    editor, sim = window.editor, window.sim
    quiet = editor.session()
    sim.fail_next(Fault.stall())
    stream = editor.streaming_chat("quiet", sessionId=quiet)
    window.stalled()
    assert editor.chat("loud", sessionId=editor.session())["stopReason"] == "end_turn"
    sim.release()
    assert stream.result()["stopReason"] == "end_turn"


def test_the_options_of_one_question_reach_the_endpoint(window: Shared) -> None:
    """model, maxTokens and effort are those of the question, for this one turn."""
    window.editor.chat("x", model="claude-opus-5", maxTokens=123, effort="low")
    body = window.sim.requests[-1].body
    assert body["max_tokens"] == 123
    window.editor.chat("y")
    assert window.sim.requests[-1].body["max_tokens"] == 16_000


def test_the_limit_of_tokens_is_told_and_explained(window: Shared) -> None:
    """`max_tokens` is a result with a notice, not an error."""
    window.sim.reply_with(Answer(text="word " * 200))
    result = window.editor.chat("Long", maxTokens=20)
    assert result["stopReason"] == "max_tokens"
    assert any("maxTokens" in notice for notice in result["notices"])


def test_an_editor_that_never_takes_the_progress_delays_nothing(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    """The question `workDoneProgress/create` stays open; the answer comes all the same, and no value without it."""
    editor = make_editor()
    editor.open(NOTIFIED | TITLED)
    sim.reply_with("here")
    assert editor.chat("x")["text"] == "here"
    asked = editor.call("window/workDoneProgress/create")
    assert editor.values(asked["params"]["token"]) == []


def test_an_editor_without_any_extras_gets_requests_answered_and_nothing_else(
    make_editor: MakeEditor,
) -> None:
    """No notification, no progress, no question goes to a client that declared nothing."""
    editor = make_editor()
    editor.open({})
    editor.chat("x")
    accepted = editor.command("cmt.chat", {"text": "y"})["result"]
    session = {"sessionId": accepted["sessionId"]}
    while editor.result("cmt/session/get", session)["session"]["state"] == "busy":
        pass
    assert [m["method"] for m in editor.messages if "method" in m] == []


def test_text_of_every_kind_survives_the_way_there_and_back(window: Shared) -> None:
    """What is asked reaches the endpoint, and what it says reaches the editor, character for character."""
    odd = 'NUL \x00, ESC \x1b[31m, quote ", \\ud800 as text, \u2028, \u202e, {"jsonrpc": "2.0", "id": 1}'
    window.sim.reply_with(Answer(chunks=tuple(odd)))
    result = window.editor.chat(odd)
    assert result["text"] == odd
    sent = window.sim.requests[-1].body["messages"][-1]["content"]
    assert (sent if isinstance(sent, str) else sent[-1]["text"]) == odd


def test_lone_surrogates_are_replaced_and_said(window: Shared) -> None:
    """Half a character cannot be sent: U+FFFD takes its place."""
    window.editor.send_bytes(_chat_frame(b'"a\\ud83d b"', 90_001))
    window.editor.sent[90_001] = ("cmt/chat", {})
    assert "result" in window.editor.answer(90_001)
    sent = window.sim.requests[-1].body["messages"][-1]["content"]
    assert (sent if isinstance(sent, str) else sent[-1]["text"]) == "a\ufffd b"


def test_a_long_answer_comes_whole(window: Shared) -> None:
    """A hundred thousand pieces of text lose nothing."""
    pieces = tuple(f"{n} " for n in range(5_000))
    window.sim.reply_with(Answer(chunks=pieces, usage={"output_tokens": 12_000}))
    stream = window.editor.streaming_chat("Count", maxTokens=60_000)
    assert stream.result(40)["text"] == "".join(pieces)
    assert stream.text == "".join(pieces)


def test_slow_pieces_leave_as_they_come(window: Shared) -> None:
    """The first piece is in the editor while the endpoint still holds back the rest."""
    window.sim.reply_with(SLOW)
    window.sim.fail_next(Fault.stall(after_events=6))
    stream = window.editor.streaming_chat("Slow")
    assert stream.first_text()["text"].startswith("word 0")
    window.sim.release()
    assert stream.result()["text"] == SLOW.whole_text


def _chat_frame(text: bytes, request_id: int) -> bytes:
    body = b'{"jsonrpc":"2.0","id":%d,"method":"cmt/chat","params":{"text":%b}}' % (request_id, text)
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
