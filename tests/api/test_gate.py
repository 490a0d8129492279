"""The gate before each attempt, and what a failed attempt is said to have cost."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from scripted_server import (
    ANSWER,
    HOLD,
    RESET,
    ScriptedServer,
    Step,
    event,
    head,
    opened,
    refusal,
    scripted,
    started,
    text,
    whole,
)

from cmt_lsp.api import errors
from cmt_lsp.api.anthropic_client import (
    AnthropicClient,
    ClientEvent,
    Clocks,
    Completed,
    MessageRequest,
    Retrying,
    RetryPolicy,
    WarmingUp,
)
from cmt_lsp.api.errors import Billed, BudgetExceededError, CmtError, LedgerUnavailableError
from cmt_lsp.api.stream import TextDelta

QUICK = RetryPolicy(base=0.001, cap=0.001)
ONCE = RetryPolicy(attempts=1)
SHORT = Clocks(connect=0.2, first_byte=0.2, silence=0.2)
ASKED = MessageRequest("claude-test", 100, [{"role": "user", "content": "hello"}])
OK: list[Step] = [head(), ANSWER]
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "busy"})


class Doorkeeper:
    """A gate that notes what passes, and does what it is told to for some numbers."""

    def __init__(self, answers: dict[int, int | CmtError] | None = None) -> None:
        self.answers = answers or {}
        self.noted: list[tuple[str, int]] = []
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.opened = asyncio.Event()
        self.opened.set()

    async def admit(self, number: int) -> int:
        self.noted.append(("admit", number))
        self.asked.set()
        await self.opened.wait()
        answer = self.answers.get(number, ASKED.max_tokens)
        if isinstance(answer, CmtError):
            raise answer
        return answer

    def departed(self, number: int) -> None:
        self.noted.append(("departed", number))
        self.left.set()


def client_of(url: str, retry: RetryPolicy = ONCE, clocks: Clocks | None = None) -> AnthropicClient:
    return AnthropicClient("key", base_url=url, retry=retry, clocks=clocks or Clocks(first_byte=5, silence=5))


async def ask(
    client: AnthropicClient, keeper: Doorkeeper, request: MessageRequest = ASKED
) -> list[ClientEvent]:
    async with client.stream(request, keeper) as events:
        return [event async for event in events if not isinstance(event, WarmingUp)]


async def failure_of(
    client: AnthropicClient, keeper: Doorkeeper, request: MessageRequest = ASKED
) -> CmtError:
    with pytest.raises(CmtError) as caught:
        await ask(client, keeper, request)
    return caught.value


async def cancelled(client: AnthropicClient, keeper: Doorkeeper, when: asyncio.Event) -> None:
    """Ask, and cancel at a moment."""
    await client._sdk.result()
    task = asyncio.ensure_future(ask(client, keeper))
    await asyncio.wait_for(when.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@asynccontextmanager
async def unreachable() -> AsyncIterator[str]:
    """An address where a connection is never made and never refused: its queue is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        fillers = [asyncio.ensure_future(asyncio.open_connection(*listening.getsockname())) for _ in range(3)]
        await asyncio.wait(fillers, timeout=0.2)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        for filler in fillers:
            filler.cancel()
        for made in await asyncio.gather(*fillers, return_exceptions=True):
            if isinstance(made, tuple):
                made[1].close()


Talk: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk, scheme: str = "http") -> AsyncIterator[str]:
    """The address of a server that talks to each connection in its own way."""
    talks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(
        lambda reader, writer: talks.append(asyncio.ensure_future(serve(reader, writer))), "127.0.0.1", 0
    )
    yield f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    listening.close()
    await asyncio.wait_for(asyncio.gather(*talks), 5)


def reset(writer: asyncio.StreamWriter) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


# The gate


async def test_an_attempt_is_admitted_then_departs_then_is_answered() -> None:
    async with scripted(OK) as server:
        keeper = Doorkeeper()
        keeper.opened.clear()
        task = asyncio.ensure_future(ask(client_of(server.url), keeper))
        await asyncio.wait_for(keeper.asked.wait(), 10)
        assert server.connections == 0
        keeper.opened.set()
        events = await task

    assert isinstance(events[-1], Completed)
    assert keeper.noted == [("admit", 1), ("departed", 1)]


async def test_every_retry_is_admitted_anew() -> None:
    async with scripted([refusal("529 Busy", "overloaded_error")], [RESET], OK) as server:
        keeper = Doorkeeper()
        await ask(client_of(server.url, QUICK), keeper)

    assert keeper.noted == [(what, at) for at in (1, 2, 3) for what in ("admit", "departed")]


async def test_the_admitted_limit_holds_for_its_attempt_alone() -> None:
    async with scripted([refusal("529 Busy", "overloaded_error")], [RESET], OK) as server:
        await ask(client_of(server.url, QUICK), Doorkeeper({2: 40}))
        sent = [json.loads(body) for body in server.bodies]

    assert [body["max_tokens"] for body in sent] == [100, 40, 100]
    assert {**sent[1], "max_tokens": 100} == sent[0] == sent[2]


@pytest.mark.parametrize(
    "refused", [BudgetExceededError("The budget of today is used up."), LedgerUnavailableError("No ledger.")]
)
@pytest.mark.parametrize("at", [1, 2])
async def test_a_refusal_of_the_gate_ends_the_request_as_it_is(refused: CmtError, at: int) -> None:
    """Even a kind that is worth another try is not tried again, and nothing leaves after it."""
    async with scripted([refusal("529 Busy", "overloaded_error")], OK) as server:
        keeper = Doorkeeper({at: refused})
        failure = await failure_of(client_of(server.url, QUICK), keeper)

        assert failure is refused
        assert (failure.billed, failure.partial, failure.__cause__) == ("nothing", None, None)
        assert keeper.noted[-1] == ("admit", at)
        assert len(server.heads) == at - 1


async def test_nothing_is_claimed_for_a_request_without_a_key() -> None:
    async with scripted(OK) as server:
        keeper = Doorkeeper()
        client = AnthropicClient(base_url=server.url, credentials=lambda: None)
        failure = await failure_of(client, keeper)

    assert (type(failure), keeper.noted) == (errors.MissingKeyError, [])


async def test_a_body_in_many_pieces_departs_once() -> None:
    async with scripted(OK) as server:
        keeper = Doorkeeper()
        large = replace(ASKED, system="x" * 3_000_000)
        await ask(client_of(server.url), keeper, large)

        assert len(server.bodies[0]) > 3_000_000
    assert keeper.noted == [("admit", 1), ("departed", 1)]


# What a failed attempt may have cost


async def test_a_refused_connection_costs_nothing() -> None:
    async with scripted(OK) as server:
        url = server.url
    keeper = Doorkeeper()

    assert (await failure_of(client_of(url), keeper)).billed == "nothing"
    assert keeper.noted == [("admit", 1)]


async def test_a_connection_that_is_never_made_costs_nothing() -> None:
    async with unreachable() as url:
        keeper = Doorkeeper()
        failure = await failure_of(client_of(url, clocks=SHORT), keeper)

    assert (type(failure), failure.billed) == (errors.UpstreamTimeoutError, "nothing")
    assert keeper.noted == [("admit", 1)]


async def test_a_handshake_that_fails_costs_nothing() -> None:
    async def speak_first(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with talking(speak_first, "https") as url:
        keeper = Doorkeeper()
        failure = await failure_of(client_of(url), keeper)

    assert (failure.billed, keeper.noted) == ("nothing", [("admit", 1)])


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"", "407 Proxy Authentication Required"),
        b"HTTP/1.1 200 Connection established\r\n\r\n",
    ],
)
async def test_what_came_no_further_than_a_proxy_costs_nothing(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library writes a head for the tunnel, long before the one of the request."""
    async with scripted([answer]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        keeper = Doorkeeper()
        failure = await failure_of(client_of("https://api.invalid"), keeper)

        assert proxy.heads[0].startswith(b"CONNECT ")
        assert (failure.billed, keeper.noted) == ("nothing", [("admit", 1)])


async def test_a_reset_before_the_request_was_read_is_unknown_once_it_departed() -> None:
    """Nobody on this side can tell whether the endpoint read it."""
    keeper = Doorkeeper()

    async def reset_unread(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await keeper.left.wait()
        reset(writer)

    async with talking(reset_unread) as url:
        failure = await failure_of(client_of(url), keeper)

    assert (type(failure), failure.billed) == (errors.NetworkError, "unknown")


async def test_a_reset_at_once_is_nothing_or_unknown_as_the_request_departed_or_not() -> None:
    async def reset_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reset(writer)

    async with talking(reset_at_once) as url:
        for _ in range(20):
            keeper = Doorkeeper()
            failure = await failure_of(client_of(url), keeper)
            assert failure.billed == ("unknown" if keeper.left.is_set() else "nothing")


BEGUN = started() + opened()
CASES: dict[str, tuple[list[Step], Billed]] = {
    "reset once the request was read": ([RESET], "unknown"),
    "closed once the request was read": ([], "unknown"),
    "silence": ([HOLD], "unknown"),
    "half a head": ([b"HTTP/1.1 200 OK\r\ncontent-ty", RESET], "unknown"),
    "half a head of a refusal": ([b"HTTP/1.1 529 Overl", RESET], "unknown"),
    "no HTTP": ([b"hello there\r\n\r\n"], "unknown"),
    "200, then reset": ([head(), RESET], "begun"),
    "200, then the end": ([head()], "begun"),
    "200, then silence": ([head(), HOLD], "begun"),
    "200, pings, then reset": ([head(), event("ping"), 0.01, RESET], "begun"),
    "200 and a web page": ([whole(b"<!doctype html>Sign in", kind="text/html")], "unknown"),
    "half an answer in JSON": (
        [head(kind="application/json"), b'{"type": "message", "usa', RESET],
        "begun",
    ),
    "an error event first": ([head(), OVERLOADED], "begun"),
    "an error event after pings": ([head(), event("ping") + OVERLOADED], "begun"),
    "an error in a JSON body": (
        [whole({"type": "error", "error": {"type": "api_error", "message": "no"}})],
        "begun",
    ),
    "an error event after the start": ([head(), started() + OVERLOADED], "told"),
    "an error event after content": ([head(), BEGUN + text("Hel") + OVERLOADED], "told"),
    "a reset after the start": ([head(), started(), 0.01, RESET], "told"),
    "a reset after content": ([head(), BEGUN + text("Hel"), 0.01, RESET], "told"),
    "silence after the start": ([head(), started(), HOLD], "told"),
    "a broken event after the start": ([head(), started() + b"data: {]\n\n"], "told"),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_a_failed_attempt_may_have_cost(case: str) -> None:
    script, billed = CASES[case]
    async with scripted(script) as server:
        keeper = Doorkeeper()
        failure = await failure_of(client_of(server.url, clocks=SHORT), keeper)

    assert failure.billed == billed
    assert (failure.partial is not None) == (billed == "told")
    if failure.partial is not None:
        assert failure.partial.usage.input_tokens == 10
    assert keeper.noted == [("admit", 1), ("departed", 1)]


@pytest.mark.parametrize(
    "status",
    [301, 307, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 499, 500, 502, 503, 504, 529],
)
@pytest.mark.parametrize("shape", ["the API's", "a gateway's", "cut off"])
async def test_a_refusal_by_status_costs_nothing(status: int, shape: str) -> None:
    said: dict[str, list[Step]] = {
        "the API's": [refusal(f"{status} No", "api_error")],
        "a gateway's": [head(f"{status} No", "text/html"), b"<html>no</html>"],
        "cut off": [head(f"{status} No", content_length="900"), b"<ht", RESET],
    }
    async with scripted(said[shape]) as server:
        failure = await failure_of(client_of(server.url), Doorkeeper())

    assert (failure.billed, failure.partial) == ("nothing", None)


async def test_a_refusal_in_the_middle_of_the_upload_costs_nothing() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal("413 Too Large", "request_too_large"))
        await writer.drain()
        await reader.readexactly(3_000_000)

    async with talking(refuse) as url:
        keeper = Doorkeeper()
        large = replace(ASKED, system="x" * 3_000_000)
        failure = await failure_of(client_of(url), keeper, large)

    assert (type(failure), failure.billed) == (errors.InvalidRequestError, "nothing")
    assert keeper.left.is_set()


async def test_each_retry_says_what_the_attempt_before_may_have_cost() -> None:
    async with scripted(
        [refusal("529 Busy", "overloaded_error")],
        [RESET],
        [head(), OVERLOADED],
        [head(), started() + OVERLOADED],
        OK,
    ) as server:
        events = await ask(client_of(server.url, replace(QUICK, attempts=5)), Doorkeeper())

    retries = [one for one in events if isinstance(one, Retrying)]
    assert [retry.billed for retry in retries] == ["nothing", "unknown", "begun", "told"]
    assert [retry.usage and retry.usage.input_tokens for retry in retries] == [None, None, None, 10]


# Cancelling


async def test_cancelled_at_the_gate_nothing_leaves() -> None:
    async with scripted(OK) as server:
        keeper = Doorkeeper()
        keeper.opened.clear()
        await cancelled(client_of(server.url), keeper, keeper.asked)

        assert (keeper.noted, server.connections) == ([("admit", 1)], 0)


async def test_cancelled_while_connecting_nothing_departed() -> None:
    async with unreachable() as url:
        keeper = Doorkeeper()
        await cancelled(client_of(url), keeper, keeper.asked)

    assert keeper.noted == [("admit", 1)]


async def test_cancelled_as_it_departs_it_has_departed() -> None:
    async with scripted([HOLD]) as server:
        keeper = Doorkeeper()
        await cancelled(client_of(server.url), keeper, keeper.left)

    assert keeper.noted == [("admit", 1), ("departed", 1)]


async def test_a_body_has_departed_with_its_first_byte_though_its_last_never_will() -> None:
    gone = asyncio.Event()

    async def read_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await gone.wait()

    async with talking(read_nothing) as url:
        client, keeper = client_of(url), Doorkeeper()
        task = asyncio.ensure_future(ask(client, keeper, replace(ASKED, system="x" * 30_000_000)))
        await asyncio.wait_for(keeper.left.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gone.set()


async def test_cancelled_before_the_answer_it_has_departed() -> None:
    async with scripted([HOLD]) as server:
        keeper = Doorkeeper()
        await cancelled(client_of(server.url), keeper, server.said)

    assert keeper.noted == [("admit", 1), ("departed", 1)]


async def test_cancelled_in_the_wait_before_a_retry_no_further_attempt_is_admitted() -> None:
    async with scripted([refusal("529 Busy", "overloaded_error", retry_after="30")]) as server:
        client, keeper, waiting = client_of(server.url, QUICK), Doorkeeper(), asyncio.Event()

        async def consume() -> None:
            async with client.stream(ASKED, keeper) as events:
                async for one in events:
                    if isinstance(one, Retrying):
                        waiting.set()

        task = asyncio.ensure_future(consume())
        await asyncio.wait_for(waiting.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert keeper.noted == [("admit", 1), ("departed", 1)]


async def test_a_context_that_is_left_early_asks_for_nothing_more() -> None:
    async with scripted([head(), BEGUN + text("Hel"), HOLD]) as server:
        keeper = Doorkeeper()
        async with client_of(server.url).stream(ASKED, keeper) as events:
            async for one in events:
                if isinstance(one, TextDelta):
                    break
        await asyncio.wait_for(server.peer_closed.wait(), 5)

    assert keeper.noted == [("admit", 1), ("departed", 1)]


@pytest.mark.parametrize("gated", [True, False])
async def test_the_gate_changes_no_byte_of_the_request(gated: bool) -> None:
    async def sent(server: ScriptedServer, **gate: Any) -> bytes:
        async with client_of(server.url).stream(ASKED, **gate) as events:
            assert [one async for one in events]
        return server.heads[-1] + server.bodies[-1]

    async with scripted(OK) as server:
        ours = await sent(server, **({"gate": Doorkeeper()} if gated else {}))

        assert (
            ours.split(b"\r\n\r\n")[1]
            == json.dumps(
                {"model": "claude-test", "max_tokens": 100, "messages": ASKED.messages, "stream": True},
                separators=(",", ":"),
            ).encode()
        )
        assert b"transfer-encoding" not in ours.lower()
