"""Warming over the pipe: the next question reads what was written, money is booked, and nothing is left in the session."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from cmt_lsp.simulator import Fault, Simulator, simulator_in_thread

from .conftest import MakeEditor, Shared
from .editor import BEFORE_HEADERS, CANARY, Editor, wait_until

RULES = "Always answer in the same careful way. " * 700


@pytest.fixture
def window(shared_window: Shared) -> Iterator[Shared]:
    """The module's window, in a session of the test's own with a long system prompt of its own."""
    yield shared_window
    shared_window.editor.result("cmt/budget/set", {"scope": "session", "limitUsd": None})


def long_session(editor: Editor) -> str:
    """A session whose system prompt nobody else has."""
    return editor.session(systemPrompt=f"{editor.token()} {RULES}")


def booked(editor: Editor, session: str) -> list[tuple[Any, ...]]:
    """The session's attempts in the ledger: kind, state, money."""
    with closing(sqlite3.connect(editor.world / "state" / "ledger.sqlite3")) as connection:
        query = "SELECT kind, state, nano_usd FROM attempts WHERE session_id=? ORDER BY seq"
        return connection.execute(query, (session,)).fetchall()


def test_the_next_question_reads_what_was_warmed_and_the_session_holds_nothing_of_it(window: Shared) -> None:
    editor = window.editor
    session = long_session(editor)

    warmed = editor.result("cmt/cache/warm", {"sessionId": session})
    answer = editor.chat("hello", sessionId=session)

    body = window.sim.requests[-2].body
    assert body["max_tokens"] == 0
    assert "stream" not in body
    assert warmed["state"] == "warmed"
    assert warmed["writtenTokens"] > 5000
    assert warmed["usage"]["outputTokens"] == 0
    assert warmed["prediction"]["cost"]["max"] > 0
    assert answer["usage"]["cacheReadInputTokens"] == warmed["writtenTokens"]
    assert [turn["prompt"] for turn in editor.turns(session)] == ["hello"]
    kinds = booked(editor, session)
    assert [row[:2] for row in kinds] == [("warm", "done"), ("turn", "done")]
    assert kinds[0][2] == warmed["cost"]["nanoUsd"] > 0


def test_what_is_warm_is_not_warmed_again(window: Shared) -> None:
    editor = window.editor
    session = long_session(editor)
    editor.result("cmt/cache/warm", {"sessionId": session})
    sent = len(window.sim.requests)

    again = editor.result("cmt/cache/warm", {"sessionId": session})

    assert again["state"] == "already-warm"
    assert again["cost"]["nanoUsd"] == 0
    assert again["expiresAt"] > "2026"
    assert len(window.sim.requests) == sent


def test_a_dry_run_tells_the_price_and_sends_no_question(window: Shared) -> None:
    editor = window.editor
    session = long_session(editor)
    sent = sum(request.path == "/v1/messages" for request in window.sim.requests)

    dry = editor.result("cmt/cache/warm", {"sessionId": session, "dryRun": True})
    assert sum(request.path == "/v1/messages" for request in window.sim.requests) == sent
    warmed = editor.result("cmt/cache/warm", {"sessionId": session})

    assert dry["state"] == "priced"
    assert dry["cost"]["nanoUsd"] == 0
    assert dry["prediction"]["exact"]
    assert dry["prediction"]["cost"]["max"] == pytest.approx(warmed["cost"]["nanoUsd"], rel=0.02)


def test_the_command_door_warms_too(window: Shared) -> None:
    editor = window.editor
    session = long_session(editor)

    command = {"command": "cmt.cache.warm", "arguments": [{"sessionId": session}]}
    assert editor.result("workspace/executeCommand", command)["state"] == "warmed"


def test_a_session_with_nothing_to_cache_says_so_and_costs_nothing(window: Shared) -> None:
    editor = window.editor
    session = editor.session()

    told = editor.result("cmt/cache/warm", {"sessionId": session})

    assert told["state"] == "nothing-to-warm"
    assert "tokens" in told["reason"]
    assert booked(editor, session) == []


def test_a_busy_session_is_refused_and_a_question_need_not_wait_for_a_warming(window: Shared) -> None:
    editor, sim = window.editor, window.sim
    session = long_session(editor)
    sim.fail_next(BEFORE_HEADERS)
    request = editor.ask("cmt/chat", {"text": "slow", "sessionId": session})
    window.stalled()

    assert editor.refused("cmt/cache/warm", {"sessionId": session})["data"]["kind"] == "session_busy"
    sim.release()
    assert "result" in editor.answer(request, 20)

    other = long_session(editor)
    sim.fail_next(BEFORE_HEADERS)
    warming = editor.ask("cmt/cache/warm", {"sessionId": other})
    window.stalled()
    twice = editor.refused("cmt/cache/warm", {"sessionId": other})
    answer = editor.chat("now", sessionId=other)
    sim.release()

    assert twice["data"]["kind"] == "session_busy"
    assert answer["timing"]["sharedWaitMs"] >= 400
    assert any("writing the same text" in notice for notice in answer["notices"])
    assert editor.answer(warming, 20)["result"]["state"] in ("warmed", "refreshed")


def test_a_cancelled_warming_is_answered_and_booked(window: Shared) -> None:
    editor, sim = window.editor, window.sim
    session = long_session(editor)
    sim.fail_next(BEFORE_HEADERS)
    warming = editor.ask("cmt/cache/warm", {"sessionId": session})
    window.stalled()

    assert editor.result("cmt/cancel", {"sessionId": session})["cancelled"] == 1

    told = editor.answer(warming, 20)["result"]
    assert told["state"] == "cancelled"
    assert [row[:2] for row in booked(editor, session)] == [("warm", "cancelled")]
    assert booked(editor, session)[0][2] == told["cost"]["nanoUsd"]


def test_a_budget_refuses_warming_before_it_is_sent(window: Shared) -> None:
    editor = window.editor
    session = long_session(editor)
    editor.result("cmt/budget/set", {"scope": "session", "limitUsd": 0.001})
    sent = sum(request.path == "/v1/messages" for request in window.sim.requests)

    error = editor.refused("cmt/cache/warm", {"sessionId": session})
    allowed = editor.result("cmt/cache/warm", {"sessionId": session, "budgetOverride": "I want it"})

    assert error["data"]["kind"] == "budget_exceeded"
    assert allowed["state"] == "warmed"
    assert sum(request.path == "/v1/messages" for request in window.sim.requests) == sent + 1


def test_warming_is_tried_again_as_questions_are(window: Shared) -> None:
    editor, sim = window.editor, window.sim
    session = long_session(editor)
    sim.fail_next(Fault.status(529))

    assert editor.result("cmt/cache/warm", {"sessionId": session})["state"] == "warmed"
    assert [row[:2] for row in booked(editor, session)] == [("warm", "failed"), ("warm", "done")]


def test_typing_spends_nothing_where_nobody_set_keep_warm(window: Shared) -> None:
    editor = window.editor
    session = long_session(editor)
    editor.result("cmt/cache/warm", {"sessionId": session})

    told = editor.result("cmt/cache/warm", {"sessionId": session, "keep": True})

    assert told["state"] == "off"
    assert "keepWarm" in told["reason"]


def test_an_editor_cannot_switch_keep_warm_on(make_editor: MakeEditor) -> None:
    editor = make_editor()
    editor.open(initializationOptions={"cmt": {"keepWarm": 10}})
    session = long_session(editor)
    editor.result("cmt/cache/warm", {"sessionId": session})

    assert editor.result("cmt/cache/warm", {"sessionId": session, "keep": True})["state"] == "off"
    told = str(editor.notifications("window/showMessage"))
    assert "CMT_KEEP_WARM" in told


def test_a_kept_session_shows_its_price_in_the_status(make_editor: MakeEditor) -> None:
    editor = make_editor(env={"CMT_KEEP_WARM": "10"})
    editor.open()
    session = long_session(editor)
    assert editor.result("cmt/cache/warm", {"sessionId": session, "keep": True})["state"] == "nothing-to-warm"
    editor.result("cmt/cache/warm", {"sessionId": session})

    told = editor.result("cmt/cache/warm", {"sessionId": session, "keep": True})

    assert told["state"] == "kept"
    assert told["cost"]["nanoUsd"] == 0
    status = editor.idle_status(lambda s: s.get("kept", {}).get("state") == "waiting")
    assert status["kept"]["nextCostNanoUsd"] > 0
    assert "kept warm, $" in status["text"]["long"]


def test_an_endpoint_that_takes_no_request_for_no_answer_gets_one_sentence(
    make_editor: MakeEditor,
) -> None:
    with simulator_in_thread(api_key=CANARY, dialect="vllm") as lenient:
        editor = make_editor(lenient.base_url)
        editor.open()
        session = long_session(editor)

        told = editor.result("cmt/cache/warm", {"sessionId": session})

        assert told["state"] == "refused"
        assert "nothing was charged" in told["reason"]
        assert told["cost"]["nanoUsd"] == 0
        assert [row[1:] for row in booked(editor, session)] == [("failed", 0)]


def test_what_a_killed_window_was_warming_is_booked_as_an_estimate(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    first = make_editor()
    first.open()
    session = long_session(first)
    sim.fail_next(BEFORE_HEADERS)
    first.ask("cmt/cache/warm", {"sessionId": session})
    wait_until(lambda: any(request.stalled for request in sim.requests))
    first.process.kill()
    first.process.wait()
    assert booked(first, session)[0][:2] == ("warm", "reserved")

    second = make_editor()
    second.open()
    second.result("cmt/usage", {"scope": "all"})
    wait_until(lambda: booked(second, session)[0][:2] == ("warm", "orphan"), 20)
    assert booked(second, session)[0][2] > 0


def test_four_sessions_at_once_pay_for_one_shared_prefix(window: Shared) -> None:
    editor, sim = window.editor, window.sim
    rules = f"{editor.token()} {RULES * 4}"
    sessions = [editor.session(systemPrompt=rules) for _ in range(4)]
    sim.fail_next(BEFORE_HEADERS)

    asked = [
        editor.ask("cmt/chat", {"text": f"question {n}", "sessionId": s}) for n, s in enumerate(sessions)
    ]
    window.stalled()
    first = len(sim.requests)
    wait_until(lambda: all(s in {n["sessionId"] for n in editor.notifications("cmt/turn")} for s in sessions))
    sim.release()
    results = [editor.answer(request, 20)["result"] for request in asked]

    assert first == len(sim.requests) - 3, "the others left after the first"
    written = [
        r["usage"]["cacheCreation5mInputTokens"] + r["usage"]["cacheCreation1hInputTokens"] for r in results
    ]
    assert sorted(tokens > 20_000 for tokens in written) == [False, False, False, True]
    assert sum(r["usage"]["cacheReadInputTokens"] > 20_000 for r in results) == 3
