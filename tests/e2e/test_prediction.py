"""Predictions over the pipe: the price before sending, and its error after."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from cmt_lsp.simulator import Fault, Simulator, simulator_in_thread

from .conftest import MakeEditor
from .editor import Editor

COUNTED = "/v1/messages/count_tokens"


def picture(width: int, height: int) -> str:
    """A PNG of this size as base64."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def paths(sim: Simulator) -> list[str]:
    """What was asked of the endpoint, in order."""
    return [request.path for request in sim.requests]


def test_the_prompt_is_exact_where_the_endpoint_counts_and_nothing_else_is_asked(
    editor: Editor, sim: Simulator
) -> None:
    told = editor.result("cmt/predict", {"text": "How many tokens is this?"}, 30)

    assert paths(sim) == [COUNTED]
    assert told["exact"] is True
    result = editor.chat("How many tokens is this?")
    assert told["inputTokens"] == result["usage"]["totalInputTokens"]
    assert told["outputTokens"]["max"] == 16_000
    assert 0 < told["outputTokens"]["p50"] <= told["outputTokens"]["p90"] <= told["outputTokens"]["max"]
    assert told["cost"]["p50"] <= told["cost"]["p90"] <= told["cost"]["max"]


def test_where_the_endpoint_does_not_count_the_estimate_says_so(make_editor: MakeEditor) -> None:
    with simulator_in_thread(dialect="ollama") as server:
        editor = make_editor(server.base_url)
        editor.open()

        told = editor.result("cmt/predict", {"text": "How many tokens is this?"}, 30)

        assert paths(server) == [COUNTED]
    assert told["exact"] is False
    assert any("estimated" in notice for notice in told["notices"])


def test_without_a_key_the_prompt_is_estimated_and_nothing_is_asked(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    editor = make_editor(key=None)
    editor.open()

    told = editor.result("cmt/predict", {"text": "How many tokens is this?"}, 30)

    assert paths(sim) == []
    assert told["exact"] is False
    assert any("key" in notice for notice in told["notices"])


def test_images_are_listed_with_their_tokens(editor: Editor) -> None:
    images = [{"data": picture(280, 140), "name": "shot.png"}]

    told = editor.result("cmt/predict", {"text": "What is this?", "images": images}, 30)

    assert told["images"] == [{"name": "shot.png", "tokens": 50}]
    assert told["inputTokens"] > 50


@pytest.mark.parametrize(
    ("usd", "outcome"), [(5.0, "fits"), (0.01, "shrinks"), (1e-6, "refused")], ids=["wide", "tight", "none"]
)
def test_what_becomes_of_the_turn_under_a_budget_is_told_before_and_comes_true(
    editor: Editor, usd: float, outcome: str
) -> None:
    editor.result("cmt/budget/set", {"scope": "turn", "limitUsd": usd})

    (effect,) = editor.result("cmt/predict", {"text": "What is it?"}, 30)["budgets"]

    assert (effect["scope"], effect["outcome"]) == ("turn", outcome)
    if outcome == "refused":
        assert editor.refused("cmt/chat", {"text": "What is it?"})["data"]["kind"] == "budget_exceeded"
        return
    shortened = [n for n in editor.chat("What is it?").get("notices", []) if str(effect["maxTokens"]) in n]
    assert bool(shortened) == (outcome == "shrinks")


def test_a_turn_is_predicted_once_in_its_stream_and_judged_in_its_result(editor: Editor) -> None:
    session = editor.session()
    for _ in range(3):
        stream = editor.streaming_chat("What is it?", sessionId=session)
        result = stream.result()

    (value,) = [v for v in stream.values if v["kind"] == "prediction"]
    told = result["prediction"]
    assert value["prediction"]["inputTokens"] == told["inputTokens"]
    assert abs(told["inputError"]) < 0.1
    assert told["withinP90"] is True
    assert isinstance(told["costError"], float)


def test_the_report_says_how_good_the_predictions_were(editor: Editor) -> None:
    session = editor.session()
    results = [editor.chat("What is it?", sessionId=session) for _ in range(5)]

    report = editor.result("cmt/usage", {"scope": "session", "id": session})

    errors = sorted(result["prediction"]["inputError"] for result in results)
    assert report["calibration"]["turns"] == 5
    assert report["calibration"]["medianInputError"] == pytest.approx(errors[2], abs=0.001)
    inside = sum(result["prediction"]["withinP90"] for result in results) / 5
    assert report["calibration"]["insideP90"] == pytest.approx(inside)


def test_a_warm_cache_is_predicted_to_be_cheaper_than_a_cold_one(editor: Editor) -> None:
    session = editor.session(systemPrompt="Remember every one of these words. " * 800)
    editor.chat("one", sessionId=session)

    told: dict[str, Any] = editor.result("cmt/predict", {"text": "two", "sessionId": session}, 30)

    assert told["cacheState"] in ("warm", "partial")
    assert told["cost"]["warmNanoUsd"] < told["cost"]["coldNanoUsd"]
    result = editor.chat("two", sessionId=session)
    assert result["cost"]["nanoUsd"] < told["cost"]["coldNanoUsd"]
    assert result["cache"]["state"] == "hit"


def test_another_model_is_predicted_with_a_cold_cache(editor: Editor) -> None:
    """The price of a change of models is told before it is made."""
    session = editor.session(systemPrompt="Remember every one of these words. " * 800)
    editor.chat("one", sessionId=session)
    asked = {"text": "two", "sessionId": session, "model": "claude-opus-5-5"}

    told = editor.result("cmt/predict", asked, 30)

    assert (told["model"], told["cacheState"]) == ("claude-opus-5-5", "cold")


def test_a_prediction_leaves_nothing_behind(editor: Editor, sim: Simulator) -> None:
    """Through both doors, with and without a session: no session is made, nothing is booked, no answer is asked for."""
    asked = {"text": "What is it?", "model": "claude-opus-5-5"}
    by_request = editor.result("cmt/predict", asked, 30)
    by_command = editor.command("cmt.predict", asked)["result"]

    assert by_command == by_request
    assert by_request["model"] == "claude-opus-5-5"
    assert editor.result("cmt/session/list", {"scope": "all"})["sessions"] == []
    assert editor.result("cmt/usage")["requests"] == 0
    assert set(paths(sim)) == {COUNTED}


def test_a_count_that_fails_is_no_obstacle(editor: Editor, sim: Simulator) -> None:
    """An overloaded counter, or one that answers nonsense: the estimate stands in, and says so."""
    for fault in (Fault.status(529), Fault.status(500), Fault.junk_body("html")):
        sim.fail_next(fault, path=COUNTED)
        told = editor.result("cmt/predict", {"text": "What is it?"}, 30)
        assert told["exact"] is False
        assert any("estimated" in notice for notice in told["notices"])


def test_what_could_not_be_asked_cannot_be_predicted(editor: Editor, sim: Simulator) -> None:
    for wrong, kind in (
        ({"sessionId": "nobody"}, "unknown_session"),
        ({"images": [{"data": "QUJD"}]}, "bad_image"),
        ({"maxTokens": 0}, "bad_params"),
        ({"text": " "}, "bad_params"),
    ):
        assert editor.refused("cmt/predict", {"text": "x"} | wrong)["data"]["kind"] == kind
    assert paths(sim) == []


def test_a_turn_with_retries_is_predicted_once_and_before_all_else(editor: Editor, sim: Simulator) -> None:
    sim.fail_next(Fault.status(529), Fault.error_event(after_events=1))
    stream = editor.streaming_chat("What is it?")
    result = stream.result(30)

    assert result["timing"]["retries"] == 2
    kinds = [value["kind"] for value in stream.values if value["kind"] != "waiting"]
    assert kinds[:2] == ["started", "prediction"]
    assert kinds.count("prediction") == 1
    assert "inputError" not in result["prediction"], "an estimate of ours proves nothing"


def test_levels_of_a_budget_grow_with_the_answer(editor: Editor) -> None:
    editor.chat("What is it?", 30)
    editor.result("cmt/budget/set", {"scope": "window", "limitUsd": 0.5})

    told = editor.result("cmt/predict", {"text": "What is it?"}, 30)

    (effect,) = told["budgets"]
    assert effect["level"] <= effect["levelP50"] <= effect["levelP90"]
    spent = editor.result("cmt/budget/get")["budgets"][0]["spentNanoUsd"]
    assert effect["levelP90"] == (spent + told["cost"]["p90"]) * 100 // effect["limitNanoUsd"]


def test_a_model_without_a_price_is_predicted_in_tokens(make_editor: MakeEditor) -> None:
    with simulator_in_thread(dialect="llamacpp") as server:
        editor = make_editor(server.base_url, env={"CMT_MODEL": "gpt-oss-20b"})
        editor.open()
        told = editor.result("cmt/predict", {"text": "How many tokens is this?"}, 30)
        result = editor.chat("How many tokens is this?", 30)
    assert told["exact"] is True
    assert told["inputTokens"] == result["usage"]["totalInputTokens"]
    assert told["cost"] == {"priced": False, "display": "unpriced"}
