"""The JSON-RPC client ends every wait, whatever the server does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.terminal.connection import AnswerError, Connection, ServerGoneError, TroubleError

Scripted = Callable[..., Any]


@asynccontextmanager
async def connected(server: Any) -> AsyncIterator[Connection]:
    connection = await Connection.spawn(server.command)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_request_gets_its_result_and_its_partial_results_in_order(scripted: Scripted) -> None:
    script = [["text", "a"], ["text", "b"], ["result", {"done": True}]]
    seen: list[Any] = []
    async with connected(scripted({"cmt/chat": script})) as connection:
        result = await connection.request("cmt/chat", {}, progress=seen.append)

    assert result == {"done": True}
    assert [(value["seq"], value["text"]) for value in seen] == [(0, "a"), (1, "b")]


async def test_answers_may_come_in_any_order(scripted: Scripted) -> None:
    server = scripted({"slow": [["until", "quick"], ["result", "slow"]], "quick": [["result", "quick"]]})
    async with connected(server) as connection:
        slow = asyncio.create_task(connection.request("slow", {}))
        await asyncio.sleep(0)
        quick = asyncio.create_task(connection.request("quick", {}))

        assert await asyncio.gather(slow, quick) == ["slow", "quick"]


async def test_a_server_error_keeps_its_sentence_its_hint_and_its_kind(scripted: Scripted) -> None:
    error = {"code": -32803, "message": "No key.", "data": {"kind": "missing_key", "hint": "Set one."}}
    async with connected(scripted({"cmt/chat": [["error", error]]})) as connection:
        with pytest.raises(AnswerError) as caught:
            await connection.request("cmt/chat", {})

    assert (caught.value.code, caught.value.message) == (-32803, "No key.")
    assert (caught.value.hint, caught.value.kind) == ("Set one.", "missing_key")


async def test_a_server_that_dies_ends_the_wait_and_its_last_words_are_told(scripted: Scripted) -> None:
    server = scripted({"cmt/chat": [["say_on_stderr", "disk full"], ["die", 7]]})
    async with connected(server) as connection:
        with pytest.raises(ServerGoneError, match="exit code 7") as caught:
            await connection.request("cmt/chat", {})
        with pytest.raises(ServerGoneError):
            await connection.request("cmt/chat", {})

    assert caught.value.hint == "Its last words: disk full"


async def test_a_dead_server_whose_child_holds_the_pipe_ends_the_wait_too(
    scripted: Scripted, tmp_path: Path
) -> None:
    pid_file = tmp_path / "child"
    server = scripted({"cmt/chat": [["leave_a_child_on_the_pipe", str(pid_file)], ["die", 1]]})
    before = time.monotonic()
    try:
        async with connected(server) as connection:
            with pytest.raises(ServerGoneError):
                await connection.request("cmt/chat", {})
        assert time.monotonic() - before < 5
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    "acts",
    [
        [["close_output", None], ["hear_nothing_more", None]],
        [["raw", "Hello, I am no frame.\r\n\r\n"], ["hear_nothing_more", None]],
        [["raw", "Content-Length: 3\r\n\r\n{]}"], ["hear_nothing_more", None]],
        [["raw", "Content-Length: 2\r\n\r\n[]"], ["hear_nothing_more", None]],
        [["raw", "Content-Length: 999999999999\r\n\r\n"], ["hear_nothing_more", None]],
        [["raw", "x" * 100_000], ["hear_nothing_more", None]],
        [["error", "no object"], ["hear_nothing_more", None]],
        [["notify", ["window/showMessage", None]], ["hear_nothing_more", None]],
    ],
    ids=[
        "closes its output",
        "prose",
        "no JSON",
        "no object",
        "absurd length",
        "endless header",
        "odd error",
        "odd notification",
    ],
)
async def test_a_server_that_speaks_no_protocol_ends_the_wait(scripted: Scripted, acts: list[Any]) -> None:
    async with connected(scripted({"cmt/chat": acts})) as connection:
        connection.on("window/showMessage", lambda params: params["message"])
        with pytest.raises(ServerGoneError):
            await connection.request("cmt/chat", {})


async def test_a_silent_server_is_given_up_after_the_time_asked_for(scripted: Scripted) -> None:
    server = scripted({"cmt/models": []})
    async with connected(server) as connection:
        with pytest.raises(TroubleError, match="did not answer cmt/models within 0 s"):
            await connection.request("cmt/models", {}, seconds=0.05)
        await connection.request("ping")

    assert server.received("$/cancelRequest") == [{"id": 1}]


async def test_a_server_that_will_not_end_is_ended(scripted: Scripted) -> None:
    server = scripted({"shutdown": [["hear_nothing_more", None]]})
    connection = await Connection.spawn([*server.command])
    before = time.monotonic()

    await connection.close(seconds=0.2)

    assert time.monotonic() - before < 3
    with pytest.raises(ProcessLookupError):
        os.kill(connection.pid, 0)


async def test_a_server_that_is_told_goodbye_ends_with_0(scripted: Scripted) -> None:
    connection = await Connection.spawn(scripted({}).command)

    assert await connection.close() == 0


async def test_leaving_closes_the_input_and_needs_no_answer(scripted: Scripted) -> None:
    server = scripted({})
    connection = await Connection.spawn(server.command)
    await connection.request("ping")

    await connection.leave()

    assert server.received("shutdown") == []


async def test_what_a_server_asks_of_an_editor_is_refused_at_once(scripted: Scripted) -> None:
    server = scripted({"cmt/chat": [["ask", "window/showDocument"], ["result", {}]]})
    async with connected(server) as connection:
        await connection.request("cmt/chat", {})

    assert '"error"' in server.log.read_text()


async def test_an_error_in_the_callers_own_code_reaches_the_caller(scripted: Scripted) -> None:
    def full(_value: object) -> None:
        raise BrokenPipeError

    async with connected(
        scripted({"cmt/chat": [["text", "a"], ["text", "b"], ["result", {}]]})
    ) as connection:
        with pytest.raises(BrokenPipeError):
            await connection.request("cmt/chat", {}, progress=full)
        assert await connection.request("ping") == {}


async def test_lone_surrogates_and_control_characters_arrive_as_they_are(scripted: Scripted) -> None:
    server = scripted({})
    async with connected(server) as connection:
        await connection.request("cmt/chat", {"text": "\ud800 \x1b[31m ü 😀"})

    assert server.received("cmt/chat") == [{"text": "\ud800 \x1b[31m ü 😀"}]


async def test_a_server_that_cannot_be_started_is_a_sentence() -> None:
    with pytest.raises(ServerGoneError, match="cannot be started"):
        await Connection.spawn([sys.executable + "-that-is-not-there"])
