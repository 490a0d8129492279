"""Usage through the wire: every scope, grouping and span of days says what the turns themselves said."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest

from cmt_lsp.simulator import Fault, simulator_in_thread

from .conftest import MakeEditor, Shared
from .editor import BEFORE_HEADERS, MIDWAY, SLOW, Editor

CLASSES = (
    "inputTokens",
    "cacheCreation5mInputTokens",
    "cacheCreation1hInputTokens",
    "cacheReadInputTokens",
    "outputTokens",
    "totalInputTokens",
)
OPUS = "claude-opus-5-5"


@pytest.fixture
def window(shared_window: Shared) -> Shared:
    """The module's window, in a session of the test's own."""
    shared_window.editor.session()
    return shared_window


def usage(editor: Editor, **params: Any) -> dict[str, Any]:
    """A report."""
    found: dict[str, Any] = editor.result("cmt/usage", params)
    return found


def sums(results: Iterable[dict[str, Any]]) -> tuple[int, ...]:
    """What turns said of themselves, added up: cost, saving, tokens by class."""
    results = list(results)
    money = (
        sum(one["cost"]["nanoUsd"] for one in results),
        sum(one["cost"]["savedNanoUsd"] for one in results),
    )
    return (*money, *(sum(one["usage"][name] for one in results) for name in CLASSES))


def figures(part: dict[str, Any]) -> tuple[int, ...]:
    """The same of a report or a group."""
    totals = part["totals"]
    return (totals["cost"]["nanoUsd"], part["savedNanoUsd"], *(totals["usage"][name] for name in CLASSES))


def test_every_scope_says_what_its_turns_said(make_editor: MakeEditor) -> None:
    """By id, and without one for the window's own current turn, session and workspace."""
    first, second = make_editor(), make_editor()
    for editor in (first, second):
        editor.open(rootUri=editor.world.as_uri())
    quiet = first.session(name="quiet")
    talks = [first.chat(text, 30, sessionId=quiet) for text in ("one", "two")]
    busy = first.session(name="busy", model=OPUS)
    talks += [first.chat(text, sessionId=busy) for text in ("three", "four", "five")]
    other = second.chat("six", 30)

    assert figures(usage(first)) == sums([*talks, other])
    assert figures(usage(second, scope="all")) == sums([*talks, other])
    assert figures(usage(first, scope="window")) == sums(talks)
    assert figures(usage(second, scope="window")) == sums([other])
    assert figures(usage(second, scope="workspace")) == sums([*talks, other])
    assert figures(usage(second, scope="workspace", id=first.world.as_uri())) == sums([*talks, other])
    assert figures(usage(second, scope="workspace", id=str(first.world))) == sums([*talks, other])
    assert figures(usage(first, scope="session")) == sums(talks[2:])
    assert figures(usage(second, scope="session", id=quiet)) == sums(talks[:2])
    assert figures(usage(first, scope="turn")) == sums(talks[-1:])
    assert figures(usage(second, scope="turn", id=talks[0]["turnId"])) == sums(talks[:1])
    assert (usage(first)["requests"], usage(first)["sessions"]) == (6, 3)

    by_model = {group["key"]: group for group in usage(first, groupBy="model")["groups"]}
    assert figures(by_model[OPUS]) == sums(talks[2:])
    assert list(by_model) == sorted(by_model, key=lambda key: -by_model[key]["totals"]["cost"]["nanoUsd"])
    by_session = {group["label"]: figures(group) for group in usage(first, groupBy="session")["groups"]}
    assert (by_session["quiet"], by_session["busy"]) == (sums(talks[:2]), sums(talks[2:]))
    (folder,) = usage(first, groupBy="workspace", thenBy="model")["groups"]
    assert folder["key"] == str(first.world.resolve())
    assert {group["key"]: figures(group) for group in folder["groups"]} == {
        key: figures(group) for key, group in by_model.items()
    }
    kept = usage(first, groupBy="session", limit=1)
    assert sum(part["requests"] for part in (*kept["groups"], kept["rest"])) == 6


def test_days_are_those_of_the_report_s_own_time_zone(window: Shared) -> None:
    result = window.editor.chat("hello")
    report = usage(window.editor, scope="session", groupBy="day", thenBy="model")
    today = report["today"]
    after = str(date.fromisoformat(today) + timedelta(days=1))

    assert report["timeZone"]
    assert [(group["key"], figures(group)) for group in report["groups"]] == [(today, sums([result]))]
    assert [group["key"] for group in report["groups"][0]["groups"]] == [result["model"]]
    inside = usage(window.editor, scope="session", **{"from": today, "to": today})
    assert (figures(inside), inside["from"], inside["to"]) == (sums([result]), today, today)
    outside = usage(window.editor, scope="session", **{"from": after})
    assert (outside["requests"], outside["totals"]["cost"]["display"], outside["hitRatio"]) == (
        0,
        "$0.0000",
        0.0,
    )


def test_what_was_not_asked_yet_cost_nothing(make_editor: MakeEditor) -> None:
    """No ledger file, no session and no turn are no reason to fail."""
    editor = make_editor()
    editor.open()

    for scope in ("turn", "session", "window", "workspace", "all"):
        report = usage(editor, scope=scope, groupBy="day")
        assert (report["requests"], report["groups"], report["totals"]["cost"]["priced"]) == (0, [], True)
        assert report["calibration"] == {"turns": 0}


def test_a_model_without_a_price_is_counted_and_not_guessed(make_editor: MakeEditor) -> None:
    """Two windows with endpoints of their own share the ledger; a stranger's model has no price."""
    editor = make_editor()
    editor.open()
    priced = editor.chat("hello", 30)
    with simulator_in_thread(dialect="ollama") as server:
        other = make_editor(server.base_url, env={"CMT_MODEL": "qwen3-coder"})
        other.open()
        assert other.chat("hello", 30)["cost"]["priced"] is False

    report = usage(editor, groupBy="model")

    assert (report["requests"], report["unpricedRequests"]) == (2, 1)
    assert report["totals"]["cost"]["nanoUsd"] == priced["cost"]["nanoUsd"]
    assert report["totals"]["cost"]["display"].startswith("≥$")
    first, unpriced = report["groups"]
    assert (first["key"], first["unpricedRequests"]) == (priced["model"], 0)
    assert (unpriced["key"], unpriced["totals"]["cost"]["display"]) == ("qwen3-coder", "unpriced")
    assert "nanoUsd" not in unpriced["totals"]["cost"]


def test_a_stopped_turn_is_in_the_report_and_marked(window: Shared) -> None:
    editor = window.editor
    window.sim.reply_with(SLOW)
    window.sim.fail_next(MIDWAY)
    stream = editor.streaming_chat("a long story")
    window.stalled()
    editor.result("cmt/cancel")
    result = stream.result()

    report = usage(editor, scope="turn", id=result["turnId"])

    assert figures(report) == sums([result])
    assert (report["requests"], report["estimatedRequests"]) == (1, 1)
    assert report["totals"]["cost"]["estimated"] is True


def test_every_attempt_of_a_retried_turn_is_counted(window: Shared) -> None:
    window.sim.fail_next(Fault.status(529))
    result = window.editor.chat("hello")

    report = usage(window.editor, scope="turn", id=result["turnId"])

    assert report["requests"] == 2
    assert figures(report) == sums([result])


def test_a_deleted_session_keeps_its_cost_and_loses_its_name(window: Shared) -> None:
    session = window.editor.session(name="A secret name")
    result = window.editor.chat("hello", sessionId=session)
    window.editor.result("cmt/session/delete", {"sessionId": session})

    groups = {group["key"]: group for group in usage(window.editor, groupBy="session")["groups"]}

    assert figures(groups[session]) == sums([result])
    assert "label" not in groups[session]


def test_the_command_says_the_same(window: Shared) -> None:
    window.editor.chat("hello")
    params = {"scope": "session", "groupBy": "model"}

    assert window.editor.command("cmt.usage", params)["result"] == usage(window.editor, **params)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"scope": "all", "id": "x"}, "$.id names one turn, session, window or workspace"),
        ({"scope": "workspace", "id": "relative/folder"}, "$.id is not a folder"),
        ({"scope": "workspace", "id": "file://[/x"}, "$.id is not a folder"),
        ({"scope": "workspace", "id": "/a\x00b"}, "$.id is not a folder"),
        ({"scope": "galaxy"}, "$.scope must be one of"),
        ({"groupBy": "colour"}, "$.groupBy must be one of"),
        ({"groupBy": "day", "thenBy": "session"}, "$.thenBy must be one of"),
        ({"thenBy": "day"}, "$.thenBy divides"),
        ({"groupBy": "day", "thenBy": "day"}, "$.thenBy divides"),
        ({"from": "22.11.2026"}, "$.from must be a day as YYYY-MM-DD"),
        ({"from": "2026-11-22", "to": "2026-11-21"}, "swap them"),
        ({"groupBy": "day", "limit": 0}, "$.limit must be 1 to 10000"),
        ({"groupBy": "day", "limit": 10**30}, "$.limit must be 1 to 10000"),
        ({"form": "2026-11-22"}, "$.form is not a known field"),
    ],
)
def test_what_makes_no_sense_is_refused(window: Shared, params: dict[str, Any], words: str) -> None:
    error = window.editor.refused("cmt/usage", params)

    assert (error["code"], error["data"]["kind"]) == (-32602, "bad_params")
    assert words in error["message"]


def test_what_still_runs_is_not_spent_yet(window: Shared) -> None:
    """Nor is anything by an id that nobody knows; neither question waits for the turn."""
    editor = window.editor
    before = len(window.sim.requests)
    window.sim.fail_next(BEFORE_HEADERS)
    stream = editor.streaming_chat("x")
    window.sim.wait_stalled(before)

    assert usage(editor, scope="session", id="nobody")["requests"] == 0
    assert usage(editor, scope="session")["requests"] == 0

    window.sim.release()
    result = stream.result()
    assert figures(usage(editor, scope="turn")) == sums([result])
