"""Batches over the pipe: priced, sent, followed, fetched, cancelled, and every bad input."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator

from .conftest import MakeEditor, Shared
from .editor import CANARY, NOTIFIED, TITLED, Editor, wait_until

BATCHES = "/v1/messages/batches"


def prompts(*texts: str) -> list[dict[str, Any]]:
    return [{"id": f"p{i}", "text": text} for i, text in enumerate(texts or ("one", "two", "three"))]


def posted(sim: Simulator) -> list[Any]:
    return [r.body for r in sim.requests if r.path == BATCHES and r.method == "POST"]


def half_price(sim: Simulator) -> int:
    """The endpoint's account at half the list price of the default model."""
    return sum(u["input_tokens"] * 1_000 + u["output_tokens"] * 5_000 for u in sim.batches.accounts.values())


def test_a_batch_goes_from_the_price_to_the_answers(editor: Editor, sim: Simulator) -> None:
    sim.batches.rate = 0.0
    params = {"prompts": prompts(), "name": "Numbers", "system": "Count.", "maxTokens": 300}
    dry = editor.result("cmt/batch/submit", {**params, "dryRun": True})
    assert "batch" not in dry
    assert (dry["price"]["priced"], dry["price"]["requests"]) == (True, 3)
    assert dry["price"]["normalMaxNanoUsd"] == 2 * dry["price"]["maxNanoUsd"]
    assert posted(sim) == []

    sim.reply_with("eins", Answer(fault=Fault.status(500)), "drei")
    made = editor.result("cmt/batch/submit", params)
    assert made["price"] == dry["price"]
    batch = made["batch"]
    assert (batch["state"], batch["name"], batch["counts"]["processing"]) == ("in_progress", "Numbers", 3)
    (listed,) = editor.result("cmt/batch/list", {})["batches"]
    assert listed["id"] == batch["id"]
    sim.batches.rate = math.inf

    ended = editor.result("cmt/batch/status", {"batchId": batch["id"]})
    assert (ended["state"], ended["counts"]["succeeded"], ended["counts"]["errored"]) == ("ended", 2, 1)
    assert ended["cost"]["nanoUsd"] == half_price(sim) > 0
    found = editor.result("cmt/batch/results", {"batchId": batch["id"], "limit": 2})
    assert [(r["id"], r["state"], r.get("text")) for r in found["results"]] == [
        ("p0", "succeeded", "eins"), ("p1", "errored", None),
    ]  # fmt: skip
    assert "usage" not in found["results"][1]
    rest = editor.result("cmt/batch/results", {"batchId": batch["id"], "from": found["next"]})
    assert [r["text"] for r in rest["results"]] == ["drei"]
    assert "next" not in rest


def test_what_a_batch_cost_is_in_the_usage_and_in_the_status(editor: Editor, sim: Simulator) -> None:
    sim.batches.rate = math.inf
    batch = editor.result("cmt/batch/submit", {"prompts": prompts(), "name": "Numbers"})["batch"]
    editor.result("cmt/batch/status", {"batchId": batch["id"]})

    by_session = editor.result("cmt/usage", {"scope": "all", "groupBy": "session"})
    assert [(group["key"], group["label"]) for group in by_session["groups"]] == [(batch["id"], "Numbers")]
    report = editor.result("cmt/usage", {"scope": "all"})
    assert (report["requests"], report["totals"]["cost"]["nanoUsd"]) == (3, half_price(sim))
    editor.idle_status(lambda status: status["cost"]["today"].get("nanoUsd") == half_price(sim))


def test_commands_are_the_other_door(editor: Editor, sim: Simulator) -> None:
    sim.batches.rate = math.inf

    def command(verb: str, argument: object) -> Any:
        return editor.result(
            "workspace/executeCommand", {"command": f"cmt.batch.{verb}", "arguments": [argument]}
        )

    batch = command("submit", {"prompts": prompts("x")})["batch"]
    assert command("status", {"batchId": batch["id"]})["state"] == "ended"
    assert len(command("results", {"batchId": batch["id"]})["results"]) == 1


def test_a_cancelled_batch_keeps_and_pays_what_was_answered(editor: Editor, sim: Simulator) -> None:
    sim.batches.rate = 0.0
    batch = editor.result("cmt/batch/submit", {"prompts": prompts()})["batch"]
    assert editor.result("cmt/batch/cancel", {"batchId": batch["id"]})["state"] == "canceling"
    sim.batches.rate = math.inf

    ended = editor.result("cmt/batch/status", {"batchId": batch["id"]})

    assert (ended["counts"]["succeeded"], ended["counts"]["canceled"]) == (1, 2)
    assert ended["cost"]["nanoUsd"] == half_price(sim)


def test_progress_is_shown_on_the_token_that_came_along(editor: Editor, sim: Simulator) -> None:
    sim.batches.rate = math.inf
    batch = editor.result("cmt/batch/submit", {"prompts": prompts(), "workDoneToken": "going out"})["batch"]
    editor.result("cmt/batch/status", {"batchId": batch["id"], "workDoneToken": "coming home"})

    assert [v["kind"] for v in editor.values("going out")] == ["begin", "report", "end"]
    shown = editor.values("coming home")
    assert [v["kind"] for v in shown] == ["begin", "report", "end"]
    assert shown[1]["message"] == "3 of 3 answers"


def test_an_editor_with_progress_of_its_own_sees_that_a_batch_is_followed(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    sim.batches.rate = 0.0
    editor = make_editor()
    editor.open(NOTIFIED | TITLED)
    made = editor.ask("cmt/batch/submit", {"prompts": prompts()})
    question = editor.call("window/workDoneProgress/create", 20)
    editor.send({"jsonrpc": "2.0", "id": question["id"], "result": None})
    editor.answer(made)

    begin = editor.value(question["params"]["token"], "begin")
    assert (begin["title"], begin["cancellable"]) == ("Claude, batch", False)
    (batch,) = editor.result("cmt/batch/list", {})["batches"]
    editor.result("cmt/batch/status", {"batchId": batch["id"]})
    editor.result("cmt/doctor")
    asked = [m for m in editor.messages if m.get("method") == "window/workDoneProgress/create"]
    assert len(asked) == 1, "a batch is followed once, however often somebody asks about it"


def test_a_page_of_results_fits_a_message(editor: Editor, sim: Simulator) -> None:
    sim.batches.rate = 0.0
    params = {"prompts": prompts("a" * 9_000_000, "b" * 9_000_000, "c"), "maxTokens": 5}
    batch = editor.result("cmt/batch/submit", params, 40)["batch"]

    first = editor.result("cmt/batch/results", {"batchId": batch["id"]}, 40)
    rest = editor.result("cmt/batch/results", {"batchId": batch["id"], "from": first["next"]}, 40)

    assert [[r["id"] for r in page["results"]] for page in (first, rest)] == [["p0"], ["p1", "p2"]]
    assert "next" not in rest


def test_a_batch_of_another_window_is_brought_home_here(make_editor: MakeEditor, sim: Simulator) -> None:
    sim.batches.rate = 0.0
    first = make_editor()
    first.open()
    batch = first.result("cmt/batch/submit", {"prompts": prompts()})["batch"]
    first.leave()
    sim.batches.rate = math.inf
    second = make_editor()
    second.open()
    assert second.result("cmt/batch/list", {"scope": "window"})["batches"] == []
    (listed,) = second.result("cmt/batch/list", {"scope": "all"})["batches"]

    assert second.result("cmt/batch/status", {"batchId": listed["id"]})["state"] == "ended"
    assert listed["id"] == batch["id"]


def test_nothing_is_asked_of_the_endpoint_before_a_person_asks(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    sim.batches.rate = 0.0
    first = make_editor()
    first.open()
    first.result("cmt/batch/submit", {"prompts": prompts()})
    first.leave()
    count = len(sim.requests)
    second = make_editor()
    second.open()
    (batch,) = second.result("cmt/batch/list", {"scope": "all"})["batches"]
    second.result("cmt/batch/results", {"batchId": batch["id"]})
    second.leave()

    assert len(sim.requests) == count


def test_a_window_killed_before_its_batch_left_is_tidied_up_by_the_next(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    sim.fail_next(Fault.stall(), path=BATCHES)
    first = make_editor()
    first.open()
    first.ask("cmt/batch/submit", {"prompts": prompts()})
    sim.wait_stalled(path=BATCHES, within=20)
    first.process.kill()
    first.process.wait(10)
    second = make_editor()
    second.open()

    def failed() -> bool:
        (batch,) = second.result("cmt/batch/list", {"scope": "all"})["batches"]
        return bool(batch["state"] == "failed")

    wait_until(failed, 20)
    assert posted(sim) == []


def test_a_request_that_is_cancelled_before_the_batch_left_sends_nothing(
    editor: Editor, sim: Simulator
) -> None:
    sim.fail_next(Fault.stall(), path=BATCHES)
    asked = editor.ask("cmt/batch/submit", {"prompts": prompts()})
    sim.wait_stalled(path=BATCHES, within=20)
    editor.notify("$/cancelRequest", {"id": asked})

    assert editor.answer(asked)["error"]["code"] == -32800
    assert editor.result("cmt/batch/list", {"scope": "all"})["batches"] == []
    assert posted(sim) == []


def test_a_budget_refuses_a_batch_and_the_person_may_overrule_it_once(editor: Editor, sim: Simulator) -> None:
    sim.batches.rate = math.inf
    editor.result("cmt/budget/set", {"scope": "turn", "limitUsd": 0.0001})
    error = editor.refused("cmt/batch/submit", {"prompts": prompts()})
    assert (error["data"]["kind"], error["data"]["command"]) == ("budget_exceeded", "cmt.budget.set")
    assert sim.requests == []

    made = editor.result("cmt/batch/submit", {"prompts": prompts(), "budgetOverride": "needed today"})
    assert made["batch"]["state"] == "in_progress"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"prompts": []}, "prompts is empty"),
    ({"prompts": [{"id": "a", "text": "x"}] * 2}, "Prompts 1 and 2 have the same id, 'a'"),
    ({"prompts": [{"id": str(i), "text": "x"} for i in range(100_001)]}, "at most 100000; split it"),
    ({"prompts": prompts(), "model": "no such model"}, "model must be a model's id"),
    ({"prompts": prompts(), "model": "claude-nobody"}, "claude-nobody is no model of"),
    ({"prompts": prompts(), "model": "claude-opus-4-1"}, "was retired"),
    ({"prompts": prompts("x", " ")}, "Prompt 2 ('p1'): text is empty"),
    ({"prompts": prompts(), "maxTokens": 0}, "maxTokens must be"),
    ({"prompts": prompts(), "name": ""}, "name must be"),
    ({"prompts": prompts(), "budgetOverride": " "}, "$.budgetOverride is empty"),
    ({}, "$.prompts"),
    ({"prompts": "x"}, "$.prompts"),
    ({"prompts": [{"id": "a"}]}, "$.prompts[0].text"),
    ({"prompts": [{"id": 1, "text": "x"}]}, "$.prompts[0].id"),
    ({"prompts": prompts(), "promts": 1}, "promts"),
]  # fmt: skip


@pytest.mark.parametrize(("params", "part"), BAD, ids=[part for _, part in BAD])
def test_a_bad_order_is_one_sentence_and_nothing_is_submitted(
    shared_window: Shared, params: dict[str, Any], part: str
) -> None:
    editor = shared_window.editor
    error = editor.refused("cmt/batch/submit", params, 40)

    assert error["code"] == -32602
    assert part in error["message"]
    assert "\n" not in error["message"]
    assert posted(shared_window.sim) == []
    assert editor.result("cmt/batch/list", {"scope": "all"})["batches"] == []


@pytest.mark.parametrize(
    ("method", "params", "code", "part"),
    [
        ("cmt/batch/status", {"batchId": "nobody"}, -32803, "No batch has this id"),
        ("cmt/batch/cancel", {"batchId": "nobody"}, -32803, "No batch has this id"),
        ("cmt/batch/results", {"batchId": "nobody"}, -32803, "No batch has this id"),
        ("cmt/batch/results", {"batchId": "nobody", "limit": 0}, -32602, "$.limit"),
        ("cmt/batch/results", {"batchId": "nobody", "limit": 1001}, -32602, "$.limit"),
        ("cmt/batch/results", {"batchId": "nobody", "from": -1}, -32602, "$.from"),
        ("cmt/batch/list", {"scope": "mine"}, -32602, "$.scope"),
        ("cmt/batch/status", {}, -32602, "$.batchId"),
    ],
)
def test_what_names_no_batch_is_told(
    shared_window: Shared, method: str, params: dict[str, Any], code: int, part: str
) -> None:
    error = shared_window.editor.refused(method, params)

    assert (error["code"], part in error["message"]) == (code, True), error
    assert code != -32803 or error["data"]["kind"] == "unknown_batch"


def test_prompts_and_answers_of_a_batch_reach_no_log(editor: Editor, sim: Simulator) -> None:
    sim.batches.rate = math.inf
    secret = "the prompt nobody else may read"
    sim.reply_with("the answer nobody else may read")
    batch = editor.result("cmt/batch/submit", {"prompts": prompts(secret)})["batch"]
    editor.result("cmt/batch/status", {"batchId": batch["id"]})
    editor.leave()

    texts = [
        path
        for path in editor.world.rglob("*")
        if path.is_file() and b"nobody else may read" in path.read_bytes()
    ]
    assert {path.name for path in texts} <= {"sessions.sqlite3", "sessions.sqlite3-wal"}
    assert CANARY not in json.dumps(editor.messages)
