"""`sessions`, `models` and `doctor` against a scripted server: what the tables say, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_peer import COST, USAGE, turn_result

from cmt_lsp.terminal.doctor import examine
from cmt_lsp.terminal.models import show_models
from cmt_lsp.terminal.sessions import delete_session, export_session, list_sessions, show_session

Scripted = Callable[..., Any]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def session(name: str, number: int = 1) -> dict[str, Any]:
    """A Session of the contract."""
    return {
        "id": f"s{number}", "name": name, "model": "claude-test", "createdAt": "2026-11-22T10:00:00Z", "turns": 3,
        "updatedAt": "2025-03-04T12:30:01Z", "state": "idle", "usage": USAGE, "cost": COST, "workspace": "/home/me/w",
    }  # fmt: skip


def rows(text: str) -> list[list[str]]:
    """Lines of a table as words."""
    return [line.split() for line in text.splitlines() if line.strip()]


def test_a_session_is_a_row_with_its_tokens_and_its_cost(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server = scripted({"cmt/session/list": [["result", {"sessions": [session("review")]}]]})

    assert list_sessions(everywhere=False, query=None, no_color=True, command=server.command) == 0

    assert server.received("cmt/session/list") == [{"scope": "workspace"}]
    expected = ["s1", "review", "claude-test", "3", "12.3K", "2.9K", "8.1K", "$0.0456", "2025-03-04"]
    assert rows(capsys.readouterr().out)[-1] == expected


def test_all_and_query_are_passed_on(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    server = scripted({"cmt/session/list": [["result", {"sessions": [session("review")]}]]})

    list_sessions(everywhere=True, query="cache", no_color=True, command=server.command)

    assert server.received("cmt/session/list") == [{"scope": "all", "query": "cache"}]
    assert "/home/me/w" in capsys.readouterr().out


def test_no_session_is_a_sentence(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    server = scripted({"cmt/session/list": [["result", {"sessions": []}]]})

    assert list_sessions(everywhere=False, query=None, no_color=True, command=server.command) == 0

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("No session yet.")


def test_a_name_cannot_steer_the_terminal_or_the_markup(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = session("[red]\x1b]0;own\x07[/red]\n[link=x]y")
    server = scripted({"cmt/session/list": [["result", {"sessions": [evil]}]]})

    list_sessions(everywhere=False, query=None, no_color=True, command=server.command)

    assert "[red]␛]0;own␇[/red] [link=x]y" in capsys.readouterr().out


def test_a_session_is_shown_by_name_with_questions_and_answers(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    turn = turn_result("An answer.\n") | {"prompt": "One\ntwo?", "index": 0}
    server = scripted(
        {
            "cmt/session/list": [["result", {"sessions": [session("review")]}]],
            "cmt/session/get": [["result", {"session": session("review"), "turns": [turn]}]],
        }
    )

    assert show_session("review", server.command) == 0

    assert capsys.readouterr().out == (
        "# review (s1)\n\n> One\n> two?\n\nAn answer.\n\n"
        "(claude-test · 12.3K in, 2.9K out · cached 8.1K (66%) · $0.0456 (saved $0.0243) · 3.2 s)\n"
    )


def test_an_exported_document_is_printed_as_it_is(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {"text": "# review\n\x1b\n", "suggestedName": "review.md"}
    found = {"sessions": [session("review")]}
    server = scripted({"cmt/session/list": [["result", found]], "cmt/session/export": [["result", made]]})

    assert export_session("s1", "json", server.command) == 0

    assert server.received("cmt/session/export") == [{"sessionId": "s1", "format": "json"}]
    assert capsys.readouterr().out == "# review\n\x1b\n"


def test_the_beginning_of_an_id_names_a_session(scripted: Scripted) -> None:
    long = session("a") | {"id": "0123456789abcdef"}
    server = scripted({"cmt/session/list": [["result", {"sessions": [long]}]]})

    assert delete_session("01234567", server.command) == 0
    assert delete_session("0123456", server.command) == 1

    assert server.received("cmt/session/delete") == [{"sessionId": "0123456789abcdef"}]


def test_a_session_is_deleted_by_id(scripted: Scripted) -> None:
    server = scripted({"cmt/session/list": [["result", {"sessions": [session("a"), session("b", 2)]}]]})

    assert delete_session("s2", server.command) == 0

    assert server.received("cmt/session/delete") == [{"sessionId": "s2"}]


@pytest.mark.parametrize(
    ("which", "words"), [("twin", "2 sessions are called twin"), ("none", "no session none")]
)
def test_a_doubtful_or_unknown_name_deletes_nothing(
    scripted: Scripted, capsys: pytest.CaptureFixture[str], which: str, words: str
) -> None:
    twins = {"sessions": [session("twin"), session("twin", 2)]}
    server = scripted({"cmt/session/list": [["result", twins]]})

    assert delete_session(which, server.command) == 1

    assert words in capsys.readouterr().err
    assert server.received("cmt/session/delete") == []


def test_models_have_prices_per_million_and_their_lifecycle(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    price = {"abovePromptTokens": 0, "input": 3000, "output": 15000, "write5m": 3750, "write1h": 6000, "read": 75, "validFrom": "2026-01-01"}  # fmt: skip
    long = {**price, "abovePromptTokens": 200_000, "input": 6000}
    found = {
        "models": [
            {"id": "claude-new", "displayName": "New", "prices": [price, long], "lifecycle": "active", "default": True,
             "contextWindow": 1_000_000, "maxOutput": 128_000, "cacheMinimum": 512},
            {"id": "claude-old", "displayName": "Old", "prices": [], "lifecycle": "deprecated", "default": False,
             "retiresAt": "2026-11-30", "successor": "claude-new"},
            {"id": "claude-gone", "displayName": "Gone", "prices": [], "lifecycle": "retired", "default": False,
             "retiresAt": "2025-01-01"},
        ],
        "notices": ["The prices are 100 days old."],
    }  # fmt: skip
    server = scripted({"cmt/models": [["result", found]]})

    assert show_models(refresh=False, no_color=True, command=server.command) == 0

    shown = rows(capsys.readouterr().out)
    assert ["claude-new", "*", "3.00", "15.00", "3.75", "6.00", "0.075", "1M", "128K", "512"] in shown
    assert ["above", "200K", "6.00", "15.00", "3.75", "6.00", "0.075"] in shown
    assert ["claude-old", "unpriced", "?", "?", "?"] in shown
    assert ["note:", "The", "prices", "are", "100", "days", "old."] in shown


def test_models_that_go_are_listed_with_their_day_and_what_to_use_the_next_to_go_first(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    def model(name: str, lifecycle: str, **more: object) -> dict[str, Any]:
        return {
            "id": name,
            "displayName": name,
            "prices": [],
            "lifecycle": lifecycle,
            "default": False,
            **more,
        }

    found = {
        "models": [
            model("stays", "active"),
            model("may-go", "active", retiresNotBefore="2999-01-01", successor="stays"),
            model("may-go-now", "active", retiresNotBefore="2020-01-01", successor="stays"),
            model("goes", "deprecated", retiresAt="2998-12-31", successor="stays"),
            model("long-gone", "retired", retiresAt="2024-01-01", successor="stays"),
            model("just-gone", "retired", retiresAt="2025-01-01"),
            model("gone-some-day", "retired", successor="stays"),
        ]
    }
    server = scripted({"cmt/models": [["result", found]]})

    assert show_models(refresh=False, no_color=True, command=server.command) == 0

    out = capsys.readouterr().out
    assert rows(out.split("use instead")[1])[1:] == [
        ["may-go-now", "any", "day", "since", "2020-01-01", "stays"],
        ["goes", "2998-12-31", "stays"],
        ["may-go", "at", "least", "2999-01-01", "stays"],
        ["just-gone", "2025-01-01"],
        ["long-gone", "2024-01-01", "stays"],
        ["gone-some-day", "gone", "stays"],
    ]
    assert "gone" not in out.split("USD per million")[0]


@pytest.mark.parametrize("columns", [80, 140])
def test_a_price_is_never_cut_for_a_long_name(
    scripted: Scripted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    price = {"abovePromptTokens": 0, "input": 10_000, "output": 37_500, "write5m": 12_500, "write1h": 20_000, "read": 625, "validFrom": "1970-01-01", "own": True}  # fmt: skip
    name = "anthropic/claude-with-a-long-name-20261122"
    found = {
        "models": [
            {"id": name, "displayName": name, "prices": [price], "lifecycle": "unknown", "default": True}
        ]
    }
    server = scripted({"cmt/models": [["result", found]]})
    monkeypatch.setattr("cmt_lsp.terminal.tables.PIPED_WIDTH", columns)

    show_models(refresh=False, no_color=True, command=server.command)

    out = capsys.readouterr().out
    for figure in ("10.00", "37.50", "12.50", "20.00", "0.625"):
        assert f" {figure} " in out
    assert name in "".join(line.split()[0] for line in out.splitlines()[3:] if line.strip())
    assert "+ is priced by prices.toml" in out


@pytest.mark.parametrize(("state", "sign", "code"), [("ok", "✓", 0), ("warn", "!", 0), ("fail", "✗", 1)])
def test_a_failed_check_is_told_with_its_advice_and_in_the_exit_code(
    scripted: Scripted, capsys: pytest.CaptureFixture[str], state: str, sign: str, code: int
) -> None:
    check = {"name": "key", "state": state, "detail": "none is set", "advice": "Set ANTHROPIC_API_KEY."}
    server = scripted({"cmt/doctor": [["result", {"checks": [check]}]]})

    assert examine(no_color=True, command=server.command) == code

    assert capsys.readouterr().out == f"{sign} key: none is set\n  Set ANTHROPIC_API_KEY.\n"


def test_a_server_that_dies_is_a_sentence(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(no_color=True, command=scripted({"cmt/doctor": [["die", 3]]}).command) == 1

    assert "The server ended unexpectedly (exit code 3)." in capsys.readouterr().err
