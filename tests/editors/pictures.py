"""The pictures of the guides, drawn from real screens: `python tests/editors/pictures.py docs/images`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from desk import Desk, editor_path
from guide import configuration
from helix_child import HelixChild
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from tui import Tui

from cmt_lsp.simulator import simulator_in_thread

SHOP = '''\
"""Prices of a small shop."""


def total(prices, discount):
    result = 0
    for price in prices:
        result = result + price
    return result - result * discount / 100


def cheapest(prices):
    return sorted(prices)[0]
'''
EXPLAINED = """\
Adds up `prices` and takes `discount` percent off.

- An empty list costs 0; nothing fails.
- `discount` is in percent: 10 means a tenth, and 150 makes the sum negative.
- Floats are added as they are, so that `0.1 + 0.2` is not quite `0.3`. For money, take `Decimal` or whole cents.
"""


def draw_emacs(desk: Desk, folder: Path) -> None:
    """An answer beside its code."""
    init = desk.config_file("emacs/init.el", configuration("emacs") + "(setq inhibit-startup-message t)")
    desk.sim.reply_with(EXPLAINED)
    emacs = Tui(
        [editor_path("emacs", "CMT_TEST_EMACS"), "-nw", "-Q", "-l", str(init), "shop.py"],
        desk.env,
        desk.work,
        100,
        50,
    )
    try:
        emacs.shows("def cheapest", "(Python")
        emacs.type("\x1bxeglot\r")
        emacs.shows("[eglot:work")
        emacs.type("\x1b<" + "\x0e" * 3 + "\x00" + "\x0e" * 5 + "\x03a")
        emacs.shows("Pick an action")
        emacs.type("Claude: explain\r")
        emacs.shows("For money, take", " out · $")
        emacs.picture(folder / "editors-emacs.svg", "Emacs", DEFAULT_TERMINAL_THEME)
    finally:
        emacs.close()


def draw_helix(desk: Desk, folder: Path) -> None:
    """The menu over a selection, and the transcript that comes of it."""
    helix = HelixChild(editor_path("hx", "CMT_TEST_HELIX"), desk, "shop.py", 100, 28)
    try:
        helix.type("4ggxxxxx")
        helix.menu("Claude: tests")
        helix.picture(folder / "editors-helix.svg", "Helix")
        desk.sim.reply_with(EXPLAINED)
        helix.choose("Claude: explain")
        helix.shows("For money, take", "tokens in")
        helix.picture(folder / "editors-helix-transcript.svg", "Helix")
    finally:
        helix.close()


def main(folder: Path) -> None:
    """Draw all of them into a folder."""
    for draw in (draw_emacs, draw_helix):
        with (
            tempfile.TemporaryDirectory(prefix="shop-") as root,
            simulator_in_thread(chunk_delay=0.01) as sim,
        ):
            desk = Desk(Path(root), sim)
            desk.file("shop.py", SHOP)
            draw(desk, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
