"""Anything at any time: seeded random stories of several sessions, and what must hold in every one of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator

from .conftest import MakeEditor, Shared
from .contract import complaints, operation_of, params_of
from .editor import Editor

SEED = 20261122
FAULTS: list[Callable[[random.Random], Fault]] = [
    lambda rng: Fault.stall(),
    lambda rng: Fault.stall(after_events=rng.randrange(1, 12)),
    lambda rng: Fault.status(529, retry_after="0.05"),
    lambda rng: Fault.status(529, retry_after="30"),
    lambda rng: Fault.status(rng.choice([400, 401, 403, 404])),
    lambda rng: Fault.error_event(after_events=rng.randrange(0, 10)),
    lambda rng: Fault.cut(after_events=rng.randrange(0, 10)),
    lambda rng: Fault.reset(after_events=rng.randrange(0, 10)),
    lambda rng: Fault.drip(0.001, size=200),
    lambda rng: Fault(),
]


class Story:
    """One random story on an open window."""

    def __init__(self, editor: Editor, sim: Simulator, sessions: list[str], rng: random.Random) -> None:
        self.editor = editor
        self.sim = sim
        self.sessions = sessions
        self.rng = rng
        self.from_message = len(editor.messages)
        self.asked: dict[object, tuple[str, Any]] = {}

    def tell(self, steps: int) -> None:
        """Do some random things without waiting for any of them."""
        for _ in range(steps):
            self.rng.choices(
                [self.chat, self.retry, self.cancel, self.click, self.withdraw, self.fault, self.look, self.pause, self.release],
                [30, 4, 8, 4, 8, 14, 6, 16, 6],
            )[0]()  # fmt: skip

    def ask(self, method: str, params: dict[str, Any]) -> None:
        """Through either door."""
        if self.rng.random() < 0.3:
            method, params = (
                "workspace/executeCommand",
                {"command": method.replace("/", "."), "arguments": [params]},
            )
            if self.rng.random() < 0.5:
                params["arguments"][0] |= {"wait": True} if "chat" in params["command"] else {}
        self.asked[self.editor.ask(method, params)] = (method, params)

    def tokens(self) -> dict[str, Any]:
        """Some tokens, or none."""
        tokens = {}
        if self.rng.random() < 0.7:
            tokens["partialResultToken"] = self.editor.token()
        if self.rng.random() < 0.5:
            tokens["workDoneToken"] = f"work-{self.editor.token()}"
        return tokens

    def chat(self) -> None:
        self.sim.reply_with(Answer(chunks=tuple(f"piece {n} " for n in range(self.rng.randrange(1, 25)))))
        self.ask("cmt/chat", {"text": "go", "sessionId": self.rng.choice(self.sessions), **self.tokens()})

    def retry(self) -> None:
        self.ask("cmt/retry", {"sessionId": self.rng.choice(self.sessions), **self.tokens()})

    def cancel(self) -> None:
        what = self.rng.choice([{}, {"sessionId": self.rng.choice(self.sessions)}, {"turnId": "none"}])
        self.ask("cmt/cancel", what)

    def click(self) -> None:
        works = [params_of(*a).get("workDoneToken") for a in self.asked.values()]
        if tokens := [token for token in works if token]:
            self.editor.notify("window/workDoneProgress/cancel", {"token": self.rng.choice(tokens)})

    def withdraw(self) -> None:
        if self.asked:
            self.editor.notify("$/cancelRequest", {"id": self.rng.choice(list(self.asked))})

    def fault(self) -> None:
        self.sim.fail_next(self.rng.choice(FAULTS)(self.rng))

    def look(self) -> None:
        session = {"sessionId": self.rng.choice(self.sessions)}
        self.ask(
            *self.rng.choice(
                [("cmt/session/get", session), ("cmt/session/list", {}), ("cmt/preview", {"text": "x"})]
            )
        )

    def pause(self) -> None:
        """Let the others move on, by a question or by a moment."""
        if self.rng.random() < 0.5:
            self.editor.result("cmt/models", {})
        else:
            time.sleep(self.rng.random() * 0.01)

    def release(self) -> None:
        self.sim.release()

    def settle(self, patience: float = 30.0) -> None:
        """Let everything go until all is answered and nothing runs; waits for a retry are cancelled."""
        deadline = time.monotonic() + patience
        while self.unanswered() or self.running():
            assert time.monotonic() < deadline, (self.unanswered(), self.running())
            self.sim.release()
            if self.retrying():
                self.asked[self.editor.ask("cmt/cancel", {})] = ("cmt/cancel", {})
            self.editor.result("cmt/auth/status")
        self.sim._faults.clear()
        self.sim._answers.clear()

    def told(self) -> list[dict[str, Any]]:
        """What came since the story began."""
        return list(self.editor.messages[self.from_message :])

    def unanswered(self) -> list[object]:
        """Requests without an answer."""
        answered = {m["id"] for m in self.told() if "id" in m and "method" not in m}
        return [request for request in self.asked if request not in answered]

    def last_phases(self) -> dict[str, str]:
        """By turn, the newest phase."""
        return {
            m["params"]["turnId"]: m["params"]["phase"] for m in self.told() if m.get("method") == "cmt/turn"
        }

    def running(self) -> list[str]:
        """Turns without an end."""
        return [turn for turn, phase in self.last_phases().items() if phase not in ("ended", "failed")]

    def retrying(self) -> bool:
        """Whether some turn waits for its next attempt."""
        return "retrying" in self.last_phases().values()

    def faults(self) -> list[str]:
        """Everything that broke the contract in this story."""
        found = complaints(self.asked, self.told(), finished=True)
        started = sum(
            1 for m in self.told() if m.get("method") == "cmt/turn" and m["params"]["phase"] == "started"
        )
        if started != len(self.last_phases()):
            found.append("a turn started twice")
        for request, (method, params) in self.asked.items():
            found += self._stream_faults(request, method, params)
        return found

    def _stream_faults(self, request: object, method: str, params: Any) -> list[str]:
        """A stream that began has its end, also where its command was answered long ago."""
        token = params_of(method, params).get("partialResultToken")
        if token is None or operation_of(method, params) not in ("cmt/chat", "cmt/retry"):
            return []
        kinds = [value["kind"] for value in self.editor.values(token)]
        return [f"stream of {request} has {kinds[-3:]}"] if kinds and kinds[-1] != "end" else []


@pytest.mark.campaign
@pytest.mark.timeout(3000)
def test_every_story_ends_well(shared_window: Shared, campaign_size: Callable[[int, int], int]) -> None:
    """2,000 stories: each request one answer, each stream and turn one end, nothing after it, nothing hangs."""
    editor, sim = shared_window.editor, shared_window.sim
    editor.chat("warm up")
    for number in range(campaign_size(60, 2000)):
        rng = random.Random(SEED + number)
        sessions = [editor.session() for _ in range(rng.randrange(1, 4))]
        story = Story(editor, sim, sessions, rng)
        story.tell(rng.randrange(6, 18))
        story.settle()
        assert story.faults() == [], f"story {number}"
        for session in sessions:
            found = editor.result("cmt/session/get", {"sessionId": session})
            assert found["session"]["state"] == "idle"
            assert len({t["turnId"] for t in found["turns"]}) == len(found["turns"])
        assert editor.popups() == []
        _forget(editor)


@pytest.mark.campaign
@pytest.mark.timeout(3000)
def test_every_story_may_end_with_the_editor(
    make_editor: MakeEditor, sim: Simulator, campaign_size: Callable[[int, int], int]
) -> None:
    """The editor leaves in the middle of a story: at most one answer and one end each, and the process is gone."""
    for number in range(campaign_size(4, 100)):
        rng = random.Random(SEED - number - 1)
        editor = make_editor()
        editor.open()
        editor.chat("warm up", 30)
        story = Story(editor, sim, [editor.session() for _ in range(3)], rng)
        story.tell(rng.randrange(4, 12))
        leaving = rng.choice(["exit", "shutdown", "close"])
        at = time.monotonic()
        if leaving == "shutdown":
            editor.ask("shutdown")
        if leaving == "close":
            editor.close_input()
        else:
            editor.notify("exit")
        assert editor.exit_code() == (0 if leaving == "shutdown" else 1), f"story {number}"
        assert time.monotonic() - at < 5
        editor.check()
        assert complaints(story.asked, story.told(), finished=False) == []
        assert len(editor.stderr()) <= 4096
        sim._faults.clear()
        sim._answers.clear()


def _forget(editor: Editor) -> None:
    """What was checked already, so that a long campaign stays quick."""
    editor.messages.clear()
    editor._unread.clear()
    editor.sent.clear()
    while not editor._inbox.empty():
        editor._inbox.get()
