"""Comparing models: the same question to several at once, honest rows, and a session that goes on from one of them."""

from __future__ import annotations

import asyncio
import base64
import io
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from live_turns import Listener, ask, new_session, start, without_marks
from PIL import Image

from cmt_lsp.api.errors import (
    BadImageError,
    BadParamsError,
    BudgetExceededError,
    MissingKeyError,
    SessionBusyError,
    UnknownSessionError,
    UnknownTurnError,
)
from cmt_lsp.core import APISessionManager
from cmt_lsp.core import transcripts as transcripts_module
from cmt_lsp.core.compare.comparison import Comparison
from cmt_lsp.core.context.items import NamedText
from cmt_lsp.core.storage.store_thread import Store
from cmt_lsp.core.turn import AnswerText, ImageSource, Retry, TurnRequest, TurnResult, TurnStarted
from cmt_lsp.simulator import Answer, Fault, Simulator

SONNET, OPUS, HAIKU = "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"
FIVE = (SONNET, OPUS, HAIKU, "claude-opus-4-5", "claude-haiku-4-5")
NOBODY = "claude-nobody-1"
"""A model that the endpoint does not know."""
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SLOW = Answer(text="a long answer " * 40, chunk_chars=8)


def compare(
    manager: APISessionManager,
    session: str,
    *models: str,
    text: str = "Which is it?",
    **options: object,
) -> tuple[Comparison, list[Listener]]:
    """A comparison that runs, and what each model tells."""
    listeners = [Listener() for _ in models]
    request = TurnRequest(text, **options)  # type: ignore[arg-type]
    return manager.start_comparison(session, request, models, listeners), listeners


async def compared(
    manager: APISessionManager, session: str, *models: str, **options: object
) -> tuple[str, tuple[TurnResult, ...]]:
    """A whole comparison: its id and its rows."""
    async with asyncio.timeout(30):
        running, _ = compare(manager, session, *models, **options)  # type: ignore[arg-type]
        return running.record.id, await running.rows()


def rows_in(state_dir: Path, query: str, file: str = "sessions.sqlite3") -> list[tuple[Any, ...]]:
    """What another process would see."""
    with closing(sqlite3.connect(state_dir / file)) as connection:
        return connection.execute(query).fetchall()


def attempts(state_dir: Path) -> list[tuple[Any, ...]]:
    """The ledger's rows."""
    return rows_in(
        state_dir, "SELECT kind, model, state, turn_id FROM attempts ORDER BY rowid", "ledger.sqlite3"
    )


def live_attempts(state_dir: Path) -> list[tuple[Any, ...]]:
    return [row for row in attempts(state_dir) if row[2] in ("reserved", "streaming")]


def bodies(simulator: Simulator) -> dict[str, dict[str, Any]]:
    """The last request of each model."""
    return {request.body["model"]: request.body for request in simulator.requests}


@pytest.fixture
async def other(manager: APISessionManager) -> AsyncIterator[APISessionManager]:
    """Another window on the same state folder."""
    made = APISessionManager()
    yield made
    await made.aclose()


# Asking


async def test_each_model_has_a_turn_of_its_own_and_the_rows_stand_in_the_order_asked(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session = await new_session(manager)
    comparison, listeners = compare(manager, session, OPUS, SONNET)
    rows = await comparison.rows()

    assert [row.model for row in rows] == [OPUS, SONNET]
    assert [row.turn_id for row in rows] == [turn.id for turn in comparison.turns]
    assert len({row.turn_id for row in rows}) == 2
    for row, listener, turn in zip(rows, listeners, comparison.turns, strict=True):
        assert listener.events[0] == TurnStarted(turn.id, session, row.model)
        assert listener.text == row.text != ""
        assert (row.stop_reason, row.error, row.session_id) == ("end_turn", None, session)
        assert row.timing.first_token_ms is not None
        assert 0 < row.timing.first_token_ms <= row.timing.total_ms
        assert row.prediction is not None
    by_model = {request.body["model"]: request.usage for request in simulator.requests}
    assert [row.usage.output_tokens for row in rows] == [
        by_model[row.model]["output_tokens"]  # type: ignore[index]
        for row in rows
    ]
    assert rows[0].cost.nano_usd == 2 * (rows[1].cost.nano_usd or 0) > 0


async def test_answers_are_durable_before_the_rows_are_told(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session = await new_session(manager)
    comparison, _ = compare(manager, session, SONNET, OPUS)
    for turn in comparison.turns:
        await turn.result()

    kept = rows_in(
        state_dir, "SELECT place, json_extract(record, '$.id') FROM comparison_answers ORDER BY place"
    )
    assert kept == [(place, turn.id) for place, turn in enumerate(comparison.turns)]
    assert [row[:3] for row in attempts(state_dir)] == [
        ("compare", SONNET, "done"),
        ("compare", OPUS, "done"),
    ]


async def test_five_models_get_the_same_frozen_context_each_within_its_own_limits(
    manager: APISessionManager, simulator: Simulator, tmp_path: Path
) -> None:
    picture = tmp_path / "pixel.png"
    picture.write_bytes(PIXEL)
    session = await new_session(manager, system_prompt="Be brief.")
    await ask(manager, session, "before")

    _, rows = await compared(
        manager,
        session,
        *FIVE,
        context=(NamedText("notes", "the notes"),),
        images=(ImageSource(path=picture),),
        max_tokens=100_000,
        effort="low",
    )

    sent = bodies(simulator)
    assert [row.model for row in rows] == list(FIVE)
    first = without_marks(sent[SONNET]["messages"])
    assert [role for role, _ in first] == ["user", "assistant", "user"]
    assert [block["type"] for block in first[-1][1]] == ["image", "text", "text"]
    for model in FIVE[1:]:
        assert without_marks(sent[model]["messages"])[-1] == first[-1]
        assert without_marks(sent[model]["messages"])[0] == first[0]
    assert {model: sent[model]["max_tokens"] for model in FIVE} == {
        SONNET: 100_000, OPUS: 100_000, HAIKU: 100_000, "claude-opus-4-5": 64_000, "claude-haiku-4-5": 64_000,
    }  # fmt: skip
    assert [model for model in FIVE if "thinking" in sent[model]] == [SONNET, OPUS, HAIKU]
    assert [model for model in FIVE if "output_config" in sent[model]] == [SONNET, OPUS, HAIKU]
    assert "64000" in " ".join(rows[3].notices)
    assert rows[0].notices == ()


async def test_an_image_is_as_large_as_the_sharpest_model_can_use_whatever_the_order(
    manager: APISessionManager, simulator: Simulator, tmp_path: Path
) -> None:
    picture = tmp_path / "large.png"
    Image.new("RGB", (2000, 1000), "navy").save(picture)
    session = await new_session(manager)

    await compared(manager, session, "claude-haiku-4-5", SONNET, images=(ImageSource(path=picture),))

    sizes = set()
    for body in bodies(simulator).values():
        data = base64.b64decode(body["messages"][0]["content"][0]["source"]["data"])
        sizes.add(Image.open(io.BytesIO(data)).size)
    assert sizes == {(2000, 1000)}


async def test_a_models_own_thinking_of_the_history_goes_to_it_alone(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(Answer(text="first", thinking="deep thought"))
    session = await new_session(manager)
    await ask(manager, session, "one")

    await compared(manager, session, SONNET, OPUS)

    blocks = {
        model: [b["type"] for b in body["messages"][1]["content"]]
        for model, body in bodies(simulator).items()
    }
    assert blocks == {SONNET: ["thinking", "text"], OPUS: ["text"]}


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        ((), "models must name 2 to 5 models, not 0."),
        ((SONNET,), "models must name 2 to 5 models, not 1."),
        ((*FIVE, "claude-sonnet-5"), "models must name 2 to 5 models, not 6."),
        ((SONNET, OPUS, SONNET), "models names claude-sonnet-5-5 twice; name each model once."),
        (
            ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
            "models names one model twice, as claude-haiku-4-5 and as claude-haiku-4-5-20251001; name each model once.",
        ),
        (
            (OPUS, "anthropic/claude-opus-5.5"),
            "models names one model twice, as claude-opus-5-5 and as anthropic/claude-opus-5.5; name each model once.",
        ),
    ],
)
async def test_models_that_make_no_comparison_are_refused_before_anything_is_sent(
    manager: APISessionManager, simulator: Simulator, models: tuple[str, ...], sentence: str
) -> None:
    session = await new_session(manager)

    with pytest.raises(BadParamsError) as caught:
        compare(manager, session, *models)

    assert caught.value.message == sentence
    assert not simulator.requests
    await ask(manager, session)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"text": "  "}, BadParamsError),
        ({"images": (ImageSource(data="AAAA"),)}, BadImageError),
    ],
)
async def test_what_is_wrong_with_the_question_is_one_error_and_leaves_nothing(
    manager: APISessionManager, simulator: Simulator, state_dir: Path, options: Any, error: type[Exception]
) -> None:
    session = await new_session(manager)

    with pytest.raises(error):
        await compared(manager, session, SONNET, OPUS, **options)

    assert not simulator.requests
    assert rows_in(state_dir, "SELECT * FROM comparisons") == []
    assert attempts(state_dir) == []
    await ask(manager, session)


async def test_without_a_key_all_of_it_is_one_error(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    manager = APISessionManager()
    session = await new_session(manager)

    with pytest.raises(MissingKeyError):
        await compared(manager, session, SONNET, OPUS)

    assert manager.running == []
    await manager.aclose()


async def test_an_unknown_session_is_no_place_for_a_comparison(manager: APISessionManager) -> None:
    with pytest.raises(UnknownSessionError):
        compare(manager, "nowhere", SONNET, OPUS)


async def test_a_comparison_names_a_session_that_has_no_name_and_leaves_its_history_alone(
    manager: APISessionManager, other: APISessionManager
) -> None:
    session = await new_session(manager)
    await compared(manager, session, SONNET, OPUS, text="Why is the sky blue?")

    for window in (manager, other):
        info, turns = await window.sessions.get(session)
        assert (info.name, info.turns, turns) == ("Why is the sky blue?", 0, ())
    assert [info.id for info in await other.sessions.list("all")] == [session]
    await ask(manager, session, "Something else")
    assert (await other.sessions.load(session)).name == "Why is the sky blue?"


async def test_an_export_is_the_same_with_and_without_a_comparison(manager: APISessionManager) -> None:
    session = await new_session(manager)
    await ask(manager, session, "one")
    before = await manager.sessions.export(session, "markdown")

    await compared(manager, session, SONNET, OPUS)

    assert await manager.sessions.export(session, "markdown") == before


# Failures


async def test_a_model_that_fails_has_a_row_and_the_others_go_on(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session = await new_session(manager)
    comparison, listeners = compare(manager, session, SONNET, NOBODY, HAIKU)
    rows = await comparison.rows()

    assert [row.stop_reason for row in rows] == ["end_turn", "error", "end_turn"]
    failed = rows[1]
    assert failed.error is not None
    assert (failed.error.kind, failed.model, failed.text) == ("model_not_found", NOBODY, "")
    assert (failed.usage.total_tokens, failed.cost.nano_usd) == (0, 0)
    assert failed.turn_id == comparison.turns[1].id
    with pytest.raises(type(failed.error)):
        await comparison.turns[1].result()
    assert listeners[0].text
    assert [row[2] for row in attempts(state_dir)].count("failed") == 1
    assert live_attempts(state_dir) == []


async def test_where_all_models_fail_each_says_why(manager: APISessionManager, simulator: Simulator) -> None:
    simulator.fail_next(Fault.status(400), Fault.status(403))
    session = await new_session(manager)

    _, rows = await compared(manager, session, SONNET, OPUS)

    assert {row.error.kind for row in rows if row.error} == {"invalid_request", "permission"}
    await ask(manager, session)


async def test_a_failure_that_cost_something_is_booked_and_shown(
    manager: APISessionManager, simulator: Simulator
) -> None:
    """The answer was lost after the endpoint had begun it, three times over."""
    simulator.fail_next(*[Fault.reset(after_events=1)] * 6)
    session = await new_session(manager)

    _, rows = await compared(manager, session, SONNET, OPUS)

    assert [row.stop_reason for row in rows] == ["error", "error"]
    for row in rows:
        assert row.timing.retries == 2
        assert row.usage.input_tokens > 0
        assert (row.cost.nano_usd or 0) > 0
    info = await manager.sessions.load(session)
    assert info.cost.nano_usd == sum(row.cost.nano_usd or 0 for row in rows)


async def test_an_answer_that_is_cut_off_is_truncated_and_the_other_whole(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(SLOW, SLOW)
    simulator.fail_next(Fault.cut(after_events=9))
    session = await new_session(manager)

    _, rows = await compared(manager, session, SONNET, OPUS)

    assert sorted(row.stop_reason for row in rows) == ["end_turn", "truncated"]


async def test_a_retry_is_reserved_alone(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    simulator.fail_next(Fault.status(529))
    session = await new_session(manager)
    comparison, listeners = compare(manager, session, SONNET, OPUS)
    rows = await comparison.rows()

    retried = simulator.requests[0].body["model"]
    assert [row.timing.retries for row in rows] == [int(row.model == retried) for row in rows]
    assert sum(isinstance(e, Retry) for listener in listeners for e in listener.events) == 1
    booked = attempts(state_dir)
    assert sorted(row[2] for row in booked) == ["done", "done", "failed"]
    assert sorted(row[1] for row in booked) == sorted([SONNET, OPUS, retried])


async def test_a_listener_that_fails_costs_no_answer(
    manager: APISessionManager, simulator: Simulator
) -> None:
    def broken(_event: object) -> None:
        raise RuntimeError("no ears")

    session = await new_session(manager)
    comparison = manager.start_comparison(session, TurnRequest("hello"), [SONNET, OPUS], [broken, Listener()])

    assert all(row.text for row in await comparison.rows())


@pytest.fixture
def in_the_way(state_dir: Path) -> Path:
    """A file where the state folder should be."""
    state_dir.write_text("in the way")
    return state_dir


async def test_answers_are_shown_though_they_cannot_be_saved_and_are_saved_later(
    in_the_way: Path, manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)
    comparison_id, rows = await compared(manager, session, SONNET, OPUS)
    await asyncio.to_thread(in_the_way.unlink)

    assert all("not saved: " in " ".join(row.notices) for row in rows)
    assert all(row.text for row in rows)
    assert await asyncio.wrap_future(manager._store.flush()) == 0
    await manager.choose(session, comparison_id, OPUS)
    assert [turn.text for turn in (await manager.sessions.get(session))[1]] == [rows[1].text]


async def test_answers_find_their_way_into_a_file_that_took_the_place_of_a_deleted_one(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    simulator.fail_next(*[Fault.stall()] * 2)
    session = await new_session(manager)
    comparison, _ = compare(manager, session, SONNET, OPUS)
    await simulator.stalled(1)
    await asyncio.to_thread((state_dir / "sessions.sqlite3").unlink)
    simulator.release()
    rows = await comparison.rows()

    assert all(row.notices == () for row in rows)
    restarted = APISessionManager()
    assert (await restarted.choose(session, comparison.record.id, OPUS)).turns == 1
    await restarted.aclose()


async def test_what_is_told_in_debug_logs_holds_no_question(
    manager: APISessionManager, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    simulator.reply_with("CANARY-ANSWER", "CANARY-ANSWER")
    simulator.fail_next(Fault.status(529, retry_after=0))
    asyncio.get_running_loop().set_debug(True)
    asyncio.get_running_loop().slow_callback_duration = 0.0

    await compared(manager, await new_session(manager), SONNET, OPUS, NOBODY, text="CANARY-QUESTION")

    assert "CANARY" not in caplog.text
    assert "sk-test-key" not in caplog.text


# One at a time


async def test_a_session_is_busy_while_models_are_compared_in_it(
    manager: APISessionManager, other: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(Fault.stall(), Fault.stall())
    session = await new_session(manager)
    await manager.sessions.load(session)
    comparison, _ = compare(manager, session, SONNET, OPUS)
    await simulator.stalled(1)
    await other.sessions.load(session)

    assert (await manager.sessions.load(session)).state == "busy"
    assert (await other.sessions.load(session)).state == "elsewhere"
    for window in (manager, other):
        with pytest.raises(SessionBusyError):
            start(window, session)
        with pytest.raises(SessionBusyError):
            compare(window, session, SONNET, OPUS)
        with pytest.raises(SessionBusyError):
            await window.sessions.delete(session)
        with pytest.raises(SessionBusyError):
            await window.choose(session, comparison.record.id, SONNET)

    simulator.release()
    await comparison.rows()
    assert (await other.sessions.load(session)).state == "idle"
    await ask(other, session)


async def test_a_turn_keeps_a_comparison_out(manager: APISessionManager, simulator: Simulator) -> None:
    simulator.fail_next(Fault.stall())
    session = await new_session(manager)
    turn, _ = start(manager, session)
    await simulator.stalled()

    with pytest.raises(SessionBusyError):
        compare(manager, session, SONNET, OPUS)

    simulator.release()
    assert (await turn.result()).stop_reason == "end_turn"


# Cancelling


async def test_one_answer_is_cancelled_and_the_others_go_on(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    simulator.reply_with(SLOW, SLOW)
    simulator.fail_next(*[Fault.stall(after_events=12)] * 2)
    session = await new_session(manager)
    comparison, listeners = compare(manager, session, SONNET, OPUS)
    for listener in listeners:
        await listener.heard(AnswerText)

    assert comparison.turns[0].cancel()
    stopped = await comparison.turns[0].result()
    assert manager.running == [comparison.turns[1]]
    simulator.release()
    rows = await comparison.rows()

    assert rows[0] == stopped
    assert [row.stop_reason for row in rows] == ["cancelled", "end_turn"]
    assert rows[0].text == listeners[0].text != ""
    assert SLOW.whole_text.startswith(rows[0].text)
    assert rows[0].usage.estimated
    assert not rows[1].usage.estimated
    assert sorted(row[2] for row in attempts(state_dir)) == ["cancelled", "done"]


@pytest.mark.parametrize("how", ["of the comparison", "of all turns", "of the session's turns"])
async def test_all_answers_are_cancelled(manager: APISessionManager, simulator: Simulator, how: str) -> None:
    simulator.reply_with(SLOW, SLOW, SLOW)
    simulator.fail_next(*[Fault.stall(after_events=12)] * 3)
    session = await new_session(manager)
    comparison, listeners = compare(manager, session, SONNET, OPUS, HAIKU)
    for listener in listeners:
        await listener.heard(AnswerText)

    if how == "of the comparison":
        stopped = comparison.cancel()
    elif how == "of all turns":
        stopped = manager.cancel_all()
    else:
        stopped = sum(turn.cancel() for turn in manager.running if turn.session_id == session)
    rows = await comparison.rows()

    assert stopped == 3
    assert [row.stop_reason for row in rows] == ["cancelled"] * 3
    assert all(row.text for row in rows)
    for index in range(3):
        await simulator.closed(index, within=2)
    await ask(manager, session)


async def test_cancelling_the_wait_for_the_rows_leaves_the_answers_alone(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(*[Fault.stall()] * 2)
    session = await new_session(manager)
    comparison, _ = compare(manager, session, SONNET, OPUS)
    waiting = asyncio.ensure_future(comparison.rows())
    await simulator.stalled(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    simulator.release()
    assert [row.stop_reason for row in await comparison.rows()] == ["end_turn"] * 2


async def test_cancelled_at_once_nothing_is_sent_booked_or_kept(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session = await new_session(manager)
    comparison, _ = compare(manager, session, SONNET, OPUS)
    comparison.cancel()
    rows = await comparison.rows()

    assert [row.stop_reason for row in rows] == ["cancelled", "cancelled"]
    assert [row.notices for row in rows] == [("Stopped before anything was sent; nothing is kept.",)] * 2
    assert comparison.prepared is not None
    await asyncio.wait({comparison.prepared}, timeout=5)
    assert comparison.prepared.cancelled()
    assert not simulator.requests
    await ask(manager, session)
    assert rows_in(state_dir, "SELECT * FROM comparisons") == []
    assert live_attempts(state_dir) == []


async def test_one_cancelled_at_once_the_others_are_asked(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session = await new_session(manager)
    comparison, _ = compare(manager, session, SONNET, OPUS, HAIKU)
    comparison.turns[1].cancel()
    rows = await comparison.rows()

    assert [row.stop_reason for row in rows] == ["end_turn", "cancelled", "end_turn"]
    assert sorted(bodies(simulator)) == sorted([SONNET, HAIKU])
    assert sorted(row[1] for row in attempts(state_dir)) == sorted([SONNET, HAIKU])


@pytest.mark.campaign
@pytest.mark.timeout(900)
async def test_cancelled_at_any_moment_every_hold_is_freed_and_every_model_has_a_row(
    manager: APISessionManager,
    simulator: Simulator,
    state_dir: Path,
    campaign_size: Callable[[int, int], int],
) -> None:
    """The moment is a number of steps of the loop; what was reserved for a stopped model is free again."""
    rng = random.Random(20261122)
    await ask(manager, await new_session(manager))  # all is imported and open
    for _ in range(campaign_size(25, 1000)):
        session = await new_session(manager)
        comparison, _ = compare(manager, session, SONNET, OPUS, HAIKU)
        stopped = rng.sample(range(3), rng.choice([1, 2, 3]))
        for place in stopped:
            for _ in range(rng.choice([0, 1, 2, 5, 10, 20, 40])):
                await asyncio.sleep(0)
            if rng.random() < 0.5:
                await asyncio.sleep(rng.random() * 0.02)
            comparison.turns[place].cancel()
        async with asyncio.timeout(20):
            rows = await comparison.rows()

        assert [row.model for row in rows] == [SONNET, OPUS, HAIKU]
        for place, row in enumerate(rows):
            allowed = ("end_turn", "cancelled") if place in stopped else ("end_turn",)
            assert row.stop_reason in allowed
        await ask(manager, session)
        assert live_attempts(state_dir) == []


# Budgets


async def test_models_that_do_not_fit_a_budget_together_are_all_refused(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session = await new_session(manager)
    await manager.ledger.set_limit("day", 2_000_000, None)  # $0.002: not 256 tokens of each

    with pytest.raises(BudgetExceededError) as caught:
        await compared(manager, session, SONNET, OPUS, HAIKU)

    assert "day" in caught.value.message
    assert caught.value.command == "cmt.budget.set"
    assert [r for r in simulator.requests if r.path == "/v1/messages"] == []
    assert attempts(state_dir) == []
    assert rows_in(state_dir, "SELECT * FROM comparisons") == []
    assert manager.running == []


async def test_a_tight_budget_shrinks_all_answers_alike(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)
    await manager.ledger.set_limit("day", 30_000_000, None)

    _, rows = await compared(manager, session, SONNET, OPUS)

    limits = {body["max_tokens"] for body in bodies(simulator).values()}
    assert len(limits) == 1
    assert 256 <= limits.pop() < 16_000
    assert all("budget" in " ".join(row.notices) for row in rows)
    assert all(row.stop_reason == "end_turn" for row in rows)


async def test_the_hold_of_all_models_counts_until_they_have_ended(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(*[Fault.stall()] * 2)
    session = await new_session(manager)
    await manager.ledger.set_limit("day", 1_000_000_000, None)
    comparison, _ = compare(manager, session, SONNET, OPUS)
    await simulator.stalled(1)

    (state,) = [one for one in await budgets(manager, session) if one.scope == "day"]
    assert state.held_nano > 16_000 * (10_000 + 20_000)
    simulator.release()
    rows = await comparison.rows()

    (state,) = [one for one in await budgets(manager, session) if one.scope == "day"]
    assert (state.held_nano, state.spent_nano) == (0, sum(row.cost.nano_usd or 0 for row in rows))


async def budgets(manager: APISessionManager, session: str) -> tuple[Any, ...]:
    from cmt_lsp.core.money.attempt import Origin

    return await manager.ledger.budgets(Origin("compare", session, "", ""))


async def test_a_persons_own_act_passes_the_budgets_for_all_models(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session = await new_session(manager)
    await manager.ledger.set_limit("day", 1_000_000, None)

    _, rows = await compared(manager, session, SONNET, OPUS, budget_override="it matters")

    assert [row.stop_reason for row in rows] == ["end_turn"] * 2
    told = rows_in(state_dir, "SELECT override FROM attempts", "ledger.sqlite3")
    assert told == [("it matters",)] * 2


# Choosing


async def test_the_chosen_answer_is_the_next_turn_and_books_nothing(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    simulator.reply_with(Answer(text="one", thinking="hm"), Answer(text="two", thinking="hm"))
    session = await new_session(manager, system_prompt="Be brief.")
    await ask(manager, session, "first")
    before_compare = attempts(state_dir)
    comparison_id, rows = await compared(manager, session, SONNET, OPUS)
    spent, booked = await manager.sessions.load(session), attempts(state_dir)

    info = await manager.choose(session, comparison_id, SONNET)

    assert (info.turns, info.usage, info.cost) == (2, spent.usage, spent.cost)
    assert attempts(state_dir) == booked
    assert len(booked) == len(before_compare) + 2
    _, turns = await manager.sessions.get(session)
    assert (turns[1].id, turns[1].text, turns[1].seq, turns[1].prompt_text) == (
        rows[0].turn_id,
        rows[0].text,
        1,
        "Which is it?",
    )
    assert (turns[1].usage, turns[1].cost, turns[1].timing) == (rows[0].usage, rows[0].cost, rows[0].timing)
    await ask(manager, session, "go on")
    sent = simulator.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant"] * 2 + ["user"]
    assert (
        tuple({k: v for k, v in block.items() if k != "cache_control"} for block in sent[3]["content"])
        == turns[1].answer
    )
    assert [block["type"] for block in sent[3]["content"]] == ["thinking", "text"]
    assert len((await manager.sessions.get(session))[1]) == 3


async def test_what_a_chosen_answer_left_in_the_prompt_cache_is_expected_of_the_next_turn(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager, system_prompt="Be brief. " * 2000)
    comparison_id, _ = await compared(manager, session, SONNET, OPUS)
    await manager.choose(session, comparison_id, SONNET)

    result = await ask(manager, session, "go on")

    assert result.cache.state == "hit"
    assert result.prediction is not None
    assert result.prediction.cache_state == "warm"


async def test_another_window_chooses_after_a_restart(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)
    await ask(manager, session, "first")
    first = APISessionManager()
    comparison_id, rows = await compared(first, session, SONNET, OPUS, HAIKU)
    await first.aclose()

    restarted = APISessionManager()
    info = await restarted.choose(session, comparison_id, "anthropic/claude-opus-5.5")
    await restarted.aclose()

    assert info.turns == 2
    _, turns = await manager.sessions.get(session)
    assert turns[-1].text == rows[1].text
    await ask(manager, session, "go on")
    assert simulator.requests[-1].body["messages"][3]["content"][0]["text"] == rows[1].text


async def test_a_cancelled_answer_with_text_may_be_gone_on_from(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(SLOW, SLOW)
    simulator.fail_next(*[Fault.stall(after_events=12)] * 2)
    session = await new_session(manager)
    comparison, listeners = compare(manager, session, SONNET, OPUS)
    for listener in listeners:
        await listener.heard(AnswerText)
    comparison.cancel()
    rows = await comparison.rows()

    await manager.choose(session, comparison.record.id, SONNET)

    _, turns = await manager.sessions.get(session)
    assert (turns[0].text, turns[0].stop_reason) == (rows[0].text, "cancelled")


async def test_of_two_comparisons_only_one_is_gone_on_from(manager: APISessionManager) -> None:
    session = await new_session(manager)
    first, _ = await compared(manager, session, SONNET, OPUS)
    second, _ = await compared(manager, session, SONNET, HAIKU)

    await manager.choose(session, first, OPUS)

    with pytest.raises(UnknownTurnError, match="has gone on since"):
        await manager.choose(session, second, HAIKU)


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_session_that_went_on_takes_no_answer_any_more(
    manager: APISessionManager, other: APISessionManager, where: str
) -> None:
    session = await new_session(manager)
    comparison_id, _ = await compared(manager, session, SONNET, OPUS)
    await other.sessions.load(session)
    await ask(manager if where == "here" else other, session, "went on")

    with pytest.raises(UnknownTurnError, match="compare again"):
        await manager.choose(session, comparison_id, SONNET)
    assert (await manager.sessions.load(session)).turns == 1


async def test_a_question_asked_again_closes_a_comparison(manager: APISessionManager) -> None:
    """The last turn has another id then, and may have another answer."""
    session = await new_session(manager)
    await ask(manager, session)
    comparison_id, _ = await compared(manager, session, SONNET, OPUS)
    await (await manager.retry(session, None, Listener())).result()

    with pytest.raises(UnknownTurnError, match="has gone on since"):
        await manager.choose(session, comparison_id, SONNET)


async def test_an_answer_is_chosen_once(manager: APISessionManager, other: APISessionManager) -> None:
    session = await new_session(manager)
    comparison_id, _ = await compared(manager, session, SONNET, OPUS)
    await other.sessions.load(session)
    await manager.choose(session, comparison_id, SONNET)

    for window, model in ((manager, SONNET), (manager, OPUS), (other, OPUS)):
        with pytest.raises(UnknownTurnError, match="was chosen before"):
            await window.choose(session, comparison_id, model)
    assert (await other.sessions.load(session)).turns == 1


async def test_what_is_no_answer_to_go_on_from_is_refused(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(Answer(text=""), Answer(text="", stop_reason="refusal"))
    session, elsewhere = await new_session(manager), await new_session(manager)
    comparison_id, rows = await compared(manager, session, SONNET, OPUS, NOBODY)
    assert [row.stop_reason for row in rows][2] == "error"

    async def refusal(kind: type[Exception], where: str, which: str, model: str) -> str:
        with pytest.raises(kind) as caught:
            await manager.choose(where, which, model)
        return str(caught.value)

    assert "gave no answer" in await refusal(BadParamsError, session, comparison_id, NOBODY)
    assert "no text" in await refusal(BadParamsError, session, comparison_id, SONNET)
    assert "no text" in await refusal(BadParamsError, session, comparison_id, OPUS)
    unasked = await refusal(BadParamsError, session, comparison_id, HAIKU)
    assert unasked == f"model must be one that answered in this comparison: {SONNET}, {OPUS}, {NOBODY}."
    assert "no comparison" in await refusal(UnknownTurnError, session, "nothing", SONNET)
    assert "no comparison" in await refusal(UnknownTurnError, elsewhere, comparison_id, SONNET)
    await refusal(UnknownSessionError, "nowhere", comparison_id, SONNET)
    assert (await manager.sessions.load(session)).turns == 0
    await ask(manager, session)


async def test_a_chosen_answer_prunes_as_its_own_request_did(
    manager: APISessionManager, state_dir: Path
) -> None:
    """History that did not fit the model's window is left out from then on, as after a turn."""
    session = await new_session(manager)
    comparison_id, _ = await compared(manager, session, SONNET, OPUS)
    with closing(sqlite3.connect(state_dir / "sessions.sqlite3")) as connection, connection:
        connection.execute("UPDATE comparison_answers SET history_from=7 WHERE place=1")

    await manager.choose(session, comparison_id, OPUS)

    assert rows_in(state_dir, "SELECT history_from FROM sessions") == [(7,)]


# Keeping


async def test_deleting_a_session_deletes_its_comparisons(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session, kept = await new_session(manager), await new_session(manager)
    await compared(manager, kept, SONNET, OPUS)
    simulator.reply_with("a secret answer", "a secret answer")
    await compared(manager, session, SONNET, OPUS, text="my secret question")

    await manager.sessions.delete(session)

    assert [row[0] for row in rows_in(state_dir, "SELECT session_id FROM comparisons")] == [kept]
    assert len(rows_in(state_dir, "SELECT * FROM comparison_answers")) == 2
    assert b"secret" not in (state_dir / "sessions.sqlite3").read_bytes()


async def test_answers_written_before_a_crash_can_be_chosen_after_it(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    """The process ends while one model still answers; the other's answer was paid and is there."""
    simulator.reply_with(SLOW, SLOW)
    simulator.fail_next(Fault(), Fault.stall(after_events=12))
    session = await new_session(manager)
    comparison, _ = compare(manager, session, SONNET, OPUS)
    done = simulator.requests[0].body["model"] if simulator.requests else None
    finished = await asyncio.wait_for(
        next(iter(asyncio.as_completed([turn.result() for turn in comparison.turns]))), 20
    )
    await simulator.stalled(1)
    copy = state_dir.parent / "after-the-crash"
    copy.mkdir()
    (copy / "sessions.sqlite3").write_bytes((state_dir / "sessions.sqlite3").read_bytes())
    simulator.release()
    await comparison.rows()

    assert done in (None, finished.model)
    store = Store(copy, transcripts_module.FILE_NAME, transcripts_module.SCHEMA)
    survivor = APISessionManager(store=store, ledger=manager.ledger)
    info = await survivor.choose(session, comparison.record.id, finished.model)
    assert info.turns == 1
    missing = next(turn.model for turn in comparison.turns if turn.model != finished.model)
    with pytest.raises(UnknownTurnError):
        await survivor.choose(session, comparison.record.id, missing)
    await asyncio.to_thread(store.close)


async def test_a_window_that_closes_midway_keeps_what_had_come_of_every_answer(
    simulator: Simulator, state_dir: Path
) -> None:
    simulator.reply_with(SLOW, SLOW)
    simulator.fail_next(*[Fault.stall(after_events=12)] * 2)
    closing_window = APISessionManager()
    session = await new_session(closing_window)
    comparison, listeners = compare(closing_window, session, SONNET, OPUS)
    for listener in listeners:
        await listener.heard(AnswerText)

    await closing_window.aclose()

    rows = await comparison.rows()
    assert [row.stop_reason for row in rows] == ["cancelled"] * 2
    assert [row[2] for row in attempts(state_dir)] == ["client_gone"] * 2
    next_window = APISessionManager()
    await next_window.choose(session, comparison.record.id, OPUS)
    _, (turn,) = await next_window.sessions.get(session)
    await next_window.aclose()
    assert turn.text == rows[1].text != ""


async def test_comparisons_are_carried_over_out_of_a_damaged_file(
    manager: APISessionManager, state_dir: Path
) -> None:
    session = await new_session(manager)
    comparison_id, rows = await compared(manager, session, SONNET, OPUS)
    file = state_dir / "sessions.sqlite3"
    await manager.aclose()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("DELETE FROM sessions")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name='turns'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(file.read_bytes())
    content[(root - 1) * size : root * size] = b"\xff" * size
    file.write_bytes(content)

    mended = APISessionManager()
    info = await mended.choose(session, comparison_id, OPUS)
    await mended.aclose()

    assert (info.name, info.turns) == ("Recovered session", 1)
    assert rows[1].text


async def test_a_comparison_is_the_same_after_it_was_written_and_read(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(*[Answer(text="für 😀 \x00 alle", thinking="hm")] * 2)
    session = await new_session(manager)
    comparison_id, rows = await compared(manager, session, SONNET, OPUS, text="für 😀")
    again = APISessionManager()
    await again.choose(session, comparison_id, OPUS)
    _, (turn,) = await again.sessions.get(session)
    await again.aclose()

    row = replace(rows[1], notices=())
    assert (turn.id, turn.text, turn.usage, turn.cost, turn.cache, turn.timing) == (
        row.turn_id, row.text, row.usage, row.cost, row.cache, row.timing,
    )  # fmt: skip
    assert (turn.prompt_text, turn.model, turn.stop_reason) == ("für 😀", OPUS, "end_turn")
