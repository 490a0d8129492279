"""Frames are read from any pieces, and the reader finds its way back after every kind of damage."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from raw_client import RawClient, frame, frame_bytes

from cmt_lsp.server.rpc import frames
from cmt_lsp.server.rpc.frames import (
    MAX_BODY,
    MAX_HEADER_LINE,
    MAX_HEADER_LINES,
    Body,
    Frame,
    FrameError,
    FrameReader,
    TooLarge,
    encode_frame,
)

GOOD = b'{"jsonrpc":"2.0","id":1,"method":"cmt/echo"}'
NEXT = b'{"jsonrpc":"2.0","id":2,"method":"cmt/echo"}'


def read(*pieces: bytes) -> list[Frame]:
    reader = FrameReader()
    return [frame for piece in pieces for frame in reader.feed(piece)]


def bodies(*pieces: bytes) -> list[bytes]:
    return [frame.data for frame in read(*pieces) if isinstance(frame, Body)]


HEADERS = {
    "as written": b"Content-Length: %d\r\n\r\n",
    "lower case": b"content-length: %d\r\n\r\n",
    "upper case": b"CONTENT-LENGTH: %d\r\n\r\n",
    "no space": b"Content-Length:%d\r\n\r\n",
    "tab and trailing space": b"Content-Length:\t%d  \r\n\r\n",
    "space before the colon": b"Content-Length : %d\r\n\r\n",
    "bare LF": b"Content-Length: %d\n\n",
    "mixed endings": b"Content-Length: %d\r\n\n",
    "type after": b"Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n",
    "type before": b"Content-Type: application/vscode-jsonrpc; charset=utf8\r\nContent-Length: %d\r\n\r\n",
    "unknown header": b"X-Trace: 1\r\nContent-Length: %d\r\n\r\n",
    "no colon in another header": b"hello there\r\nContent-Length: %d\r\n\r\n",
    "said twice": b"Content-Length: %d\r\nContent-Length: %d\r\n\r\n",
    "leading zeros": b"Content-Length: 000%d\r\n\r\n",
    "blank lines before": b"\r\n\r\n\nContent-Length: %d\r\n\r\n",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_every_way_to_write_the_header_is_read(header: bytes) -> None:
    """What a person would understand is understood."""
    written = header % ((len(GOOD),) * header.count(b"%d"))

    assert bodies(written + GOOD + frame_bytes(NEXT)) == [GOOD, NEXT]


@given(st.lists(st.integers(1, 60), max_size=30))
@example([1] * 200)
def test_the_pieces_do_not_matter(sizes: list[int]) -> None:
    """Any cutting of the stream gives the same frames."""
    stream = frame_bytes(GOOD) + frame_bytes("ü€😀".encode()) + frame_bytes(b"") + frame_bytes(NEXT)
    pieces, rest = [], stream
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]

    assert bodies(stream) == bodies(*pieces, rest) == [GOOD, "ü€😀".encode(), b"", NEXT]


DAMAGE = {
    "negative length": b"Content-Length: -5\r\n\r\n" + GOOD,
    "length in words": b"Content-Length: five\r\n\r\n" + GOOD,
    "hexadecimal length": b"Content-Length: 0x2c\r\n\r\n" + GOOD,
    "fraction": b"Content-Length: 44.0\r\n\r\n" + GOOD,
    "two lengths in one": b"Content-Length: 44,44\r\n\r\n" + GOOD,
    "empty length": b"Content-Length:\r\n\r\n" + GOOD,
    "two different lengths": b"Content-Length: 44\r\nContent-Length: 45\r\n\r\n" + GOOD,
    "a number of 400 digits": b"Content-Length: " + b"9" * 400 + b"\r\n\r\n" + GOOD,
    "no header": GOOD,
    "no header, pretty printed": json.dumps(json.loads(GOOD), indent=2).encode(),
    "another header only": b"Content-Type: text/plain\r\n\r\n" + GOOD,
    "no colon": b"Content-Length 44\r\n\r\n" + GOOD,
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "too many headers": b"X: 1\r\n" * (MAX_HEADER_LINES + 1) + b"\r\n",
    "an endless line": b"x" * (3 * MAX_HEADER_LINE),
    "binary": bytes(range(256)) * 40,
    "length too small": b"Content-Length: 10\r\n\r\n" + GOOD,
    "length too small, pretty printed": b"Content-Length: 10\r\n\r\n"
    + json.dumps([1, {}], indent=1).encode(),
    "length too large": b"Content-Length: 5000\r\n\r\n" + GOOD,
    "body cut": b"Content-Length: 44\r\n\r\n" + GOOD[:20],
    "a header and nothing else": b"Content-Length: 4\r\n\r\n",
    "a header without an end": b"Content-Length: 4\r\n",
    "a header and one brace": b"Content-Length: 9\r\n\r\n}",
    "cut body, then part of the header": b"Content-Length: 100\r\n\r\n" + GOOD + b" " * 40,
    "length one too large": b"Content-Length: 45\r\n\r\n" + GOOD,
    "length ten too large": b"Content-Length: 54\r\n\r\n" + GOOD,
    "length 21 too large": b"Content-Length: 65\r\n\r\n" + GOOD,
    "length 23 too large": b"Content-Length: 67\r\n\r\n" + GOOD,
    "line break behind the body": frame_bytes(GOOD) + b"\r\n",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_the_frame_after_a_broken_one_is_read(damage: bytes) -> None:
    """The next good frame comes out whole, whether it comes in one piece or byte by byte."""
    stream = damage + frame_bytes(NEXT)

    assert bodies(stream)[-1] == NEXT
    assert bodies(*(stream[i : i + 1] for i in range(len(stream))))[-1] == NEXT


def test_a_body_with_a_length_a_little_too_large_is_still_read() -> None:
    """The claim swallows a part of the next header, which is given back."""
    for extra in range(1, 30):
        written = b"Content-Length: %d\r\n\r\n%b" % (len(GOOD) + extra, GOOD)

        assert bodies(written + frame_bytes(NEXT)) == [GOOD, NEXT], extra


def test_a_header_inside_a_string_of_a_body_is_text() -> None:
    """A chat about this very protocol does not cut its own message."""
    body = json.dumps({"text": "Content-Length: 5\r\n\r\nhello"}).encode()

    assert [body] == bodies(frame_bytes(body))


def test_a_frame_over_the_limit_is_told_and_skipped() -> None:
    """The body passes by without being kept."""
    claim = MAX_BODY + 1
    reader = FrameReader()
    got = list(reader.feed(b"Content-Length: %d\r\n\r\n" % claim))
    for _ in range(claim // 65536 + 1):
        got += reader.feed(b"x" * 65536)
    got += reader.feed(frame_bytes(NEXT))

    assert [TooLarge(claim), Body(NEXT)] == got
    assert len(reader._buffer) < 100


def test_a_claim_costs_no_memory() -> None:
    """A terabyte is only a number, and 64 MB are not asked for before they come."""
    tracemalloc.start()
    try:
        read(b"Content-Length: 1000000000000\r\n\r\n" + b"x" * 1000)
        read(b"Content-Length: %d\r\n\r\n" % MAX_BODY + b"x" * 1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 100_000


def test_the_largest_message_is_read_in_linear_time() -> None:
    """64 MB in chunks of a pipe take a moment, not minutes."""
    reader = FrameReader()
    chunk = b"x" * 65536
    began = time.process_time()
    list(reader.feed(b"Content-Length: %d\r\n\r\n" % MAX_BODY))
    got = [frame for _ in range(MAX_BODY // len(chunk)) for frame in reader.feed(chunk)]

    assert [len(frame.data) for frame in got if isinstance(frame, Body)] == [MAX_BODY]
    assert time.process_time() - began < 3


def test_an_input_without_any_frame_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit there is an error, and not before."""
    monkeypatch.setattr(frames, "MAX_SKIPPED", 100_000)
    reader = FrameReader()
    list(reader.feed(b"y" * 99_000))

    with pytest.raises(FrameError):
        list(reader.feed(b"y" * 99_000))


def test_a_frame_now_and_then_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only bytes in a row count towards the limit."""
    monkeypatch.setattr(frames, "MAX_SKIPPED", 100_000)
    reader = FrameReader()

    assert [Body(NEXT)] * 3 == [
        frame for _ in range(3) for frame in reader.feed(b"y" * 99_000 + b"\n" + frame_bytes(NEXT))
    ]
    assert 290_000 < reader.skipped < 310_000


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 44\r\nContent-Length: nonsense\r\n\r\n",
        b"Content-Length: 44\r\n" + b"X: 1\r\n" * MAX_HEADER_LINES + b"\r\n",
        b"Content-Length: 44\r\nX: " + b"1" * MAX_HEADER_LINE + b"\r\n\r\n",
    ],
    ids=["a length taken back", "more headers than the limit", "a longer header than the limit"],
)
def test_a_frame_that_breaks_the_rules_is_not_acted_on(headers: bytes) -> None:
    """And the one behind it is."""
    assert bodies(headers + GOOD + frame_bytes(NEXT)) == [NEXT]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("\r\nContent-Length: 3\r\n\r\n{}"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text(max_size=20), JSON, max_size=5), max_size=4), st.booleans())
def test_what_is_written_is_read_back(messages: list[dict[str, object]], pretty: bool) -> None:
    """Whatever a message says, and however it is laid out, it comes out as it went in."""
    written = [json.dumps(m, indent=2 if pretty else None, ensure_ascii=pretty).encode() for m in messages]

    assert written == bodies(b"".join(encode_frame(body) for body in written))


def broken_stream(rng: random.Random) -> bytes:
    """One or two frames, damaged in a random way."""
    stream = bytearray(frame_bytes(GOOD) * rng.randint(1, 2))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(stream) + 1)
        match rng.randrange(6):
            case 0:
                stream[at:at] = rng.randbytes(rng.randint(1, 40))
            case 1:
                del stream[at : at + rng.randint(1, 30)]
            case 2:
                stream[at : at + 1] = bytes([rng.randrange(256)])
            case 3:
                stream[at:at] = rng.choice([b"\r\n", b"\n", b"\r\n\r\n", b"}", b"Content-Length: "])
            case 4:
                stream[at:at] = b"Content-Length: %d\r\n" % rng.choice([0, 1, 44, 10**6, 10**12, 10**30])
            case 5:
                stream[at:at] = rng.choice(list(DAMAGE.values()))[:200]
    return bytes(stream)


@pytest.mark.campaign
def test_no_damage_makes_the_reader_lose_the_way(campaign_size: Callable[[int, int], int]) -> None:
    """After any damage the very next good frame is read."""
    rng = random.Random(20261122)
    for _ in range(campaign_size(2_000, 20_000)):
        damage = broken_stream(rng)

        assert bodies(damage + frame_bytes(NEXT))[-1] == NEXT, damage


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_no_damage_makes_the_server_deaf(campaign_size: Callable[[int, int], int], client: RawClient) -> None:
    """After malformed frames the next valid request is answered within a second; no popup, no growth."""
    rng = random.Random(7)
    size = campaign_size(600, 20_000)
    before = client.memory()
    for index in range(0, size, 20):
        for _ in range(20):
            client.send_bytes(broken_stream(rng))
        client.send({"jsonrpc": "2.0", "id": f"check-{index}", "method": "cmt/echo", "params": {}})
        client.answer(f"check-{index}", patience=1)

    assert client.popups() == []
    assert client.memory() - before < 20 * 2**20
    assert len(client.stderr()) < 4096


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_the_server_answers_after_damage(damage: bytes, shared: RawClient) -> None:
    """The same through a real pipe."""
    shared.send_bytes(damage)
    shared.send_bytes(frame({"jsonrpc": "2.0", "id": "after", "method": "cmt/echo"}))

    assert shared.answer("after", patience=1)["result"] == {"value": None}
