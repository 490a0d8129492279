"""The journal shows what arrived and what became of it, and can be waited for from anywhere."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sim_client import Clock, RawClient, ask, message

from cmt_lsp.simulator import Fault, RecordedRequest, Simulator, simulator_in_thread


def test_a_request_is_recorded_with_its_body_and_a_masked_key(sim: Simulator, clock: Clock) -> None:
    body = message("secret question")
    ask(sim.base_url, body, authorization="Bearer token")
    record = sim.requests[0]

    assert (record.method, record.path, record.body) == ("POST", "/v1/messages", body)
    assert record.received_at == clock.now
    assert (record.status, record.outcome) == (200, "complete")
    assert record.headers["x-api-key"] == record.headers["authorization"] == "***"
    assert "test-key" not in repr(sim.requests)


def test_keys_are_shown_and_bodies_dropped_on_request() -> None:
    with simulator_in_thread(show_keys=True, keep_bodies=False) as sim:
        ask(sim.base_url, message("long"))

    assert sim.requests[0].headers["x-api-key"] == "test-key"
    assert sim.requests[0].body is None
    assert sim.requests[0].size > 0


def test_the_books_are_closed_when_the_client_has_read_the_end(sim: Simulator) -> None:
    for n in range(100):
        streamed = n % 2 == 0
        client = RawClient(sim.base_url)
        client.send("POST", "/v1/messages", message(stream=streamed))
        client._until(b'"type":"message_stop"' if streamed else b'"output_tokens"')
        assert sim.requests[n].outcome == "complete"
        client.close()


def test_requests_are_counted_per_path(sim: Simulator) -> None:
    ask(sim.base_url, None, "/v1/models", "GET")
    ask(sim.base_url, message())

    assert sim.wait_arrived(0).path == "/v1/messages"
    assert sim.wait_arrived(0, path=None).path == "/v1/models"
    assert sim.wait_arrived(1, path=None).path == "/v1/messages"


def test_what_was_scripted_and_recorded_is_forgotten_and_open_requests_end_in_peace(sim: Simulator) -> None:
    sim.reply_with("first", "second")
    sim.fail_next(Fault.stall(after_events=2))
    client = RawClient(sim.base_url)
    client.send("POST", "/v1/messages", message(stream=True))
    sim.wait_stalled(0)
    sim.fail_next(Fault.status(500))
    sim.forget()

    assert sim.requests == []
    assert ask(sim.base_url, message()).status == 200
    assert "second" not in sim.requests[0].text_sent
    sim.release()
    client._until(b'"type":"message_stop"')
    client.close()
    assert len(sim.requests) == 1


def test_waiting_in_vain_says_for_what(sim: Simulator) -> None:
    with pytest.raises(TimeoutError, match=r"request 3 arrives: not within 0\.01 s"):
        sim.wait_arrived(3, within=0.01)


def test_a_thread_waits_for_a_request_that_comes_later(sim: Simulator) -> None:
    found: list[RecordedRequest] = []
    waiting = threading.Thread(target=lambda: found.append(sim.wait_finished(0)))
    waiting.start()
    ask(sim.base_url, message())
    waiting.join(10)

    assert [record.outcome for record in found] == ["complete"]


async def test_a_coroutine_on_another_loop_waits_too(sim: Simulator) -> None:
    waits = asyncio.gather(sim.arrived(0), sim.finished(0), sim.closed(0))
    await asyncio.to_thread(ask, sim.base_url, message())
    records = await waits

    assert [record.index for record in records] == [0, 0, 0]
    with pytest.raises(TimeoutError, match="peer 5 closes"):
        await sim.closed(5, within=0.01)


def test_stopping_ends_every_connection_whatever_it_waits_for() -> None:
    with simulator_in_thread() as sim:
        sim.fail_next(Fault.stall(after_events=2), Fault.ping_only(every=0.01), Fault.endless(every=0.01))
        clients = [RawClient(sim.base_url) for _ in range(4)]
        for n, client in enumerate(clients[:3]):
            client.send("POST", "/v1/messages", message(stream=True))
            sim.wait_arrived(n)

    for client in clients[:3]:
        assert client.read().end in ("closed", "reset")
    assert clients[3].socket.recv(1) == b""
    for client in clients:
        client.close()
    assert {record.outcome for record in sim.requests} <= {"stopped", "peer_closed"}


def test_a_taken_port_is_an_error_at_once(sim: Simulator) -> None:
    with (
        pytest.raises(OSError, match="in use"),
        simulator_in_thread(port=int(sim.base_url.rsplit(":", 1)[1])),
    ):
        pass
