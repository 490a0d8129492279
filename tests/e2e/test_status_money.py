"""The money in `cmt/status`: turn, session, window, today and budgets, equal to what `cmt/usage` says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator

from .conftest import Shared
from .editor import SLOW, Editor

SCOPES = {"session": "session", "window": "window", "today": "all"}


@pytest.fixture
def sim(shared_window: Shared) -> Simulator:
    """The module's endpoint."""
    return shared_window.sim


@pytest.fixture
def editor(shared_window: Shared) -> Editor:
    """The module's window, in a session of the test's own."""
    shared_window.editor.session()
    return shared_window.editor


def reported(editor: Editor, scope: str) -> dict[str, Any]:
    """What `cmt/usage` says; all that there is is of today."""
    params = {"scope": SCOPES[scope]}
    totals: dict[str, Any] = editor.result("cmt/usage", params)["totals"]
    return totals


def agreed(editor: Editor) -> dict[str, Any]:
    """The idle status that equals the reports at every scope."""
    expected = {scope: reported(editor, scope) for scope in SCOPES}

    def equal(status: dict[str, Any]) -> bool:
        return all(
            status["cost"][scope] == expected[scope]["cost"]
            and status["usage"][scope] == expected[scope]["usage"]
            for scope in SCOPES
        )

    return editor.idle_status(equal)


def test_after_an_answer_every_scope_equals_its_report(editor: Editor) -> None:
    result = editor.chat("one")

    status = agreed(editor)

    assert status["cost"]["turn"] == result["cost"]
    assert status["usage"]["turn"] == result["usage"]
    assert status["cost"]["session"]["nanoUsd"] == result["cost"]["nanoUsd"]
    assert status["cost"]["today"]["nanoUsd"] >= status["cost"]["window"]["nanoUsd"]


def test_after_a_stopped_answer_the_estimate_is_counted_and_marked(editor: Editor, sim: Simulator) -> None:
    sim.reply_with(SLOW)
    sim.fail_next(Fault.stall(after_events=8))
    stream = editor.streaming_chat("x")
    stream.first_text()
    editor.result("cmt/cancel", {})
    result = stream.result()
    sim.release()

    status = agreed(editor)

    assert result["usage"]["estimated"] is True
    assert status["usage"]["session"]["estimated"] is True
    assert status["cost"]["session"]["nanoUsd"] == result["cost"]["nanoUsd"] > 0


def test_a_refused_attempt_costs_nothing_at_any_scope(editor: Editor, sim: Simulator) -> None:
    before = agreed(editor)["cost"]["window"]["nanoUsd"]
    sim.fail_next(Fault.status(400))
    editor.refused("cmt/chat", {"text": "x"})

    assert agreed(editor)["cost"]["window"]["nanoUsd"] == before


ENDS: dict[str, tuple[Answer, list[Fault]]] = {
    "retried": (SLOW, [Fault.status(529), Fault.error_event(after_events=1)]),
    "cut off": (SLOW, [Fault.cut(after_events=12)]),
    "failed with a cost": (SLOW, [Fault.reset()] * 3),
    "refused": (SLOW, [Fault.status(403)]),
    "silent about its usage": (replace(SLOW, usage_null=True), []),
    "late with its usage": (replace(SLOW, usage_late=True), []),
}


@pytest.mark.parametrize("end", ENDS)
def test_however_a_turn_ends_every_scope_equals_its_report(end: str, editor: Editor, sim: Simulator) -> None:
    """And the growth of the window is what the turn itself told, or what its error said it may have cost."""
    before = agreed(editor)
    answer, faults = ENDS[end]
    sim.reply_with(*[answer] * (len(faults) + 1))
    sim.fail_next(*faults)
    told = editor.request("cmt/chat", {"text": "x"}, 30)
    sim._answers.clear()

    after = agreed(editor)

    grown = {
        name: after["cost"][name]["nanoUsd"] - before["cost"][name]["nanoUsd"] for name in ("window", "today")
    }
    assert grown["window"] == grown["today"] == after["cost"]["session"]["nanoUsd"]
    if "result" in told:
        assert grown["window"] == told["result"]["cost"]["nanoUsd"] > 0
        assert after["cost"]["turn"] == told["result"]["cost"]
        assert after["usage"]["turn"] == told["result"]["usage"]
    else:
        assert ("may have cost" in told["error"]["data"].get("hint", "")) is (grown["window"] > 0)
        assert (grown["window"] > 0) is (end == "failed with a cost")
        editor.idle_status(lambda status: status.get("message") == told["error"]["message"])
    estimated = end not in ("refused", "late with its usage")
    assert after["cost"]["session"]["estimated"] is estimated


def test_the_fill_of_the_context_is_that_of_the_attempt_that_answered(editor: Editor, sim: Simulator) -> None:
    """A turn's usage is the sum over its attempts; its context is not."""
    text = "many words " * 3_000
    sim.reply_with(SLOW, SLOW)
    sim.fail_next(Fault.error_event(after_events=1))
    result = editor.chat(text, 30)

    charged = sim.requests[-1].usage
    assert charged is not None
    tokens = sum(charged[name] for name in ("input_tokens", "cache_creation_input_tokens", "output_tokens"))
    tokens += charged["cache_read_input_tokens"]
    assert result["usage"]["totalInputTokens"] > 1.9 * (tokens - charged["output_tokens"])
    editor.idle_status(lambda status: status["contextFill"] == round(tokens / 1_000_000, 4))


def test_a_running_turn_shows_what_it_holds_of_a_budget(editor: Editor, sim: Simulator) -> None:
    try:
        editor.result("cmt/budget/set", {"scope": "session", "limitUsd": 1})
        sim.fail_next(Fault.stall())
        stream = editor.streaming_chat("x")

        def holds(message: dict[str, Any]) -> bool:
            shown = message["params"].get("budgets", []) if message.get("method") == "cmt/status" else []
            return any(budget["heldNanoUsd"] > 100_000_000 and budget["level"] >= 10 for budget in shown)

        running = editor.expect(holds)["params"]
        assert running["busy"] is True
        assert "session" not in running["text"]["short"], "a hold comes and goes, and is no reason for alarm"
        sim.release()
        stream.result()
        idle = editor.idle_status(lambda status: status["budgets"][0]["heldNanoUsd"] == 0)
        assert idle["budgets"] == editor.result("cmt/budget/get")["budgets"]
    finally:
        editor.result("cmt/budget/set", {"scope": "session", "limitUsd": None})


def test_the_texts_tell_more_the_longer_they_are(editor: Editor) -> None:
    result = editor.chat("one")

    text = agreed(editor)["text"]

    assert text["short"] == result["cost"]["display"]
    assert text["medium"].endswith(text["short"])
    assert "sonnet" in text["medium"]
    for word in ("tokens", "cached", "window $", "today $"):
        assert word in text["long"]


def test_a_budget_shows_its_level_and_presses_into_every_text_once_it_warns(editor: Editor) -> None:
    """A limit of twice what was spent today: at half of it the budget is in the shortest text too."""
    editor.chat("one")
    spent = agreed(editor)["cost"]["today"]["nanoUsd"]
    try:
        editor.result("cmt/budget/set", {"scope": "day", "limitUsd": spent * 10 / 1e9})
        quiet = editor.idle_status(lambda s: bool(s["budgets"]))
        assert (quiet["budgets"][0]["scope"], quiet["budgets"][0]["level"]) == ("day", 10)
        assert "day" not in quiet["text"]["short"]
        assert quiet["budgets"][0]["display"] in quiet["text"]["long"]

        editor.result("cmt/budget/set", {"scope": "day", "limitUsd": spent * 2 / 1e9})
        pressing = editor.idle_status(lambda s: bool(s["budgets"]) and s["budgets"][0]["state"] == "warning")
        assert all("day 50%" in pressing["text"][size] for size in ("short", "medium"))
    finally:
        editor.result("cmt/budget/set", {"scope": "day", "limitUsd": None})
    assert editor.idle_status(lambda s: not s["budgets"])["budgets"] == []
