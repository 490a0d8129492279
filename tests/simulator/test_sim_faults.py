"""Every fault is seen from a bare socket as what it claims to be."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator

import pytest
from sim_client import HEADERS, RawClient, Seen, ask, encode, message

from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread

WORDS = Answer(text="one two three four five six seven eight", chunk_chars=4)
STREAM = message(stream=True)


@pytest.fixture
def client(sim: Simulator) -> Iterator[RawClient]:
    client = RawClient(sim.base_url)
    yield client
    client.close()


def streamed(sim: Simulator, fault: Fault, answer: Answer = WORDS) -> Seen:
    sim.reply_with(answer)
    sim.fail_next(fault)
    return ask(sim.base_url, STREAM)


@pytest.fixture
def whole(sim: Simulator) -> Seen:
    """The same answer with nothing wrong."""
    return streamed(sim, Fault())


def test_an_unharmed_stream_has_its_events_in_the_services_order(whole: Seen) -> None:
    kinds = [e["type"] for e in whole.events]

    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert set(kinds[3:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert whole.text == WORDS.text
    assert whole.headers["content-type"].startswith("text/event-stream")
    assert whole.headers["request-id"].startswith("req_")
    assert whole.headers["anthropic-ratelimit-tokens-reset"].endswith("Z")


STATUSES = [
    (400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"), (403, "permission_error"),
    (404, "not_found_error"), (409, "conflict_error"), (413, "request_too_large"), (429, "rate_limit_error"),
    (500, "api_error"), (504, "timeout_error"), (529, "overloaded_error"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_a_status_comes_in_the_services_shape(sim: Simulator, status: int, kind: str) -> None:
    sim.fail_next(Fault.status(status))
    seen = ask(sim.base_url, STREAM)

    assert (seen.status, seen.json["error"]["type"], seen.end) == (status, kind, "whole")
    assert seen.json["request_id"] == seen.headers["request-id"]


@pytest.mark.parametrize("value", [2, 0.5, -1, 86400, "NaN", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_retry_after_is_sent_as_scripted(sim: Simulator, value: float | str) -> None:
    sim.fail_next(Fault.status(429, retry_after=value, headers={"x-should-retry": "false"}))
    seen = ask(sim.base_url, STREAM)

    assert (seen.headers["retry-after"], seen.headers["x-should-retry"]) == (str(value), "false")


def test_type_message_code_and_body_of_a_status_can_be_set(sim: Simulator) -> None:
    sim.fail_next(
        Fault.status(429, "odd_error", message="No.", error_code="enforced_spend_limit_reached"),
        Fault.status(502, body=b"<html>Bad gateway</html>"),
    )

    assert ask(sim.base_url, STREAM).json["error"] == {
        "type": "odd_error", "message": "No.", "details": {"error_code": "enforced_spend_limit_reached"},
    }  # fmt: skip
    assert ask(sim.base_url, STREAM).body == b"<html>Bad gateway</html>"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_points_elsewhere(sim: Simulator, code: int) -> None:
    sim.fail_next(Fault.redirect(code, "http://127.0.0.1:9/v1/messages"))
    seen = ask(sim.base_url, STREAM)

    assert (seen.status, seen.headers["location"], seen.body) == (code, "http://127.0.0.1:9/v1/messages", b"")


def test_faults_come_in_order_and_then_no_more(sim: Simulator) -> None:
    sim.fail_next(Fault.status(500), Fault.status(529))

    assert [ask(sim.base_url, STREAM).status for _ in range(3)] == [500, 529, 200]


def test_a_fault_that_shows_no_answer_leaves_the_scripted_one_for_the_next_try(sim: Simulator) -> None:
    sim.reply_with("kept")
    sim.fail_next(Fault.status(529), Fault.reset())

    assert ask(sim.base_url, STREAM).status == 529
    assert ask(sim.base_url, STREAM).end == "reset"
    assert ask(sim.base_url, STREAM).text == "kept"


def test_faults_of_other_paths_wait_for_their_path(sim: Simulator) -> None:
    sim.fail_next(Fault.status(500), path="/v1/models")

    assert ask(sim.base_url, STREAM).status == 200
    assert ask(sim.base_url, None, "/v1/models", "GET").status == 500


def test_a_reset_before_the_headers_is_a_true_reset(sim: Simulator) -> None:
    assert streamed(sim, Fault.reset()) == Seen(0, {}, b"", "reset")
    assert sim.wait_closed(0).outcome == "reset"


@pytest.mark.parametrize("n", [0, 1, 100, 700])
def test_a_reset_after_n_bytes_delivers_exactly_those(sim: Simulator, whole: Seen, n: int) -> None:
    seen = streamed(sim, Fault.reset(after_bytes=n))

    assert (len(seen.body), seen.end, seen.status) == (n, "reset", 200)


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_a_break_after_n_events_delivers_exactly_those(sim: Simulator, n: int) -> None:
    breaks = {
        "reset": Fault.reset(after_events=n),
        "closed": Fault.hang_up(after_events=n),
        "whole": Fault.cut(after_events=n),
    }
    for end, fault in breaks.items():
        seen = streamed(sim, fault)
        assert (len(seen.events), seen.end) == (n, end)
        assert WORDS.text.startswith(seen.text)


def test_a_clean_cut_after_every_single_byte_is_a_prefix_in_good_order(sim: Simulator) -> None:
    answer = Answer(text="Hé 👩‍👩‍👧", chunk_chars=2)
    size = len(streamed(sim, Fault(), answer).body)

    with simulator_in_thread() as other:
        client = RawClient(other.base_url)
        for n in range(0, size, 7):
            other.reply_with(answer)
            other.fail_next(Fault.cut(after_bytes=n))
            seen = client.ask(STREAM)
            assert (len(seen.body), seen.end) == (n, "whole")
        client.close()


def test_a_cut_of_a_plain_json_answer_breaks_off_within_the_promised_length(sim: Simulator) -> None:
    sim.fail_next(Fault.cut(after_bytes=40))
    seen = ask(sim.base_url, message())

    assert (len(seen.body), seen.end) == (40, "closed")
    assert int(seen.headers["content-length"]) > 40


def test_a_stall_is_silent_until_released_and_then_goes_on(sim: Simulator, client: RawClient) -> None:
    sim.reply_with(WORDS)
    sim.fail_next(Fault.stall(after_events=4))
    client.send("POST", "/v1/messages", STREAM)

    assert sim.wait_stalled(0).outcome == "open"
    sim.release()
    seen = client.read()
    assert (seen.text, seen.end) == (WORDS.text, "whole")
    assert not sim.requests[0].stalled


def test_a_stall_before_the_headers_sends_nothing_at_all(sim: Simulator, client: RawClient) -> None:
    sim.fail_next(Fault.stall())
    client.send("POST", "/v1/messages", STREAM)
    sim.wait_stalled(0)
    client.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    client.socket.settimeout(10)
    sim.release()

    assert client.read().status == 200


def test_a_stall_in_the_middle_of_an_event_holds_half_a_frame(sim: Simulator, client: RawClient) -> None:
    sim.fail_next(Fault.stall(after_bytes=10))
    client.send("POST", "/v1/messages", STREAM)
    sim.wait_stalled(0)

    client.read_head()
    assert client._exactly(len(b"a\r\n") + 10)[0] == b"a\r\nevent: mes"


def test_a_client_that_leaves_a_stall_is_noticed(sim: Simulator, client: RawClient) -> None:
    sim.fail_next(Fault.stall(after_events=2))
    client.send("POST", "/v1/messages", STREAM)
    sim.wait_stalled(0)
    client.close()

    record = sim.wait_closed(0)
    assert record.closed_at is not None
    assert sim.wait_finished(0).outcome == "peer_closed"


def test_a_release_before_the_stall_is_reached_counts(sim: Simulator, client: RawClient) -> None:
    sim.reply_with(WORDS)
    sim.fail_next(Fault.stall(after_events=2) | Fault.stall(after_events=5))
    client.send("POST", "/v1/messages", STREAM)
    sim.wait_stalled(0)
    sim.release()

    assert client.read().text == WORDS.text


@pytest.mark.parametrize("n", [0, 1, 4])
def test_an_error_event_stands_after_n_events_under_a_200(sim: Simulator, n: int) -> None:
    seen = streamed(sim, Fault.error_event("rate_limit_error", after_events=n, message="Slow down"))

    assert (seen.status, len(seen.events), seen.end) == (200, n + 1, "whole")
    assert seen.events[-1] == {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    assert b"event: error\n" in seen.body


def test_a_drip_brings_everything_in_single_bytes(sim: Simulator) -> None:
    seen = streamed(sim, Fault.drip(0.0) | Fault.drip_headers(0.0), Answer(text="drop"))

    assert (seen.text, seen.end) == ("drop", "whole")


def test_dripped_headers_come_slowly(sim: Simulator, client: RawClient) -> None:
    sim.fail_next(Fault.drip_headers(0.002, size=4))
    begun = time.monotonic()
    client.send("POST", "/v1/messages", STREAM)
    first = client.socket.recv(4096)
    client._buffer = first

    assert len(first) < 200
    assert client.read().end == "whole"
    assert time.monotonic() - begun > 0.1


def test_pings_fill_the_wait_and_the_answer_follows_them(sim: Simulator, client: RawClient) -> None:
    sim.reply_with(WORDS)
    sim.fail_next(Fault.ping_only(every=0.001))
    client.send("POST", "/v1/messages", STREAM)
    sim.wait_stalled(0)
    client.socket.recv(200, socket.MSG_PEEK)
    sim.release()
    seen = client.read()

    kinds = [e["type"] for e in seen.events]
    assert kinds[:2] == ["message_start", "ping"]
    assert (seen.text, seen.end) == (WORDS.text, "whole")


def test_pings_can_have_an_end_of_their_own(sim: Simulator) -> None:
    seen = streamed(sim, Fault.ping_only(0.02, every=0.001))

    assert sum(e["type"] == "ping" for e in seen.events) > 2
    assert (seen.text, seen.end) == (WORDS.text, "whole")


def test_an_endless_answer_goes_on_until_the_client_leaves(sim: Simulator, client: RawClient) -> None:
    sim.fail_next(Fault.endless(text="again "))
    client.send("POST", "/v1/messages", STREAM)
    client.read_head()
    client._exactly(200_000)
    client.close()

    record = sim.wait_finished(0)
    assert record.outcome == "peer_closed"
    assert record.sent_events > 1000


def test_unasked_compression_can_be_true_or_a_lie(sim: Simulator) -> None:
    true = streamed(sim, Fault.gzip())
    assert true.headers["content-encoding"] == "gzip"
    assert b"message_stop" in gzip.decompress(true.body)

    false = streamed(sim, Fault.gzip(false=True))
    assert false.headers["content-encoding"] == "gzip"
    assert false.text == WORDS.text


def test_each_event_of_a_compressed_stream_can_be_read_when_it_was_sent(
    client: RawClient, sim: Simulator
) -> None:
    sim.fail_next(Fault.gzip() | Fault.stall(after_events=1))
    client.send("POST", "/v1/messages", STREAM)
    sim.wait_stalled(0)
    client.read_head()
    size = int(client._until(b"\r\n")[0], 16)

    assert b"message_start" in zlib.decompressobj(wbits=31).decompress(client._exactly(size)[0])


def raw(sim: Simulator, kind: str) -> bytes:
    return streamed(sim, Fault.junk_stream(kind)).body  # type: ignore[arg-type]


def test_junk_in_a_stream_is_foul_in_the_named_way(sim: Simulator, whole: Seen) -> None:
    good = whole.body
    assert b'"index":0,"del\n\n' in raw(sim, "bad_json")
    with pytest.raises(UnicodeDecodeError):
        raw(sim, "bad_utf8").decode()
    assert b"event: weather_report\n" in raw(sim, "unknown_event")
    assert b'"type":"hologram"' in raw(sim, "unknown_block")
    assert b'"type":"scent_delta"' in raw(sim, "unknown_delta")
    assert raw(sim, "missing_index").count(b'"index"') == 2
    assert raw(sim, "two_starts").count(b"event: message_start") == 2
    assert b"message_start" not in raw(sim, "no_start")
    assert b"message_stop" not in raw(sim, "no_stop")
    assert raw(sim, "no_usage").count(b'"usage"') == 1
    assert b'"output_tokens":-7' in raw(sim, "negative_usage")
    assert b'"output_tokens":1000000000000000' in raw(sim, "huge_usage")
    assert raw(sim, "done").endswith(b"data: [DONE]\n\n")
    assert b"event:" not in raw(sim, "no_event_lines")
    assert b"\r\n\r\n" in raw(sim, "carriage_returns")
    assert b"\n: keep-alive\n" in raw(sim, "comments")
    assert b"event: message_stop" in good


def test_junk_adds_up(sim: Simulator) -> None:
    body = streamed(sim, Fault.junk_stream("unknown_event", "done") | Fault.junk_stream("two_starts")).body

    assert body.count(b"message_start") == 4
    assert b"weather_report" in body
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_huge_line_has_the_size_asked_for(sim: Simulator) -> None:
    body = streamed(sim, Fault.junk_stream("huge_line", megabytes=9)).body

    assert max(len(line) for line in body.split(b"\n")) > 9 * 1024 * 1024


def test_a_page_of_html_comes_with_a_200(sim: Simulator) -> None:
    sim.fail_next(Fault.junk_body("html"))
    seen = ask(sim.base_url, STREAM)

    assert (seen.status, seen.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert seen.body.startswith(b"<!doctype html>")


def test_a_json_body_answers_a_stream_request(sim: Simulator) -> None:
    sim.reply_with("whole")
    sim.fail_next(Fault.junk_body("json_body"))
    seen = ask(sim.base_url, STREAM)

    assert seen.headers["content-type"] == "application/json"
    assert seen.json["content"] == [{"type": "text", "text": "whole"}]


def test_nothing_and_no_http_at_all(sim: Simulator) -> None:
    sim.fail_next(Fault.junk_body("empty"))
    seen = ask(sim.base_url, STREAM)
    assert (seen.status, seen.body) == (200, b"")

    sim.fail_next(Fault.junk_body("not_http"))
    client = RawClient(sim.base_url)
    client.send("POST", "/v1/messages", STREAM)
    assert client.socket.recv(100) == b"SSH-2.0-OpenSSH_9.9\r\n"
    client.close()


def test_an_answer_can_bring_its_own_fault(sim: Simulator) -> None:
    sim.reply_with(Answer(text="cut short", fault=Fault.cut(after_events=3)), Answer(fault=Fault.status(503)))

    assert len(ask(sim.base_url, STREAM).events) == 3
    assert ask(sim.base_url, STREAM).status == 503


def test_strikes_add_up_in_the_order_of_their_places(sim: Simulator, client: RawClient) -> None:
    sim.reply_with(WORDS)
    sim.fail_next(Fault.reset(after_events=5) | Fault.stall(after_events=2))
    client.send("POST", "/v1/messages", STREAM)
    sim.wait_stalled(0)
    sim.release()
    seen = client.read()

    assert (len(seen.events), seen.end) == (5, "reset")


def test_a_client_that_does_not_read_holds_the_sender_back(sim: Simulator, client: RawClient) -> None:
    sim.fail_next(Fault.junk_stream("huge_line", megabytes=24) | Fault.stall(after_events=6))
    client.send("POST", "/v1/messages", STREAM)
    client.socket.recv(100, socket.MSG_PEEK)

    with pytest.raises(TimeoutError):
        sim.wait_stalled(0, within=0.3)
    client.read_head()
    client._exactly(24 * 1024 * 1024)
    assert sim.wait_stalled(0).stalled


def test_faults_are_values() -> None:
    assert Fault.reset(after_events=2) == Fault.reset(after_events=2)
    assert len({Fault.drip(), Fault.drip(), Fault.gzip()}) == 2
    assert Fault() | Fault.gzip() == Fault.gzip() | Fault()
    with pytest.raises(AttributeError):
        Fault().json_body = True  # type: ignore[misc]


def test_a_broken_answer_is_charged_for_what_was_sent(sim: Simulator) -> None:
    long = Answer(text="word " * 200, chunk_chars=5)
    streamed(sim, Fault(), long)
    streamed(sim, Fault.reset(after_events=103), long)
    full, half = (sim.wait_finished(n).usage for n in range(2))

    assert full is not None
    assert half is not None
    assert half["input_tokens"] == full["input_tokens"]
    assert half["output_tokens"] * 2 == pytest.approx(full["output_tokens"], abs=2)
    assert sim.requests[1].text_sent == "word " * 100


def test_the_connection_serves_again_after_a_refusal_and_after_a_cut(
    sim: Simulator, client: RawClient
) -> None:
    sim.fail_next(Fault.status(529), Fault.cut(after_events=2), Fault.error_event())

    assert [client.ask(STREAM).status for _ in range(4)] == [529, 200, 200, 200]


def test_two_requests_in_one_packet_are_answered_in_order(sim: Simulator, client: RawClient) -> None:
    sim.reply_with("first", "second")
    client.socket.sendall(encode("POST", "/v1/messages", STREAM, HEADERS) * 2)

    assert [client.read().text, client.read().text] == ["first", "second"]


def test_a_chunked_request_is_read(sim: Simulator, client: RawClient) -> None:
    data = json.dumps(STREAM).encode()
    parts = [data[:10], data[10:50], data[50:]]
    head = "POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items()) + "\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
    client.socket.sendall(head.encode() + body)

    assert client.read().status == 200
    assert sim.requests[0].body == STREAM


def test_a_client_waiting_for_leave_to_send_gets_it(sim: Simulator, client: RawClient) -> None:
    data = encode("POST", "/v1/messages", STREAM, {**HEADERS, "expect": "100-continue"})
    head, body = data.split(b"\r\n\r\n", 1)
    client.socket.sendall(head + b"\r\n\r\n")
    assert client.read_head()[0] == 100
    client.socket.sendall(body)

    assert client.read().status == 200


@pytest.mark.parametrize(
    "data",
    [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
     b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n-5\r\n", b"x" * 70_000],
)  # fmt: skip
def test_bytes_that_are_no_request_are_a_400_and_the_end(client: RawClient, data: bytes) -> None:
    client.socket.sendall(data)

    assert client.read().status == 400


def test_a_client_that_resets_after_its_request_is_recorded_as_gone(sim: Simulator) -> None:
    sim.fail_next(Fault.stall())
    client = RawClient(sim.base_url)
    client.send("POST", "/v1/messages", STREAM)
    sim.wait_stalled(0)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()

    assert sim.wait_closed(0).closed_at is not None


def test_other_methods_and_paths_are_refused(sim: Simulator) -> None:
    assert ask(sim.base_url, None, "/v1/messages", "GET").status == 405
    assert ask(sim.base_url, None, "/v1/complete", "POST").status == 404
