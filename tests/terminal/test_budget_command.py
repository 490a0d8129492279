"""`cmt-lsp budget`: limits set, shown, obeyed and removed from a shell."""

from __future__ import annotations

import re

import pytest
from shell import cmt

from cmt_lsp.simulator import Simulator


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each budget's row, by scope."""
    split = (re.split(r"\s{2,}", line.strip()) for line in text.splitlines())
    return {cells[0]: cells for cells in split if cells[0] in ("turn", "session", "window", "day", "month")}


def test_without_a_limit_the_command_says_how_to_set_one(endpoint: Simulator) -> None:
    shown = cmt("budget")

    assert shown.stdout == "No budget is set. `cmt-lsp budget set day 5` stops at 5 dollars a day.\n"


def test_a_limit_is_kept_shown_with_what_is_spent_and_removed(endpoint: Simulator) -> None:
    assert rows(cmt("budget", "set", "day", "$5", "--warn", "60,80").stdout)["day"][:2] == ["day", "today"]
    assert cmt("ask", "What is it?").returncode == 0

    day = rows(cmt("budget").stdout)["day"]

    assert re.fullmatch(r"\$0\.00\d+", day[2])
    assert "$5.0000" in day
    assert "60%, 80%" in day
    assert rows(cmt("budget", "clear", "day").stdout) == {}


def test_a_question_over_the_budget_is_not_sent_but_with_a_reason_it_is(endpoint: Simulator) -> None:
    cmt("budget", "set", "month", "0.0001")

    refused = cmt("ask", "What is it?")
    assert refused.returncode == 1
    assert "month budget" in refused.stderr
    assert [r for r in endpoint.requests if r.path == "/v1/messages"] == []

    sent = cmt("ask", "What is it?", "--over-budget", "the build is red")
    assert sent.returncode == 0, sent.stderr
    assert "Month budget" in sent.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("dya", "5"), "scope"),
        (("day", "-3"), "above 0"),
        (("day", "0"), "above 0"),
        (("day", "nan"), "not an amount in US dollars"),
        (("day", "five"), "not an amount in US dollars"),
        (("day", "1e15"), "limit"),
        (("day", "5", "--warn", "50,0"), "not a positive number"),
        (("day", "5", "--warn", "250"), "1 to 100"),
    ],
)
def test_a_mistyped_limit_gets_one_sentence_and_changes_nothing(
    endpoint: Simulator, words: tuple[str, ...], sentence: str
) -> None:
    cmt("budget", "set", "day", "7")

    refused = cmt("budget", "set", *words)

    assert refused.returncode in (1, 2)
    assert sentence in refused.stderr.splitlines()[-1]
    assert "$7.0000" in rows(cmt("budget").stdout)["day"]
