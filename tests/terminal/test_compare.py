"""`cmt-lsp compare` against a scripted server: what it sends, how the answers stand on a screen, how it ends."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_peer import turn_result

from cmt_lsp.terminal.columns import rows_of
from cmt_lsp.terminal.compare import run
from cmt_lsp.terminal.question import Question

Scripted = Callable[..., Any]
DRIVER = """
import sys
from cmt_lsp.terminal.compare import run
from cmt_lsp.terminal.question import Question
sys.exit(run(Question("Which?", as_json=sys.argv[1] == "json", no_color=True), ["one", "two"], sys.argv[2:]))
"""
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def row(model: str, text: str, stop: str = "end_turn", **changed: Any) -> dict[str, Any]:
    """One row of a comparison; `cost`, `first` and `total` in nano-dollars and milliseconds."""
    made = {**turn_result(text, stop), "model": model, "turnId": f"turn of {model}"}
    if "cost" in changed:
        nano = changed.pop("cost")
        made["cost"] = {**made["cost"], "nanoUsd": nano, "display": f"${nano / 1e9:.4f}"}
    made["timing"] = {
        "totalMs": changed.pop("total", 3210),
        "retries": 0,
        "firstTokenMs": changed.pop("first", 300),
    }
    return made | changed


def rows(*made: dict[str, Any]) -> list[list[Any]]:
    """The act that answers with rows."""
    return [["result", {"compareId": "c1", "sessionId": "s1", "rows": list(made)}]]


def value(turn: str, kind: str, **fields: Any) -> list[Any]:
    """The act that streams a value of one model's turn."""
    return ["progress", {"turnId": f"turn of {turn}", "kind": kind, **fields}]


def text(model: str, piece: str) -> list[Any]:
    return value(model, "text", text=piece, offset=0)


STARTED = [value("one", "started", model="one"), value("two", "started", model="two")]


def driver(server: Any, form: str = "text") -> list[str]:
    """A program that compares two models of the scripted server."""
    return [sys.executable, "-c", DRIVER, form, *server.command]


def lines_of(screen: str) -> list[str]:
    """What a screen shows at last, without its colours and cursor moves, trailing spaces cut."""
    return [line.rstrip() for line in ANSI.sub("", screen.replace("\r", "")).split("\n")]


@pytest.mark.parametrize(
    ("count", "columns", "rows"),
    [
        (2, 80, [1, 1]),
        (2, 88, [2]),
        (2, 160, [2]),
        (3, 160, [3]),
        (4, 160, [2, 2]),
        (5, 160, [3, 2]),
        (5, 220, [5]),
        (5, 100, [2, 2, 1]),
        (5, 20, [1] * 5),
        (3, 0, [1] * 3),
    ],
)
def test_as_many_stand_side_by_side_as_stay_readable_in_even_rows(
    count: int, columns: int, rows: list[int]
) -> None:
    found = rows_of(list(range(count)), columns)

    assert [len(part) for part in found] == rows
    assert [item for part in found for item in part] == list(range(count))


def test_a_pipe_gets_the_answers_one_below_the_other_and_the_figures(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "a long line " * 30
    made = rows(row("one", f"First.\n{long}\n"), row("two", "Second.", cost=1_000_000, first=90, total=900))
    server = scripted({"cmt/compare": [*STARTED, text("one", "First."), text("two", "Second."), *made]})

    assert run(Question("Which?"), ["one", "two"], server.command) == 0

    out, err = capsys.readouterr()
    assert err == ""
    assert [line.rstrip() for line in out.splitlines()] == [
        "── one ──",
        "First.",
        long.rstrip(),
        "",
        "── two ──",
        "Second.",
        "",
        "",
        " model     in  cached   out     cost  first text   total",
        " ───────────────────────────────────────────────────────",
        " one    12.3K    8.1K  2.9K  $0.0456      300 ms   3.2 s",
        " two    12.3K    8.1K  2.9K  $0.0010       90 ms  900 ms",
        "",
    ]


def test_the_question_its_files_and_options_become_params(scripted: Scripted, tmp_path: Path) -> None:
    server = scripted({"cmt/compare": rows(row("one", "a"), row("two", "b"))})
    (tmp_path / "part.py").write_text("one\ntwo\n")

    run(Question("Hi", files=("part.py:2",), max_tokens=9, effort="low"), ["one", "two"], server.command)
    run(Question("Hi"), ["two", "one", "three"], server.command)

    full, bare = server.received("cmt/compare")
    full.pop("partialResultToken"), bare.pop("partialResultToken")
    (context,) = full.pop("context")
    assert (context["kind"], context["text"]) == ("selection", "two")
    assert full == {"text": "Hi", "models": ["one", "two"], "maxTokens": 9, "effort": "low"}
    assert bare == {"text": "Hi", "models": ["two", "one", "three"]}


def test_json_is_the_whole_result_in_ascii(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    made = rows(row("one", "ü\x9b"), row("two", "b"))
    server = scripted({"cmt/compare": [*STARTED, text("one", "ü"), *made]})

    assert run(Question("Hi", as_json=True), ["one", "two"], server.command) == 0

    out = capsys.readouterr().out
    assert json.loads(out) == made[0][1]
    assert out.isascii()


def test_a_model_without_a_whole_answer_is_told_and_the_exit_code_says_so(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"code": -32803, "message": "No \x1b[31msuch model.", "data": {"kind": "model_not_found"}}
    failed = row("two", "", "error", error=error, notices=["It may have cost\nsomething."])
    failed["timing"].pop("firstTokenMs")
    server = scripted({"cmt/compare": rows(row("one", "Whole."), failed)})

    assert run(Question("Hi"), ["one", "two"], server.command) == 1

    out, err = capsys.readouterr()
    assert "── two ──\nNo ␛[31msuch model.\n" in out
    assert out.split()[-1] == "error"
    assert err == "note: two: It may have cost something.\n"


@pytest.mark.parametrize(
    ("stop", "code"), [("truncated", 1), ("max_tokens", 0), ("refusal", 0), ("end_turn", 0)]
)
def test_how_an_answer_ended_is_said_below_it_where_that_is_unusual(
    scripted: Scripted, capsys: pytest.CaptureFixture[str], stop: str, code: int
) -> None:
    server = scripted({"cmt/compare": rows(row("one", "Half an ans", stop), row("two", "b"))})

    assert run(Question("Hi"), ["one", "two"], server.command) == code

    out = capsys.readouterr().out
    assert (f"Half an ans\n[{stop.replace('_', ' ')}]\n" in out) == (stop != "end_turn")


def test_an_error_of_the_server_is_one_sentence(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {
        "code": -32602,
        "message": "models must name 2 to 5 models, not 1.",
        "data": {"kind": "bad_params"},
    }
    server = scripted({"cmt/compare": [["error", error]]})

    assert run(Question("Hi"), ["one"], server.command) == 1
    assert capsys.readouterr() == ("", "cmt-lsp: models must name 2 to 5 models, not 1.\n")


def test_on_a_wide_terminal_the_answers_stand_side_by_side(scripted: Scripted, terminal: Any) -> None:
    made = rows(row("one", "First answer."), row("two", "Second \x1b[2Janswer."))
    screen = terminal(driver(scripted({"cmt/compare": [*STARTED, *made]})), columns=160)

    assert screen.wait() == 0
    shown = lines_of(screen.screen)
    assert any(re.search(r"^ one +│ two$", line) for line in shown), shown
    assert any(re.search(r"First answer\. +│ Second ␛\[2Janswer\.$", line) for line in shown), shown


def test_on_a_narrow_terminal_they_stand_one_below_the_other(scripted: Scripted, terminal: Any) -> None:
    made = rows(row("one", "word " * 40), row("two", "Second."))
    screen = terminal(driver(scripted({"cmt/compare": [*STARTED, *made]})), columns=80)

    assert screen.wait() == 0
    shown = lines_of(screen.screen)
    at = shown.index("── one ──")
    assert shown[at + 1 : at + 4] == ["word " * 15 + "word", "word " * 15 + "word", "word " * 7 + "word"]
    assert "── two ──" in shown[at:]
    assert all(len(line) <= 80 for line in shown[at:])


def test_while_they_come_each_has_a_panel_and_none_stays(scripted: Scripted, terminal: Any) -> None:
    retry = {"attempt": 1, "maxAttempts": 3, "delayMs": 1500, "reason": "overloaded"}
    acts = [
        *STARTED,
        text("one", "Half \x1b]0;owned\x07an answer"),
        value("two", "retry", **retry),
        value("one", "end", stopReason="max_tokens"),
        ["until", "cmt/cancel"],
        *rows(row("one", "Half", "max_tokens"), row("two", "", "cancelled")),
    ]
    server = scripted({"cmt/compare": acts, "cmt/cancel": [["result", {"cancelled": 2}]]})
    screen = terminal(driver(server), columns=120)
    screen.wait_for("Half ␛]0;owned␇an answer")
    screen.wait_for("attempt 2 of 3 in 1.")
    screen.wait_for("max tokens")

    screen.type("\x03")

    assert screen.wait() == 130
    assert server.received("cmt/cancel") == [{}]
    last = lines_of(screen.screen.rsplit("\x1b[2K", 1)[1])
    assert not any("╭" in line for line in last)
    assert any(line.endswith("cancelled") for line in last)


def test_a_second_ctrl_c_leaves_a_server_that_does_not_cancel(scripted: Scripted, terminal: Any) -> None:
    server = scripted({"cmt/compare": [*STARTED, text("one", "Half")], "cmt/cancel": []})
    screen = terminal(driver(server), columns=120)
    screen.wait_for("Half")

    screen.type("\x03")
    screen.wait_for("cancelling")
    screen.type("\x03")

    assert screen.wait(within=4) == 130


def test_json_on_a_terminal_is_nothing_but_json(scripted: Scripted, terminal: Any) -> None:
    made = rows(row("one", "a"), row("two", "b"))
    screen = terminal(driver(scripted({"cmt/compare": [*STARTED, text("one", "a"), *made]}), "json"))

    assert screen.wait() == 0
    assert json.loads(screen.screen) == made[0][1]


def test_the_least_of_each_figure_is_set_in_bold(scripted: Scripted, terminal: Any) -> None:
    """Of whole answers: one that was cut off is no bargain."""
    made = rows(
        row("one", "a", cost=2_000_000, first=200, total=5000),
        row("two", "b", cost=1_000_000, first=400, total=4000),
        row("three", "c", "truncated", cost=1, first=1, total=1),
    )
    command = driver(scripted({"cmt/compare": [*STARTED, *made]}))
    command[2] = DRIVER.replace(", no_color=True", "")
    screen = terminal(command)

    assert screen.wait() == 1
    bold = re.findall(r"\x1b\[1m *([$\d][^\x1b]*?) *\x1b\[0m", screen.screen)
    assert bold == ["200 ms", "$0.0010", "4.0 s"]
