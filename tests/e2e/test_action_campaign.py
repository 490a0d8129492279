"""Edits, actions, stops and refusals in any order: no edit lands on changed text, and no answer is lost."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread

from .acting_editor import CAPABLE, ActingEditor, Manners
from .conftest import close
from .editor import CANARY, Editor, wait_until

FUNCTIONS = 8
MARK = re.compile(r"done_(\d+)\b")
PART = re.compile(r"the part to replace\n<(attached-\w+)>\n(.*?)\n</\1>", re.DOTALL)


class Round:
    """One document, some actions on it, and a person who types all the while."""

    def __init__(self, acting: ActingEditor, sim: Simulator, path: Path, seed: int) -> None:
        self.acting = acting
        self.sim = sim
        self.random = random.Random(seed)
        text = "\n\n".join(f"def f{n}(x):\n    é = '😀'\n    return x + {n}" for n in range(FUNCTIONS)) + "\n"
        self.uri = acting.open(path, text)
        self.asked: dict[int, str] = {}
        """By the number that the answer carries: the part that was asked about, as it was sent."""
        self.landed: set[int] = set()
        self.finished = self.silent = 0
        """How many have ended, and how many of them before the first word."""
        acting.manners = Manners(edit=self._edit)

    def play(self, numbers: Iterator[int]) -> None:
        """Steps in a random order, until everything that was begun has ended."""
        steps = [self._act] * 4 + [self._type] * 8 + [self._stop] + [self._release] * 2
        self.random.shuffle(steps)
        for step in steps:
            step(numbers)
        while self.finished < len(self.asked):
            self.sim.release()
            self._hear()
        self._check()

    # --- steps

    def _act(self, numbers: Iterator[int]) -> None:
        """Have one function improved; the answer hangs in its middle."""
        names = re.findall(r"^def (\w+)\(x\):$", self.acting.text(self.uri), re.MULTILINE)
        if not names:
            return
        number, name = next(numbers), self.random.choice(names)
        answer = f"```python\ndef {name}(x):\n    return done_{number}\n```"
        chunks = tuple(answer[at : at + 9] for at in range(0, len(answer), 9))
        self.sim.reply_with(Answer(chunks=chunks, fault=Fault.stall(after_events=self.random.randint(3, 8))))
        before, document = len(self.sim.requests), self.acting.documents[self.uri]
        cursor = document.position(document.text.index(f"def {name}(x):") + 5)
        self.acting.choose(self.uri, {"start": cursor, "end": cursor}, "improve")
        wait_until(lambda: len(self.sim.requests) > before, 20)
        self.asked[number] = str(self.sim.requests[-1].body["messages"][-1]["content"][1]["text"])

    def _type(self, _: Iterator[int]) -> None:
        """Change some place, or put the whole text anew."""
        document = self.acting.documents[self.uri]
        start = self.random.randint(0, len(document.text))
        end = min(len(document.text), start + self.random.choice([0, 0, 0, 1, 12]))
        place = {"start": document.position(start), "end": document.position(end)}
        self.acting.type(self.uri, place, self.random.choice(["#", "\n", "é😀", "# new\n\n", ""]))

    def _stop(self, _: Iterator[int]) -> None:
        self.acting.command("cmt.stop")

    def _release(self, _: Iterator[int]) -> None:
        """Let what hangs go on, and hear the end of some of it."""
        self.sim.release()
        if self.finished < len(self.asked) and self.random.random() < 0.7:
            self._hear()

    # --- what comes back

    def _hear(self) -> None:
        message = self.acting.until(lambda m: m["method"] == "window/showMessage")
        told = message["params"]["message"]
        self.finished += told.startswith("Claude: improve")
        self.silent += "no answer" in told

    def _edit(self, params: dict[str, Any]) -> dict[str, Any]:
        """A good editor, sometimes in a bad mood; what it lets pass must replace the very text that was asked about."""
        mood = self.random.random()
        if mood < 0.15:
            return {"result": {"applied": False}}
        if mood < 0.25:
            return {"error": {"code": -32603, "message": "busy"}}
        (change,) = params["edit"]["documentChanges"]
        (edit,) = change["edits"]
        document = self.acting.documents[self.uri]
        if change["textDocument"]["version"] == document.version:
            start, end = (document.offset(edit["range"][side]) for side in ("start", "end"))
            number = int(MARK.findall(edit["newText"])[0])
            old = PART.search(self.asked[number])
            assert old is not None
            assert document.text[start:end] == old[2], number
            self.landed.add(number)
        return self.acting.apply(params)

    def _check(self) -> None:
        """Each answer landed, or, as far as it came, is in a transcript; server and editor hold the same text."""
        kept = len(self.asked) - len(self.landed) - self.silent
        assert len(self.acting.shown) == kept, self.acting.told
        for path in self.acting.shown:
            assert "```python" in path.read_text()
        item = {"kind": "file", "uri": self.uri}
        preview = self.acting.editor.result("cmt/preview", {"text": "?", "context": [item]})
        assert self.acting.text(self.uri) in preview["blocks"][0]["text"]
        assert "stop" not in str([action["title"] for action in self.acting.actions(self.uri)])


@pytest.fixture
def acting(tmp_path: Path) -> Iterator[tuple[ActingEditor, Simulator]]:
    """An editor and its endpoint."""
    with simulator_in_thread(api_key=CANARY) as sim, Editor(tmp_path, sim.base_url) as editor:
        editor.open(CAPABLE, rootUri=tmp_path.as_uri())
        yield ActingEditor(editor), sim
        close(editor)


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_no_edit_lands_on_changed_text_and_no_answer_is_lost(
    acting: tuple[ActingEditor, Simulator],
    tmp_path: Path,
    campaign_size: Callable[[int, int], int],
    figure: Callable[[str, str], None],
) -> None:
    """At the end server and editor still hold the same text."""
    editor, sim = acting
    numbers = iter(range(1, 10**6))
    asked = landed = silent = 0
    for seed in range(campaign_size(6, 250)):
        editor.shown.clear()
        game = Round(editor, sim, tmp_path / f"r{seed}.py", seed)
        game.play(numbers)
        asked, landed, silent = asked + len(game.asked), landed + len(game.landed), silent + game.silent
    figure(
        "code actions at random",
        f"{asked} asked, {landed} landed, {silent} stopped before a word, the rest kept in transcripts",
    )
    assert 0 < landed < asked
