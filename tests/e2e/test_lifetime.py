"""The end of a window: however the editor goes, the connections close, the process ends and the books are right."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Fault, Simulator

from .conftest import MakeEditor
from .contract import complaints
from .editor import BEFORE_HEADERS, MIDWAY, SERVER, SLOW, Editor, is_gone, wait_until

UPSTREAM = 3.0
"""Seconds until nothing more is paid for."""
PROCESS = 5.0
STDERR = 4096

PARENT = """
import subprocess, sys, time
server = subprocess.Popen(sys.argv[1:])
sys.exit(server.wait())
"""
"""A fake editor: the server is its child, and the pipes are somebody else's as well."""


class Busy:
    """A window with one idle session, one waiting for headers, one midway and one waiting for a retry."""

    def __init__(self, editor: Editor, sim: Simulator, **handshake: Any) -> None:
        self.editor = editor
        self.sim = sim
        editor.open(**handshake)
        self.idle = editor.session()
        sim.reply_with("kept")
        editor.chat("Finished before", 30, sessionId=self.idle)
        self.waiting = self._chat(BEFORE_HEADERS)
        self.midway = self._chat(MIDWAY)
        self.retrying = self._chat(Fault.status(529, retry_after=40))
        self.server = int(_process_of(editor))

    def _chat(self, fault: Fault) -> str:
        session = self.editor.session()
        index = len(self.sim.requests)
        self.sim.reply_with(SLOW)
        self.sim.fail_next(fault)
        stream = self.editor.streaming_chat("Go", sessionId=session)
        if fault.substitute is None:
            self.sim.wait_stalled(index)
        if fault is MIDWAY:
            stream.first_text()
        if fault.substitute is not None:
            self.editor.value(stream.token, "retry")
            self.sim._answers.clear()
        return session

    def closes(self, since: float) -> None:
        """Both connections of running turns are closed, and no request goes out any more."""
        for request in self.sim.requests:
            if request.outcome != "complete":
                closed = self.sim.wait_closed(request.index, within=UPSTREAM + 1).closed_at
                assert closed is not None
                assert closed - since < UPSTREAM

    def left(self, other: Editor) -> None:
        """What the next window finds: the finished turn whole, the others as they stood, nothing locked."""
        assert [t["text"] for t in other.turns(self.idle)] == ["kept"]
        for session in (self.waiting, self.midway, self.retrying):
            found = other.result("cmt/session/get", {"sessionId": session})
            assert found["session"]["state"] == "idle"
            assert [t["stopReason"] for t in found["turns"]] in ([], ["cancelled"])
        partial = other.turns(self.midway)[0]
        assert partial["stopReason"] == "cancelled"
        assert partial["text"] != ""
        assert SLOW.whole_text.startswith(partial["text"])


def _process_of(editor: Editor) -> str:
    checks = editor.result("cmt/doctor")["checks"]
    return str(next(c["detail"] for c in checks if c["name"] == "server")).rpartition("process ")[2]


def _close_input(editor: Editor) -> None:
    editor.close_input()


def _close_both(editor: Editor) -> None:
    assert editor.process.stdout is not None
    os.dup2(os.open(os.devnull, os.O_RDONLY), editor.process.stdout.fileno())
    editor.close_input()


def _exit_without_shutdown(editor: Editor) -> None:
    editor.notify("exit")


def _shutdown_and_exit(editor: Editor) -> None:
    editor.result("shutdown")
    editor.notify("exit")


def _signal(number: int) -> Callable[[Editor], None]:
    return lambda editor: os.kill(editor.process.pid, number)


WAYS: dict[str, tuple[Callable[[Editor], None], int]] = {
    "stdin closed": (_close_input, 1),
    "both closed": (_close_both, 1),
    "exit without shutdown": (_exit_without_shutdown, 1),
    "shutdown and exit": (_shutdown_and_exit, 0),
    "SIGTERM": (_signal(signal.SIGTERM), 0),
    "SIGINT": (_signal(signal.SIGINT), 0),
    "SIGHUP": (_signal(signal.SIGHUP), 0),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_busy_window_ends_in_time_and_in_order(
    way: str, make_editor: MakeEditor, sim: Simulator, figure: Callable[[str, str], None]
) -> None:
    """Idle, waiting, streaming and retrying at once: closed in 3 s, gone in 5 s, the right code, the books right."""
    end, code = WAYS[way]
    editor = make_editor()
    busy = Busy(editor, sim)
    asked, at = time.time(), time.monotonic()
    end(editor)
    busy.closes(asked)
    assert editor.exit_code() == code
    taken = time.monotonic() - at
    figure(f"seconds to the exit of a busy window, {way}", f"{taken:.2f}")
    assert taken < PROCESS
    assert len(editor.stderr()) <= STDERR
    requests = len(sim.requests)
    other = make_editor()
    other.open()
    assert len(sim.requests) == requests
    busy.left(other)


@pytest.mark.parametrize("way", WAYS)
def test_an_idle_window_ends_at_once(
    way: str, make_editor: MakeEditor, figure: Callable[[str, str], None]
) -> None:
    """Also while the server is still warming up, which is when impatient people quit."""
    end, code = WAYS[way]
    editor = make_editor()
    editor.open()
    editor.result("cmt/doctor")
    at = time.monotonic()
    end(editor)
    assert editor.exit_code() == code
    taken = time.monotonic() - at
    figure(f"seconds to the exit of an idle window, {way}", f"{taken:.2f}")
    assert taken < PROCESS
    assert editor.stderr() == b""


def test_a_window_that_was_never_opened_ends_with_its_pipe(make_editor: MakeEditor) -> None:
    """The editor died before `initialize`."""
    editor = make_editor()
    editor.close_input()
    assert editor.exit_code() == 1
    assert editor.stderr() == b""


def test_a_killed_editor_takes_its_server_along(
    make_editor: MakeEditor, sim: Simulator, figure: Callable[[str, str], None]
) -> None:
    """kill -9, while another process holds the pipes open so that no end of input comes."""
    parent = make_editor(command=[sys.executable, "-c", PARENT, *SERVER])
    busy = Busy(parent, sim)
    assert busy.server != parent.process.pid
    asked, at = time.time(), time.monotonic()
    parent.process.kill()
    busy.closes(asked)
    wait_until(lambda: is_gone(busy.server), PROCESS)
    figure("seconds from the editor's kill to the server's end", f"{time.monotonic() - at:.2f}")
    assert len(parent.stderr()) <= STDERR
    other = make_editor()
    other.open()
    busy.left(other)
    for session in (busy.waiting, busy.midway, busy.retrying):
        assert other.chat("And now?", 30, sessionId=session)["stopReason"] == "end_turn"


def test_an_editor_that_is_no_parent_is_watched_by_its_id(make_editor: MakeEditor, sim: Simulator) -> None:
    """A wrapper started the server; the editor that `initialize` named is killed, and the wrapper lives on."""
    with _sleeper() as named:
        editor = make_editor()
        busy = Busy(editor, sim, processId=named.pid)
        asked, at = time.time(), time.monotonic()
        named.kill()
        busy.closes(asked)
        assert editor.exit_code() == 1
        assert time.monotonic() - at < PROCESS
        assert len(editor.stderr()) <= STDERR
        other = make_editor()
        other.open()
        busy.left(other)


def test_a_server_that_is_killed_loses_only_what_was_running(make_editor: MakeEditor, sim: Simulator) -> None:
    """kill -9 of the server: finished turns are whole, the sessions are free, the next window goes on."""
    editor = make_editor()
    busy = Busy(editor, sim)
    editor.process.kill()
    editor.exit_code()
    other = make_editor()
    other.open()
    assert [t["text"] for t in other.turns(busy.idle)] == ["kept"]
    for session in (busy.waiting, busy.midway, busy.retrying):
        assert other.result("cmt/session/get", {"sessionId": session})["turns"] == []
        assert other.chat("And now?", 30, sessionId=session)["stopReason"] == "end_turn"


def test_an_editor_that_stops_reading_and_closes_its_input_is_left_in_time(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    """Flooded and unread: the end comes all the same."""
    editor = make_editor()
    editor.open()
    sim.reply_with(SLOW)
    sim.fail_next(Fault.endless(text="and so on " * 200))
    stream = editor.streaming_chat("Go")
    stream.first_text()
    editor.stop_reading()
    asked, at = time.time(), time.monotonic()
    editor.close_input()
    closed = sim.wait_closed(0, within=UPSTREAM + 1).closed_at
    assert closed is not None
    assert closed - asked < UPSTREAM
    editor.exit_code()
    assert time.monotonic() - at < PROCESS
    editor.go_on_reading()
    assert len(editor.stderr()) <= STDERR


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_no_moment_of_a_turn_is_a_bad_moment_to_leave(
    make_editor: MakeEditor, sim: Simulator, tmp_path: Path, campaign_size: Callable[[int, int], int]
) -> None:
    """Windows end at moments spread over a short turn, in every way: one record or none, never a broken one."""
    ways = [*WAYS.values(), (lambda e: e.process.kill(), -9)]
    sessions = []
    for n in range(campaign_size(4, 80)):
        editor = make_editor()
        editor.open()
        session = editor.session()
        sim.reply_with(SLOW)
        stream = editor.streaming_chat("Go", sessionId=session)
        reached = ("started", "usage", "text", "end")[n % 4]
        editor.value(stream.token, reached)
        end, code = ways[n % len(ways)]
        at = time.monotonic()
        end(editor)
        assert editor.exit_code() == code
        assert time.monotonic() - at < PROCESS
        assert len(editor.stderr()) <= STDERR
        assert complaints(editor.sent, editor.messages, finished=False) == []
        sim._answers.clear()
        sessions.append((session, reached, code))
    other = make_editor()
    other.open()
    for session, reached, code in sessions:
        turns = other.turns(session)
        assert [t["stopReason"] for t in turns] in ([], ["cancelled"], ["end_turn"])
        if reached == "end" or (reached == "text" and code != -9):
            assert turns != []
        assert other.chat("And now?", 30, sessionId=session)["stopReason"] == "end_turn"


@contextlib.contextmanager
def _sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for the editor."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()
