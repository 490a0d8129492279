"""The fold of a stream: what it promises for every stream, well-formed or not."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import ANSWER, closing, event, opened, started, text

from cmt_lsp.api.answer import AnswerReader, merged
from cmt_lsp.api.errors import BadAnswerError, CmtError, NetworkError, OverloadedError
from cmt_lsp.api.sse import EVENT_LIMIT, LINE_LIMIT
from cmt_lsp.api.stream import (
    ANSWER_LIMIT,
    Alive,
    Message,
    MessageFold,
    MessageStarted,
    SseParser,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    UsageUpdated,
)
from cmt_lsp.api.usage import Usage

CITATION = {
    "type": "char_location",
    "cited_text": "a",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
    "file_id": None,
}
RECORDED = (
    started(
        input_tokens=7, cache_creation_input_tokens=30, cache_read_input_tokens=20, service_tier="standard"
    )
    + opened(0, type="thinking", thinking="", signature="")
    + event("ping")
    + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Let me "})
    + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "sée."})
    + event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"})
    + event("content_block_stop", index=0)
    + opened(1, type="redacted_thinking", data="abc")
    + event("content_block_stop", index=1)
    + opened(2, type="text", text="")
    + text("Hello ", 2)
    + text("wörld 👩‍💻", 2)
    + event("content_block_delta", index=2, delta={"type": "citations_delta", "citation": CITATION})
    + event("content_block_stop", index=2)
    + opened(3, type="tool_use", id="t1", name="look", input={})
    + event("content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": '{"a": [1,'})
    + event("content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": " 2]}"})
    + event("content_block_stop", index=3)
    + event(
        "message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 42}
    )
    + event("message_stop")
)


def read(stream: bytes, size: int = 1 << 20) -> tuple[list[StreamEvent], Message, CmtError | None]:
    """Read a whole body in chunks of `size` bytes."""
    fold = MessageFold()
    reader = AnswerReader(fold, "host")
    shown: list[StreamEvent] = []
    for at in range(0, len(stream), size):
        shown += reader.feed(stream[at : at + size])
        if reader.failure:
            return shown, fold.snapshot(), reader.failure
    return shown + reader.end(), fold.snapshot(), reader.failure


def pieces_in(shown: list[StreamEvent]) -> list[StreamEvent]:
    return [event for event in shown if isinstance(event, TextDelta | ThinkingDelta)]


def joined(shown: list[StreamEvent]) -> str:
    return "".join(e.text for e in shown if isinstance(e, TextDelta))


def answer_with(usage_at_start: Any, usage_at_end: Any, **fold_options: bool) -> Usage:
    """The usage of a short answer whose reports are these."""
    fold = MessageFold(**fold_options)
    fold.add({"type": "message_start", "message": {"id": "m", "usage": usage_at_start}})
    fold.add({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x" * 35}})
    fold.add({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage_at_end})
    fold.add({"type": "message_stop"})
    return fold.snapshot().usage


# The parser


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_line_ends_and_chunk_sizes_change_nothing(end: bytes, size: int) -> None:
    """The same message comes out of any line ends, cut anywhere, with a byte order mark and comments."""
    stream = b"\xef\xbb\xbf: a comment\n\nid: 7\nretry: 10\n" + RECORDED
    shown, message, failure = read(stream.replace(b"\n", end), size)

    expected = read(RECORDED)
    assert failure is None
    assert message == expected[1]
    assert merged(pieces_in(shown)) == merged(pieces_in(expected[0]))


def test_pieces_that_came_in_one_read_are_shown_in_one_go() -> None:
    """Order and everything between the pieces stay as they were."""
    before = [TextDelta("a"), TextDelta("b"), Alive(), ThinkingDelta("c"), TextDelta("d"), TextDelta("")]
    assert merged(before) == [TextDelta("ab"), Alive(), ThinkingDelta("c"), TextDelta("d")]


@given(st.lists(st.integers(1, 60), min_size=1), st.sampled_from([b"\n", b"\r", b"\r\n"]))
def test_any_cutting_into_chunks_gives_the_same_events(sizes: list[int], end: bytes) -> None:
    stream = RECORDED.replace(b"\n", end)
    parser, at, turn, found = SseParser(), 0, 0, []
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += parser.feed(stream[at : at + size])
        at, turn = at + size, turn + 1

    assert found == SseParser().feed(RECORDED)


def test_data_of_several_lines_is_joined() -> None:
    [event] = SseParser().feed(b'data: {"a":\ndata:1}\n\n')

    assert event.data == b'{"a":\n1}'


def test_streams_without_event_lines_and_with_done_are_read() -> None:
    bare = b"".join(line + b"\n\n" for line in ANSWER.split(b"\n") if line.startswith(b"data:"))
    without_stop = bare[: bare.rindex(b"data:")] + b"data: [DONE]\n\n"

    assert read(bare)[1] == read(ANSWER)[1]
    assert read(without_stop)[1] == read(ANSWER)[1]


def test_done_alone_completes_nothing() -> None:
    message = read(started() + opened() + text("Hel") + b"data: [DONE]\n\n")[1]

    assert not message.complete


def test_a_line_over_the_limit_stops_the_answer_in_linear_time() -> None:
    parser, began = SseParser(), time.process_time()
    with pytest.raises(BadAnswerError):
        for _ in range(LINE_LIMIT // 64 + 2):
            parser.feed(b"x" * 64)

    assert time.process_time() - began < 1.0


def test_a_line_just_under_the_limit_is_read() -> None:
    long = "y" * (LINE_LIMIT - 500)
    stream = started() + opened() + text(long) + closing()

    assert read(stream, 8192)[1].text == long


def test_data_lines_of_one_event_are_limited_together() -> None:
    parser = SseParser()
    with pytest.raises(BadAnswerError):
        for _ in range(5):
            parser.feed(b"data:" + b"z" * (LINE_LIMIT // 4) + b"\n")


def test_too_many_events_stop_the_answer() -> None:
    parser = SseParser()
    parser.feed(b"data:{}\n\n" * EVENT_LIMIT)

    with pytest.raises(BadAnswerError):
        parser.feed(b"data:{}\n\n")


def test_an_endless_answer_stops_at_its_limit_and_keeps_what_came() -> None:
    piece = "w" * (1 << 20)
    shown, message, failure = read(started() + opened() + text(piece) * 17, 1 << 16)

    assert isinstance(failure, BadAnswerError)
    assert message.text == joined(shown)
    assert ANSWER_LIMIT - len(piece) <= len(message.text) <= ANSWER_LIMIT
    assert not message.complete


# The fold


def test_the_sdk_reads_the_same_message() -> None:
    """The helper of the official SDK is the oracle for text, usage and content."""
    import anthropic
    import httpx2

    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=RECORDED)

    client = anthropic.Anthropic(
        auth_token="t",
        base_url="http://localhost",
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
    )
    with client.messages.stream(
        model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}]
    ) as stream:
        oracle = stream.get_final_message()
    shown, message, failure = read(RECORDED, 100)

    assert failure is None
    assert message.complete
    assert message.text == joined(shown) == "".join(b.text for b in oracle.content if b.type == "text")
    assert list(message.content) == [b.to_dict() for b in oracle.content]
    assert message.stop_reason == oracle.stop_reason
    assert message.usage.input_tokens == oracle.usage.input_tokens
    assert message.usage.output_tokens == oracle.usage.output_tokens
    assert message.usage.cache_read_input_tokens == oracle.usage.cache_read_input_tokens
    assert message.usage.cache_creation_input_tokens == oracle.usage.cache_creation_input_tokens
    assert (message.id, message.model, message.service_tier) == ("msg_1", "claude-test", "standard")


def test_cut_after_every_byte_it_is_never_complete_and_always_a_prefix() -> None:
    full = read(RECORDED)[1].text
    for end in range(len(RECORDED)):
        shown, message, failure = read(RECORDED[:end])

        assert failure is None
        assert not message.complete, end
        assert full.startswith(message.text)
        assert message.text == joined(shown)
        assert message.usage.output_tokens >= len(message.text) // 4
        assert all(b["type"] != "thinking" or b["signature"] for b in message.content)


def test_the_halves_of_a_surrogate_pair_in_two_deltas_become_one_character() -> None:
    halves = [text("@").replace(b"@", half) for half in (rb"a\ud83d", rb"\ude00b", rb"\ude00", rb"c\ud83d")]
    shown, message, _ = read(started() + opened() + b"".join(halves) + closing(), 50)

    assert message.text == joined(shown) == "a😀b\ufffdc\ufffd"
    assert message.content == ({"type": "text", "text": "a😀b\ufffdc\ufffd"},)


def test_an_error_event_keeps_what_came_before_it_in_the_same_chunk() -> None:
    shown, message, failure = read(
        started()
        + opened()
        + text("Hel")
        + event("error", error={"type": "overloaded_error", "message": "x"})
    )

    assert isinstance(failure, OverloadedError)
    assert joined(shown) == message.text == "Hel"


def test_unknown_events_blocks_and_deltas_are_ignored_and_counted() -> None:
    fold = MessageFold()
    odd: list[dict[str, Any]] = [
        {"type": "message_start"},
        {"type": "from_the_future"},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "signature_delta", "signature": "x"}},
        {"type": "content_block_delta", "index": 0, "delta": None},
        {"type": "content_block_start", "index": 0, "content_block": "text"},
        {"type": "content_block_stop", "index": 5},
        {"type": 5},
        {},
    ]
    for one in odd:
        fold.add(one)

    assert fold.ignored == len(odd)
    assert not fold.has_content


def test_a_second_start_and_a_reused_index_take_nothing_back() -> None:
    shown, message, _ = read(
        started() + opened() + text("one ") + started() + opened() + text("two") + closing()
    )

    assert message.text == joined(shown) == "one two"
    assert message.content == ({"type": "text", "text": "one two"},)


def test_events_of_foreign_names_need_not_be_json() -> None:
    message = read(b"event: heartbeat\ndata: 12:00\n\nevent: ping\ndata:\n\n" + ANSWER)[1]

    assert message.complete


@pytest.mark.parametrize(
    "broken",
    [
        b"event: message_delta\ndata: {not json}\n\n",
        b"data: [1, 2]\n\n",
        b"data: \xff\xfe\n\n",
        b"data: " + b"[" * 200_000 + b"\n\n",
    ],
)
def test_broken_events_are_one_typed_error(broken: bytes) -> None:
    shown, message, failure = read(started() + opened() + text("Hel") + broken + text("lo"))

    assert isinstance(failure, BadAnswerError)
    assert message.text == joined(shown) == "Hel"


# Usage


def test_later_counts_replace_and_absent_ones_stay() -> None:
    split = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}
    start = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 7,
        "cache_creation": split,
        "output_tokens": 1,
    }
    end = {"output_tokens": 50, "cache_read_input_tokens": 9, "output_tokens_details": {"thinking_tokens": 6}}

    assert answer_with(start, end) == Usage(10, 3, 4, 9, 50, 6)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, Usage(output_tokens=10, estimated=True)),
        ({"input_tokens": 8}, None, Usage(8, output_tokens=10, estimated=True)),
        (
            {"input_tokens": 8, "output_tokens": 0},
            {"output_tokens": 0},
            Usage(8, output_tokens=10, estimated=True),
        ),
        (
            {"input_tokens": 0, "output_tokens": 0},
            {"input_tokens": 8, "output_tokens": 5},
            Usage(8, output_tokens=5),
        ),
        ({"input_tokens": 8.0}, {"output_tokens": 5}, Usage(8, output_tokens=5)),
        ({"input_tokens": -8}, {"output_tokens": 5}, Usage(0, output_tokens=5, estimated=True)),
        ({"input_tokens": 10**12}, {"output_tokens": 5}, Usage(0, output_tokens=5, estimated=True)),
        ({"input_tokens": True}, {"output_tokens": "5"}, Usage(0, output_tokens=10, estimated=True)),
        (
            {"input_tokens": 8, "cache_creation_input_tokens": 4},
            {"output_tokens": 5},
            Usage(8, 4, output_tokens=5),
        ),
        ("lots", [], Usage(output_tokens=10, estimated=True)),
    ],
)
def test_usage_of_lesser_servers(start: Any, end: Any, expected: Usage) -> None:
    assert answer_with(start, end) == expected


def test_writes_without_their_split_go_to_the_lifetime_that_was_asked_for() -> None:
    start = {"input_tokens": 8, "cache_creation_input_tokens": 4}

    assert answer_with(start, {"output_tokens": 5}, long_lived_writes=True) == Usage(
        8, 0, 4, 0, 5, estimated=True
    )


def test_a_change_of_the_input_side_is_told() -> None:
    shown = read(started(input_tokens=0) + opened() + text("x") + closing(input_tokens=12))[0]

    assert [e.usage.input_tokens for e in shown if isinstance(e, MessageStarted | UsageUpdated)] == [0, 12]


# Bodies that are no stream


def test_a_json_body_is_read_as_the_whole_message() -> None:
    body = {
        "id": "msg_1",
        "type": "message",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "Hello"},
        ],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    shown, message, failure = read(json.dumps(body).encode(), 10)

    assert failure is None
    assert message.complete
    assert message.content == tuple(body["content"])
    assert (joined(shown), message.usage) == ("Hello", Usage(3, output_tokens=2))


@pytest.mark.parametrize(
    "body",
    [b"<!doctype html><p>Sign in", b'{"object": "list"}', b"[1]", b"{broken", b'\xef\xbb\xbf {"content": 5}'],
)
def test_other_bodies_are_one_typed_error(body: bytes) -> None:
    assert isinstance(read(body)[2], BadAnswerError)


def test_an_error_body_under_status_200_is_the_error_it_names() -> None:
    body = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}).encode()

    assert isinstance(read(body)[2], OverloadedError)
    assert isinstance(read(b'{"type": "error", "error": "words", "content": []}')[2], NetworkError)


# Mutation


def mutated(rng: random.Random) -> bytes:
    """A recorded stream, damaged in one to four ways."""
    stream = bytearray(RECORDED if rng.random() < 0.7 else ANSWER)
    for _ in range(rng.randint(1, 4)):
        at, to = sorted((rng.randrange(len(stream) + 1), rng.randrange(len(stream) + 1)))
        match rng.randrange(7):
            case 0:
                del stream[at : min(to, at + 40)]
            case 1:
                stream[at:at] = rng.randbytes(rng.randint(1, 9))
            case 2:
                stream[at:at] = stream[at : min(to, at + 400)]
            case 3 if at < len(stream):
                stream[at] = rng.randrange(256)
            case 4:
                pieces = bytes(stream).split(b"\n\n")
                rng.shuffle(pieces)
                stream = bytearray(b"\n\n".join(pieces))
            case 5:
                numbers = rng.choice(
                    [b"-1", b"null", b"1e400", b"99999999999999999999", b'"x"', b"[]", b"{}"]
                )
                stream = bytearray(bytes(stream).replace(rng.choice([b"0", b"1", b"7", b"42"]), numbers, 1))
            case _:
                words = rng.choice([b"delta", b"index", b"text", b"type", b"usage", b"message"])
                stream = bytearray(
                    bytes(stream).replace(words, rng.choice([b"type", b"", b"index"]), rng.randint(1, 3))
                )
        stream = stream or bytearray(b"\n")
    return bytes(stream)


@pytest.mark.campaign
def test_mutated_streams_always_end_in_a_message_or_a_typed_error(
    campaign_size: Callable[[int, int], int],
) -> None:
    rng = random.Random(20261122)
    for _ in range(campaign_size(1000, 10_000)):
        stream = mutated(rng)
        shown, message, failure = read(stream, rng.choice([1, 13, 200, 1 << 20]))

        assert failure is None or isinstance(failure, CmtError), stream
        assert message.text == joined(shown), stream
        assert min(message.usage.input_tokens, message.usage.output_tokens) >= 0, stream
        json.dumps(message.content).encode()
        message.text.encode()
