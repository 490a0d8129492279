"""`cmt-lsp screenshot` and the pictures of `ask`, from a shell to the endpoint."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shell import CMT, cmt

from cmt_lsp.simulator import Simulator

sys.path.insert(0, str(Path(__file__).parents[1] / "screen"))

from fake_tools import FakeTools, png


@pytest.fixture
def fake(endpoint: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    """A GNOME desktop with a clipboard."""
    tools = FakeTools(tmp_path / "tools")
    tools.add("gnome-screenshot")
    tools.add("wl-paste", 'case "$*" in *--list-types*) echo image/png;; *) cat "$picture";; esac')
    monkeypatch.setenv("PATH", f"{tools.bin}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-test")
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "GNOME")
    return tools


def left_behind() -> list[Path]:
    return list((Path(os.environ["CMT_STATE_DIR"]) / "pictures").rglob("*"))


def blocks(endpoint: Simulator) -> list[str]:
    """What the newest question holds."""
    return [block["type"] for block in endpoint.requests[-1].body["messages"][-1]["content"]]


def test_a_picture_is_shown_with_its_price_and_kept_where_told(endpoint: Simulator, fake: FakeTools) -> None:
    """In a new file for the person alone; nothing is sent."""
    done = cmt("screenshot", "--window", "--save", "shot.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("window.png: 40 x 30, 0 kB, 4 tokens, ")
    assert fake.told("gnome-screenshot")[0] == "-w"
    saved = Path("shot.png")
    assert (saved.read_bytes(), stat.S_IMODE(saved.stat().st_mode)) == (png(), 0o600)
    again = cmt("screenshot", "--save", "shot.png")
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    assert saved.read_bytes() == png()
    assert endpoint.requests == []
    assert left_behind() == []


def test_a_question_goes_with_the_picture_and_with_the_one_in_the_clipboard(
    endpoint: Simulator, fake: FakeTools
) -> None:
    """In the order of the command line; each is told of before the answer."""
    endpoint.reply_with("A red field.")
    done = cmt("ask", "What is this?", "--region", "--clipboard")
    assert (done.stdout, done.returncode) == ("A red field.\n", 0), done.stderr
    assert done.stderr.index("region.png: 40 x 30") < done.stderr.index("clipboard.png: 40 x 30")
    assert blocks(endpoint) == ["image", "image", "text"]
    endpoint.reply_with("Still red.")
    done = cmt("screenshot", "--ask", "And now?", "--session", "shots")
    assert (done.stdout, done.returncode) == ("Still red.\n", 0), done.stderr
    assert blocks(endpoint) == ["image", "text"]


def test_ctrl_c_while_a_region_is_chosen_leaves_nothing(
    endpoint: Simulator, fake: FakeTools, terminal: Callable[..., Any]
) -> None:
    """Nor is anything asked."""
    fake.add("gnome-screenshot", 'cp "$picture" "$file"; echo > $log.ready; exec sleep 60')
    shell = terminal([*CMT, "ask", "What is this?", "--region"], columns=100)
    shell.wait_for("draw a region")
    while not fake.told("gnome-screenshot", "ready"):
        assert shell.process.poll() is None, shell.screen
    shell.type("\x03")
    assert shell.wait() == 130
    assert left_behind() == []
    assert endpoint.requests == []


@pytest.mark.parametrize("arguments", [("--window", "--region"), ("--delay", "61"), ("--delay", "-1")])
def test_what_makes_no_sense_is_misuse(arguments: tuple[str, ...]) -> None:
    assert cmt("screenshot", *arguments).returncode == 2
