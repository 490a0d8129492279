"""Every way to end: in time, with the right exit code, and with the stop hook called once."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from raw_client import PROBE, RawClient, frame, wait_for_line

from cmt_lsp.core.storage.process_start import process_start
from cmt_lsp.server.rpc.parent import ParentWatch

PROMPT = 5.0
"""Seconds within which the process must be gone, whatever it is doing."""


def shutdown_and_exit(client: RawClient) -> None:
    assert client.request("shutdown")["result"] is None
    client.notify("exit")


def shutdown_and_exit_at_once(client: RawClient) -> None:
    client.send_bytes(
        frame({"jsonrpc": "2.0", "id": "bye", "method": "shutdown"})
        + frame({"jsonrpc": "2.0", "method": "exit"})
    )


def shutdown_and_end_of_input(client: RawClient) -> None:
    client.request("shutdown")
    client.close_input()


def exit_alone(client: RawClient) -> None:
    client.notify("exit")


def end_of_input(client: RawClient) -> None:
    client.close_input()


def end_inside_a_frame(client: RawClient) -> None:
    client.send_bytes(b"Content-Length: 100\r\n\r\n{")
    client.close_input()


def by_signal(number: int) -> Callable[[RawClient], None]:
    return lambda client: client.process.send_signal(number)


ENDS = {
    "shutdown and exit": (shutdown_and_exit, 0),
    "shutdown and exit at once": (shutdown_and_exit_at_once, 0),
    "shutdown and end of input": (shutdown_and_end_of_input, 0),
    "exit alone": (exit_alone, 1),
    "end of input": (end_of_input, 1),
    "end inside a frame": (end_inside_a_frame, 1),
    "SIGTERM": (by_signal(signal.SIGTERM), 0),
    "SIGINT": (by_signal(signal.SIGINT), 0),
    "SIGHUP": (by_signal(signal.SIGHUP), 0),
}


@pytest.mark.parametrize("state", ["idle", "napping", "unread"])
@pytest.mark.parametrize(("end", "code"), ENDS.values(), ids=ENDS.keys())
def test_every_end_is_prompt_and_has_its_code(
    end: Callable[[RawClient], None], code: int, state: str, tmp_path: Path
) -> None:
    """Idle, while a request runs, and while the editor does not read; the hook is called exactly once."""
    stop_file = tmp_path / "stopped"
    with RawClient(env={"PROBE_STOP_FILE": str(stop_file)}) as client:
        client.initialize()
        if state == "napping":
            client.ask("cmt/nap", {"onCancel": "slowly"})
            client.command("cmt.echo")
        if state == "unread" and end not in (shutdown_and_exit, shutdown_and_end_of_input):
            client.command("cmt.echo")
            client.stop_reading()
            client.ask("cmt/flood", {"count": 2000, "size": 1000})
        began = time.monotonic()
        end(client)

        assert code == client.exit_code(PROMPT)
        assert time.monotonic() - began < 2
        assert 1 == len(stop_file.read_text().splitlines())
        assert b"" == client.stderr()


def wait_until_idle(process_id: int) -> None:
    """Wait until the main thread has slept through twenty looks in a row."""
    asleep, give_up = 0, time.monotonic() + 10
    while asleep < 20:
        assert time.monotonic() < give_up
        stat = Path(f"/proc/{process_id}/task/{process_id}/stat").read_text()
        asleep = asleep + 1 if stat.rpartition(") ")[2][0] == "S" else 0
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_does_not_interrupt_the_wait_for_events_is_heard(number: int) -> None:
    """One that comes just before the wait, or that another thread of the process takes: here that, every time."""
    with RawClient() as client:
        client.initialize()
        wait_until_idle(client.process.pid)
        threads = Path(f"/proc/{client.process.pid}/task").iterdir()
        other = max(int(thread.name) for thread in threads)
        assert other != client.process.pid

        assert ctypes.CDLL(None).tgkill(client.process.pid, other, number) == 0

        assert client.exit_code(PROMPT) == 0


def test_exit_before_initialize_is_obeyed() -> None:
    """With code 1, as there was no shutdown."""
    with RawClient() as client:
        client.notify("exit")

        assert 1 == client.exit_code(PROMPT)


def test_shutdown_cancels_what_runs_and_answers_all() -> None:
    """The reply to shutdown comes last; a request after it is refused."""
    with RawClient() as client:
        client.initialize()
        obeying, answering = client.ask("cmt/nap"), client.ask("cmt/nap", {"onCancel": "slowly"})
        command = client.ask("workspace/executeCommand", {"command": "cmt.nap"})
        bye = client.ask("shutdown")
        client.answer(bye)
        late = client.request("cmt/echo")
        again = client.request("shutdown")

        assert [obeying, command, answering, bye] == [m["id"] for m in client.messages if "id" in m][1:5]
        assert -32800 == client.answer(obeying)["error"]["code"]
        assert {"stopReason": "cancelled"} == client.answer(answering)["result"]
        assert [-32600, -32600] == [late["error"]["code"], again["error"]["code"]]


def test_what_comes_after_exit_is_not_acted_on() -> None:
    """No work begins while the server settles its affairs."""
    with RawClient(env={"PROBE_STOP_SECONDS": "0.3"}) as client:
        client.initialize()
        client.notify("exit")
        client.ask("cmt/echo", {})

        assert client.exit_code(PROMPT) == 1
    assert len(client.messages) == 1


def test_shutdown_is_answered_though_exit_follows_at_once() -> None:
    """Some clients do not wait; running work still ends in order."""
    with RawClient() as client:
        client.initialize()
        nap = client.ask("cmt/nap", {"onCancel": "slowly"})
        client.result("cmt/echo", {})
        shutdown_and_exit_at_once(client)

        assert client.answer("bye")["result"] is None
        assert client.answer(nap)["result"] == {"stopReason": "cancelled"}
        assert client.exit_code(PROMPT) == 0


def test_a_slow_stop_hook_delays_shutdown_by_a_second_at_most() -> None:
    """VS Code kills the process two seconds after asking; the hook goes on until the exit."""
    with RawClient(env={"PROBE_STOP_SECONDS": "1.5"}) as client:
        client.initialize()
        began = time.monotonic()
        client.request("shutdown")
        assert time.monotonic() - began < 1.4
        client.notify("exit")

        assert 0 == client.exit_code(PROMPT)


STOP_HOOK, LOOP, INTERPRETER = {"PROBE_STOP_SECONDS": "60"}, {}, {"PROBE_HANG_AFTER": "60"}


@pytest.mark.parametrize(
    ("end", "environment"),
    [
        (exit_alone, STOP_HOOK),
        (by_signal(signal.SIGTERM), LOOP),
        (end_of_input, LOOP),
        (shutdown_and_exit, INTERPRETER),
    ],
    ids=["stop hook, exit", "loop, SIGTERM", "loop, end of input", "interpreter, exit"],
)
def test_a_hang_is_ended_by_force(
    end: Callable[[RawClient], None], environment: dict[str, str], tmp_path: Path
) -> None:
    """Within five seconds, whether the stop hook, the event loop or the interpreter's own end hangs."""
    event_file = tmp_path / "events"
    with RawClient(env=environment | {"PROBE_EVENT_FILE": str(event_file)}) as client:
        client.initialize()
        client.result("cmt/echo", {})
        if environment is LOOP:
            client.ask("cmt/block", {"seconds": 60})
            wait_for_line(event_file, "blocked")
        end(client)

        assert client.exit_code(PROMPT) == (0 if environment is INTERPRETER else 1)


def test_two_signals_end_no_sooner_and_no_later(tmp_path: Path) -> None:
    """An impatient person does not break into the settling of affairs."""
    stop_file = tmp_path / "stopped"
    with RawClient(env={"PROBE_STOP_FILE": str(stop_file), "PROBE_STOP_SECONDS": "0.5"}) as client:
        client.initialize()
        client.process.send_signal(signal.SIGINT)
        client.process.send_signal(signal.SIGTERM)
        client.process.send_signal(signal.SIGINT)

        assert 0 == client.exit_code(PROMPT)
        assert 1 == len(stop_file.read_text().splitlines())


# --- the editor dies


EDITOR = """
import json, os, subprocess, sys, time
server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE)
holder = subprocess.Popen(["sleep", "60"], pass_fds=[server.stdin.fileno()])
process_id = os.getpid() if sys.argv[1] == "own" else None
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize",
                   "params": {"processId": process_id, "capabilities": {}}}).encode()
server.stdin.write(b"Content-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
server.stdin.flush()
print(server.pid, holder.pid, file=sys.stderr, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("said", ["own", "none"])
def test_an_editor_that_dies_takes_the_server_along(said: str, tmp_path: Path) -> None:
    """Also while another process holds the pipe open, and whether or not the editor told its id."""
    stop_file = tmp_path / "stopped"
    with RawClient(
        [sys.executable, "-c", EDITOR, said, *PROBE], env={"PROBE_STOP_FILE": str(stop_file)}
    ) as editor:
        editor.answer(1)
        server, holder = map(int, editor.stderr().split())
        try:
            editor.process.kill()
            editor.process.wait()
            wait_for_end(server, 3.0)
        finally:
            os.kill(holder, signal.SIGKILL)

        assert "gone" in stop_file.read_text()


def test_an_editor_named_by_id_is_watched_though_it_is_no_parent(tmp_path: Path) -> None:
    """A wrapper between the two hides the death of the editor from the parent's id."""
    stop_file = tmp_path / "stopped"
    with (
        subprocess.Popen(["sleep", "60"]) as editor,
        RawClient(env={"PROBE_STOP_FILE": str(stop_file)}) as client,
    ):
        client.initialize(processId=editor.pid)
        client.result("cmt/echo", {})
        editor.kill()  # not yet reaped: a zombie counts as gone

        assert 1 == client.exit_code(3.0)
        assert "the editor's process is gone\n" == stop_file.read_text()


@pytest.mark.parametrize("process_id", [2**22 + 1, 0, -1, 2**40])
def test_an_id_that_cannot_be_seen_is_not_watched(process_id: int) -> None:
    """The id of another container must not end the session at once."""
    watch = ParentWatch()
    watch.watch(process_id)

    assert watch.gone() is None


def test_an_id_that_is_used_again_is_not_the_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start time tells them apart."""
    watch = ParentWatch()
    watch.watch(os.getpid())
    assert watch.gone() is None
    with subprocess.Popen(["sleep", "60"]) as other:
        assert process_start(other.pid) not in (None, process_start(os.getpid()))
        watch._started = process_start(other.pid)
        assert "the editor's process is gone" == watch.gone()
        other.kill()


def wait_for_end(process_id: int, patience: float) -> None:
    """Wait until a process that is not our child is gone."""
    deadline = time.monotonic() + patience
    while process_start(process_id) is not None:
        assert time.monotonic() < deadline, "still alive"
        time.sleep(0.02)
