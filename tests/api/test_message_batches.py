"""The Message Batches API through the client: the whole way, every failure, and results of any shape."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from scripted_server import HOLD, RESET, Step, head, refusal, scripted, whole

from cmt_lsp.api.anthropic_client import AnthropicClient, Clocks
from cmt_lsp.api.batch_parts import LineReader, RemoteResult, read_batch, read_result
from cmt_lsp.api.errors import (
    AuthError,
    BadAnswerError,
    BadParamsError,
    CmtError,
    InvalidRequestError,
    NetworkError,
    OverloadedError,
    StalledError,
    UnknownBatchError,
)
from cmt_lsp.api.message_batches import MOST_BYTES, MessageBatches
from cmt_lsp.simulator import DIALECTS, Answer, Fault, Simulator, simulator_in_thread

CLOCKS = Clocks(connect=1, first_byte=1, silence=0.3)
PATH = "/v1/messages/batches"


def body(*custom_ids: str, **fields: Any) -> bytes:
    """A batch of small requests."""
    message = {"role": "user", "content": "Hello"}
    params = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [message], **fields}
    return json.dumps({"requests": [{"custom_id": name, "params": params} for name in custom_ids]}).encode()


def doors(url: str, key: str = "sk-batch-key") -> MessageBatches:
    """The API at an address."""
    return AnthropicClient(key, base_url=url, clocks=CLOCKS).batches


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """An endpoint that answers batches at once."""
    with simulator_in_thread(batch_rate=math.inf) as running:
        yield running


async def read(batches: MessageBatches, batch_id: str) -> dict[str, RemoteResult]:
    """All results, by custom id."""
    async with batches.results(batch_id) as results:
        return {result.custom_id: result async for result in results if result is not None}


async def test_a_batch_goes_the_whole_way(simulator: Simulator) -> None:
    simulator.batches.rate = 0.0
    simulator.reply_with("Grüße 👩‍💻\u2028\x85 next", Answer(fault=Fault.status(529)))
    batches = doors(simulator.base_url)
    made = await batches.create(body("a", "b", "c"))
    assert (made.status, made.requests, made.expires_at) == ("in_progress", 3, (made.created_at or 0) + 86400)

    assert (await batches.cancel(made.id)).status == "canceling"
    simulator.batches.rate = math.inf
    early = await batches.create(body("x", "y"))
    ended = await batches.get(early.id)
    assert (ended.status, ended.counts["succeeded"], ended.counts["errored"]) == ("ended", 1, 1)
    first = await read(batches, made.id)
    assert {name: result.kind for name, result in first.items()} == {
        "a": "succeeded",
        "b": "canceled",
        "c": "canceled",
    }
    message = first["a"].message
    assert message is not None
    assert (message.text, message.service_tier) == ("Grüße 👩‍💻\u2028\x85 next", "batch")
    account = simulator.batches.accounts[made.id, "a"]
    assert (message.usage.input_tokens, message.usage.output_tokens, message.usage.estimated) == (
        account["input_tokens"],
        account["output_tokens"],
        False,
    )
    assert "is overloaded" in str((await read(batches, early.id))["x"].error)


async def test_the_list_is_read_in_pages_and_names_its_owner(simulator: Simulator) -> None:
    batches = doors(simulator.base_url)
    made = [(await batches.create(body("a"))).id for _ in range(5)]

    first = await batches.page(limit=3)
    rest = await batches.page(first.after, limit=3)

    assert [b.id for b in (*first.batches, *rest.batches)] == made[::-1]
    assert (rest.after, first.organization) == (None, "org_simulator")


async def test_what_we_read_is_what_the_official_sdk_reads(simulator: Simulator) -> None:
    simulator.reply_with(
        "one", Answer(fault=Fault.status(400, message="no such thing")), Answer("three", thinking="Hm")
    )
    batches = doors(simulator.base_url)
    made = await batches.create(body("a", "b", "c", max_tokens=2000))
    sdk = anthropic.AsyncAnthropic(api_key="x", base_url=simulator.base_url)
    theirs = {line.custom_id: line.result async for line in await sdk.messages.batches.results(made.id)}
    ours = await read(batches, made.id)
    await sdk.close()

    assert {name: result.type for name, result in theirs.items()} == {n: r.kind for n, r in ours.items()}
    for name in "ac":
        theirs_one, message = theirs[name], ours[name].message
        assert theirs_one.type == "succeeded"
        assert message is not None
        text = "".join(block.text for block in theirs_one.message.content if block.type == "text")
        usage = theirs_one.message.usage
        assert (message.text, message.id, message.stop_reason) == (
            text, theirs_one.message.id, theirs_one.message.stop_reason,
        )  # fmt: skip
        assert (message.usage.input_tokens, message.usage.output_tokens) == (
            usage.input_tokens, usage.output_tokens,
        )  # fmt: skip


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "anthropic"])
async def test_an_endpoint_without_such_a_door_is_told_in_one_sentence(dialect: str) -> None:
    with simulator_in_thread(dialect=dialect) as simulator:
        batches = doors(simulator.base_url)
        for asking in (batches.page(), batches.create(body("a"))):
            with pytest.raises(InvalidRequestError, match="has no Message Batches API") as caught:
                await asking
            assert caught.value.hint
            assert (caught.value.billed, caught.value.retryable) == ("nothing", False)


async def test_a_batch_that_is_gone_is_unknown(simulator: Simulator) -> None:
    batches = doors(simulator.base_url)
    for asking in (batches.get("msgbatch_x"), batches.cancel("msgbatch_x"), read(batches, "msgbatch_x")):
        with pytest.raises(UnknownBatchError):
            await asking


@pytest.mark.parametrize("name", ["../models", "a/b", "a?b", "", "a" * 201, "a\r\nx: y", "%2e"])
async def test_an_id_that_would_change_the_path_is_never_asked_for(name: str) -> None:
    async with scripted([whole({})]) as server:
        for asking in (doors(server.url).get, doors(server.url).cancel, lambda n: read(doors(server.url), n)):
            with pytest.raises(BadAnswerError):
                await asking(name)
        assert server.heads == []


async def test_a_batch_over_the_limit_never_leaves() -> None:
    async with scripted([whole({})]) as server:
        with pytest.raises(BadParamsError, match="over the limit of 256 MB; split it"):
            await doors(server.url).create(b" " * (MOST_BYTES + 1))
        assert server.heads == []


BATCH = {"id": "msgbatch_1", "processing_status": "in_progress", "request_counts": {"processing": 1}}
BILLED: list[tuple[list[Step], type[CmtError], str]] = [
    ([refusal("400 Bad Request", "invalid_request_error")], InvalidRequestError, "nothing"),
    ([refusal("401 Unauthorized", "authentication_error")], AuthError, "nothing"),
    ([refusal("413 Too Large", "request_too_large")], InvalidRequestError, "nothing"),
    ([refusal("529 Overloaded", "overloaded_error")], OverloadedError, "nothing"),
    ([refusal("500 Oops", "api_error")], NetworkError, "unknown"),
    ([refusal("504 Late", "timeout_error")], NetworkError, "unknown"),
    ([head(location="http://127.0.0.1:9/x", status="307 Elsewhere")], NetworkError, "nothing"),
    ([RESET], NetworkError, "unknown"),
    ([head(), RESET], NetworkError, "unknown"),
    ([whole(b"<html>sign in</html>", kind="text/html")], CmtError, "unknown"),
    ([whole({"type": "message"})], BadAnswerError, "unknown"),
    ([whole(b"[1]")], BadAnswerError, "unknown"),
    ([HOLD], CmtError, "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "kind", "billed"), BILLED)
async def test_a_failed_creation_says_whether_the_batch_may_exist(
    script: list[Step], kind: type[CmtError], billed: str
) -> None:
    async with scripted(script) as server:
        with pytest.raises(kind) as caught:
            await doors(server.url).create(body("a"))
        assert len(server.heads) == 1
    assert caught.value.billed == billed


async def test_a_creation_that_finds_nobody_cost_nothing() -> None:
    async with scripted([whole(BATCH)]) as server:
        url = server.url
    with pytest.raises(NetworkError) as caught:
        await doors(url).create(body("a"))
    assert caught.value.billed == "nothing"


async def test_results_are_read_at_our_own_endpoint_whatever_address_they_are_said_to_have() -> None:
    line = json.dumps({"custom_id": "a", "result": {"type": "canceled"}}).encode()
    async with scripted([whole({})]) as elsewhere:
        told = {**BATCH, "processing_status": "ended", "results_url": f"{elsewhere.url}/steal"}
        async with scripted([whole(told)], [whole(line)]) as server:
            batches = doors(server.url)
            found = await batches.get("msgbatch_1")
            assert set(await read(batches, found.id)) == {"a"}
            assert server.heads[1].startswith(f"GET {PATH}/msgbatch_1/results HTTP".encode())
        assert elsewhere.heads == []


async def test_a_redirect_of_the_results_is_refused_and_gets_no_key() -> None:
    async with (
        scripted([whole(b"")]) as elsewhere,
        scripted([head(status="302 Found", location=f"{elsewhere.url}/x")]) as server,
    ):
        with pytest.raises(NetworkError, match="redirects are not followed"):
            await read(doors(server.url), "msgbatch_1")
        assert elsewhere.heads == []


LINE = json.dumps({"custom_id": "a", "result": {"type": "expired"}}).encode() + b"\n"


@pytest.mark.parametrize(
    ("script", "kind"),
    [([head() + LINE, RESET], NetworkError), ([head(content_length="999") + LINE], NetworkError),
     ([head() + LINE, HOLD], StalledError), ([refusal("500 Oops", "api_error")], NetworkError)],
)  # fmt: skip
async def test_results_that_break_off_give_what_came_and_then_one_error(
    script: list[Step], kind: type[CmtError]
) -> None:
    came: list[str] = []
    async with scripted(script) as server:
        with pytest.raises(kind) as caught:
            async with doors(server.url).results("msgbatch_1") as results:
                async for result in results:
                    assert result is not None
                    came.append(result.custom_id)
        assert caught.value.__context__ is None
    assert came == (["a"] if len(script) > 1 or b"999" in bytes(script[0]) else [])  # type: ignore[arg-type]


async def test_leaving_the_results_early_closes_the_connection() -> None:
    async with scripted([head() + LINE * 3, HOLD]) as server:
        async with doors(server.url).results("msgbatch_1") as results:
            assert await anext(results) is not None
        await server.idle.wait()


async def test_the_key_is_in_no_error_even_where_the_endpoint_echoes_it() -> None:
    async with scripted([refusal("400 Bad Request", "invalid_request_error", "bad key sk-echoed")]) as server:
        with pytest.raises(CmtError) as caught:
            await doors(server.url, "sk-echoed").create(body("a"))
        assert "sk-echoed" not in str(caught.value)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 10_000])
def test_lines_are_cut_at_line_feeds_alone_however_the_bytes_come(size: int) -> None:
    lines = ['{"a":"x\\r y"}', '{"b":"\u2028\x85\x0b\x0c"}', "", "  ", '{"c":1}\r', "last"]
    data = "\n".join(lines).encode()
    reader = LineReader()
    found = [line for at in range(0, len(data), size) for line in reader.feed(data[at : at + size])]

    assert found + reader.end() == [line.encode() for line in lines if line.strip()]


def test_a_line_without_end_is_given_up() -> None:
    reader = LineReader()
    with pytest.raises(BadAnswerError):
        for _ in range(10_000):
            reader.feed(b"x" * 2**20)


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"custom_id":"a"}', b'{"custom_id":1,"result":{"type":"expired"}}',
     b'{"custom_id":"a","result":{"type":"lost"}}', b'{"custom_id":"a","result":"succeeded"}', b"[" * 100_000],
)  # fmt: skip
def test_a_line_that_is_no_result_is_none(line: bytes) -> None:
    assert read_result(line, "host") is None


@pytest.mark.parametrize("message", [None, 1, [], {}, {"content": "x"}, {"content": [7], "usage": "much"}])
def test_a_success_that_cannot_be_read_is_empty_and_its_usage_estimated(message: Any) -> None:
    line = json.dumps({"custom_id": "a", "result": {"type": "succeeded", "message": message}}).encode()
    found = read_result(line, "host")

    assert found is not None
    assert found.message is not None
    assert (found.message.text, found.message.usage.estimated) == ("", True)


@pytest.mark.parametrize("error", [None, "no", {}, {"type": "error"}, {"message": "bare"}, {"error": "x"}])
def test_an_error_of_any_shape_is_a_sentence(error: Any) -> None:
    found = read_result(
        json.dumps({"custom_id": "a", "result": {"type": "errored", "error": error}}).encode(), "host"
    )

    assert found is not None
    assert found.error
    assert found.error.startswith("host")


def test_a_batch_is_read_with_whatever_it_lacks() -> None:
    bare = read_batch({"id": "x"}, "host")
    assert (bare.status, bare.requests, bare.created_at, bare.archived) == ("in_progress", 0, None, False)
    odd = {"id": "x", "processing_status": "resting", "created_at": "yesterday", "expires_at": "2026-01-02T00:00:00",
           "request_counts": {"succeeded": -1, "errored": True, "expired": "2", "processing": 3}}  # fmt: skip
    read_odd = read_batch(odd, "host")
    assert (read_odd.status, read_odd.requests, read_odd.created_at) == ("in_progress", 3, None)
    assert read_odd.expires_at == 1767312000.0
    nothings: list[Any] = [None, [], {}, {"id": 3}]
    for nothing in nothings:
        with pytest.raises(BadAnswerError):
            read_batch(nothing, "host")
