"""`cmt-lsp cache`: stats, advice and warming from a shell."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from shell import cmt

from cmt_lsp.simulator import Simulator
from cmt_lsp.terminal.cache.command import apply_advice, show_advice, show_stats, warm

NOTHING = 'No question was answered yet. `cmt-lsp ask "..." --session NAME` begins a session.\n'
STATS: dict[str, Any] = {
    "scope": "session",
    "sessions": 1,
    "turns": {"hit": 3, "partial": 5, "miss": 4, "off": 0, "belowMinimum": 1},
    "hitRatio": 0.6432,
    "totalInputTokens": 435_100,
    "readTokens": 279_900,
    "written5mTokens": 153_600,
    "written1hTokens": 1_500,
    "savedNanoUsd": 403_200_000,
    "writePremiumNanoUsd": 61_900_000,
    "lostNanoUsd": 198_400_000,
    "unpricedRequests": 2,
    "causes": [
        {"cause": "model changed", "turns": 4, "lostNanoUsd": 93_100_000, "unpricedTurns": 1},
        {"cause": "expired", "turns": 3, "lostNanoUsd": 16_000_000, "unpricedTurns": 0},
    ],
    "warm": [
        {
            "sessionId": "s",
            "name": "refactor the parser",
            "model": "claude-sonnet-5-5",
            "tokens": 37_300,
            "expiresAt": "2026-01-02T03:04:05.678Z",
            "secondsLeft": 187,
            "coldCostNanoUsd": 89_500_000,
        }
    ],
    "text": "64% of all prompts were read from the cache, which saved $0.4032; misses cost $0.1984.",
    "lastMiss": {
        "turnId": "t",
        "sessionId": "s",
        "model": "claude-sonnet-5-5",
        "state": "miss",
        "startedAt": "2026-01-02T03:00:00Z",
        "cause": "expired (idle 812 s)",
        "lostNanoUsd": 89_300_000,
    },
}
ADVICE: dict[str, Any] = {
    "scope": "session",
    "turns": 12,
    "suggestions": [
        {
            "kind": "models",
            "valueNanoUsd": 93_100_000,
            "display": "$0.0931",
            "turns": 4,
            "text": "4 switches of the model wrote the conversation anew for $0.0931: stay with one here.",
            "command": {
                "title": "Stay with claude-sonnet-5-5",
                "command": "cmt.session.update",
                "arguments": [{"sessionId": "s", "model": "claude-sonnet-5-5"}],
            },
        },
        {
            "kind": "lifetime",
            "valueNanoUsd": 20_000_000,
            "display": "$0.0200",
            "turns": 2,
            "text": "2 questions came 5 to 60 minutes after the one before.",
            "setting": 'promptCache = "1h"',
        },
    ],
}
SESSION = {"id": "s1234567", "name": "refactor the parser"}


@pytest.fixture
def answering(scripted: Callable[..., Any]) -> Callable[..., Any]:
    """A scripted server that answers operations with these results."""

    def make(**answers: Any) -> Any:
        script = {f"cmt/{name.replace('_', '/')}": [["result", answer]] for name, answer in answers.items()}
        return scripted(script)

    return make


# --- the screens


def test_stats_say_what_happened_why_it_missed_and_what_is_warm(
    answering: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = answering(cache_stats=STATS)

    assert show_stats(None, as_json=False, no_color=True, command=server.command) == 0

    out = capsys.readouterr().out
    assert out.startswith("All sessions: 64% of all prompts were read from the cache")
    for line in (
        r"questions +3 read, 5 partly, 4 missed, 1 too short",
        r"read +279\.9K of 435\.1K \(64%\)",
        r"written +153\.6K for five minutes, 1\.5K for an hour; \$0\.0619 over plain input",
        r"saved +\$0\.4032 against no caching",
        r"lost +\$0\.1984 to misses",
        r"unpriced +2 requests",
        r"last miss +2026-01-0\d \d\d:\d\d: expired \(idle 812 s\), which cost \$0\.0893",
        r"model changed +4 +\$0\.0931\+\?",
        r"expired +3 +\$0\.0160",
        r"refactor the parser +37\.3K +2026-01-0\d \d\d:\d\d +3 min 7 s +\+\$0\.0895",
    ):
        assert re.search(line, out), line
    assert server.received("cmt/cache/stats") == [{"scope": "all"}]


def test_advice_numbers_what_to_do_and_how(
    answering: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = answering(cache_advice=ADVICE, session_list={"sessions": [SESSION]})

    assert show_advice("refactor the parser", as_json=False, no_color=True, command=server.command) == 0

    out = capsys.readouterr().out
    assert "1. $0.0931 could have been saved" in out
    assert "Stay with claude-sonnet-5-5: cmt-lsp cache advice 'refactor the parser' --apply 1" in out
    assert 'config.toml: promptCache = "1h"' in out
    assert out.index("1. ") < out.index("2. ")
    assert server.received("cmt/cache/advice") == [{"sessionId": "s1234567"}]


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_no_line_of_a_suggestion_is_cut_or_longer_than_the_terminal(
    columns: int, answering: Callable[..., Any], terminal: Callable[..., Any]
) -> None:
    server = answering(cache_advice=ADVICE)
    program = (
        "import sys; from cmt_lsp.terminal.cache.command import show_advice; "
        f"sys.exit(show_advice(None, as_json=False, no_color=True, command={server.command!r}))"
    )

    shown = terminal([sys.executable, "-c", program], columns=columns)

    assert shown.wait() == 0
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown.screen).replace("\r", "")
    assert max(len(line) for line in plain.splitlines()) <= columns
    words = " ".join(plain.split())
    assert ADVICE["suggestions"][0]["text"] in words
    assert "…" not in plain


def test_a_suggestion_with_a_command_is_carried_out_and_one_with_a_setting_is_explained(
    answering: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = answering(cache_advice=ADVICE, session_update={**SESSION, "notices": ["It costs $0.01."]})

    assert apply_advice(None, 1, server.command) == 0
    assert capsys.readouterr().out == "Done: Stay with claude-sonnet-5-5.\nnote: It costs $0.01.\n"
    assert server.received("cmt/session/update") == [{"sessionId": "s", "model": "claude-sonnet-5-5"}]

    assert apply_advice(None, 2, server.command) == 1
    assert 'Write this line into config.toml: promptCache = "1h"' in capsys.readouterr().err

    assert apply_advice(None, 3, server.command) == 1
    assert "There is no suggestion 3." in capsys.readouterr().err


def test_a_hostile_name_or_cause_cannot_draw_on_the_terminal(
    answering: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2Jx\x07"
    warm_there = [{**STATS["warm"][0], "name": evil}]
    causes = [{**STATS["causes"][0], "cause": evil}]
    server = answering(cache_stats={**STATS, "warm": warm_there, "causes": causes, "text": evil})

    show_stats(None, as_json=False, no_color=True, command=server.command)

    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(("state", "code"), [("warmed", 0), ("priced", 0), ("not-cached", 1), ("refused", 1)])
def test_warming_says_what_it_did_and_fails_where_it_could_not(
    state: str, code: int, answering: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    done = {
        "state": state,
        "reason": "It was written.",
        "writtenTokens": 9_000,
        "readTokens": 0,
        "cost": {"display": "$0.0338"},
        "expiresAt": "2026-01-02T03:04:05Z",
    }
    server = answering(cache_warm=done, session_list={"sessions": [SESSION]})

    assert warm(None, dry_run=state == "priced", as_json=False, command=server.command) == code

    said = capsys.readouterr().out
    assert said.startswith(
        "refactor the parser: It was written. 9.0K written, 0 read, $0.0338. Warm until 2026"
    )
    assert server.received("cmt/cache/warm") == [{"sessionId": "s1234567", "dryRun": state == "priced"}]


# --- the whole way


def test_before_the_first_question_every_command_says_what_to_do(endpoint: Simulator) -> None:
    assert cmt("cache", "stats").stdout == NOTHING
    assert cmt("cache", "advice").stdout == NOTHING
    refused = cmt("cache", "warm")
    assert (refused.returncode, "There is no session in this folder." in refused.stderr) == (1, True)
    unknown = cmt("cache", "stats", "nope")
    assert (unknown.returncode, "There is no session nope." in unknown.stderr) == (1, True)


def test_a_real_session_is_counted_advised_on_and_warmed(
    endpoint: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMT_SYSTEM_PROMPT", "Follow the rule. " * 2000)
    cmt("ask", "one", "--session", "talk")
    cmt("ask", "two", "--session", "talk")

    stats = json.loads(cmt("cache", "stats", "talk", "--json").stdout)
    advice = cmt("cache", "advice", "talk")
    priced = cmt("cache", "warm", "talk", "--dry-run")

    assert stats["turns"]["hit"] == 1
    assert stats["readTokens"] > 8_000
    assert advice.stdout.startswith("Nothing would have saved a cent: 2 turns read 50%")
    assert priced.returncode == 0, priced.stderr
    assert priced.stdout.startswith("talk: ")
    assert "1 read, 1 missed" in cmt("cache", "stats").stdout


def test_a_verb_that_is_missing_is_a_misuse() -> None:
    assert cmt("cache").returncode == 2
