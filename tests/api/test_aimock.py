"""The client against an independent implementation of the protocol, made by others for other clients."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmt_lsp.api import errors
from cmt_lsp.api.anthropic_client import AnthropicClient, Completed, MessageRequest, RetryPolicy, WarmingUp
from cmt_lsp.api.errors import CmtError
from cmt_lsp.api.stream import Message, TextDelta, ThinkingDelta

MOCK = Path(__file__).parents[1] / "mock"
PROGRAM = MOCK / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
LONG = "The quick brown fox jumps over the lazy dog, and again: " * 8
FIXTURES = [
    {"match": {"userMessage": "hello"}, "response": {"content": LONG, "usage": {"input_tokens": 12, "output_tokens": 90}}},
    {"match": {"userMessage": "think"}, "response": {"content": "Done.", "reasoning": "Let me see, and see again."}},
    {"match": {"userMessage": "busy"}, "response": {"error": {"message": "x", "type": "overloaded_error"}, "status": 529}},
    {"match": {"userMessage": "key"}, "response": {"error": {"message": "x", "type": "authentication_error"}, "status": 401}},
    {"match": {"userMessage": "short"}, "response": {"content": LONG}, "latency": 30, "truncateAfterChunks": 6},
    {"match": {"userMessage": "gone"}, "response": {"content": LONG}, "latency": 30, "disconnectAfterMs": 150},
]  # fmt: skip


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running aimock; its address."""
    if not PROGRAM.exists():
        pytest.fail("aimock is not installed; run: npm ci --prefix tests/mock", pytrace=False)
    fixtures = tmp_path_factory.mktemp("aimock") / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": FIXTURES}), encoding="utf-8")
    command = ["node", str(PROGRAM), "-p", "0", "-f", str(fixtures), "--log-level", "info", "--strict"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            found = (re.search(r"listening on (http://127\.0\.0\.1:\d+)", line) for line in process.stdout)
            yield next(match[1] for match in found if match)
        finally:
            process.kill()


async def ask(url: str, prompt: str) -> tuple[Message, str, str]:
    """The answer, the thinking and the text as they were shown."""
    client = AnthropicClient("sk-mock", base_url=url, retry=RetryPolicy(attempts=2, base=0.001))
    request = MessageRequest("claude-opus-5-5", 500, [{"role": "user", "content": prompt}])
    async with client.stream(request) as stream:
        events = [event async for event in stream if not isinstance(event, WarmingUp)]
    assert isinstance(events[-1], Completed)
    thinking = "".join(e.text for e in events if isinstance(e, ThinkingDelta))
    return events[-1].message, thinking, "".join(e.text for e in events if isinstance(e, TextDelta))


async def test_text_arrives_whole(aimock: str) -> None:
    message, _, shown = await ask(aimock, "hello")

    assert message.complete
    assert message.text == shown == LONG
    assert (message.usage.input_tokens, message.usage.output_tokens) == (12, 90)


async def test_thinking_arrives_before_the_text(aimock: str) -> None:
    message, thinking, shown = await ask(aimock, "think")

    assert (thinking, shown) == ("Let me see, and see again.", "Done.")
    assert [block["type"] for block in message.content] == ["thinking", "text"]


@pytest.mark.parametrize(
    ("prompt", "expected"), [("busy", errors.OverloadedError), ("key", errors.AuthError)]
)
async def test_statuses_are_typed(aimock: str, prompt: str, expected: type[CmtError]) -> None:
    with pytest.raises(expected):
        await ask(aimock, prompt)


@pytest.mark.parametrize("prompt", ["short", "gone"])
async def test_an_answer_that_breaks_off_is_never_complete(aimock: str, prompt: str) -> None:
    try:
        partial: Message | None = (await ask(aimock, prompt))[0]
    except CmtError as error:
        partial = error.partial

    assert partial is not None
    assert not partial.complete
    assert partial.text
    assert LONG.startswith(partial.text)
    assert partial.usage.output_tokens > 0


async def test_a_server_without_a_token_counter_says_so(aimock: str) -> None:
    client = AnthropicClient("sk-mock", base_url=aimock)

    assert await client.count_tokens(MessageRequest("m", 1, [{"role": "user", "content": "x"}])) is None
