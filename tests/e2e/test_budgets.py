"""Budgets over the pipe: set through both doors, kept to the last nano-dollar, told in time, and never lifted by a fault."""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator

from .conftest import MakeEditor, Shared
from .editor import SLOW, Editor, wait_until
from .ledger_view import asked, attempts, charged, ledger_path

SCOPES = ("turn", "session", "window", "workspace", "day", "month")
LITTLE = 0.000_001
"""US dollars: less than the shortest answer may cost."""
LONG = "word " * 2_000
"""An answer that reaches any limit of the tests."""


def set_limit(editor: Editor, scope: str, usd: float | None, **more: Any) -> list[dict[str, Any]]:
    """The budgets in force after a change."""
    budgets: list[dict[str, Any]] = editor.result(
        "cmt/budget/set", {"scope": scope, "limitUsd": usd, **more}
    )["budgets"]
    return budgets


def budget(editor: Editor, scope: str) -> dict[str, Any]:
    """One budget as it stands."""
    return next(b for b in editor.result("cmt/budget/get")["budgets"] if b["scope"] == scope)


@pytest.fixture
def window(shared_window: Shared) -> Iterator[Shared]:
    """The module's window in a session of the test's own, without limits before and after."""
    shared_window.editor.session()
    yield shared_window
    for scope in SCOPES:
        set_limit(shared_window.editor, scope, None)
    shared_window.sim._answers.clear()
    shared_window.sim._faults.clear()


# Setting


@pytest.mark.parametrize("scope", SCOPES)
def test_a_limit_is_set_shown_changed_and_removed_through_both_doors(scope: str, window: Shared) -> None:
    editor = window.editor
    editor.chat("something to have spent")
    (shown,) = set_limit(editor, scope, 5)
    assert shown == budget(editor, scope)
    assert (shown["limitNanoUsd"], shown["warnAt"], shown["source"]) == (5 * 10**9, [50, 75, 90, 95], "user")
    assert (shown["state"], shown["heldNanoUsd"]) == ("ok", 0)
    assert shown["remainingNanoUsd"] == shown["limitNanoUsd"] - shown["spentNanoUsd"]
    assert (shown["spentNanoUsd"] > 0) is (scope != "turn")
    params = {"scope": scope, "limitUsd": 2.5, "warnAt": [90, 10, 10]}
    (changed,) = editor.command("cmt.budget.set", params)["result"]["budgets"]
    assert (changed["limitNanoUsd"], changed["warnAt"]) == (2_500_000_000, [10, 90])
    assert editor.command("cmt.budget.get")["result"]["budgets"] == [changed]
    assert editor.command("cmt.budget.set", {"scope": scope, "limitUsd": None})["result"]["budgets"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"limitUsd": 0}, {"limitUsd": -1}, {"limitUsd": 1e12}, {"limitUsd": 1e-12}, {"limitUsd": "5"},
        {"limitUsd": True}, {"limitUsd": [5]}, {"scope": "year"}, {"scope": 5}, {"scope": ""}, {"warnAt": [0]},
        {"warnAt": [101]}, {"warnAt": [50.5]}, {"warnAt": ["50"]}, {"warnAt": 50}, {"limit": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_limit_that_makes_no_sense_is_refused_in_a_sentence_and_changes_nothing(
    wrong: dict[str, Any], window: Shared
) -> None:
    editor = window.editor
    before = set_limit(editor, "day", 5)
    params = {"scope": "day", "limitUsd": 1} | wrong
    error = editor.refused("cmt/budget/set", params)
    assert (error["code"], error["data"]["kind"]) == (-32602, "bad_params")
    assert 20 < len(error["message"]) < 200
    told = editor.command("cmt.budget.set", params)["error"]
    assert told["message"].replace("$.arguments[0].", "$.") == error["message"]
    assert (told["code"], told["data"]) == (error["code"], error["data"])
    assert editor.result("cmt/budget/get")["budgets"] == before


def test_settings_set_limits_that_nothing_raises(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """The person's file sets a limit; neither the editor's options nor the command can raise it, both can lower it."""
    (world / "config" / "cmt-lsp").mkdir(parents=True)
    (world / "config" / "cmt-lsp" / "config.toml").write_text("[budgets]\nday = 1.5\nsession = 2\n")
    editor = make_editor()
    editor.open(initializationOptions={"budgets": {"day": 100, "session": 0.5, "turn": "none", "year": 1}})
    said = editor.call("window/showMessage")["params"]["message"]
    assert all(name in said for name in ("budgets.day", "budgets.turn", "budgets.year"))
    assert [(b["scope"], b["limitNanoUsd"]) for b in editor.result("cmt/budget/get")["budgets"]] == [
        ("session", 500_000_000),
        ("day", 1_500_000_000),
    ]
    raised = editor.result("cmt/budget/set", {"scope": "day", "limitUsd": 50})
    assert "lowest limit applies" in raised["notices"][0]
    assert budget(editor, "day")["limitNanoUsd"] == 1_500_000_000
    set_limit(editor, "day", 0.5)
    assert (budget(editor, "day")["limitNanoUsd"], budget(editor, "day")["source"]) == (500_000_000, "user")
    change = {"settings": {"cmt": {"budgets": {"day": LITTLE}}}}
    editor.notify("workspace/didChangeConfiguration", change)
    assert editor.refused("cmt/chat", {"text": "x"})["data"]["kind"] == "budget_exceeded"
    editor.notify("workspace/didChangeConfiguration", {"settings": {"cmt": {"budgets": {"day": None}}}})
    assert budget(editor, "day")["limitNanoUsd"] == 500_000_000
    assert asked(sim) == []


# Refusing, shrinking, allowing


@pytest.mark.parametrize("door", ["request", "command"])
@pytest.mark.parametrize("scope", SCOPES)
def test_a_turn_that_does_not_fit_is_refused_before_anything_leaves(
    scope: str, door: str, window: Shared
) -> None:
    """Nobody is asked anything, not even how long the prompt is; one sentence, and the command that mends it."""
    editor, sent = window.editor, len(window.sim.requests)
    set_limit(editor, scope, LITTLE)
    if door == "request":
        stream = editor.streaming_chat("much too dear")
        error = stream.answer()["error"]
        assert [kind for kind in stream.kinds if kind != "waiting"] == ["started", "end"]
        assert stream.values[-1]["error"] == error
    else:
        error = editor.command("cmt.chat", {"text": "much too dear", "wait": True})["error"]
    assert (error["code"], error["data"]["kind"]) == (-32803, "budget_exceeded")
    assert error["data"]["command"] == "cmt.budget.set"
    assert error["data"]["retryable"] is False
    assert f"the {scope} budget" in error["message"]
    assert error["message"].count(". ") == 0
    assert len(window.sim.requests) == sent
    assert budget(editor, scope)["heldNanoUsd"] == 0


def test_a_refused_turn_leaves_no_row_and_no_trace(window: Shared) -> None:
    """Raising the limit and asking again goes on as if nothing had been."""
    editor, world = window.editor, window.editor.world
    session = editor.session()
    editor.chat("kept", sessionId=session)
    rows, before = attempts(world), editor.result("cmt/session/get", {"sessionId": session})
    set_limit(editor, "session", LITTLE)
    editor.refused("cmt/chat", {"text": "x", "sessionId": session})
    assert attempts(world) == rows
    assert editor.result("cmt/session/get", {"sessionId": session}) == before
    set_limit(editor, "session", 5)
    assert editor.chat("x", sessionId=session)["stopReason"] == "end_turn"
    assert [turn["prompt"] for turn in editor.turns(session)] == ["kept", "x"]


def test_an_answer_is_shortened_to_what_is_left_and_says_so(window: Shared) -> None:
    """The limit that is sent, the one that is told and the one it ended at are the same; the budget holds."""
    editor, sim = window.editor, window.sim
    set_limit(editor, "session", 0.01)
    sim.reply_with(Answer(LONG))
    sent = len(asked(sim))
    result = editor.chat("As long as you like")
    limit = asked(sim)[-1].body["max_tokens"]
    assert 256 <= limit < 1_000
    assert result["stopReason"] == "max_tokens"
    assert any(
        f"limited to {limit} tokens" in notice and "session budget" in notice for notice in result["notices"]
    )
    assert any(f"limit of {limit} tokens that a budget left" in notice for notice in result["notices"])
    assert result["prediction"]["outputTokens"]["max"] == limit
    assert result["cost"]["nanoUsd"] == charged(sim, sent) <= 10_000_000
    assert budget(editor, "session")["spentNanoUsd"] == result["cost"]["nanoUsd"]


def test_a_prompt_whose_bound_does_not_fit_is_counted_before_it_is_refused(window: Shared) -> None:
    """Its bytes would not fit, its tokens do: the endpoint counts, which is free, and the turn leaves whole."""
    editor, sim = window.editor, window.sim
    text = "considerable explanations " * 2_000
    sent = len(sim.requests)
    set_limit(editor, "session", 0.09)
    result = editor.chat(text, maxTokens=256)
    assert [request.path for request in sim.requests[sent:]] == ["/v1/messages/count_tokens", "/v1/messages"]
    assert result["stopReason"] == "end_turn"
    assert result["prediction"]["exact"] is True


@pytest.mark.parametrize(
    ("given", "kept"), [(True, "no reason given"), (" The build is red. ", "The build is red.")]
)
def test_a_person_allows_one_turn_and_the_ledger_keeps_why(given: Any, kept: str, window: Shared) -> None:
    editor, sim = window.editor, window.sim
    set_limit(editor, "day", LITTLE)
    editor.refused("cmt/chat", {"text": "x"})
    result = editor.chat("x", budgetOverride=given)
    assert result["stopReason"] == "end_turn"
    assert asked(sim)[-1].body["max_tokens"] == 16_000
    row = attempts(editor.world)[-1]
    assert (row["override"], row["turn_id"]) == (kept, result["turnId"])
    assert budget(editor, "day")["spentNanoUsd"] >= result["cost"]["nanoUsd"] > 0
    assert budget(editor, "day")["state"] == "exceeded"
    assert editor.refused("cmt/chat", {"text": "x"})["data"]["kind"] == "budget_exceeded"
    session = {"sessionId": result["sessionId"]}
    assert editor.refused("cmt/retry", session)["data"]["kind"] == "budget_exceeded"
    again = editor.result("cmt/retry", session | {"budgetOverride": given})
    assert attempts(editor.world)[-1]["override"] == kept
    assert again["stopReason"] == "end_turn"


@pytest.mark.parametrize("given", ["", "  ", 5, [], {}])
def test_an_allowance_without_a_reason_is_none(given: Any, window: Shared) -> None:
    error = window.editor.refused("cmt/chat", {"text": "x", "budgetOverride": given})
    assert (error["data"]["kind"], "$.budgetOverride" in error["message"]) == ("bad_params", True)


def test_what_is_no_allowance_allows_nothing(window: Shared) -> None:
    set_limit(window.editor, "day", LITTLE)
    error = window.editor.refused("cmt/chat", {"text": "x", "budgetOverride": False})
    assert error["data"]["kind"] == "budget_exceeded"


def test_a_model_without_a_price_is_refused_under_a_budget(window: Shared) -> None:
    """It says which model and what to do, and asks nobody; without a budget it is sent."""
    editor, sent = window.editor, len(window.sim.requests)
    set_limit(editor, "month", 100)
    error = editor.refused("cmt/chat", {"text": "x", "model": "house-model-1"})
    assert error["data"]["kind"] == "budget_exceeded"
    assert "house-model-1" in error["message"]
    assert "prices.toml" in error["message"]
    assert len(window.sim.requests) == sent
    set_limit(editor, "month", None)
    assert (
        editor.refused("cmt/chat", {"text": "x", "model": "house-model-1"})["data"]["kind"]
        == "model_not_found"
    )


def test_each_retry_must_fit_beside_what_the_attempt_before_may_have_cost(window: Shared) -> None:
    """The first attempt vanishes after it left, and a budget of the turn has no room for a second one."""
    editor, sim = window.editor, window.sim
    set_limit(editor, "turn", 0.0055)
    sim.fail_next(Fault.reset())
    sent = len(asked(sim))
    error = editor.refused("cmt/chat", {"text": "brief words " * 180, "maxTokens": 256})
    assert error["data"]["kind"] == "budget_exceeded"
    assert "the turn budget" in error["message"]
    assert "may have cost" in error["data"]["hint"]
    assert len(asked(sim)) == sent + 1
    (row,) = [row for row in attempts(editor.world) if row["state"] == "failed" and row["nano_usd"]][-1:]
    assert row["usage_estimated"] == 1


def test_a_running_turn_holds_what_it_may_still_cost(window: Shared) -> None:
    """While it runs the rest of the budget is not for others; when it ends they have what it left."""
    editor, sim = window.editor, window.sim
    set_limit(editor, "window", 0.2)
    sim.fail_next(Fault.stall())
    stream = editor.streaming_chat("slow", sessionId=editor.session())
    window.stalled()
    held = budget(editor, "window")
    assert held["heldNanoUsd"] > 100_000_000
    assert held["level"] > 75
    assert held["state"] == "ok"
    other = editor.session()
    sim.reply_with(Answer(LONG))
    error = editor.refused("cmt/chat", {"text": "x" * 20_000, "sessionId": other})
    assert "running turns hold" in error["message"]
    sim.release()
    stream.result()
    assert budget(editor, "window")["heldNanoUsd"] == 0
    assert editor.chat("x", sessionId=other)["stopReason"] == "end_turn"


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_windows_that_ask_at_once_never_spend_more_than_there_is(
    make_editor: MakeEditor, sim: Simulator, campaign_size: Callable[[int, int], int]
) -> None:
    """Two windows with sixteen turns at once each, on a budget for about a third of them: overshoot 0."""
    windows = [make_editor(), make_editor()]
    for editor in windows:
        editor.open()
    sessions = [(editor, [editor.session() for _ in range(16)]) for editor in windows]
    spent, refusals, answers = 0, 0, 0
    for round_ in range(1, campaign_size(2, 40) + 1):
        limit = spent + 12 * 3_100_000
        set_limit(windows[round_ % 2], "day", limit / 1e9)
        sim.reply_with(*[Answer(LONG)] * 64)
        params = {"text": f"Round {round_}", "maxTokens": 300}
        waiting = [(e, e.ask("cmt/chat", params | {"sessionId": s})) for e, mine in sessions for s in mine]
        for editor, request in waiting:
            answer = editor.answer(request, 60)
            refusals += "error" in answer
            answers += "result" in answer
        sim._answers.clear()
        spent = charged(sim)
        assert spent <= limit
        for editor in windows:
            shown = budget(editor, "day")
            assert (shown["spentNanoUsd"], shown["heldNanoUsd"]) == (spent, 0)
        sessions = [(editor, [editor.session() for _ in range(16)]) for editor in windows]
    assert answers >= 8
    assert refusals >= 16
    assert sum(row["nano_usd"] for row in attempts(windows[0].world)) == spent


# Warning


def test_each_warning_is_told_once_by_whichever_window_crosses_it(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    """Twenty equal turns in two windows, one of which is closed and opened again: 50, 75, 90 and 95 percent."""
    windows = [make_editor(), make_editor()]
    for editor in windows:
        editor.open()

    def ask(editor: Editor) -> dict[str, Any]:
        sim.reply_with(Answer(LONG))
        result: dict[str, Any] = editor.chat("Go", sessionId=editor.session(), maxTokens=400)
        return result

    each = ask(windows[0])["cost"]["nanoUsd"]
    set_limit(windows[1], "day", 20 * each / 1e9)
    told = {}
    for turn in range(2, 20):
        if turn == 12:
            windows[0].leave()
            windows[0] = make_editor()
            windows[0].open()
        notices = ask(windows[turn % 2]).get("notices", [])
        told[turn] = [notice for notice in notices if notice.startswith("Day budget:")]
    crossed = {turn: notices for turn, notices in told.items() if notices}
    assert {turn: len(notices) for turn, notices in crossed.items()} == {10: 1, 15: 1, 18: 1, 19: 1}
    assert [
        "50%" in crossed[10][0],
        "75%" in crossed[15][0],
        "90%" in crossed[18][0],
        "95%" in crossed[19][0],
    ] == [True] * 4
    assert budget(windows[0], "day")["state"] == "warning"
    windows[1].idle_status(lambda status: "day 95%" in status["text"]["short"])


# A ledger that cannot be used


HOLDER = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held_by_a_stopped_process(world: Path) -> Iterator[None]:
    """A process that has begun to write to the ledger, and was stopped."""
    command = [sys.executable, "-c", HOLDER, str(ledger_path(world))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            holder.kill()


@contextlib.contextmanager
def a_folder_in_its_place(world: Path) -> Iterator[None]:
    path, aside = ledger_path(world), ledger_path(world).with_name("aside")
    path.rename(aside)
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        aside.rename(path)


def _no_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


TROUBLES: dict[str, tuple[Callable[[Path], contextlib.AbstractContextManager[None]], dict[str, Any]]] = {
    "locked": (held_by_a_stopped_process, {}),
    "a folder": (a_folder_in_its_place, {}),
    "no room": (contextlib.nullcontext, {"preexec_fn": _no_room}),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_budget_that_cannot_be_checked_lets_nothing_through_but_what_a_person_allows(
    trouble: str, make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    first = make_editor()
    first.open()
    set_limit(first, "day", 5)
    first.leave()
    make_trouble, popen = TROUBLES[trouble]
    with make_trouble(world):
        editor = make_editor(**popen)
        editor.open()
        error = editor.refused("cmt/chat", {"text": "x"}, 30)
        assert error["data"]["kind"] == "ledger_unavailable"
        assert error["message"].startswith("Nothing was sent: a budget is in force and cannot be checked")
        assert sim.requests == []
        allowed = editor.chat("x", 40, budgetOverride="It must be now.")
        assert allowed["stopReason"] == "end_turn"
        assert "booked as soon as the ledger works" in " ".join(allowed["notices"])
        editor.leave()
    after = make_editor()
    after.open()
    wait_until(lambda: after.result("cmt/usage")["requests"] == 1)
    assert budget(after, "day")["spentNanoUsd"] == charged(sim) == allowed["cost"]["nanoUsd"]
    assert [row["override"] for row in attempts(world)] == ["It must be now."]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_without_a_budget_the_chat_goes_on_and_is_booked_later_to_the_nano_dollar(
    trouble: str, make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    first = make_editor()
    first.open()
    before = first.chat("before")
    first.leave()
    make_trouble, popen = TROUBLES[trouble]
    with make_trouble(world):
        editor = make_editor(**popen)
        editor.open()
        session = editor.ask("cmt/session/create", {})
        made = editor.answer(session, 30)
        results = [editor.chat(f"turn {n}", 30, sessionId=made["result"]["id"]) for n in range(2)]
        assert [result["stopReason"] for result in results] == ["end_turn"] * 2
        said = " ".join(notice for result in results for notice in result["notices"])
        assert "booked as soon as the ledger works" in said
        editor.leave()
    after = make_editor()
    after.open()
    wait_until(lambda: after.result("cmt/usage")["requests"] == 3)
    total = after.result("cmt/usage")["totals"]["cost"]
    assert total["nanoUsd"] == charged(sim) == sum(r["cost"]["nanoUsd"] for r in [before, *results])
    assert total["estimated"] is False


# Windows that end


def test_a_killed_window_leaves_an_estimate_and_no_hold(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """kill -9 in the middle of an answer: the next window books what it most likely cost, marked, and frees the rest."""
    killed = make_editor()
    killed.open()
    set_limit(killed, "day", 5)
    sim.reply_with(SLOW)
    sim.fail_next(Fault.stall(after_events=12))
    killed.streaming_chat("x").first_text()
    wait_until(lambda: attempts(world)[0]["state"] == "streaming")
    killed.process.kill()
    killed.exit_code()
    (live,) = attempts(world)
    assert live["hold_nano"] > 0
    editor = make_editor()
    editor.open()
    editor.chat("next", 30)
    orphan, done = attempts(world)
    assert (orphan["state"], done["state"]) == ("orphan", "done")
    assert orphan["usage_estimated"] == orphan["cost_estimated"] == 1
    assert orphan["input_tokens"] == asked(sim)[0].usage["input_tokens"]  # type: ignore[index]
    assert 0 < orphan["nano_usd"] <= live["hold_nano"]
    shown = budget(editor, "day")
    assert (shown["heldNanoUsd"], shown["spentNanoUsd"]) == (0, orphan["nano_usd"] + done["nano_usd"])
    assert editor.result("cmt/usage")["estimatedRequests"] == 1


def test_an_editor_that_goes_away_in_an_answer_is_charged_what_came(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    editor = make_editor()
    editor.open()
    set_limit(editor, "day", 5)
    sim.reply_with(SLOW)
    sim.fail_next(Fault.stall(after_events=12))
    editor.streaming_chat("x").first_text()
    assert editor.process.stdin is not None
    editor.process.stdin.close()
    editor.exit_code()
    (row,) = attempts(world)
    assert (row["state"], row["usage_estimated"]) == ("client_gone", 1)
    truth = asked(sim)[0].usage
    assert truth is not None
    assert row["input_tokens"] == truth["input_tokens"]
    assert abs(row["output_tokens"] - truth["output_tokens"]) <= 10
    after = make_editor()
    after.open()
    assert budget(after, "day")["heldNanoUsd"] == 0
