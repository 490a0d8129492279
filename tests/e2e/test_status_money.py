"""The money in `cmt/status`: turn, session, window, today and budgets, equal to what `cmt/usage` says."""

from __future__ import annotations

from typing import Any

import pytest

from cmt_lsp.simulator import Fault, Simulator

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
