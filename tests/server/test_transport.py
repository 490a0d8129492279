"""The pipes: nothing blocks the loop, nothing but frames leaves, and what waits is bounded."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raw_client import PROBE, RawClient, frame, frame_bytes, wait_for_line

from cmt_lsp.server.rpc.pipe_threads import HARD_BYTES, SOFT_BYTES, SOFT_MESSAGES, PipeReader, PipeWriter


class Outlet:
    """A writer on a pipe of its own, and what it reported."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.failures: queue.Queue[str] = queue.Queue()
        self.empty: queue.Queue[None] = queue.Queue()
        self.writer = PipeWriter(self.write_end, self.failures.put, lambda: self.empty.put(None))

    def read(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            got += os.read(self.read_end, size - len(got))
        return got


@pytest.fixture
def outlet() -> Iterator[Outlet]:
    outlet = Outlet()
    yield outlet
    os.close(outlet.read_end)
    with contextlib.suppress(RuntimeError):  # a test that never started it
        outlet.writer.start()
    outlet.writer.close(5)
    os.close(outlet.write_end)


def test_what_is_sent_arrives_in_order(outlet: Outlet) -> None:
    """From many small frames and some that are larger than the pipe."""
    frames = [b"%07d" % i * (1 if i % 100 else 30_000) for i in range(1000)]
    for one in frames:
        outlet.writer.send(one)
    outlet.writer.start()

    expected = b"".join(frames)
    assert expected == outlet.read(len(expected))
    outlet.empty.get(timeout=5)
    assert (0, 0.0, 0) == (outlet.writer.backlog, outlet.writer.stalled_for, outlet.writer.dropped)


def test_droppable_frames_give_way_and_others_do_not(outlet: Outlet) -> None:
    """From the soft limit of bytes on."""
    outlet.writer.send(b"x" * SOFT_BYTES)
    outlet.writer.send(b"status", droppable=True)
    outlet.writer.send(b"reply")

    assert (1, SOFT_BYTES + 5) == (outlet.writer.dropped, outlet.writer.backlog)


def test_many_small_frames_count_too(outlet: Outlet) -> None:
    """From the soft limit of messages on."""
    for _ in range(SOFT_MESSAGES + 5):
        outlet.writer.send(b"s", droppable=True)

    assert (5, SOFT_MESSAGES) == (outlet.writer.dropped, outlet.writer.backlog)


def test_an_editor_that_leaves_too_much_unread_is_gone(outlet: Outlet) -> None:
    """Reported once; what waited is let go."""
    for _ in range(HARD_BYTES // 2**20 + 2):
        outlet.writer.send(b"x" * 2**20)

    assert "the editor does not read" == outlet.failures.get_nowait()
    assert outlet.failures.empty()
    assert 0 == outlet.writer.backlog


def test_the_first_failure_is_the_one_that_is_told(outlet: Outlet) -> None:
    """A writer that hangs in the pipe when the limit is reached finds it closed later."""
    outlet.writer.start()
    for _ in range(HARD_BYTES // 2**20 + 2):
        outlet.writer.send(b"x" * 2**20)
    os.close(outlet.read_end)

    assert outlet.failures.get(timeout=5) == "the editor does not read"
    outlet.writer.close(5)
    assert outlet.failures.empty()
    outlet.read_end = os.open(os.devnull, os.O_RDONLY)


def test_a_closed_pipe_is_reported_once(outlet: Outlet) -> None:
    """And not for every frame that follows."""
    os.close(outlet.read_end)
    outlet.writer.start()
    outlet.writer.send(b"x")

    assert "the pipe cannot be written: BrokenPipeError" == outlet.failures.get(timeout=5)
    outlet.writer.send(b"y")
    assert outlet.writer.close(5)
    assert outlet.failures.empty()
    outlet.read_end = os.open(os.devnull, os.O_RDONLY)


def test_a_pipe_in_non_blocking_mode_works(outlet: Outlet) -> None:
    """Some editors create it so, and the mode is shared with them."""
    os.set_blocking(outlet.write_end, False)
    outlet.writer.start()
    outlet.writer.send(b"x" * 500_000)

    assert b"x" * 500_000 == outlet.read(500_000)


def test_the_reader_waits_for_the_loop() -> None:
    """Frames that nobody handled yet stay in the pipe; the end of input comes last."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    got: queue.Queue[Any] = queue.Queue()
    reader = PipeReader(read_end, got.put, lambda reason, broken: got.put((reason, broken)))
    reader.start()
    os.write(write_end, frame({"n": 1}) * 300)
    first = [got.get(timeout=5) for _ in range(256)]
    with pytest.raises(queue.Empty):
        got.get(timeout=0.05)
    for _ in first:
        reader.handled()
    rest = [got.get(timeout=5) for _ in range(44)]
    os.close(write_end)

    assert b'{"n": 1}' == rest[-1].data
    assert ("the editor closed the pipe", False) == got.get(timeout=5)
    os.close(read_end)


# --- through a real process


def test_nothing_but_frames_leaves_on_stdout(client: RawClient) -> None:
    """Prints, raw writes and child processes end on stderr, and a child finds no input of ours."""
    asked = client.ask("cmt/noise")
    follow = client.ask("cmt/echo", {"value": 2})

    assert {"child": 0} == client.answer(asked)["result"]
    assert {"value": 2} == client.answer(follow)["result"]
    assert b"a stray print" in client.stderr() or b"a stray write" in client.stderr()
    assert b"child\n0\n" in client.stderr()


def test_a_server_without_stderr_works() -> None:
    """Some launchers close it."""
    command = ["/bin/sh", "-c", 'exec "$0" "$@" 2>&-', *PROBE]
    with RawClient(command) as client:
        client.initialize()
        assert {"child": 0} == client.result("cmt/noise")


def test_an_editor_that_does_not_read_stops_nothing(client: RawClient) -> None:
    """A flood fills the pipe; a cancel is acted on within 100 ms, and later everything arrives in order."""
    nap = client.ask("cmt/nap")
    client.result("cmt/echo", {})
    before = client.memory()
    client.stop_reading()
    flood = client.ask("cmt/flood", {"count": 3000, "size": 1000})
    dropped = client.ask("cmt/flood", {"count": 20_000, "size": 1000, "droppable": True})
    began = time.monotonic()
    marker = client.ask("cmt/block", {"seconds": 0})
    client.notify("$/cancelRequest", {"id": nap})
    told = client.ask("cmt/told")
    stalled = client.ask("cmt/stalled")
    drained = client.ask("cmt/drained")
    client.go_on_reading()

    assert "nap cancelled" in client.answer(told)["result"]["events"]
    assert time.monotonic() - began < 5
    for request_id in (flood, dropped, marker, nap):
        client.answer(request_id)
    assert client.answer(stalled)["result"]["backlog"] > 2_000_000
    kept = [m["params"]["index"] for m in client.messages if m.get("method") == "probe/flood"]
    assert list(range(3000)) == kept[:3000]
    assert kept[3000:] == sorted(kept[3000:])
    assert len(kept) < 23_000
    assert client.memory() - before < 32 * 2**20
    assert client.answer(drained)["result"] == {"backlog": 0}
    assert {"backlog": 0} == client.result("cmt/drained")


def test_cancelling_takes_effect_while_nothing_is_read(tmp_path: Path) -> None:
    """The work stops at once, which a file shows, and so does the whole process."""
    event_file, stop_file = tmp_path / "events", tmp_path / "stopped"
    environment = {"PROBE_EVENT_FILE": str(event_file), "PROBE_STOP_FILE": str(stop_file)}
    with RawClient(env=environment) as client:
        client.initialize()
        nap = client.ask("cmt/nap", {"onCancel": "answer"})
        client.result("cmt/echo", {})
        client.stop_reading()
        client.ask("cmt/flood", {"count": 4000, "size": 1000})
        client.ask("cmt/nap")
        wait_for_line(event_file, "nap began", times=2)
        began = time.monotonic()
        client.notify("$/cancelRequest", {"id": nap})
        wait_for_line(event_file, "nap cancelled")
        cancelled_after = time.monotonic() - began
        client.notify("exit")

        assert client.exit_code(4) == 1
        assert stop_file.read_text() == "the editor said exit\n"
        assert cancelled_after < 0.5  # 2 ms on an idle machine


def test_an_editor_that_never_reads_again_ends_the_server(client: RawClient) -> None:
    """64 MB of what may not be dropped is the limit."""
    client.stop_reading()
    client.ask("cmt/flood", {"count": 70, "size": 2**20})

    assert 1 == client.exit_code(6)


def test_a_closed_output_ends_the_server(client: RawClient) -> None:
    """With one line on stderr at most, and no recursion."""
    client.close_output()
    client.ask("cmt/flood", {"count": 10, "size": 1000})

    assert 1 == client.exit_code(6)
    assert len(client.stderr()) < 4096


def test_large_messages_pass_both_ways(client: RawClient) -> None:
    """60 MB in, where every letter is an escape, and 20 MB out."""
    text = "ä" * (10 * 2**20)

    assert text == client.result("cmt/echo", {"value": text}, patience=30)["value"]


@pytest.mark.timeout(120)
def test_a_message_over_the_limit_is_refused_and_the_session_goes_on(client: RawClient) -> None:
    """The refusal has no id, since nobody looks inside."""
    client.send_bytes(b"Content-Length: %d\r\n\r\n" % (65 * 2**20))
    for _ in range(65):
        client.send_bytes(b"x" * 2**20)

    assert "A message may hold at most 64 MB." == client.answer(None)["error"]["message"]
    assert {"value": 1} == client.result("cmt/echo", {"value": 1})
    assert client.memory() < 150 * 2**20


def test_faults_of_our_own_leave_stderr_alone(client: RawClient) -> None:
    """A server without a log writes nothing, since nobody may be reading."""
    for how in ("ValueError", "SystemExit", "recursion"):
        client.request("cmt/fail", {"how": how})
    client.result("cmt/background/exit")

    assert client.stderr() == b""


def test_the_collector_rests_while_starting_and_works_later(client: RawClient) -> None:
    """What was imported is out of its sight for good."""
    told = client.result("cmt/collector")

    assert told["threshold"] == [700, 10, 10]
    assert told["frozen"] > 50_000


def test_ten_thousand_bad_bodies_leave_stderr_alone(client: RawClient) -> None:
    """Nobody may be reading it."""
    threading.Thread(target=client.send_bytes, args=(frame_bytes(b"{") * 10_000,)).start()
    for _ in range(10_000):
        client.answer(None)

    assert b"" == client.stderr()
    assert {"value": 1} == client.result("cmt/echo", {"value": 1})
