"""Budgets over the pipe: set through both doors, never passed, warned of once, and closed where nobody can count."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Simulator

from .conftest import MakeEditor
from .editor import MIDWAY, Editor, wait_until

SCOPES = ("turn", "session", "window", "workspace", "day", "month")
TINY = 1e-6
"""US dollars that no question fits into."""


def limit(editor: Editor, scope: str, usd: float | None, **more: Any) -> dict[str, Any]:
    """Set a limit, or remove it; the budget as it then stands."""
    budgets = editor.result("cmt/budget/set", {"scope": scope, "limitUsd": usd, **more})["budgets"]
    return next((budget for budget in budgets if budget["scope"] == scope), {})


def asked(sim: Simulator) -> int:
    """How many questions reached the endpoint."""
    return sum(request.path == "/v1/messages" for request in sim.requests)


def ledger_rows(editor: Editor, columns: str) -> list[tuple[Any, ...]]:
    """The attempts in the file, oldest first."""
    with sqlite3.connect(editor.world / "state" / "ledger.sqlite3", timeout=10) as ledger:
        return ledger.execute(f"SELECT {columns} FROM attempts ORDER BY seq").fetchall()  # noqa: S608


@pytest.mark.parametrize("scope", SCOPES)
def test_a_turn_over_any_limit_is_refused_before_it_is_sent(
    editor: Editor, sim: Simulator, scope: str
) -> None:
    session = editor.session()
    before = editor.chat("one", 30, sessionId=session)
    assert limit(editor, scope, TINY)["limitNanoUsd"] == 1000
    sent = asked(sim)

    error = editor.refused("cmt/chat", {"text": "two", "sessionId": session})

    assert error["data"]["kind"] == "budget_exceeded"
    assert error["data"]["command"] == "cmt.budget.set"
    assert f"{scope} budget" in error["message"]
    assert asked(sim) == sent
    assert [turn["text"] for turn in editor.turns(session)] == [before["text"]]
    assert limit(editor, scope, None) == {}
    assert editor.chat("two", sessionId=session)["stopReason"] == "end_turn"


def test_both_doors_set_and_show_the_same(editor: Editor) -> None:
    by_request = editor.result("cmt/budget/set", {"scope": "day", "limitUsd": 5, "warnAt": [60, 80]})
    by_command = editor.result("workspace/executeCommand", {"command": "cmt.budget.get", "arguments": [{}]})

    assert by_command == by_request
    (budget,) = by_request["budgets"]
    assert (budget["limitNanoUsd"], budget["warnAt"], budget["source"]) == (5 * 10**9, [60, 80], "user")


def test_an_answer_is_shortened_to_what_fits_and_says_so(editor: Editor, sim: Simulator) -> None:
    limit(editor, "turn", 0.01)

    result = editor.chat("What is it?", 30)

    sent = [r for r in sim.requests if r.path == "/v1/messages"][-1].body["max_tokens"]
    assert 256 <= sent < 1000
    assert any(str(sent) in notice and "turn budget" in notice for notice in result["notices"])
    assert result["cost"]["nanoUsd"] <= 10_000_000


@pytest.mark.parametrize(
    ("act", "reason"), [(True, "no reason given"), ("the build is red", "the build is red")]
)
def test_an_explicit_act_lets_one_turn_pass_and_is_kept(
    editor: Editor, sim: Simulator, act: object, reason: str
) -> None:
    limit(editor, "day", TINY)

    result = editor.chat("one", 30, budgetOverride=act)

    assert result["stopReason"] == "end_turn"
    assert ledger_rows(editor, "override, state") == [(reason, "done")]
    assert editor.refused("cmt/chat", {"text": "two"})["data"]["kind"] == "budget_exceeded"


def test_each_warning_is_told_once_in_all_windows_and_after_a_restart(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    left, right = make_editor(), make_editor()
    for editor in (left, right):
        editor.open()
    cost = left.chat("one", 30)["cost"]["nanoUsd"]
    limit(left, "day", 20 * cost / 1e9)
    told: list[str] = []
    for turn in range(7):
        editor = (left, right)[turn % 2]
        told += [n for n in editor.chat("one", 30).get("notices", []) if "budget:" in n]
    left.leave()
    again = make_editor()
    again.open()
    for _ in range(3):
        told += [n for n in again.chat("one", 30).get("notices", []) if "budget:" in n]

    assert len(told) == 1, told
    assert "50% used" in told[0] or "55% used" in told[0]


def test_options_lower_a_limit_and_never_raise_it(make_editor: MakeEditor, sim: Simulator) -> None:
    person = make_editor()
    person.open()
    limit(person, "day", 5)
    lower, higher = make_editor(), make_editor()
    lower.open(initializationOptions={"cmt": {"budgets": {"day": TINY}}})
    higher.open(initializationOptions={"cmt": {"budgets": {"day": 500}}})

    assert higher.result("cmt/budget/get", {})["budgets"][0]["limitNanoUsd"] == 5 * 10**9
    (budget,) = lower.result("cmt/budget/get", {})["budgets"]
    assert (budget["limitNanoUsd"], budget["source"]) == (1000, "settings")
    assert lower.refused("cmt/chat", {"text": "x"})["data"]["kind"] == "budget_exceeded"
    told = lower.result("cmt/budget/set", {"scope": "day", "limitUsd": 50})
    assert "settings" in told["notices"][0]
    assert lower.refused("cmt/chat", {"text": "x"})["data"]["kind"] == "budget_exceeded"
    assert asked(sim) == 0


def test_a_model_without_a_price_is_refused_under_a_budget_alone(editor: Editor, sim: Simulator) -> None:
    limit(editor, "month", 5)
    error = editor.refused("cmt/chat", {"text": "x", "model": "house-model"})

    assert error["data"]["kind"] == "budget_exceeded"
    assert "house-model" in error["message"]
    assert "prices.toml" in error["message"]
    assert asked(sim) == 0


def test_two_windows_that_ask_at_once_never_pass_a_limit(make_editor: MakeEditor, sim: Simulator) -> None:
    """Sixteen questions each, all at the same moment, and money for a few."""
    windows = [make_editor(), make_editor()]
    for window in windows:
        window.open()
    cost = windows[0].chat("one", 30, maxTokens=400)["cost"]["nanoUsd"]
    most = 5 * cost
    limit(windows[0], "day", most / 1e9)
    asks = [
        (window, window.ask("cmt/chat", {"text": "one", "sessionId": window.session(), "maxTokens": 400}))
        for window in windows
        for _ in range(16)
    ]
    answers = [window.answer(request, 60) for window, request in asks]

    spent = windows[0].result("cmt/budget/get", {})["budgets"][0]["spentNanoUsd"]
    assert spent <= most
    refused = [a["error"]["data"]["kind"] for a in answers if "error" in a]
    assert set(refused) == {"budget_exceeded"}
    assert len(refused) < 32


def test_with_a_budget_and_no_ledger_nothing_is_sent_but_by_an_explicit_act(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    first = make_editor()
    first.open()
    limit(first, "day", 5)
    first.leave()
    ledger = first.world / "state" / "ledger.sqlite3"
    ledger.rename(ledger.with_name("kept.sqlite3"))
    ledger.mkdir()

    editor = make_editor()
    editor.open()
    error = editor.refused("cmt/chat", {"text": "x"}, 60)

    assert error["data"]["kind"] == "ledger_unavailable"
    assert "budget" in error["message"]
    assert asked(sim) == 0
    assert editor.chat("x", 60, budgetOverride="it must go out")["stopReason"] == "end_turn"


def test_without_a_budget_a_chat_outlives_its_ledger_and_loses_no_record(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    first = make_editor()
    first.open()
    first.leave()
    ledger = first.world / "state" / "ledger.sqlite3"
    ledger.unlink(missing_ok=True)
    ledger.mkdir()
    editor = make_editor()
    editor.open()
    result = editor.chat("x", 60)
    assert result["stopReason"] == "end_turn"
    assert any("booked as soon as" in notice for notice in result["notices"]), result["notices"]
    editor.leave()
    ledger.rmdir()

    again = make_editor()
    again.open()

    def booked() -> bool:
        totals = again.result("cmt/usage", {"scope": "all"})["totals"]
        return bool(totals["cost"].get("nanoUsd") == result["cost"]["nanoUsd"])

    wait_until(booked, 30)


def test_a_killed_window_leaves_an_estimate_and_no_hold(make_editor: MakeEditor, sim: Simulator) -> None:
    editor = make_editor()
    editor.open()
    limit(editor, "day", 5)
    sim.fail_next(MIDWAY)
    stream = editor.streaming_chat("x")
    stream.first_text()
    assert editor.result("cmt/budget/get", {})["budgets"][0]["heldNanoUsd"] > 0
    editor.process.kill()
    editor.process.wait(10)
    sim.release()

    other = make_editor()
    other.open()

    def free() -> bool:
        budget = other.result("cmt/budget/get", {})["budgets"][0]
        return bool(budget["heldNanoUsd"] == 0 and budget["spentNanoUsd"] > 0)

    wait_until(free, 30)
    assert ledger_rows(other, "state, usage_estimated") == [("orphan", 1)]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"scope": "year", "limitUsd": 5}, "scope"),
        ({"scope": "day", "limitUsd": -1}, "above 0"),
        ({"scope": "day", "limitUsd": 0}, "above 0"),
        ({"scope": "day", "limitUsd": 1e15}, "number of US dollars"),
        ({"scope": "day", "limitUsd": "five"}, "limitUsd"),
        ({"scope": "day"}, "limitUsd"),
        ({"scope": "day", "limitUsd": 5, "warnAt": [150]}, "1 to 100"),
        ({"scope": "day", "limitUsd": 5, "warnAt": "50"}, "warnAt"),
    ],
)
def test_a_mistyped_limit_gets_one_sentence_and_changes_nothing(
    editor: Editor, params: dict[str, Any], sentence: str
) -> None:
    limit(editor, "day", 7)

    error = editor.refused("cmt/budget/set", params)

    assert (error["code"], error["data"]["kind"]) == (-32602, "bad_params")
    assert sentence in error["message"]
    assert editor.result("cmt/budget/get", {})["budgets"][0]["limitNanoUsd"] == 7 * 10**9


def test_an_empty_reason_is_no_act(editor: Editor, sim: Simulator) -> None:
    limit(editor, "day", TINY)

    error = editor.refused("cmt/chat", {"text": "x", "budgetOverride": "  "})

    assert "budgetOverride" in error["message"]
    assert asked(sim) == 0


def test_spent_limits_are_no_reason_to_lose_what_was_typed(editor: Editor, world: Path) -> None:
    """The refused turn leaves the session as it was: raising the limit and asking again goes on."""
    session = editor.session()
    limit(editor, "session", TINY)
    editor.refused("cmt/chat", {"text": "keep me", "sessionId": session})
    limit(editor, "session", 5)

    assert editor.chat("keep me", 30, sessionId=session)["stopReason"] == "end_turn"
    assert [turn["prompt"] for turn in editor.turns(session)] == ["keep me"]
