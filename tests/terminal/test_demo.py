"""The demo keeps its promises, says what it runs on, and spends nothing that nobody agreed to."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Simulator, simulator_in_thread

CMT = [sys.executable, "-P", "-m", "cmt_lsp"]
SIMULATED = "simulated answers, simulated tokens; prices are real list prices"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def real_looking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """An endpoint that the demo takes for the real one, since a key is set."""
    with simulator_in_thread(chunk_delay=0.02) as simulator:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        yield simulator


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo with its output in a pipe."""
    return subprocess.run(
        [*CMT, "demo", *arguments], capture_output=True, text=True, timeout=58, stdin=subprocess.DEVNULL
    )


def leftovers(folder: Path) -> list[str]:
    """State that a demo left behind."""
    return [path.name for path in folder.glob("cmt-lsp-demo-*")]


def test_in_a_pipe_every_promise_is_kept_on_the_simulator(tmp_path: Path) -> None:
    Path("mine.py").write_text("def mine(x: int) -> int:\n    return x + 1\n\n" * 120)

    done = demo()

    assert done.returncode == 0, done.stdout + done.stderr
    assert SIMULATED in done.stdout
    assert "It will talk about mine.py" in done.stdout
    assert "✗" not in done.stdout
    assert done.stdout.count("✓") == 6
    labels = [line.split("│")[0].strip() for line in done.stdout.splitlines() if "│" in line]
    changes = sum(a != b for a, b in itertools.pairwise(labels))
    assert changes > 6, "the two answers came one after the other"
    assert re.search(r"attempt 2 of \d in 3\.0 s", done.stdout)
    assert "\x1b" not in done.stdout
    assert leftovers(tmp_path) == []


def test_on_a_terminal_it_draws_a_picture_too(tmp_path: Path, terminal: Any) -> None:
    screen = terminal([*CMT, "demo", "--svg", "demo.svg"], columns=80)

    assert screen.wait(58) == 0, screen.screen
    drawn = Path("demo.svg").read_text()
    assert "Everything&#160;that&#160;was&#160;promised&#160;happened" in drawn
    assert "simulated&#160;answers" in drawn
    assert leftovers(tmp_path) == []


def test_with_a_key_it_asks_nobody_and_spends_nothing_without_yes(real_looking: Simulator) -> None:
    done = demo()

    assert done.returncode == 1
    assert "costs real money" in done.stdout
    assert re.search(r"asks claude-\S+ at http://127\S+ for at most about \$\d", done.stdout)
    assert "--yes" in done.stderr
    assert real_looking.requests == []


@pytest.mark.parametrize("answer", ["n", "", "yo"])
def test_on_a_terminal_only_yes_means_yes(real_looking: Simulator, terminal: Any, answer: str) -> None:
    screen = terminal([*CMT, "demo"])
    screen.wait_for("Go on? [y/N]")

    screen.type(answer + "\n")

    assert screen.wait() == 1
    assert real_looking.requests == []


def test_ctrl_c_at_the_question_ends_it(real_looking: Simulator, terminal: Any) -> None:
    screen = terminal([*CMT, "demo"])
    screen.wait_for("Go on? [y/N]")

    screen.type("\x03")

    assert screen.wait(within=5) == 130
    assert "Traceback" not in screen.screen
    assert real_looking.requests == []


def test_with_yes_it_runs_on_the_endpoint_and_costs_less_than_it_said(
    real_looking: Simulator, tmp_path: Path
) -> None:
    done = demo("--yes", "--keep")

    assert done.returncode == 0, done.stdout + done.stderr
    assert SIMULATED not in done.stdout
    asked = [request for request in real_looking.requests if request.path == "/v1/messages"]
    assert len(asked) == 4
    most = float(re.search(r"at most about \$(\d+\.\d+)", done.stdout)[1])  # type: ignore[index]
    together = next(line for line in done.stdout.splitlines() if line.strip().startswith("together"))
    assert 0 < float(together.split("$")[1].split()[0]) < most
    assert len(leftovers(tmp_path)) == 1
    state = tmp_path / leftovers(tmp_path)[0]
    kept = subprocess.run(
        [*CMT, "sessions"],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | {"CMT_STATE_DIR": str(state)},
    )
    assert "explain" in kept.stdout
    assert "review" in kept.stdout


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, terminal: Any) -> None:
    screen = terminal([*CMT, "demo"])
    screen.wait_for("Two sessions")

    screen.type("\x03")

    assert screen.wait() == 130
    assert "Traceback" not in screen.screen
    assert leftovers(tmp_path) == []


def test_a_file_that_is_not_there_is_a_sentence() -> None:
    done = demo("--file", "nowhere.py")

    assert done.returncode == 1
    assert "nowhere.py cannot be read" in done.stderr
