"""Every way a turn can end: one result, an honest record, and a session that can go on."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from live_turns import Listener, ask, new_session, start, without_marks

from cmt_lsp.api.errors import (
    BadParamsError,
    CmtError,
    InvalidRequestError,
    MissingKeyError,
    OverloadedError,
    SessionBusyError,
    UnknownSessionError,
    UnknownTurnError,
)
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.turn import (
    AnswerText,
    Predicted,
    Retry,
    Thinking,
    TurnRequest,
    TurnStarted,
    UsageKnown,
    Waiting,
)
from cmt_lsp.simulator import Answer, Fault, Simulator


def rows_on_disk(state_dir: Path) -> list[tuple[str, str]]:
    """What another process would see."""
    with sqlite3.connect(state_dir / "sessions.sqlite3") as connection:
        rows = connection.execute("SELECT id, stop_reason FROM turns ORDER BY session_id, seq").fetchall()
    connection.close()
    return rows


async def test_a_finished_turn_is_told_in_order_and_durable_before_its_result(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    simulator.reply_with(Answer(text="one two three", thinking="hm", chunk_chars=4))
    session = await new_session(manager)

    turn, heard = start(manager, session)
    result = await turn.result()

    assert rows_on_disk(state_dir) == [(turn.id, "end_turn")]
    kinds = [type(event) for event in heard.events if not isinstance(event, Waiting)]
    assert kinds == [TurnStarted, Predicted, UsageKnown, Thinking, *[AnswerText] * 4]
    assert heard.text == result.text == "one two three"
    assert result.stop_reason == "end_turn"
    charged = simulator.requests[0].usage
    assert charged is not None
    assert result.usage.total_input_tokens == charged["input_tokens"]
    assert not result.usage.estimated
    assert result.cost.nano_usd == result.usage.input_tokens * 2000 + result.usage.output_tokens * 10000
    assert result.timing.first_token_ms is not None
    assert turn.cancel() is False


async def test_thinking_and_text_are_sent_back_verbatim(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(Answer(text="first", thinking="deep thought"))
    session = await new_session(manager, system_prompt="Be brief.")
    await ask(manager, session, "one")

    await ask(manager, session, "two")

    first, second = (request.body["messages"] for request in simulator.requests)
    assert second[0] == first[0]
    _, turns = await manager.sessions.get(session)
    assert tuple(second[1]["content"]) == turns[0].answer
    assert [block["type"] for block in second[1]["content"]] == ["thinking", "text"]
    assert second[1]["content"][0]["signature"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [("user", "Stopped"), ("client_gone", "went away"), ("client_stalled", "no longer took")],
)
async def test_a_cancelled_turn_keeps_its_text_and_says_why(
    manager: APISessionManager, simulator: Simulator, reason: str, words: str
) -> None:
    whole = "partial answer that goes on " * 20
    simulator.reply_with(Answer(text=whole, thinking="hm", chunk_chars=40))
    simulator.fail_next(Fault.stall(after_events=12))
    session = await new_session(manager)
    turn, heard = start(manager, session)
    await heard.heard(AnswerText)

    assert turn.cancel(reason) is True
    assert turn.cancel("user") is True
    result = await turn.result()

    assert turn.cancel("user") is False
    assert result.stop_reason == "cancelled"
    assert result.text
    assert result.text == heard.text
    assert whole.startswith(result.text)
    assert result.usage.estimated
    assert result.usage.output_tokens >= len(result.text) // 5 > 1
    assert words in " ".join(result.notices)
    await simulator.closed(within=2)
    _, turns = await manager.sessions.get(session)
    assert [block["type"] for block in turns[0].answer] == ["text"]

    await ask(manager, session, "go on")
    sent = simulator.requests[1].body["messages"]
    assert sent[1]["content"][0]["text"] == result.text


async def test_a_turn_cancelled_before_any_text_stays_in_the_record_and_out_of_the_history(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(Fault.stall())
    session = await new_session(manager)
    turn, _ = start(manager, session, "lost")
    await simulator.stalled()

    turn.cancel()
    result = await turn.result()

    assert (result.stop_reason, result.text) == ("cancelled", "")
    assert result.usage.estimated
    assert result.usage.input_tokens > 0
    await ask(manager, session, "again")
    assert len(simulator.requests[1].body["messages"]) == 1
    _, turns = await manager.sessions.get(session)
    assert [turn.prompt_text for turn in turns] == ["lost", "again"]


async def test_a_turn_cancelled_at_once_has_one_result_and_blocks_nothing(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)
    turn, _ = start(manager, session)
    turn.cancel()

    assert (await turn.result()).stop_reason == "cancelled"
    assert (await ask(manager, session)).stop_reason == "end_turn"


async def test_a_turn_cancelled_in_the_wait_before_a_retry_charges_nothing(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(Fault.status(529, retry_after=30))
    session = await new_session(manager)
    turn, heard = start(manager, session)
    retry = await heard.heard(Retry)

    turn.cancel()
    result = await turn.result()

    assert isinstance(retry, Retry)
    assert retry.attempt == 1
    assert result.stop_reason == "cancelled"
    assert result.usage.total_tokens == 0
    assert result.timing.retries == 1
    assert len(simulator.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault.cut(after_events=9),
        Fault.hang_up(after_events=9),
        Fault.reset(after_events=9),
        Fault.error_event(after_events=9),
    ],
    ids=["cut", "hang-up", "reset", "error-event"],
)
async def test_an_answer_cut_off_after_text_is_kept_and_never_called_complete(
    manager: APISessionManager, simulator: Simulator, fault: Fault
) -> None:
    simulator.reply_with(Answer(text="a long answer " * 40, thinking="hm", chunk_chars=8))
    simulator.fail_next(fault)
    session = await new_session(manager)

    turn, heard = start(manager, session)
    result = await turn.result()

    assert result.stop_reason == "truncated"
    assert result.text == heard.text != ""
    assert ("a long answer " * 40).startswith(result.text)
    assert "cut off" in result.notices[-1]
    assert result.usage.estimated
    assert (await ask(manager, session, "go on")).stop_reason == "end_turn"
    _, turns = await manager.sessions.get(session)
    assert [block["type"] for block in turns[0].answer] == ["text"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.status(400), "invalid_request"),
        (Fault.status(401), "auth"),
        (Fault.status(402), "payment"),
        (Fault.status(403), "permission"),
        (Fault.status(404), "model_not_found"),
        (Fault.status(429, retry_after=9999), "rate_limited"),
        (Fault.junk_body("html"), "internal"),
    ],
)
async def test_a_failure_before_any_text_is_typed_and_leaves_no_trace(
    manager: APISessionManager, simulator: Simulator, state_dir: Path, fault: Fault, kind: str
) -> None:
    session = await new_session(manager)
    await ask(manager, session, "kept")
    before = await manager.sessions.get(session)
    simulator.fail_next(fault)

    with pytest.raises(CmtError) as failure:
        await ask(manager, session, "lost")

    assert failure.value.kind == kind
    info, turns = await manager.sessions.get(session)
    told = "may have cost" in (failure.value.hint or "")
    assert told is (kind == "internal"), "nobody knows what a page with status 200 has cost"
    assert (info.cost.nano_usd != before[0].cost.nano_usd) is told
    assert (replace(info, usage=before[0].usage, cost=before[0].cost), turns) == before
    assert len(rows_on_disk(state_dir)) == 1
    await ask(manager, session, "next")
    assert len(simulator.requests[-1].body["messages"]) == 3


async def test_an_overloaded_endpoint_is_asked_again_and_the_turn_says_so(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(Fault.status(529, retry_after=0), Fault.error_event())
    session = await new_session(manager)

    turn, heard = start(manager, session)
    result = await turn.result()

    assert result.timing.retries == 2
    assert [event.attempt for event in heard.events if isinstance(event, Retry)] == [1, 2]
    simulator.fail_next(*[Fault.status(529, retry_after=0)] * 3)
    with pytest.raises(OverloadedError):
        await ask(manager, session)


@pytest.mark.parametrize(
    ("answer", "in_history", "words"),
    [
        (Answer(text="word " * 50, stop_reason="max_tokens"), True, "limit of 16000 tokens"),
        (Answer(text="I will not.", stop_reason="refusal"), False, "refused"),
        (Answer(text="so far", stop_reason="pause_turn"), True, "paused"),
        (Answer(text="so far", stop_reason="model_context_window_exceeded"), True, "window is full"),
        (Answer(text="", thinking="only thoughts"), False, "sent no text"),
        (Answer(text="  \n "), False, "sent no text"),
    ],
    ids=["max_tokens", "refusal", "pause", "window", "thinking-only", "blank"],
)
async def test_an_answer_that_is_no_plain_end_is_told_as_what_it_is(
    manager: APISessionManager, simulator: Simulator, answer: Answer, in_history: bool, words: str
) -> None:
    simulator.reply_with(answer)
    session = await new_session(manager)

    result = await ask(manager, session)

    assert result.stop_reason == (answer.stop_reason or "end_turn")
    assert words in " ".join(result.notices)
    await ask(manager, session, "next")
    assert len(simulator.requests[1].body["messages"]) == (3 if in_history else 1)


async def test_a_failing_listener_costs_no_answer(manager: APISessionManager, simulator: Simulator) -> None:
    session = await new_session(manager)

    def listener(event: object) -> None:
        raise RuntimeError("broken pipe")

    result = await manager.start_turn(session, TurnRequest("hello"), listener).result()

    assert result.stop_reason == "end_turn"


async def test_a_failing_callback_of_a_script_stops_the_turn_and_is_raised(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(Answer(text="some words here", chunk_chars=5))
    simulator.fail_next(Fault.stall(after_events=5))
    session = manager.create_session()

    def callback(text: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await manager.stream_message(session, "hello", callback)

    _, turns = await manager.sessions.get(session)
    assert [turn.stop_reason for turn in turns] == ["cancelled"]


async def test_cancelling_one_waiter_leaves_the_turn_and_the_others_alone(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(Fault.stall(after_events=2))
    turn, _ = start(manager, await new_session(manager))
    first, second = asyncio.create_task(turn.result()), asyncio.create_task(turn.result())
    await simulator.stalled()

    first.cancel()
    simulator.release()

    assert (await second).stop_reason == "end_turn"
    assert first.cancelled()


async def test_cancelling_send_message_stops_the_turn(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(Fault.stall(after_events=2))
    session = manager.create_session()
    sending = asyncio.create_task(manager.send_message(session, "hello"))
    await simulator.stalled()

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending

    await simulator.closed(within=2)


async def test_waiting_is_told_every_second_until_text_comes(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(Fault.ping_only(after_events=1))
    turn, heard = start(manager, await new_session(manager))
    await simulator.arrived()

    async with asyncio.timeout(5):
        while len(waits := [e for e in heard.events if isinstance(e, Waiting) and e.phase == "thinking"]) < 2:
            await heard.heard(Waiting)
            await asyncio.sleep(0.05)
    simulator.release()
    await turn.result()

    assert waits[0].elapsed == pytest.approx(1, abs=0.4)
    assert waits[1].elapsed == pytest.approx(2, abs=0.5)


async def test_an_answer_that_stops_coming_is_told_as_silent(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(Answer(text="one two three four", chunk_chars=4))
    simulator.fail_next(Fault.stall(after_events=5))
    turn, heard = start(manager, await new_session(manager))
    await simulator.stalled(0)

    async with asyncio.timeout(5):
        while (
            not (phases := [e.phase for e in heard.events if isinstance(e, Waiting)])
            or "warming" in phases[-1]
        ):
            await heard.heard(Waiting)
            await asyncio.sleep(0.05)
    simulator.release()
    await turn.result()

    assert phases[-1] == "silent"


async def test_sessions_run_side_by_side_and_one_turn_at_a_time_in_each(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(Fault.stall(after_events=2), Fault.stall(after_events=2))
    one, two = await new_session(manager), await new_session(manager)
    first, _ = start(manager, one)
    second, _ = start(manager, two)
    await simulator.stalled(0)
    await simulator.stalled(1)

    with pytest.raises(SessionBusyError):
        start(manager, one)

    assert [turn.id for turn in manager.running] == [first.id, second.id]
    assert {info.state for info in await manager.sessions.list()} == {"busy"}
    assert manager.cancel_all("user") == 2
    assert {(await first.result()).stop_reason, (await second.result()).stop_reason} == {"cancelled"}
    assert manager.running == []
    assert {info.state for info in await manager.sessions.list()} == {"idle"}


async def test_closing_settles_and_saves_what_runs(simulator: Simulator, state_dir: Path) -> None:
    manager = APISessionManager()
    simulator.reply_with(Answer(text="some words here", chunk_chars=5))
    simulator.fail_next(Fault.stall(after_events=6))
    turn, heard = start(manager, await new_session(manager))
    await heard.heard(AnswerText)

    await manager.aclose()

    assert (await turn.result()).stop_reason == "cancelled"
    assert rows_on_disk(state_dir) == [(turn.id, "cancelled")]


async def test_closing_takes_no_longer_than_it_may_though_the_store_hangs(
    simulator: Simulator, state_dir: Path
) -> None:
    manager = APISessionManager()
    session = await new_session(manager)
    hold = threading.Event()
    simulator.fail_next(Fault.stall(after_events=2))
    turn, _ = start(manager, session)
    await simulator.stalled()
    manager._store.submit(lambda _: hold.wait(20))
    began = time.monotonic()

    await manager.aclose(0.5)

    assert time.monotonic() - began < 2
    assert "not saved" in (await turn.result()).notices[-1]
    hold.set()
    assert await asyncio.to_thread(manager._store.close, 10)
    assert rows_on_disk(state_dir) == [(turn.id, "cancelled")]


async def test_a_retry_takes_the_place_of_the_last_turn(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session = await new_session(manager)
    await ask(manager, session, "one")
    last = await ask(manager, session, "two")
    simulator.reply_with("better")

    turn = await manager.retry(session, last.turn_id, Listener())
    result = await turn.result()

    assert result.text == "better"
    _, turns = await manager.sessions.get(session)
    assert [(turn.seq, turn.prompt_text) for turn in turns] == [(0, "one"), (1, "two")]
    assert turns[1].id == result.turn_id != last.turn_id
    again, first = (without_marks(simulator.requests[number].body["messages"]) for number in (2, 1))
    assert again == first
    assert last.turn_id not in [row[0] for row in rows_on_disk(state_dir)]


async def test_a_retry_that_fails_leaves_the_old_answer(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)
    await ask(manager, session, "one")
    before = await manager.sessions.get(session)
    simulator.fail_next(Fault.status(400))

    turn = await manager.retry(session, None, Listener())
    with pytest.raises(InvalidRequestError):
        await turn.result()

    assert await manager.sessions.get(session) == before


async def test_only_the_last_turn_can_be_asked_again(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)
    with pytest.raises(UnknownTurnError):
        await manager.retry(session, None, Listener())
    first = await ask(manager, session, "one")
    await ask(manager, session, "two")

    with pytest.raises(UnknownTurnError):
        await manager.retry(session, first.turn_id, Listener())


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (TurnRequest("  "), "text"),
        (TurnRequest(None), "text"),  # type: ignore[arg-type]
        (TurnRequest("x", max_tokens=0), "maxTokens"),
        (TurnRequest("x", max_tokens=-5), "maxTokens"),
        (TurnRequest("x", max_tokens=True), "maxTokens"),
        (TurnRequest("x", effort="extreme"), "effort"),
        (TurnRequest("x", model=""), "model"),
        (TurnRequest("x", model="two words"), "model"),
    ],
)
async def test_bad_input_names_the_field_and_changes_nothing(
    manager: APISessionManager, simulator: Simulator, request_: TurnRequest, word: str
) -> None:
    session = await new_session(manager)

    with pytest.raises(BadParamsError, match=word):
        manager.start_turn(session, request_, Listener())

    assert (await manager.sessions.load(session)).state == "idle"
    assert simulator.requests == []


@pytest.mark.parametrize("session", ["nope", "", "../../etc/passwd", "a" * 500, "x\0y"])
async def test_an_unknown_session_is_refused_at_once(manager: APISessionManager, session: str) -> None:
    with pytest.raises(UnknownSessionError):
        manager.start_turn(session, TurnRequest("hi"), Listener())
    with pytest.raises(UnknownSessionError):
        await manager.sessions.load(session)


async def test_a_turn_id_must_be_new(manager: APISessionManager, simulator: Simulator) -> None:
    session = await new_session(manager)
    first = await ask(manager, session)

    for wrong in (first.turn_id, "../x", ""):
        with pytest.raises(BadParamsError, match="turnId"):
            manager.start_turn(session, TurnRequest("hi"), Listener(), wrong)


async def test_without_a_key_the_turn_fails_before_anything_leaves(
    manager: APISessionManager, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await new_session(manager)
    monkeypatch.delenv("ANTHROPIC_API_KEY")

    with pytest.raises(MissingKeyError):
        await ask(manager, session)

    assert simulator.requests == []
    assert (await manager.sessions.load(session)).turns == 0


async def test_lone_surrogates_are_replaced_and_told(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)

    result = await ask(manager, session, "a\ud800b")

    assert simulator.requests[0].body["messages"][0]["content"][0]["text"] == "a\ufffdb"
    assert "U+FFFD" in " ".join(result.notices)


WARM_UP = """
import asyncio
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.turn import TurnRequest, Waiting

async def main():
    manager = APISessionManager()
    session = manager.create_session()
    events = []
    waiting = asyncio.Event()
    def emit(event):
        events.append(event)
        if isinstance(event, Waiting):
            waiting.set()
    turn = manager.start_turn(session, TurnRequest("hello"), emit)
    await asyncio.wait_for(waiting.wait(), 5)
    assert events[1] == Waiting("warming_up", 0.0), events
    turn.cancel()
    result = await turn.result()
    info, turns = await manager.sessions.get(session)
    print(result.stop_reason, result.usage.total_tokens, len(turns), turns[0].in_history)
    await manager.aclose()

asyncio.run(main())
"""


async def test_a_turn_cancelled_while_the_sdk_loads_is_recorded_and_costs_nothing(
    simulator: Simulator,
) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", "-c", WARM_UP],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (done.stdout, done.stderr) == ("cancelled 0 1 False\n", "")
    assert simulator.requests == []
