"""The client against a real server on loopback that says exactly what it is told to."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import logging
import os
import random
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from scripted_server import (
    ANSWER,
    HOLD,
    KEEP,
    RESET,
    ScriptedServer,
    Step,
    closing,
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
    Credentials,
    MessageRequest,
    Retrying,
    RetryPolicy,
    Secret,
    WarmingUp,
)
from cmt_lsp.api.errors import CmtError
from cmt_lsp.api.stream import Message, MessageStarted, TextDelta, ThinkingDelta

CANARY = "sk-ant-canary-4711"
QUICK = RetryPolicy(base=0.001, cap=0.001)
ASKED = MessageRequest("claude-test", 100, [{"role": "user", "content": "hello"}])
OK: list[Step] = [head(), ANSWER]


def client_of(server: ScriptedServer, **options: Any) -> AnthropicClient:
    options = {"retry": QUICK, "clocks": Clocks(first_byte=5, silence=5), **options}
    return AnthropicClient(CANARY, base_url=server.url, **options)


async def ask(client: AnthropicClient, request: MessageRequest = ASKED) -> list[ClientEvent]:
    """All events of one exchange, warming up left out."""
    async with client.stream(request) as events:
        return [event async for event in events if not isinstance(event, WarmingUp)]


async def failure_of(client: AnthropicClient, request: MessageRequest = ASKED) -> CmtError:
    """The error an exchange ends with."""
    with pytest.raises(CmtError) as caught:
        await ask(client, request)
    return caught.value


def message_of(events: list[ClientEvent]) -> Message:
    end = events[-1]
    assert isinstance(end, Completed)
    return end.message


# Start


def test_importing_the_client_imports_nothing_heavy() -> None:
    """Neither the SDK, nor its HTTP library, nor pydantic."""
    heavy = "{'anthropic', 'httpx2', 'httpcore2', 'pydantic', 'anyio'}"
    code = f"import sys, cmt_lsp.api.anthropic_client as c; c.AnthropicClient('k'); print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)

    assert run.stdout == "set()\n"


def test_warming_up_loads_in_the_background_and_freezes_what_it_loaded() -> None:
    code = """
import asyncio, gc, sys, threading, time
from cmt_lsp.api.anthropic_client import AnthropicClient
client = AnthropicClient("k", base_url="http://127.0.0.1:1")
before = gc.get_freeze_count()
client.warm_up(); client.warm_up()
assert not client.ready
[thread] = [t for t in threading.enumerate() if t.name == "cmt-warm-up"]
assert thread.daemon
asyncio.run(client._sdk.result())
assert client.ready and "anthropic" in sys.modules
assert gc.isenabled() and gc.get_freeze_count() > before + 10_000
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_a_process_may_end_while_it_warms_up() -> None:
    code = "from cmt_lsp.api.anthropic_client import AnthropicClient as C; C('k').warm_up()"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0


async def test_the_first_event_tells_that_the_sdk_is_being_imported() -> None:
    async with scripted(OK) as server:
        client = client_of(server)
        assert not client.ready
        async with client.stream(ASKED) as events:
            seen = [event async for event in events]
        again = await ask(client)

        assert isinstance(seen[0], WarmingUp)
        assert message_of(seen).complete
        assert not any(isinstance(event, WarmingUp) for event in again)
        await client.aclose()


async def test_a_broken_installation_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anthropic", None)
    client = AnthropicClient(CANARY, base_url="http://127.0.0.1:1")

    assert type(await failure_of(client)) is errors.InternalError


async def test_plain_http_loads_no_certificates() -> None:
    async with scripted(OK) as server:
        plain = await client_of(server)._sdk.result()
        secure = await AnthropicClient(CANARY)._sdk.result()

    assert plain.tls.cert_store_stats()["x509_ca"] == 0
    assert plain.tls.check_hostname
    assert secure.tls.verify_mode.name == "CERT_REQUIRED"


# The answer


async def test_an_answer_comes_as_events_and_ends_complete() -> None:
    async with scripted(OK) as server:
        events = await ask(client_of(server))

    assert isinstance(events[0], MessageStarted)
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["Hello", " wörld"]
    message = message_of(events)
    assert (message.text, message.complete, message.stop_reason) == ("Hello wörld", True, "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (10, 5)
    assert events[-1].request_id == "req_test"  # type: ignore[union-attr]


async def test_the_request_is_what_was_asked() -> None:
    request = MessageRequest(
        "claude-test",
        64,
        [{"role": "user", "content": "ä"}],
        system="be brief",
        thinking={"type": "adaptive"},
        effort="low",
        extra={
            "diagnostics": {"previous_message_id": "m"},
            "model": "other",
            "output_config": {"format": {}},
        },
    )
    async with scripted(OK) as server:
        await ask(client_of(server), request)

        assert json.loads(server.bodies[0]) == {
            "diagnostics": {"previous_message_id": "m"},
            "model": "claude-test",
            "max_tokens": 64,
            "output_config": {"format": {}, "effort": "low"},
            "system": "be brief",
            "thinking": {"type": "adaptive"},
            "messages": [{"role": "user", "content": "ä"}],
            "stream": True,
        }
        assert server.heads[0].startswith(b"POST /v1/messages HTTP/1.1\r\n")


async def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    async with scripted(OK) as server:
        await ask(client_of(server), replace(ASKED, system="a\ud83d\ude00b\udc00c"))

        assert json.loads(server.bodies[0])["system"] == "a😀b\ufffdc"


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes"])
async def test_a_request_that_is_no_json_is_refused_before_it_is_sent(value: Any) -> None:
    async with scripted(OK) as server:
        error = await failure_of(client_of(server), replace(ASKED, extra={"metadata": value}))

        assert type(error) is errors.BadParamsError
        assert server.connections == 0


async def test_a_compressed_stream_is_read() -> None:
    async with scripted([head(content_encoding="gzip"), gzip.compress(ANSWER)]) as server:
        assert message_of(await ask(client_of(server))).text == "Hello wörld"


async def test_a_json_body_in_place_of_a_stream_is_read() -> None:
    body = {
        "type": "message",
        "content": [{"type": "text", "text": "Hi"}],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    async with scripted([whole(body)]) as server:
        message = message_of(await ask(client_of(server)))

    assert (message.text, message.complete) == ("Hi", True)


async def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    chunked = head(transfer_encoding="chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(ANSWER), ANSWER)
    async with scripted([chunked, KEEP]) as server:
        client = client_of(server)
        for _ in range(3):
            await ask(client)

        assert (len(server.heads), server.connections) == (3, 1)
        await client.aclose()


def test_one_client_serves_one_event_loop_after_another() -> None:
    chunked = head(transfer_encoding="chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(ANSWER), ANSWER)
    clients: list[AnthropicClient] = []

    async def once() -> str:
        async with scripted([chunked, KEEP]) as server:
            clients.append(clients[0] if clients else client_of(server))
            clients[0].endpoint = server.url
            return message_of(await ask(clients[0])).text

    assert [asyncio.run(once()) for _ in range(3)] == ["Hello wörld"] * 3
    assert len(clients[0]._lines) == 1
    gc.collect()  # an unclosed connection of an earlier loop would warn here


@pytest.mark.parametrize("collected", [False, True])
def test_a_client_that_is_dropped_leaves_no_open_connection(collected: bool) -> None:
    """A transport that is left open warns when it is collected, and a warning is a failure."""
    chunked = head(transfer_encoding="chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(ANSWER), ANSWER)

    async def drop() -> None:
        async with scripted([chunked, KEEP]) as server:
            await ask(client_of(server))
            if collected:
                gc.collect()

    asyncio.run(drop())
    gc.collect()


async def test_what_is_cut_off_cleanly_ends_truncated_and_not_complete() -> None:
    async with scripted([head(), started() + opened() + text("Hel")]) as server:
        events = await ask(client_of(server))

    message = message_of(events)
    assert (message.text, message.complete, message.stop_reason) == ("Hel", False, "truncated")
    assert message.usage.estimated


@pytest.mark.campaign
async def test_cut_on_the_wire_after_any_byte_it_is_never_called_complete(
    campaign_size: Callable[[int, int], int],
) -> None:
    cuts = sorted(random.Random(3).sample(range(len(ANSWER)), campaign_size(40, len(ANSWER))))
    for cut in cuts:
        ending: list[Step] = random.Random(cut).choice([[], [RESET]])
        async with scripted([head(), ANSWER[:cut], *ending]) as server:
            client = client_of(server, retry=RetryPolicy(attempts=1))
            try:
                message: Message | None = message_of(await ask(client))
            except CmtError as error:
                message = error.partial
            await client.aclose()

        assert message is None or not message.complete, cut
        assert message is None or "Hello wörld".startswith(message.text), cut


# Retries


async def test_a_failure_before_content_is_tried_again_and_told() -> None:
    async with scripted(
        [refusal("529 Overloaded", "overloaded_error")], [head(), RESET], [head()], OK
    ) as server:
        events = await ask(client_of(server, retry=replace(QUICK, attempts=4)))

        retries = [e for e in events if isinstance(e, Retrying)]
        assert [(r.attempt, r.max_attempts) for r in retries] == [(1, 4), (2, 4), (3, 4)]
        assert "overloaded" in retries[0].reason
        assert message_of(events).complete
        assert events[-1].retries == 3  # type: ignore[union-attr]


async def test_an_error_event_before_content_is_tried_again_with_what_it_used() -> None:
    overloaded = event("error", error={"type": "overloaded_error", "message": "busy"})
    async with scripted([head(), started() + opened() + overloaded], OK) as server:
        events = await ask(client_of(server))

    [retry] = [e for e in events if isinstance(e, Retrying)]
    assert retry.usage is not None
    assert retry.usage.input_tokens == 10


@pytest.mark.parametrize(
    "shown", [text("Hel"), event("content_block_delta", delta={"type": "thinking_delta", "thinking": "hm"})]
)
@pytest.mark.parametrize(
    "end", [event("error", error={"type": "overloaded_error", "message": "busy"}), RESET]
)
async def test_after_content_nothing_is_tried_again_and_the_partial_answer_is_kept(
    shown: bytes, end: Step
) -> None:
    begun = started() + (opened() if b"text_delta" in shown else b"") + shown
    async with scripted([head(), begun, 0.05, end], OK) as server:
        client, seen = client_of(server), []
        with pytest.raises(CmtError) as caught:
            async with client.stream(ASKED) as events:
                async for one in events:
                    seen.append(one)  # noqa: PERF401 - what came before the failure counts

        assert len(server.heads) == 1
        assert caught.value.partial is not None
        assert not caught.value.partial.complete
        assert caught.value.partial.usage.input_tokens == 10
        assert [e.text for e in seen if isinstance(e, TextDelta | ThinkingDelta)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", "invalid_request_error"),
        ("401 Unauthorized", "authentication_error"),
        ("402 Payment", "billing_error"),
        ("403 Forbidden", "permission_error"),
        ("404 Not Found", "not_found_error"),
        ("413 Too Large", "request_too_large"),
    ],
)
async def test_a_refusal_for_good_is_asked_once(status: str, kind: str) -> None:
    async with scripted([refusal(status, kind, x_should_retry="true", retry_after="1")]) as server:
        error = await failure_of(client_of(server))

        assert len(server.heads) == 1
        assert error.request_id == "req_test"


async def test_three_attempts_are_all() -> None:
    async with scripted([refusal("500 Oops", "api_error")]) as server:
        error = await failure_of(client_of(server))

        assert type(error) is errors.NetworkError
        assert len(server.heads) == 3


async def test_a_day_long_wait_fails_at_once_and_says_when_to_come_back() -> None:
    async with scripted([refusal("429 Slow", "rate_limit_error", retry_after="86400")]) as server:
        error = await failure_of(client_of(server))

        assert type(error) is errors.RateLimitedError
        assert (error.retry_after, len(server.heads)) == (86400, 1)
        assert "24 hours" in error.message


async def test_the_wait_the_endpoint_asks_for_is_kept() -> None:
    async with scripted([refusal("429 Slow", "rate_limit_error", retry_after_ms="80")], OK) as server:
        began = time.monotonic()
        [retry] = [e for e in await ask(client_of(server)) if isinstance(e, Retrying)]

        assert retry.delay == 0.08
        assert time.monotonic() - began >= 0.08


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    async with (
        scripted(OK) as other,
        scripted([head(status, location=other.url.replace("127.0.0.1", "localhost"))]) as server,
    ):
        error = await failure_of(client_of(server))

        assert "localhost" in error.message
        assert (len(server.heads), other.connections) == (1, 0)


async def test_a_sign_in_page_is_no_answer() -> None:
    async with scripted([whole(b"<!doctype html>Sign in", kind="text/html")]) as server:
        assert type(await failure_of(client_of(server))) is errors.BadAnswerError


async def test_nobody_listening_is_told() -> None:
    async with scripted(OK) as server:
        url = server.url
    error = await failure_of(AnthropicClient(CANARY, base_url=url, retry=QUICK))

    assert "Nothing listens" in error.message


async def test_an_endless_refusal_body_is_cut() -> None:
    async with scripted([head("500 Oops", "text/plain"), b"x" * 200_000, HOLD]) as server:
        assert type(await failure_of(client_of(server, retry=RetryPolicy(attempts=1)))) is errors.NetworkError


async def test_a_line_of_64_megabytes_is_stopped_early() -> None:
    async with scripted([head(), started(), b"data: ", *[b"x" * (1 << 20)] * 64]) as server:
        began = time.monotonic()
        error = await failure_of(client_of(server))

    assert type(error) is errors.BadAnswerError
    assert time.monotonic() - began < 1.0


# Clocks


SHORT = Clocks(connect=0.2, first_byte=0.2, silence=0.2, no_event=0.5, total=30)
ONCE = RetryPolicy(attempts=1)


async def test_dripped_headers_end_at_the_first_byte_clock() -> None:
    async with scripted([b"HTTP/1.1 200 OK\r\nx-slow: ", *[b"a", 0.02] * 50]) as server:
        client = client_of(server, clocks=SHORT, retry=ONCE)
        await client._sdk.result()
        began = time.monotonic()
        error = await failure_of(client)

    assert type(error) is errors.UpstreamTimeoutError
    assert 0.2 <= time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    ("script", "expected", "least"),
    [
        ([HOLD], errors.UpstreamTimeoutError, 0.2),
        ([head(), HOLD], errors.UpstreamTimeoutError, 0.2),
        ([head(), started(), HOLD], errors.StalledError, 0.2),
        ([head(), started(), *[0.1, event("ping")] * 8, HOLD], errors.StalledError, 0.5),
        ([head(), started(), *[0.1, b": comment\n\n"] * 8, HOLD], errors.StalledError, 0.5),
    ],
)
async def test_silence_ends_in_each_phase(script: list[Step], expected: type[CmtError], least: float) -> None:
    async with scripted(script) as server:
        client = client_of(server, clocks=SHORT, retry=ONCE)
        await client._sdk.result()
        began = time.monotonic()
        error = await failure_of(client)

        assert type(error) is expected
        assert least <= time.monotonic() - began < least + 0.8
        await asyncio.wait_for(server.peer_closed.wait(), 5)


async def test_pings_keep_a_thinking_model_alive() -> None:
    """For as long as events come now and then; each starts the wait for the next one anew."""
    thinking: list[Step] = [0.1, event("ping")] * 4
    slowly = [head(), started(), *thinking, opened(), *thinking, text("at last") + closing()]
    async with scripted(slowly) as server:
        message = message_of(await ask(client_of(server, clocks=SHORT, retry=ONCE)))

    assert message.text == "at last"


async def test_the_total_ends_an_answer_that_never_does() -> None:
    async with scripted([head(), started() + opened(), *[text("x"), 0.02] * 50, HOLD]) as server:
        error = await failure_of(client_of(server, clocks=replace(SHORT, total=0.3), retry=ONCE))

    assert type(error) is errors.UpstreamTimeoutError
    assert error.partial is not None
    assert error.partial.text.startswith("xx")


async def test_a_slow_consumer_is_not_taken_for_a_silent_server() -> None:
    async with scripted(
        [head(), started() + opened(), 0.01, text("a"), 0.01, text("b") + closing()]
    ) as server:
        async with client_of(server, clocks=SHORT, retry=ONCE).stream(ASKED) as events:
            async for one in events:
                await asyncio.sleep(0.3 if isinstance(one, MessageStarted | TextDelta) else 0)

        assert isinstance(one, Completed)
        assert one.message.complete


# Cancelling


async def cancelled_within(task: asyncio.Task[Any], seconds: float) -> None:
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < seconds


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([HOLD], id="waiting for headers"),
        pytest.param([head(), HOLD], id="waiting for the body"),
        pytest.param([head(), started() + opened() + text("Hel"), HOLD], id="streaming"),
    ],
)
async def test_cancelling_closes_the_socket_at_once(script: list[Step]) -> None:
    async with scripted(script) as server:
        client = client_of(server)
        await client._sdk.result()
        task = asyncio.ensure_future(ask(client))
        await asyncio.wait_for(server.said.wait(), 5)

        await cancelled_within(task, 0.1)
        assert await asyncio.wait_for(server.peer_closed.wait(), 0.1)


async def test_cancelling_works_while_connecting() -> None:
    with_backlog = socket.socket()
    with_backlog.bind(("127.0.0.1", 0))
    with_backlog.listen(0)
    fillers = [asyncio.ensure_future(asyncio.open_connection(*with_backlog.getsockname())) for _ in range(3)]
    await asyncio.wait(fillers, timeout=0.2)  # the queue is full: the next connection hangs in SYN
    client = AnthropicClient(CANARY, base_url=f"http://127.0.0.1:{with_backlog.getsockname()[1]}")
    await client._sdk.result()
    task = asyncio.ensure_future(ask(client))
    await asyncio.wait({task}, timeout=0.2)

    assert not task.done()
    await cancelled_within(task, 0.1)
    for filler in fillers:
        filler.cancel()
        for _, writer in [
            r for r in await asyncio.gather(filler, return_exceptions=True) if isinstance(r, tuple)
        ]:
            writer.close()
    with_backlog.close()


async def test_cancelling_works_in_the_wait_before_a_retry() -> None:
    async with scripted([refusal("529 Busy", "overloaded_error", retry_after="30")]) as server:
        client, waiting = client_of(server), asyncio.Event()

        async def consume() -> None:
            async with client.stream(ASKED) as events:
                async for one in events:
                    if isinstance(one, Retrying):
                        waiting.set()

        task = asyncio.ensure_future(consume())
        await asyncio.wait_for(waiting.wait(), 10)
        await cancelled_within(task, 0.1)
        assert server.open_connections <= 1


async def test_cancelling_works_while_warming_up_and_spoils_nothing() -> None:
    async with scripted(OK) as server:
        client, warming = client_of(server), asyncio.Event()

        async def consume() -> None:
            async with client.stream(ASKED) as events:
                async for _ in events:
                    warming.set()

        task = asyncio.ensure_future(consume())
        await asyncio.wait_for(warming.wait(), 5)
        await cancelled_within(task, 0.1)

        assert message_of(await ask(client)).complete


async def test_leaving_the_context_early_closes_the_socket() -> None:
    async with scripted([head(), started() + opened() + text("Hel"), HOLD]) as server:
        async with client_of(server).stream(ASKED) as events:
            async for one in events:
                if isinstance(one, TextDelta):
                    break

        assert await asyncio.wait_for(server.peer_closed.wait(), 0.1)


async def test_two_hundred_cancels_leak_no_connection() -> None:
    async with scripted([head(), started(), HOLD]) as server:
        client = client_of(server)
        await client._sdk.result()
        for at in range(200):
            server.said.clear()
            task = asyncio.ensure_future(ask(client))
            if at % 2:
                await asyncio.wait_for(server.said.wait(), 5)
            else:
                await asyncio.sleep(0)
            await cancelled_within(task, 0.5)

        await asyncio.wait_for(server.idle.wait(), 5)
        pool = client._lines[asyncio.get_running_loop()].door._client._transport._pool
        assert pool.connections == []


# Environment and keys


HOSTILE = {
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
    "ANTHROPIC_API_KEY": "sk-ant-other",
    "ANTHROPIC_AUTH_TOKEN": "other",
    "ANTHROPIC_CUSTOM_HEADERS": "X-Evil: 1\nAuthorization: Bearer evil\nHost: evil.example\nUser-Agent: evil\n"
    "Accept: evil\nContent-Length: 3\nTransfer-Encoding: chunked\nanthropic-version: 2020-01-01\nAccept-Encoding: br",
    "ANTHROPIC_LOG": "debug",
    "ANTHROPIC_PROFILE": "evil",
    "ANTHROPIC_CONFIG_DIR": "/nonexistent",
    "ANTHROPIC_WEBHOOK_SIGNING_KEY": "evil",
    "OTEL_TRACES_EXPORTER": "console",
    "ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE": "content",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
    "SSLKEYLOGFILE": "/nonexistent/keys",
}
SEND = """
import asyncio, logging, sys
from cmt_lsp.api.anthropic_client import AnthropicClient, MessageRequest
client = AnthropicClient("sk-ant-own", base_url=sys.argv[1])
async def main():
    await client.count_tokens(MessageRequest("m", 5, [{"role": "user", "content": "a secret prompt"}]))
    await client.list_models()
    print(await client.send_message_simple("a secret prompt"), logging.root.handlers)
asyncio.run(main())
"""


async def sent_with(environment: dict[str, str]) -> tuple[list[bytes], bytes, bytes]:
    """What a process of its own sends under an environment, and what it prints."""
    async with scripted([whole({"input_tokens": 3})], [whole({"data": []})], OK) as server:
        clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SEND.replace("'m', 5", "'m', 5"), server.url, env={**clean, **environment},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 50)
        port = server.url.rpartition(":")[2].encode()
        return (
            [(h + b).replace(port, b"PORT") for h, b in zip(server.heads, server.bodies, strict=True)],
            out,
            err,
        )


async def test_the_environment_changes_no_byte_of_a_request_and_logs_nothing() -> None:
    plain, hostile = await sent_with({}), await sent_with(HOSTILE)

    assert hostile == plain
    assert len(plain[0]) == 3
    assert (plain[1], plain[2]) == (b"('Hello w\xc3\xb6rld', 10, 5, 0) []\n", b"")
    assert plain[0][2].split(b"\r\n\r\n")[0].lower().split(b"\r\n")[1:] == [
        b"host: 127.0.0.1:port",
        b"connection: keep-alive",
        b"user-agent: " + plain[0][2].split(b"\r\n")[3][12:].lower(),
        b"accept-encoding: gzip, deflate",
        b"accept: application/json, text/event-stream",
        b"anthropic-version: 2026-10-21",
        b"x-api-key: sk-ant-own",
        b"content-type: application/json",
        b"content-length: %d" % len(plain[0][2].split(b"\r\n\r\n")[1]),
    ]


async def test_a_proxy_of_the_environment_counts_for_https_and_not_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scripted([whole(b"", "407 Proxy Authentication Required")]) as proxy, scripted(OK) as server:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        error = await failure_of(AnthropicClient(CANARY, base_url="https://api.invalid"))
        await ask(client_of(server))

        assert "proxy" in error.message
        assert [head.splitlines()[0] for head in proxy.heads] == [b"CONNECT api.invalid:443 HTTP/1.1"]
        assert CANARY.encode() not in proxy.heads[0]


async def test_a_server_without_tls_behind_https_is_told() -> None:
    def speak_first(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(speak_first, "127.0.0.1", 0) as listening:
        url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        error = await failure_of(AnthropicClient(CANARY, base_url=url, retry=ONCE))

    assert type(error) is errors.NetworkError
    assert "secure connection" in error.message


async def test_without_any_argument_key_and_address_of_the_environment_go_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scripted(OK) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "env-token\n")
        client = AnthropicClient()
        await ask(client)

        assert b"authorization: Bearer env-token\r\n" in server.heads[0]
        assert AnthropicClient("own").endpoint == "https://api.anthropic.com"


async def test_credentials_are_asked_for_every_request() -> None:
    keys = iter(["first", "second"])
    async with scripted(OK) as server:
        client = AnthropicClient(
            base_url=server.url,
            credentials=lambda: Credentials(Secret(next(keys)), None, "test"),
            retry=QUICK,
        )
        await ask(client)
        await ask(client)

        assert [b"x-api-key: first" in server.heads[0], b"x-api-key: second" in server.heads[1]] == [
            True,
            True,
        ]


async def test_no_credential_is_told_before_anything_is_sent() -> None:
    async with scripted(OK) as server:
        error = await failure_of(AnthropicClient(base_url=server.url, credentials=lambda: None))

        assert type(error) is errors.MissingKeyError
        assert server.connections == 0


async def test_a_malformed_key_is_refused_by_the_constructor() -> None:
    with pytest.raises(errors.AuthError, match="quote"):
        AnthropicClient('"sk-ant"')


ECHO = {"type": "error", "error": {"type": "authentication_error", "message": f"bad key {CANARY}"}}
FAULTS: list[list[Step]] = [
    [whole(ECHO, "401 Unauthorized", x_request_id=CANARY)],
    [whole(ECHO)],
    [
        head(),
        started() + opened() + text("Hel") + event("error", **{k: v for k, v in ECHO.items() if k != "type"}),
    ],
    [head(), started() + opened() + text("Hel"), 0.01, RESET],
    [refusal("529 Busy", "overloaded_error")],
    [head("302 Found", location=f"https://{CANARY}.example/{CANARY}")],
    [HOLD],
    [RESET],
]


@pytest.mark.parametrize("script", FAULTS, ids=range(len(FAULTS)))
async def test_the_key_is_in_no_error_log_or_traceback(
    script: list[Step], caplog: pytest.LogCaptureFixture
) -> None:
    """Tracebacks are printed with the locals of every frame, as the chattiest tools do."""
    caplog.set_level(logging.DEBUG)
    async with scripted(script) as server:
        client = client_of(server, clocks=SHORT)
        error = await failure_of(client)
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    shown += repr(error) + str(vars(error)) + repr(client) + repr(vars(client)) + caplog.text

    assert CANARY not in shown
    assert (error.__cause__, error.__context__) == (None, None)
    assert "hello" not in caplog.text


# Small doors and the plain interface


@pytest.mark.parametrize("status", ["404 Not Found", "405 Not Allowed", "501 Not Implemented"])
async def test_an_endpoint_without_the_small_doors_is_none(status: str) -> None:
    async with scripted([whole(b"nope", status, "text/plain")]) as server:
        client = client_of(server)

        assert await client.count_tokens(ASKED) is None
        assert await client.list_models() is None


async def test_tokens_are_counted_without_what_the_counter_does_not_take() -> None:
    async with scripted([whole({"input_tokens": 12})], [whole({"input_tokens": "many"})]) as server:
        client = client_of(server)

        assert await client.count_tokens(replace(ASKED, extra={"diagnostics": {}})) == 12
        assert json.loads(server.bodies[0]) == {"model": "claude-test", "messages": ASKED.messages}
        assert await client.count_tokens(ASKED) is None


async def test_models_are_listed_over_all_pages_and_in_any_shape() -> None:
    first = {"data": [{"id": "a", "display_name": "A"}, {"id": 5}], "has_more": True, "last_id": "a"}
    openai = {"object": "list", "data": [{"id": "b", "object": "model"}]}
    async with scripted([whole(first)], [whole(openai)]) as server:
        models = await client_of(server).list_models()

        assert models == [{"id": "a", "display_name": "A"}, {"id": "b", "object": "model"}]
        assert server.heads[1].startswith(b"GET /v1/models?limit=1000&after_id=a ")


@pytest.mark.parametrize("door", ["count_tokens", "list_models"])
async def test_other_failures_of_the_small_doors_are_typed(door: str) -> None:
    call: dict[str, Callable[[AnthropicClient], Awaitable[Any]]] = {
        "count_tokens": lambda client: client.count_tokens(ASKED),
        "list_models": lambda client: client.list_models(),
    }
    async with scripted([refusal("401 Unauthorized", "authentication_error")], [HOLD]) as server:
        client = client_of(server, clocks=SHORT)
        with pytest.raises(errors.AuthError):
            await call[door](client)
        with pytest.raises(errors.UpstreamTimeoutError):
            await call[door](client)


async def test_messages_come_in_chunks_with_the_figures_in_the_last() -> None:
    async with scripted(OK) as server:
        client = client_of(server, model="claude-mine")
        chunks = [chunk async for chunk in client.send_message([{"role": "user", "content": "x"}], "sys")]
        [alone] = [
            chunk async for chunk in client.send_message([{"role": "user", "content": "x"}], stream=False)
        ]

        assert [c.content for c in chunks] == ["Hello", " wörld", ""]
        assert [c.is_final for c in chunks] == [False, False, True]
        assert chunks[-1].metadata == {
            **alone.metadata,
            "content": ({"type": "text", "text": "Hello wörld"},),
        }
        assert (alone.content, alone.is_final, alone.metadata["output_tokens"]) == ("Hello wörld", True, 5)
        assert json.loads(server.bodies[0])["model"] == "claude-mine"


async def test_the_simple_call_gives_text_and_counts() -> None:
    counts = started(input_tokens=10, cache_creation_input_tokens=20, cache_read_input_tokens=70)
    async with scripted([head(), counts + opened() + text("Hi") + closing(3)]) as server:
        history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        answer = await client_of(server).send_message_simple("c", history, "sys")

        assert answer == ("Hi", 100, 3, 70)
        body = json.loads(server.bodies[0])
        assert [m["content"] for m in body["messages"]] == ["a", "b", "c"]
        assert body["model"].startswith("claude-")
