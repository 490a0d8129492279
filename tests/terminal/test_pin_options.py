"""Pins and dry runs from a shell, with the real server and the simulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shell import cmt

from cmt_lsp.simulator import Simulator
from cmt_lsp.terminal.preview import begins, grouped


def first_texts(simulator: Simulator) -> list[str]:
    """The texts of the first message of the newest question."""
    questions = [request for request in simulator.requests if request.path == "/v1/messages"]
    return [block["text"] for block in questions[-1].body["messages"][0]["content"]]


def test_a_pinned_file_goes_along_from_one_command_to_the_next_until_it_is_unpinned(
    endpoint: Simulator,
) -> None:
    Path("rules.md").write_text("Be brief.\n")
    done = cmt("ask", "one", "--session", "s", "--pin", "rules.md")
    assert "note: pinned: rules.md (" in done.stderr
    Path("rules.md").write_text("Be kind.\n")
    assert "rules.md changed since it was last sent" in cmt("ask", "two", "--session", "s").stderr
    assert first_texts(endpoint)[0].startswith("File rules.md\n")
    assert "Be kind." in first_texts(endpoint)[0]
    assert "pinned: rules.md (" in cmt("sessions", "show", "s").stdout
    Path("rules.md").unlink()
    assert "1, 1 missing" in cmt("sessions").stdout
    assert "note: pinned: nothing" in cmt("ask", "three", "--session", "s", "--unpin", "rules.md").stderr
    assert first_texts(endpoint) == ["one"]


def test_a_dry_run_shows_each_block_with_its_price_and_sends_nothing(endpoint: Simulator) -> None:
    Path("rules.md").write_text("Be brief.\n")
    cmt("ask", "one", "--session", "s", "--pin", "rules.md")
    Path("code.py").write_text("def f():\n    return 1\n")
    before = len(endpoint.requests)
    shown = cmt("ask", "two", "--session", "s", "--file", "code.py:2", "--dry-run")
    lines = shown.stdout.splitlines()
    assert any("rules.md" in line and "pinned file" in line and "Be brief." in line for line in lines)
    assert any("code.py" in line and "selection" in line and "return 1" in line for line in lines)
    assert any("question" in line and "prompt" in line and "$" in line for line in lines)
    assert "Nothing was sent." in shown.stdout
    told = json.loads(cmt("ask", "two", "--session", "s", "--dry-run", "--json").stdout)
    assert told["tokens"] == told["prediction"]["inputTokens"] == sum(b["tokens"] for b in told["blocks"])
    assert "Nothing was sent." in cmt("ask", "x", "--session", "new", "--dry-run").stdout
    assert len(endpoint.requests) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pin", "a"], "--session NAME"),
        (["--unpin", "a"], "--session NAME"),
        (["--pin", "a", "--session", "s"], "There is no file"),
        (["--pin", "/etc/hosts", "--session", "s"], "outside this folder"),
        (["--pin", "a", "--session", "s", "--dry-run"], "Pin first, then look."),
    ],
)
def test_pins_that_cannot_be_are_refused_before_a_server_is_started(
    endpoint: Simulator, arguments: list[str], words: str
) -> None:
    done = cmt("ask", "x", *arguments)
    assert words in done.stderr
    assert done.returncode == 1
    assert not endpoint.requests


def test_a_long_history_is_a_row_for_each_use_of_the_cache() -> None:
    def block(kind: str, cache: str) -> dict[str, object]:
        return {"kind": kind, "cache": cache, "origin": kind, "tokens": 2, "coldNanoUsd": 3, "warmNanoUsd": 1}

    history = [block("history", "read")] * 5 + [block("history", "written")] * 4
    rows = grouped([block("system", "read"), *history, block("prompt", "none")])
    assert [row["origin"] for row in rows] == ["system", "history, 5 blocks", "history, 4 blocks", "prompt"]
    assert [row["tokens"] for row in rows] == [2, 10, 8, 2]
    assert len(grouped([block("history", "read")] * 6)) == 6
    assert begins("File a.py\n<attached-0123>\n\n  x = 1\n</attached-0123>") == "x = 1"
    assert begins("what is it?") == "what is it?"
