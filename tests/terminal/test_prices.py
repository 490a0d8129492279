"""A person's own prices from the file to the screen and into the ledger, through the real server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from shell import cmt

from cmt_lsp.simulator import Simulator

OWN = """
[[price]]
model = "claude-sonnet-5-5"
input = 100
output = 500
read = 10

[[price]]
model = "qwen3-coder:30b"
input = 0
output = 0
context_window = 262_144

[[price]]
model = "broken"
input = "3"
output = 1
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "cmt-lsp" / "prices.toml"
    path.parent.mkdir(parents=True)
    path.write_text(OWN)
    return path


def row_of(model: str, table: str) -> list[str]:
    return next(line.split() for line in table.splitlines() if line.split()[:1] == [model])


def test_an_answer_costs_what_the_own_list_says_and_the_ledger_names_the_row(
    endpoint: Simulator, prices: Path
) -> None:
    result = json.loads(cmt("ask", "Hello?", "--json", "--model", "claude-sonnet-5-5").stdout)

    usage = result["usage"]
    expected = usage["inputTokens"] * 100_000 + usage["outputTokens"] * 500_000
    assert (result["cost"]["priced"], result["cost"]["nanoUsd"]) == (True, expected)
    (entry,) = json.loads(cmt("ledger", "export", "-").stdout)["requests"]
    assert entry["cost"]["price_row"] == "prices.toml:claude-sonnet-5-5"
    assert entry["cost"]["nano_usd"] == expected


def test_the_models_show_own_prices_with_a_mark_and_what_is_wrong_with_the_list(
    endpoint: Simulator, prices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMT_MODEL", "some-local-model")

    shown = cmt("models").stdout

    assert row_of("claude-sonnet-5-5", shown)[:7] == [
        "claude-sonnet-5-5",
        "+",
        "100.00",
        "500.00",
        "125.00",
        "200.00",
        "10.00",
    ]
    assert row_of("qwen3-coder:30b", shown) == ["qwen3-coder:30b", "+", *["0.00"] * 5, "262144", "?", "?"]
    assert row_of("some-local-model", shown)[:3] == ["some-local-model", "*", "unpriced"]
    assert row_of("claude-opus-5-5", shown)[1] == "4.00"
    assert "+ is priced by prices.toml" in shown
    assert f"note: {prices}: row 3 (broken) is not used: input must be a number" in shown
    assert row_of("claude-sonnet-4-5", shown.split("use instead")[1]) == [
        "claude-sonnet-4-5",
        "2026-11-30",
        "claude-sonnet-5-5",
    ]


def test_a_refresh_tells_which_own_models_are_served_too(endpoint: Simulator, prices: Path) -> None:
    shown = cmt("models", "--refresh").stdout
    assert row_of("claude-sonnet-5-5", shown)[-1] == "yes"
    assert row_of("qwen3-coder:30b", shown)[-1] == "no"


def test_without_a_list_nothing_is_marked(endpoint: Simulator) -> None:
    shown = cmt("models").stdout
    assert "prices.toml" not in shown
    assert not re.search(r" \+ ", shown)


def test_the_doctor_lists_what_is_wrong_and_whose_prices_are_own(endpoint: Simulator, prices: Path) -> None:
    shown = cmt("doctor").stdout
    assert re.search(
        r"! prices: price table of \S+, own prices for claude-sonnet-5-5, qwen3-coder:30b", shown
    )
    assert f"{prices}: row 3 (broken) is not used" in shown


def test_the_doctor_says_how_an_unknown_model_gets_a_price(
    endpoint: Simulator, prices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMT_MODEL", "some-local-model")
    assert "tokens are shown, and no cost, until prices.toml names one" in cmt("doctor").stdout
    monkeypatch.setenv("CMT_MODEL", "qwen3-coder:30b")
    assert "✓ model: qwen3-coder:30b" in cmt("doctor").stdout
