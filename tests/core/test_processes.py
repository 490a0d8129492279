"""Several processes on one state folder: killed ones lose nothing that was finished and block nobody."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from live_turns import ask, start

from cmt_lsp.api.errors import SessionBusyError
from cmt_lsp.core import APISessionManager
from cmt_lsp.simulator import Answer, Fault, Simulator

CHILD = """
import asyncio, json, sys
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.turn import AnswerText, TurnRequest

def say(*words):
    print(json.dumps(words), flush=True)

async def main():
    manager = APISessionManager()
    session = sys.argv[1] if len(sys.argv) > 1 else (await manager.sessions.create()).id
    say("session", session)
    for line in iter(sys.stdin.readline, ""):
        shown = []
        def emit(event):
            if isinstance(event, AnswerText) and not shown:
                shown.append(1)
                say("text")
        try:
            await manager.sessions.load(session)
            turn = manager.start_turn(session, TurnRequest(line.strip()), emit)
            result = await turn.result()
            say("done", result.turn_id, result.text)
        except Exception as error:
            say("failed", type(error).__name__)
    await manager.aclose()

asyncio.run(main())
"""


class Child:
    """Another window: asks one question for each line it is given."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.session: str = self.read()[1]

    def ask(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def read(self) -> list[str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else ["gone"]

    async def hear(self) -> list[str]:
        """The next line; a child that stays silent is killed, since nothing else ends the reading thread."""
        reading = asyncio.ensure_future(asyncio.to_thread(self.read))
        if not (await asyncio.wait([reading], timeout=40))[0]:
            self.process.kill()
        return await reading

    def kill(self) -> list[list[str]]:
        """SIGKILL, and what it still had said."""
        self.process.send_signal(signal.SIGKILL)
        rest, _ = self.process.communicate(timeout=20)
        return [json.loads(line) for line in rest.splitlines() if line.endswith("]")]

    def end(self) -> None:
        self.process.communicate(timeout=20)
        assert self.process.returncode == 0


@pytest.fixture
def child(simulator: Simulator) -> Iterator[Child]:
    made = Child()
    yield made
    made.process.kill()
    made.process.communicate(timeout=20)


async def test_a_session_busy_in_another_process_is_refused_and_free_once_that_is_killed(
    manager: APISessionManager, simulator: Simulator, child: Child
) -> None:
    simulator.fail_next(Fault.stall(after_events=2))
    child.ask("first")
    await simulator.stalled()
    await manager.sessions.load(child.session)

    with pytest.raises(SessionBusyError, match="another window"):
        start(manager, child.session)
    with pytest.raises(SessionBusyError):
        await manager.sessions.delete(child.session)
    with pytest.raises(SessionBusyError):
        await manager.sessions.clear(child.session)
    assert [info.state for info in await manager.sessions.list("all")] == ["elsewhere"]

    child.kill()

    assert (await manager.sessions.load(child.session)).state == "idle"
    assert (await ask(manager, child.session)).stop_reason == "end_turn"


async def test_turns_of_two_processes_go_into_one_history(
    manager: APISessionManager, simulator: Simulator, child: Child
) -> None:
    simulator.reply_with("A1", "B1", "A2", "B2")
    child.ask("a1")
    assert (await child.hear())[0] == "text"
    assert (await child.hear())[2] == "A1"
    assert (await ask(manager, child.session, "b1")).text == "B1"
    child.ask("a2")
    assert (await child.hear())[0] == "text"
    assert (await child.hear())[2] == "A2"

    assert (await ask(manager, child.session, "b2")).text == "B2"

    sent = simulator.requests[-1].body["messages"]
    texts = [block["text"] for message in sent for block in message["content"] if block["type"] == "text"]
    assert texts == ["a1", "A1", "b1", "B1", "a2", "A2", "b2"]
    _, turns = await manager.sessions.get(child.session)
    assert [turn.seq for turn in turns] == [0, 1, 2, 3]
    child.end()


async def test_a_session_deleted_in_another_process_is_unknown_here(
    manager: APISessionManager, simulator: Simulator, child: Child
) -> None:
    await manager.sessions.load(child.session)
    await manager.sessions.delete(child.session)

    child.ask("hello?")

    assert await child.hear() == ["failed", "UnknownSessionError"]


async def test_a_change_of_model_in_one_process_is_seen_in_the_other(
    manager: APISessionManager, simulator: Simulator, child: Child
) -> None:
    await manager.sessions.update(child.session, model="claude-opus-5-5", name="Renamed")

    child.ask("hello")
    await child.hear()
    await child.hear()

    assert simulator.requests[0].body["model"] == "claude-opus-5-5"
    assert (await manager.sessions.load(child.session)).name == "Renamed"


@pytest.mark.campaign
async def test_a_kill_at_any_moment_loses_no_finished_turn(
    simulator: Simulator, state_dir: Path, campaign_size: Callable[[int, int], int]
) -> None:
    """What was told as done is on disk after SIGKILL, whole and readable, and the next process goes on."""
    rng = random.Random(7)
    acknowledged: set[str] = set()
    session: list[str] = []
    for _ in range(campaign_size(5, 500)):
        child = Child(*session)
        session = [child.session]
        for number in range(rng.randint(3, 6)):
            child.ask(f"question {number}")
        for _ in range(rng.randint(2, 6)):
            said = await child.hear()
            acknowledged |= {said[1]} if said[0] == "done" else set()
        await asyncio.sleep(rng.random() * 0.02)
        acknowledged |= {said[1] for said in child.kill() if said[0] == "done"}

    manager = APISessionManager()
    _, turns = await manager.sessions.get(session[0])
    assert acknowledged <= {turn.id for turn in turns}
    assert len(acknowledged) >= campaign_size(2, 200)
    assert manager.take_notices() == ()
    assert (await ask(manager, session[0])).stop_reason == "end_turn"
    await manager.aclose()
    with closing(sqlite3.connect(state_dir / "sessions.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


ENDED_LOOP = """
import asyncio
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.turn import AnswerText, TurnRequest

async def main():
    manager = APISessionManager()
    session = manager.create_session()
    seen = asyncio.Event()
    def emit(event):
        if isinstance(event, AnswerText):
            seen.set()
    manager.start_turn(session, TurnRequest("hello"), emit)
    await seen.wait()

asyncio.run(main())
"""


async def test_a_turn_that_runs_when_the_loop_ends_is_recorded(simulator: Simulator, state_dir: Path) -> None:
    simulator.reply_with(Answer(text="some words here", chunk_chars=5))
    simulator.fail_next(Fault.stall(after_events=6))

    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", "-c", ENDED_LOOP],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (done.returncode, done.stderr) == (0, "")
    with closing(sqlite3.connect(state_dir / "sessions.sqlite3")) as connection:
        rows = connection.execute("SELECT stop_reason, text != '' FROM turns").fetchall()
    assert rows == [("cancelled", 1)]


async def test_processes_write_beside_each_other(simulator: Simulator, manager: APISessionManager) -> None:
    children = [await asyncio.to_thread(Child) for _ in range(3)]
    for number in range(5):
        for child in children:
            child.ask(f"question {number}")
    for child in children:
        said = [await child.hear() for _ in range(10)]
        assert [words[0] for words in said] == ["text", "done"] * 5
        child.end()

    assert sorted(info.turns for info in await manager.sessions.list("all")) == [5, 5, 5]
