"""The client against every kind of server the simulator can be, and every fault it can have."""

from __future__ import annotations

from typing import get_args

import pytest

from cmt_lsp.api.anthropic_client import (
    AnthropicClient,
    Clocks,
    Completed,
    MessageRequest,
    RetryPolicy,
    WarmingUp,
)
from cmt_lsp.api.errors import CmtError
from cmt_lsp.api.stream import Message, TextDelta
from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread
from cmt_lsp.simulator.dialects import DIALECTS
from cmt_lsp.simulator.faults import JunkKind

TEXT = "Grüße, 世界! 👩‍💻 " * 12
ASKED = MessageRequest("claude-opus-5-5", 4000, [{"role": "user", "content": "hello"}])
CLOCKS = Clocks(connect=1, first_byte=1, silence=0.3, no_event=0.6, total=1.5)


async def ask(simulator: Simulator) -> tuple[Message | None, str, CmtError | None]:
    """What came of one exchange: the message, whole or partial, the text as shown, and the failure."""
    client = AnthropicClient(
        "sk-x", base_url=simulator.base_url, clocks=CLOCKS, retry=RetryPolicy(attempts=1)
    )
    shown = ""
    try:
        async with client.stream(ASKED) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    shown += event.text
                elif not isinstance(event, WarmingUp) and isinstance(event, Completed):
                    return event.message, shown, None
    except CmtError as error:
        return error.partial, shown, error
    raise AssertionError("the events ended without an end")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_kind_of_server_gives_a_whole_answer_with_its_usage(dialect: str) -> None:
    with simulator_in_thread(dialect=dialect) as simulator:
        simulator.reply_with(Answer(TEXT))
        message, shown, failure = await ask(simulator)
        client = AnthropicClient("sk-x", base_url=simulator.base_url)
        counted, models = await client.count_tokens(ASKED), await client.list_models()

    assert failure is None
    assert message is not None
    assert message.complete
    assert message.text == shown == TEXT
    assert message.usage.output_tokens > 0
    assert counted is None or counted > 0
    assert models
    assert all(model["id"] for model in models)


@pytest.mark.parametrize("kind", get_args(JunkKind))
async def test_junk_in_a_stream_ends_in_a_message_or_one_typed_error(kind: JunkKind) -> None:
    with simulator_in_thread() as simulator:
        simulator.reply_with(Answer(TEXT))
        simulator.fail_next(Fault.junk_stream(kind, megabytes=5))
        message, shown, failure = await ask(simulator)

    assert failure is not None or message is not None
    if message is not None:
        assert message.text == shown
        assert TEXT.startswith(shown)
        assert message.usage.output_tokens >= 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault.reset(),
        Fault.reset(after_events=4),
        Fault.cut(),
        Fault.cut(after_events=6),
        Fault.hang_up(after_events=5),
        Fault.stall(),
        Fault.stall(after_events=5),
        Fault.error_event(after_events=5),
        Fault.ping_only(after_events=3, every=0.05),
        Fault.endless(after_events=3, every=0.01),
        Fault.junk_body("html"),
        Fault.junk_body("empty"),
        Fault.junk_body("not_http"),
        Fault.gzip(false=True),
    ],
    ids=lambda fault: repr(fault)[:60],
)
async def test_no_fault_is_ever_taken_for_a_whole_answer(fault: Fault) -> None:
    with simulator_in_thread() as simulator:
        simulator.reply_with(Answer(TEXT))
        simulator.fail_next(fault)
        message, shown, failure = await ask(simulator)

    assert message is None or not message.complete
    assert failure is not None or message is not None
    assert message is None or message.text == shown


@pytest.mark.parametrize(
    "fault",
    [Fault.gzip(), Fault.junk_body("json_body"), Fault.drip(0.0, size=7)],
    ids=["gzip", "json", "drip"],
)
async def test_what_only_looks_odd_is_a_whole_answer(fault: Fault) -> None:
    with simulator_in_thread() as simulator:
        simulator.reply_with(Answer(TEXT))
        simulator.fail_next(fault)
        message, shown, _ = await ask(simulator)

    assert message is not None
    assert message.complete
    assert message.text == shown == TEXT
