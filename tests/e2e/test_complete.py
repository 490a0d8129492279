"""Answering conversations that an editor keeps by itself, as VS Code's own chat does."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from cmt_lsp.simulator import Fault, Simulator

from .conftest import MakeEditor, Shared
from .editor import MIDWAY, SLOW, Stream
from .test_guard import SECRET
from .test_images import picture

LONG = "The quick brown fox jumps over the lazy dog. " * 500


def said(*texts: str) -> list[dict[str, Any]]:
    """User and assistant in turn."""
    return [{"role": ("user", "assistant")[at % 2], "text": text} for at, text in enumerate(texts)]


def test_a_conversation_is_sent_as_it_is_and_answered_as_a_stream(shared_window: Shared) -> None:
    """Neighbours of one role are joined, since the endpoint wants them in turn; nothing is stored."""
    editor, sim = shared_window.editor, shared_window.sim
    sim.reply_with("And five.")
    token = editor.token()
    messages = [
        *said("One?", "Two.", "Three?"),
        {"role": "assistant", "text": "  "},
        {"role": "user", "text": "Four?"},
    ]
    params = {"messages": messages, "system": "Count.", "partialResultToken": token, "maxTokens": 50}
    stream = Stream(editor, token, editor.ask("cmt/complete", params))
    result = stream.result()
    assert result["text"] == stream.text == "And five."
    body = sim.requests[-1].body
    assert [(m["role"], m["content"][0]["text"]) for m in body["messages"]] == [
        ("user", "One?"),
        ("assistant", "Two."),
        ("user", "Three?\n\nFour?"),
    ]
    assert body["system"][0]["text"] == "Count."
    assert body["max_tokens"] == 50
    assert (
        editor.refused("cmt/session/get", {"sessionId": result["sessionId"]})["data"]["kind"]
        == "unknown_session"
    )
    assert editor.result("cmt/session/list", {"scope": "all"})["sessions"] == []


def test_what_was_said_before_is_read_from_the_cache(shared_window: Shared) -> None:
    """The caller sends everything again each time; the second time it is cheap."""
    editor = shared_window.editor
    first = editor.result("cmt/complete", {"messages": said(LONG)})
    second = editor.result("cmt/complete", {"messages": said(LONG, first["text"], "Go on.")})
    assert second["cache"]["state"] == "hit", second["cache"]
    assert second["usage"]["cacheReadInputTokens"] > 4000


def test_pictures_go_along_and_a_bad_one_is_named(shared_window: Shared) -> None:
    """Those of earlier messages too."""
    editor, sim = shared_window.editor, shared_window.sim
    shown = {"role": "user", "text": "See?", "images": [{"data": base64.b64encode(picture()).decode()}]}
    editor.result("cmt/complete", {"messages": [shown, *said("", "Yes.", "More?")[1:]]})
    first = sim.requests[-1].body["messages"][0]["content"]
    assert [block["type"] for block in first] == ["image", "text"]
    bad = {**shown, "images": [{"data": "QUJD"}]}
    assert editor.refused("cmt/complete", {"messages": [bad]})["data"]["kind"] == "bad_image"


@pytest.mark.parametrize(
    "messages",
    [[], said(""), said("a", "b"), said("", "b", "c"), [{"role": "assistant", "text": "a"}]],
)
def test_a_conversation_that_asks_nothing_is_refused(messages: list[Any], shared_window: Shared) -> None:
    """One sentence; nothing is sent."""
    sent = len(shared_window.sim.requests)
    error = shared_window.editor.refused("cmt/complete", {"messages": messages})
    assert error["message"] == "$.messages must begin and end with something that the user says."
    assert len(shared_window.sim.requests) == sent


def test_it_is_charged_to_ledger_and_budgets_and_stops_like_any_turn(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    """All completions of a window have one account; a budget refuses before anything is sent."""
    editor = make_editor()
    editor.open()
    first = editor.result("cmt/complete", {"messages": said("a")})
    second = editor.result("cmt/complete", {"messages": said("b")})
    assert first["sessionId"] == second["sessionId"]
    report = editor.result("cmt/usage", {"scope": "session", "id": first["sessionId"]})
    assert report["requests"] == 2
    assert report["totals"]["cost"]["nanoUsd"] == sum(one["cost"]["nanoUsd"] for one in (first, second))
    sim.reply_with(SLOW)
    sim.fail_next(MIDWAY)
    token = editor.token()
    stream = Stream(
        editor, token, editor.ask("cmt/complete", {"messages": said("c"), "partialResultToken": token})
    )
    stream.first_text()
    editor.result("cmt/cancel", {"turnId": stream.started()["turnId"]})
    assert stream.result()["stopReason"] == "cancelled"
    editor.result("cmt/budget/set", {"scope": "turn", "limitUsd": 0.000001})
    sent = len(sim.requests)
    assert editor.refused("cmt/complete", {"messages": said("d")})["data"]["kind"] == "budget_exceeded"
    assert len(sim.requests) == sent


def test_a_secret_is_asked_about_once(shared_window: Shared) -> None:
    """The guard looks at every message of the user, and at none twice that it let pass."""
    editor, sim = shared_window.editor, shared_window.sim
    messages = said(f"Why does this fail? {SECRET}")
    sent = len(sim.requests)
    assert editor.refused("cmt/complete", {"messages": messages})["data"]["kind"] == "blocked_file"
    assert len(sim.requests) == sent
    answer = editor.result("cmt/complete", {"messages": messages, "allowSecrets": True})
    again = [*messages, {"role": "assistant", "text": answer["text"]}, {"role": "user", "text": "And now?"}]
    assert editor.result("cmt/complete", {"messages": again})["stopReason"] == "end_turn"


def test_a_failure_is_an_error_and_the_next_one_works(shared_window: Shared) -> None:
    """As for any turn."""
    editor, sim = shared_window.editor, shared_window.sim
    sim.fail_next(Fault.status(400))
    assert editor.refused("cmt/complete", {"messages": said("a")})["data"]["kind"] == "invalid_request"
    assert editor.result("cmt/complete", {"messages": said("a")})["stopReason"] == "end_turn"
