"""The demo's stage: labelled lines in a pipe, panels on a terminal, promises that count."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.terminal.render import Wait
from cmt_lsp.terminal.stage import Stage

BOARD = """
from cmt_lsp.terminal.render import Wait
from cmt_lsp.terminal.stage import Stage
stage = Stage(no_color=False, picture=False)
with stage.board({"one": "Who?", "two": "What?"}) as board:
    board.wait("one", Wait("warming up"))
    board.add("one", "Text \\x1b[31mof one. " * 60)
    board.add("two", "Last line of two")
stage.promise(True, "kept")
"""


def test_in_a_pipe_two_answers_are_labelled_lines_in_the_order_they_come(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Stage(no_color=True, picture=False).board({"explain": "Why?", "review": "How?"}) as board:
        board.wait("explain", Wait("warming up"))
        board.wait("explain", Wait("warming up"))
        board.add("explain", "First line\nsecond")
        board.add("review", "Other line\n")
        board.add("explain", " line\n\nend")

    assert capsys.readouterr().out.splitlines() == [
        "   explain │ > Why?",
        "   review  │ > How?",
        "   explain │ ... warming up",
        "   explain │ First line",
        "   review  │ Other line",
        "   explain │ second line",
        "   explain │ end",
    ]


def test_a_long_piped_line_is_broken_at_a_space_and_nothing_of_it_is_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "word " * 40 + "x" * 200
    with Stage(no_color=True, picture=False).board({"a": "?"}) as board:
        for letter in text:
            board.add("a", letter)

    lines = [line.removeprefix("   a │ ") for line in capsys.readouterr().out.splitlines()[1:]]
    assert max(map(len, lines)) <= 76
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_broken_promise_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(no_color=True, picture=False)

    stage.promise(True, "this")
    stage.promise(False, "that")

    assert stage.failures == 1
    assert capsys.readouterr().out == "   ✓ this\n   ✗ that\n"


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_panels_fit_the_terminal_and_obey_no_foreign_control(terminal: Any, columns: int) -> None:
    screen = terminal([sys.executable, "-c", BOARD], columns=columns)

    assert screen.wait() == 0
    assert "Last line of two" in screen.screen
    assert "\x1b[31mof" not in screen.screen
    assert "✓" in screen.screen
    for line in screen.screen.replace("\r", "").split("\n"):
        assert line.count("─") <= columns


def test_a_picture_holds_what_was_shown_and_is_the_same_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.svg", "b.svg"):
        stage = Stage(no_color=True, picture=True)
        stage.say("Hello")
        with stage.board({"one": "Who?"}) as board:
            board.add("one", "An answer")
        stage.save_picture(str(tmp_path / name))

    drawn = (tmp_path / "a.svg").read_text()
    assert all(word in drawn for word in ("Hello", "An&#160;answer", "cmt-lsp"))
    assert "url(" not in drawn.replace("url(#", "")
    assert drawn == (tmp_path / "b.svg").read_text()
    assert "Hello" in capsys.readouterr().out


def test_a_reader_that_leaves_ends_a_board_without_a_traceback() -> None:
    endless = (
        "from cmt_lsp.terminal.stage import Stage; from cmt_lsp.terminal.outcome import exit_code; import sys\n"
        "def tell():\n"
        "    with Stage(no_color=True, picture=False).board({'a': '?'}) as board:\n"
        "        while True: board.add('a', 'line\\n')\n"
        "sys.exit(exit_code(tell))"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", endless], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None and program.stderr is not None
    program.stdout.readline()
    program.stdout.close()

    assert program.stderr.read() == ""
    assert program.wait(10) == 1
    program.stderr.close()
