"""One way to ask the endpoint, warm, in a process of its own: `caller.py WAY URL`.

Each line on standard input is a request `{"question", "streams"}`; each line back tells, in seconds, when the first
text came (the median over the streams) and when all had ended, the CPU time of this process, and the characters.
The ways are layers: raw HTTP, the SDK's helper beside it, our client on the SDK, our sessions on our client.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

MODEL = "claude-sonnet-5-5"
KEY = "sk-benchmark"
Way = Callable[[str], Awaitable[AsyncIterator[str]]]
"""Prepares a question and gives the texts of its answer; it is asked when the first one is."""


def raw(url: str) -> Way:
    """httpx2 and the smallest parser that could read this one endpoint."""
    import httpx2

    http = httpx2.AsyncClient(timeout=60, trust_env=False, limits=httpx2.Limits(max_connections=None))
    headers = {"x-api-key": KEY, "anthropic-version": "2026-10-21"}

    async def texts(question: str) -> AsyncIterator[str]:
        rest = b""
        async with http.stream("POST", f"{url}/v1/messages", json=_body(question), headers=headers) as answer:
            async for chunk in answer.aiter_bytes():
                *events, rest = (rest + chunk).split(b"\n\n")
                for event in events:
                    data = json.loads(event[event.index(b"data: ") + 6 :])
                    if data["type"] == "content_block_delta" and data["delta"]["type"] == "text_delta":
                        yield data["delta"]["text"]

    return _unprepared(texts)


def sdk(url: str) -> Way:
    """The SDK's own helper."""
    import anthropic

    client = anthropic.AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0)

    async def texts(question: str) -> AsyncIterator[str]:
        body = _body(question)
        del body["stream"]
        async with client.messages.stream(**body) as stream:
            async for text in stream.text_stream:
                yield text

    return _unprepared(texts)


def client(url: str) -> Way:
    """Our client alone."""
    from cmt_lsp.api.anthropic_client import AnthropicClient
    from cmt_lsp.api.request import MessageRequest
    from cmt_lsp.api.stream import TextDelta

    own = AnthropicClient(api_key=KEY, base_url=url)

    async def texts(question: str) -> AsyncIterator[str]:
        body = _body(question)
        del body["stream"]
        async with own.stream(MessageRequest(**body)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    yield event.text

    return _unprepared(texts)


def core(_url: str) -> Way:
    """Our sessions, without an editor; a new session for each question. The address comes with the environment."""
    from cmt_lsp.core.session_manager import APISessionManager

    return _with_sessions(APISessionManager())


def unbooked(_url: str) -> Way:
    """The same without bookkeeping: a stand-in lets every attempt pass at once and keeps nothing."""
    from cmt_lsp.core.session_manager import APISessionManager

    return _with_sessions(APISessionManager(ledger=_no_ledger()))


def _no_ledger() -> Any:
    from concurrent.futures import Future

    from cmt_lsp.core.money.attempt import Expected, Granted, Settled

    class NoLedger:
        """What a turn asks of a ledger, answered without one."""

        def use_limits(self, _limits: object) -> None: ...

        def streaming(self, *_entry: object) -> None: ...

        async def reserve(self, claims: Any) -> tuple[Granted, ...]:
            expected = Expected(100, False, 800, 4000, "a first guess", 3.5)
            return tuple(Granted(claim.attempt_id, claim.max_tokens, 0, expected) for claim in claims)

        def settle(self, _settlements: object) -> Future[Settled]:
            done: Future[Settled] = Future()
            done.set_result(Settled(True))
            return done

        async def sums_by_session(self, _ids: object) -> dict[str, Any]:
            return {}

    return NoLedger()


def _with_sessions(manager: Any) -> Way:
    from cmt_lsp.core.turn import AnswerText, TurnEvent, TurnRequest

    async def texts(session_id: str, question: str) -> AsyncIterator[str]:
        heard: asyncio.Queue[str | None] = asyncio.Queue()

        def emit(event: TurnEvent) -> None:
            if isinstance(event, AnswerText):
                heard.put_nowait(event.text)

        turn = manager.start_turn(session_id, TurnRequest(question), emit)
        result = asyncio.ensure_future(turn.result())
        result.add_done_callback(lambda _: heard.put_nowait(None))
        while (text := await heard.get()) is not None:
            yield text
        await result

    async def prepared(question: str) -> AsyncIterator[str]:
        return texts((await manager.sessions.create(model=MODEL)).id, question)

    return prepared


def _unprepared(texts: Callable[[str], AsyncIterator[str]]) -> Way:
    async def way(question: str) -> AsyncIterator[str]:
        return texts(question)

    return way


def _body(question: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}]
    return {"model": MODEL, "max_tokens": 16_000, "messages": messages, "stream": True}


async def _one(way: Way, question: str) -> tuple[float, int]:
    """Seconds to the first text, and characters."""
    texts = await way(question)
    began, first, characters = time.perf_counter(), 0.0, 0
    async for text in texts:
        first = first or time.perf_counter() - began
        characters += len(text)
    return first, characters


async def _serve(way: Way) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        cpu, began = time.process_time(), time.perf_counter()
        told = await asyncio.gather(*(_one(way, order["question"]) for _ in range(order["streams"])))
        figures = {
            "first": statistics.median(first for first, _ in told),
            "total": time.perf_counter() - began,
            "cpu": time.process_time() - cpu,
            "characters": sum(characters for _, characters in told),
        }
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()


WAYS = {"raw": raw, "sdk": sdk, "client": client, "unbooked": unbooked, "core": core}

if __name__ == "__main__":
    asyncio.run(_serve(WAYS[sys.argv[1]](sys.argv[2])))
