"""Comparing models over the pipe: rows, streams, cancels, budgets, and going on from an answer in any window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator

from .conftest import MakeEditor, Shared
from .editor import MIDWAY, SLOW, TITLED, Editor, duplicates, wait_until

SONNET, OPUS, HAIKU = "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"
NOBODY = "claude-nobody-1"


@pytest.fixture
def window(shared_window: Shared) -> Iterator[Shared]:
    """The module's window, in a session of the test's own."""
    shared_window.editor.session()
    yield shared_window
    shared_window.editor.result("cmt/budget/set", {"scope": "day", "limitUsd": None})
    assert shared_window.editor.idle_status()["turns"] == []


def compare(editor: Editor, *models: str, text: str = "Which is it?", **more: Any) -> tuple[int, str]:
    """A comparison on its way: the request and the token of its streams."""
    token = editor.token()
    params = {"text": text, "models": list(models), "partialResultToken": token, **more}
    return editor.ask("cmt/compare", params), token


def result_of(editor: Editor, request: int) -> dict[str, Any]:
    answer = editor.answer(request, 20)
    assert "result" in answer, answer
    found: dict[str, Any] = answer["result"]
    return found


def started(editor: Editor, token: str, count: int) -> dict[str, str]:
    """The turn of each model, as the streams pair them."""
    wait_until(lambda: [v["kind"] for v in editor.values(token)].count("started") == count, 20)
    return {value["model"]: value["turnId"] for value in editor.values(token) if value["kind"] == "started"}


def asked(sim: Simulator) -> int:
    """How many questions have come; counting a prompt is none."""
    return sum(request.path == "/v1/messages" for request in sim.requests)


def texts(editor: Editor, token: str) -> dict[str, str]:
    """What each turn has shown so far."""
    found: dict[str, str] = {}
    for value in editor.values(token):
        if value["kind"] == "text":
            found[value["turnId"]] = found.get(value["turnId"], "") + value["text"]
    return found


def test_the_rows_stand_in_the_order_asked_and_each_turn_streams_on_the_one_token(window: Shared) -> None:
    editor = window.editor
    request, token = compare(editor, OPUS, SONNET, HAIKU)
    turns = started(editor, token, 3)
    result = result_of(editor, request)

    assert [row["model"] for row in result["rows"]] == [OPUS, SONNET, HAIKU]
    assert {row["model"]: row["turnId"] for row in result["rows"]} == turns
    assert duplicates([row["turnId"] for row in result["rows"]]) == []
    assert texts(editor, token) == {row["turnId"]: row["text"] for row in result["rows"]}
    for row in result["rows"]:
        assert row["sessionId"] == result["sessionId"]
        assert 0 < row["timing"]["firstTokenMs"] <= row["timing"]["totalMs"]
        assert row["cost"]["priced"]
        assert editor.final(row["turnId"])["result"] == row
    kinds = [value["kind"] for value in editor.values(token)]
    assert kinds[:3] == ["started"] * 3
    assert kinds.count("end") == 3
    assert editor.turns(result["sessionId"]) == []


def test_a_model_that_fails_has_a_row_with_its_error_and_the_others_answer(window: Shared) -> None:
    editor = window.editor
    request, token = compare(editor, SONNET, NOBODY)
    rows = result_of(editor, request)["rows"]

    assert [row["stopReason"] for row in rows] == ["end_turn", "error"]
    assert rows[1]["error"]["data"]["kind"] == "model_not_found"
    assert "error" not in rows[0]
    (end,) = [v for v in editor.values(token) if v["kind"] == "end" and v["turnId"] == rows[1]["turnId"]]
    assert end["error"] == rows[1]["error"]
    assert editor.final(rows[1]["turnId"])["error"] == rows[1]["error"]
    request, token = compare(editor, SONNET, OPUS)
    assert len(result_of(editor, request)["rows"]) == 2


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"models": []}, "2 to 5"),
        ({"models": [SONNET]}, "2 to 5"),
        ({"models": [SONNET, SONNET]}, "twice"),
        ({"models": ["claude-haiku-4-5", "claude-haiku-4-5-20251001"]}, "one model twice"),
        ({"models": [SONNET, 5]}, "$.models[1]"),
        ({"models": SONNET}, "$.models"),
        ({}, "models"),
        ({"models": [SONNET, OPUS], "text": " "}, "$.text"),
    ],
)
def test_bad_params_are_one_clear_sentence_and_no_stream(
    window: Shared, params: dict[str, Any], words: str
) -> None:
    editor, before = window.editor, asked(window.sim)
    token = editor.token()
    error = editor.refused("cmt/compare", {"text": "x", "partialResultToken": token, **params})

    assert error["code"] == -32602
    assert words in error["message"]
    assert editor.values(token) == []
    assert asked(window.sim) == before


def test_the_command_door_answers_at_once_or_with_the_rows(window: Shared) -> None:
    editor = window.editor
    window.sim.fail_next(*[Fault.stall()] * 2)
    first = asked(window.sim)
    params = {"text": "x", "models": [SONNET, OPUS]}
    accepted = editor.result("workspace/executeCommand", {"command": "cmt.compare", "arguments": [params]})
    window.sim.wait_stalled(first + 1)

    assert set(accepted) == {"compareId", "sessionId", "turnIds"}
    assert len(set(accepted["turnIds"])) == 2
    window.sim.release()
    rows = [editor.final(turn)["result"] for turn in accepted["turnIds"]]
    assert [row["model"] for row in rows] == [SONNET, OPUS]
    chosen = {"sessionId": accepted["sessionId"], "compareId": accepted["compareId"], "model": OPUS}
    session = editor.result(
        "workspace/executeCommand", {"command": "cmt.compare.choose", "arguments": [chosen]}
    )
    assert session["turns"] == 1
    waited = {**params, "wait": True}
    result = editor.result("workspace/executeCommand", {"command": "cmt.compare", "arguments": [waited]})
    assert [row["model"] for row in result["rows"]] == [SONNET, OPUS]


def test_one_answer_is_cancelled_by_its_turn_and_all_by_their_session_or_request(window: Shared) -> None:
    editor, sim = window.editor, window.sim
    for way in ("turn", "session", "request", "everything"):
        first = asked(sim)
        sim.reply_with(SLOW, SLOW)
        sim.fail_next(MIDWAY, MIDWAY)
        request, token = compare(editor, SONNET, OPUS)
        turns = started(editor, token, 2)
        sim.wait_stalled(first + 1)
        wait_until(lambda token=token: len(texts(editor, token)) == 2, 20)
        if way == "turn":
            assert editor.result("cmt/cancel", {"turnId": turns[OPUS]}) == {"cancelled": 1}
            assert editor.final(turns[OPUS])["result"]["stopReason"] == "cancelled"
            sim.release()
        elif way == "session":
            session = editor.values(token)[0]["sessionId"]
            assert editor.result("cmt/cancel", {"sessionId": session}) == {"cancelled": 2}
        elif way == "request":
            editor.notify("$/cancelRequest", {"id": request})
        else:
            assert editor.result("cmt/cancel") == {"cancelled": 2}
        rows = result_of(editor, request)["rows"]
        stopped = ["end_turn", "cancelled"] if way == "turn" else ["cancelled"] * 2
        assert [row["stopReason"] for row in rows] == stopped, way
        assert all(row["text"] for row in rows)


def test_a_budget_refuses_all_models_together_and_a_persons_act_lets_them_pass(window: Shared) -> None:
    editor, before = window.editor, asked(window.sim)
    editor.result("cmt/budget/set", {"scope": "day", "limitUsd": 0.0001})
    request, token = compare(editor, SONNET, OPUS)
    error = editor.answer(request, 20)["error"]

    assert error["data"]["kind"] == "budget_exceeded"
    assert asked(window.sim) == before
    ends = [value for value in editor.values(token) if value["kind"] == "end"]
    assert [end["stopReason"] for end in ends] == ["error", "error"]
    request, _ = compare(editor, SONNET, OPUS, budgetOverride="it matters")
    assert [row["stopReason"] for row in result_of(editor, request)["rows"]] == ["end_turn"] * 2


def test_the_session_is_busy_meanwhile(window: Shared) -> None:
    editor, sim = window.editor, window.sim
    first = asked(sim)
    sim.fail_next(*[Fault.stall()] * 2)
    request, _ = compare(editor, SONNET, OPUS)
    sim.wait_stalled(first + 1)

    for method, params in (
        ("cmt/chat", {"text": "x"}),
        ("cmt/compare", {"text": "x", "models": [SONNET, OPUS]}),
    ):
        assert editor.refused(method, params)["data"]["kind"] == "session_busy"
    sim.release()
    result_of(editor, request)
    editor.chat("free again")


def test_the_chosen_answer_is_the_next_turn_whatever_window_asks_for_it_and_when(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    sim.reply_with(*[Answer(text="the answer", thinking="hm")] * 2)
    first = make_editor()
    first.open()
    request, _ = compare(first, SONNET, OPUS)
    result = result_of(first, request)
    spent = first.result("cmt/session/get", {"sessionId": result["sessionId"]})["session"]["cost"]
    first.leave()

    second, third = make_editor(), make_editor()
    second.open()
    third.open()
    wanted = {"sessionId": result["sessionId"], "compareId": result["compareId"], "model": OPUS}
    session = second.result("cmt/compare/choose", wanted)
    again = third.refused("cmt/compare/choose", {**wanted, "model": SONNET})

    assert (session["turns"], session["cost"]) == (1, spent)
    assert again["data"]["kind"] == "unknown_turn"
    assert "chosen before" in again["message"]
    (turn,) = third.turns(result["sessionId"])
    assert (turn["turnId"], turn["text"]) == (result["rows"][1]["turnId"], "the answer")
    second.chat("go on")
    sent = sim.requests[-1].body["messages"]
    assert sent[0]["content"][-1]["text"] == "Which is it?"
    assert sent[1]["content"][-1]["text"] == "the answer"


def test_choosing_what_is_not_there_says_so(window: Shared) -> None:
    editor = window.editor
    request, _ = compare(editor, SONNET, NOBODY)
    result = result_of(editor, request)
    wanted = {"sessionId": result["sessionId"], "compareId": result["compareId"], "model": SONNET}

    def kind(**changed: str) -> str:
        found: str = editor.refused("cmt/compare/choose", {**wanted, **changed})["data"]["kind"]
        return found

    assert kind(model=NOBODY) == "bad_params"
    assert kind(model=HAIKU) == "bad_params"
    assert kind(compareId="nothing") == "unknown_turn"
    assert kind(sessionId="nowhere") == "unknown_session"
    editor.chat("went on")
    assert kind() == "unknown_turn"


def test_one_progress_shows_the_whole_comparison_and_cancels_it(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    """On the editor's token, and on the server's own where the editor reads no stream."""
    editor = make_editor()
    editor.open({**TITLED})
    sim.reply_with(SLOW, SLOW)
    sim.fail_next(MIDWAY, MIDWAY)
    models = {"text": "x", "models": [SONNET, OPUS]}
    request = editor.ask("cmt/compare", {**models, "workDoneToken": "work"})
    sim.wait_stalled(1)
    editor.notify("window/workDoneProgress/cancel", {"token": "work"})
    rows = result_of(editor, request)["rows"]

    assert [row["stopReason"] for row in rows] == ["cancelled"] * 2
    values = editor.values("work")
    assert [v["kind"] for v in values if v["kind"] != "report"] == ["begin", "end"]
    assert values[-1]["message"].startswith("2 answers · ")

    accepted = editor.result("workspace/executeCommand", {"command": "cmt.compare", "arguments": [models]})
    asked = editor.call("window/workDoneProgress/create", 20)
    editor.send({"jsonrpc": "2.0", "id": asked["id"], "result": None})
    own = asked["params"]["token"]
    wait_until(lambda: any(v["kind"] == "end" for v in editor.values(own)), 20)
    assert len(accepted["turnIds"]) == 2
    ended = editor.values(own)[-1]["message"]
    assert ended.startswith("2 answers · $")


def test_a_window_that_is_killed_midway_leaves_the_finished_answer_to_the_next_one(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    sim.fail_next(Fault(), MIDWAY)
    sim.reply_with(SLOW, SLOW)
    first = make_editor()
    first.open()
    _, token = compare(first, SONNET, OPUS)
    turns = started(first, token, 2)
    sim.wait_stalled(1)
    end = first.value(token, "end")
    model = next(model for model, turn in turns.items() if turn == end["turnId"])
    session_id = first.values(token)[0]["sessionId"]
    compare_id = comparison_in(first.world)
    first.process.kill()
    first.process.wait()

    second = make_editor()
    second.open()
    session = second.result(
        "cmt/compare/choose", {"sessionId": session_id, "compareId": compare_id, "model": model}
    )
    assert session["turns"] == 1
    assert second.turns(session_id)[0]["turnId"] == end["turnId"]


def comparison_in(world: Path) -> str:
    """The id of the one comparison on disk."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(world / "state" / "sessions.sqlite3")) as connection:
        found: str = connection.execute("SELECT id FROM comparisons").fetchone()[0]
        return found


def test_a_deleted_session_takes_its_comparisons_along(make_editor: MakeEditor, sim: Simulator) -> None:
    editor = make_editor()
    editor.open()
    sim.reply_with("a secret answer", "a secret answer")
    request, _ = compare(editor, SONNET, OPUS, text="a secret question")
    result = result_of(editor, request)

    editor.result("cmt/session/delete", {"sessionId": result["sessionId"]})

    assert b"secret" not in (editor.world / "state" / "sessions.sqlite3").read_bytes()
