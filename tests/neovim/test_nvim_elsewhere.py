"""One session in several editors: what was said in one counts in the others, and in the terminal."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from nvim_child import KEY, NvimChild, Start

from cmt_lsp.simulator import Simulator


def said(body: dict[str, Any]) -> list[str]:
    """The texts of a request, question by question and answer by answer."""
    contents = [message["content"] for message in body["messages"]]
    return [content if isinstance(content, str) else content[-1]["text"] for content in contents]


def ask(nvim: NvimChild, question: str, answer: str) -> None:
    """Ask, and wait for the answer and for the end of the turn."""
    nvim.command(f"Cmt ask {question}")
    nvim.screen.wait_for(answer)
    nvim.wait("#require('cmt.turn').running() == 0")


def test_a_session_goes_on_in_another_editor_in_the_terminal_and_back(start: Start, sim: Simulator) -> None:
    """Each of the three sends what was said in the others, and the first shows it when it is asked for."""
    sim.reply_with("One.", "Two.", "Three.", "Four.")
    here = start()
    ask(here, "first", "One.")
    here.command("Cmt rename travelling")
    here.wait("require('cmt.chat').all()[1].session.name == 'travelling'")

    there = start()
    there.command("Cmt sessions")
    there.screen.wait_for("travelling", "1 turn")
    there.keys("<CR>")
    there.screen.wait_for("One.")
    ask(there, "second", "Two.")
    assert said(sim.requests[-1].body) == ["first", "One.", "second"]

    terminal = subprocess.run(
        [sys.executable, "-P", "-m", "cmt_lsp", "ask", "--session", "travelling", "third"],
        cwd=here.folder,
        env={"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": sim.base_url, "HOME": str(here.folder.parent)}
        | {"CMT_STATE_DIR": str(here.folder.parent / "state"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert "Three." in terminal.stdout
    assert said(sim.requests[-1].body) == ["first", "One.", "second", "Two.", "third"]

    ask(here, "fourth", "Four.")
    assert said(sim.requests[-1].body) == ["first", "One.", "second", "Two.", "third", "Three.", "fourth"]
