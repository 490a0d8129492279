"""The official SDK, as an oracle, reads the simulator as it reads the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import TextBlock, ThinkingBlock
from sim_client import Clock

from cmt_lsp.simulator import Answer, Fault, Simulator

MODEL = "claude-opus-5-5"
ASK: dict[str, Any] = {"model": MODEL, "max_tokens": 4096, "messages": [{"role": "user", "content": "Hello"}]}
SUMMARY: Any = {"type": "adaptive", "display": "summarized"}


@pytest.fixture
async def local(clock: Clock) -> AsyncIterator[Simulator]:
    """A simulator on the test's own loop."""
    simulator = Simulator(clock=clock, gzip=True)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def sdk(local: Simulator) -> AsyncIterator[anthropic.AsyncAnthropic]:
    client = anthropic.AsyncAnthropic(api_key="test", base_url=local.base_url, max_retries=0)
    yield client
    await client.close()


async def test_a_stream_gives_text_thinking_signature_and_usage(
    local: Simulator, sdk: anthropic.AsyncAnthropic
) -> None:
    local.reply_with(Answer(text="Hello, Wörld 🌍", thinking="A greeting.", chunk_chars=3))
    async with sdk.messages.stream(**ASK, thinking=SUMMARY) as stream:
        kinds = [event.type async for event in stream]
        message = await stream.get_final_message()

    thinking, text = message.content
    assert isinstance(thinking, ThinkingBlock)
    assert isinstance(text, TextBlock)
    assert (thinking.thinking, text.text) == ("A greeting.", "Hello, Wörld 🌍")
    assert thinking.signature
    assert message.stop_reason == "end_turn"
    assert {"text", "thinking", "signature", "message_stop"} <= set(kinds)
    account = local.requests[0].usage
    assert account is not None
    assert message.usage.model_dump(exclude={"server_tool_use"}) == account


async def test_a_plain_answer_says_the_same_as_a_stream(
    local: Simulator, sdk: anthropic.AsyncAnthropic
) -> None:
    local.reply_with(*[Answer(text="Same words", thinking="Same thought.")] * 2)
    plain = await sdk.messages.create(**ASK)
    async with sdk.messages.stream(**ASK) as stream:
        streamed = await stream.get_final_message()

    assert [b.to_dict() for b in plain.content] == [b.to_dict() for b in streamed.content]
    assert plain.usage == streamed.usage
    assert plain.model == streamed.model == MODEL


async def test_hidden_thinking_is_an_empty_block_with_a_signature(
    local: Simulator, sdk: anthropic.AsyncAnthropic
) -> None:
    local.reply_with(Answer(text="Done", thinking="long thoughts " * 20))
    message = await sdk.messages.create(**ASK)

    block = message.content[0]
    assert isinstance(block, ThinkingBlock)
    assert (block.thinking, bool(block.signature)) == ("", True)
    details = message.usage.output_tokens_details
    assert details is not None
    assert 40 < details.thinking_tokens < message.usage.output_tokens


async def test_the_default_answer_owns_up_and_speaks_of_the_prompt(sdk: anthropic.AsyncAnthropic) -> None:
    code = "def area(r):\n    return 3 * r * r\n\nclass Circle:\n    pass"
    words = f"In src/shapes.py:\n```python\n{code}\n```\nWhy is this wrong?"
    message = await sdk.messages.create(
        model=MODEL, max_tokens=4096, messages=[{"role": "user", "content": words}]
    )
    again = await sdk.messages.create(
        model=MODEL, max_tokens=4096, messages=[{"role": "user", "content": words}]
    )

    text = "".join(block.text for block in message.content if block.type == "text")
    assert text.startswith("This answer comes from the cmt_lsp simulator, not from Claude")
    for seen in ("src/shapes.py", "`area`", "`Circle`", "```python\ndef area(r):", "Why is this wrong?"):
        assert seen in text
    assert message.content[-1] == again.content[-1]


ERRORS = [
    (400, anthropic.BadRequestError), (401, anthropic.AuthenticationError), (403, anthropic.PermissionDeniedError),
    (404, anthropic.NotFoundError), (409, anthropic.ConflictError), (413, anthropic.APIStatusError),
    (429, anthropic.RateLimitError), (500, anthropic.InternalServerError), (529, anthropic.InternalServerError),
]  # fmt: skip


@pytest.mark.parametrize(("status", "expected"), ERRORS)
async def test_the_sdk_knows_every_error(
    local: Simulator, sdk: anthropic.AsyncAnthropic, status: int, expected: type[anthropic.APIStatusError]
) -> None:
    local.fail_next(Fault.status(status))
    with pytest.raises(expected) as caught:
        await sdk.messages.create(**ASK)

    assert caught.value.status_code == status
    assert caught.value.request_id == local.requests[0].request_id


async def test_a_large_picture_is_the_sdks_typed_error(sdk: anthropic.AsyncAnthropic) -> None:
    png = "iVBORw0KGgoAAAANSUhEUgAAH0EAAAAB"  # the first 24 bytes of a PNG of 8001 by 1 pixels
    source: Any = {"type": "base64", "media_type": "image/png", "data": png}
    with pytest.raises(anthropic.BadRequestError) as caught:
        await sdk.messages.create(
            model=MODEL,
            max_tokens=9,
            messages=[{"role": "user", "content": [{"type": "image", "source": source}]}],
        )

    assert caught.value.error_code == "image_dimensions_too_large"


async def test_an_error_event_is_the_sdks_error_under_a_200(
    local: Simulator, sdk: anthropic.AsyncAnthropic
) -> None:
    local.fail_next(Fault.error_event(after_events=4))
    with pytest.raises(anthropic.APIStatusError) as caught:
        async with sdk.messages.stream(**ASK) as stream:
            await stream.until_done()

    assert (caught.value.status_code, caught.value.type) == (200, "overloaded_error")


async def test_a_reset_and_a_hang_up_are_transport_errors(
    local: Simulator, sdk: anthropic.AsyncAnthropic
) -> None:
    local.fail_next(Fault.reset(after_events=4), Fault.hang_up(after_events=4))
    for expected in (httpx2.ReadError, httpx2.RemoteProtocolError):
        with pytest.raises(expected):
            async with sdk.messages.stream(**ASK) as stream:
                await stream.until_done()


async def test_a_cancelled_stream_closes_its_socket_at_once(
    local: Simulator, sdk: anthropic.AsyncAnthropic
) -> None:
    local.fail_next(Fault.stall(after_events=4))

    async def consume() -> None:
        async with sdk.messages.stream(**ASK) as stream:
            await stream.until_done()

    task = asyncio.ensure_future(consume())
    await local.stalled(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (await local.closed(0, within=2)).closed_at is not None


async def test_the_sdks_own_retries_get_the_scripted_answer(local: Simulator) -> None:
    local.reply_with("at last")
    local.fail_next(
        Fault.status(529, headers={"retry-after-ms": "1"}), Fault.status(500, headers={"retry-after-ms": "1"})
    )
    async with anthropic.AsyncAnthropic(api_key="test", base_url=local.base_url, max_retries=2) as client:
        message = await client.messages.create(**ASK)

    assert message.content == [TextBlock(type="text", text="at last")]
    assert [r.outcome for r in local.requests] == ["refused", "refused", "complete"]
    assert [r.headers["x-stainless-retry-count"] for r in local.requests] == ["0", "1", "2"]


async def test_counting_agrees_with_what_is_charged(sdk: anthropic.AsyncAnthropic) -> None:
    counted = await sdk.messages.count_tokens(model=MODEL, messages=ASK["messages"], system="Be brief. " * 50)
    message = await sdk.messages.create(**ASK, system="Be brief. " * 50)

    assert counted.input_tokens == message.usage.input_tokens


async def test_models_are_listed_in_pages(sdk: anthropic.AsyncAnthropic) -> None:
    everything = [model async for model in sdk.models.list(limit=5)]
    ids = [model.id for model in everything]

    assert len(ids) == len(set(ids)) == 18
    assert "claude-opus-5-5" in ids
    assert "claude-opus-4-1-20250805" not in ids
    retired = await sdk.models.list(lifecycle=["retired"])
    assert [model.id for model in retired.data] == ["claude-opus-4-1-20250805"]


async def test_one_model_is_found_by_id_or_alias(sdk: anthropic.AsyncAnthropic) -> None:
    haiku = await sdk.models.retrieve("claude-haiku-4-5")

    assert (haiku.id, haiku.max_input_tokens, haiku.max_tokens) == (
        "claude-haiku-4-5-20251001",
        200_000,
        64_000,
    )
    assert haiku.capabilities is not None
    assert haiku.capabilities.thinking.types.enabled.supported
    assert not haiku.capabilities.thinking.types.adaptive.supported
    with pytest.raises(anthropic.NotFoundError):
        await sdk.models.retrieve("claude-none")


async def test_a_page_can_be_asked_for_backwards(sdk: anthropic.AsyncAnthropic) -> None:
    first = await sdk.models.list(limit=6)
    before = await sdk.models.list(limit=2, before_id=first.data[4].id)

    assert [m.id for m in before.data] == [m.id for m in first.data[2:4]]
    assert before.has_more
    with pytest.raises(anthropic.BadRequestError):
        await sdk.models.list(after_id="claude-none")
    with pytest.raises(anthropic.BadRequestError):
        await sdk.models.list(limit=0)
