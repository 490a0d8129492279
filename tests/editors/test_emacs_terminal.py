"""Emacs on a screen: the keys that a person presses, the menu and the question as they see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from answers import AFTER, CHANGED, TALK, held
from desk import Desk
from guide import configuration
from tui import Tui

CONTROL_X, CONTROL_SPACE, CONTROL_C, CONTROL_N, META = "\x18", "\x00", "\x03", "\x0e", "\x1b"
QUIT = "\x07"
QUESTION = "Choose an option: Do not send"
Start = Callable[[], Tui]


@pytest.fixture
def start(emacs_path: str, desk: Desk) -> Iterator[Start]:
    """Start an Emacs with main.py open and the first function selected; the server runs."""
    started: list[Tui] = []

    def begin() -> Tui:
        init = desk.config_file(
            "emacs/init.el", configuration("emacs") + configuration("emacs", "emacs commands")
        )
        desk.file("main.py")
        emacs = Tui([emacs_path, "-nw", "-Q", "-l", str(init), "main.py"], desk.env, desk.work)
        started.append(emacs)
        emacs.shows("def two", "(Python")
        emacs.type(f"{META}xeglot\r")
        emacs.shows("[eglot:work")
        emacs.type(f"{META}<{CONTROL_SPACE}{CONTROL_N}{CONTROL_N}")
        return emacs

    yield begin
    for emacs in started:
        emacs.close()


def choose(emacs: Tui, title: str) -> None:
    """Open the menu of code actions by the guide's key and choose by the beginning of a title."""
    emacs.type(f"{CONTROL_C}a")
    emacs.shows("Pick an action")
    emacs.type(f"{title}\r")
    emacs.hides("Pick an action")


def test_an_answer_is_shown_beside_the_code_and_its_cost_below(start: Start, desk: Desk) -> None:
    emacs = start()
    desk.sim.reply_with(TALK)
    choose(emacs, "Claude: explain")
    shown = emacs.shows("## You · Explain", "17 out · $")
    assert "def two" in shown
    assert emacs.cursor_row < shown.split("\n").index("  # explain one in main.py"), (
        "the cursor stays in the code"
    )

    desk.sim.reply_with(held(CHANGED))
    choose(emacs, "Claude: improve")
    desk.sim.wait_stalled(1)
    emacs.type(f"{META}<x = 0\n")
    desk.sim.release()
    emacs.shows("x = 0", "return 11", "done.")
    emacs.type(f"{CONTROL_X}\x13")
    emacs.until(lambda: (desk.work / "main.py").read_text() == f"x = 0\n{AFTER}", "saved")


def test_a_refused_budget_asks_with_the_safe_answer_first_and_sends_nothing(start: Start, desk: Desk) -> None:
    desk.settings("[budgets]\nturn = 0.000001\n")
    emacs = start()
    choose(emacs, "Claude: explain")
    emacs.shows(QUESTION)
    emacs.type("x")  # a C-g that comes before the minibuffer reads its first key is lost
    emacs.shows(f"{QUESTION}x")
    emacs.type(QUIT)  # after which Eglot never answers
    emacs.hides(QUESTION)
    choose(emacs, "Claude: stop")
    emacs.shows("so nothing was sent")

    choose(emacs, "Claude: explain")
    emacs.shows(QUESTION)
    emacs.type("\r")
    emacs.hides(QUESTION)
    emacs.shows("so nothing was sent")
    assert desk.sim.requests == []

    desk.sim.reply_with(TALK)
    choose(emacs, "Claude: allow this one")
    emacs.shows("17 out · $")
    assert len(desk.sim.requests) == 1
