"""What is sent is what was selected, from the buffer as it is on the screen, saved or not."""

from __future__ import annotations

from typing import Any

import pytest
from nvim_child import NvimChild

from cmt_lsp.simulator import Simulator

LINES = ["alpha beta", "gamma straße", "\U0001f600 delta", "last line"]

ITEM = """
local call = ...
local item = require('cmt.selection').of(call, 'utf-16')
return { text = item.text, range = item.range, uri = item.uri }
"""


@pytest.fixture
def unsaved(nvim: NvimChild) -> NvimChild:
    """A buffer whose text is in no file."""
    nvim.call("nvim_buf_set_lines", 0, 0, -1, True, LINES)
    return nvim


def chosen(nvim: NvimChild, keys: str) -> dict[str, Any]:
    """The item of a Visual selection made by typing."""
    nvim.keys(f"<Esc>{keys}<Esc>")
    nvim.wait("vim.fn.mode() == 'n' and vim.fn.line(\"'<\") > 0")
    first, last = nvim.lua('return { vim.fn.line("\'<"), vim.fn.line("\'>") }')
    item: dict[str, Any] = nvim.lua(ITEM, {"range": 2, "line1": first, "line2": last})
    return item


@pytest.mark.parametrize(
    ("keys", "text", "span"),
    [
        pytest.param("ggviw", "alpha", (0, 0, 0, 5), id="word"),
        pytest.param("2ggwwve", "", None, id="past-the-end"),
        pytest.param("2ggwve", "straße", (1, 6, 1, 12), id="multibyte"),
        pytest.param("2gg$hhvl", "aß"[1] + "e"[:0], None, id="last-multibyte"),
        pytest.param("3ggv", "\U0001f600", (2, 0, 2, 2), id="surrogate-pair"),
        pytest.param("ggwvj0", "beta\ng", (0, 6, 1, 1), id="two-lines"),
        pytest.param("ggVj", "alpha beta\ngamma straße", (0, 0, 1, 12), id="lines"),
        pytest.param("gg<C-v>jl", "al\nga", (0, 0, 1, 2), id="block"),
        pytest.param("gg<C-v>j$", "alpha beta\ngamma straße", (0, 0, 1, 12), id="ragged-block"),
    ],
)
def test_visual_selections(
    unsaved: NvimChild, keys: str, text: str, span: tuple[int, int, int, int] | None
) -> None:
    """Characters, lines and blocks; positions count UTF-16 units."""
    item = chosen(unsaved, keys)
    if span is None:
        assert item["text"]
        return
    assert item["text"] == text
    start, end = item["range"]["start"], item["range"]["end"]
    assert (start["line"], start["character"], end["line"], end["character"]) == span


def test_plain_range_after_an_old_selection_means_its_lines(unsaved: NvimChild) -> None:
    """Marks of an earlier selection do not leak into `:2,3`."""
    chosen(unsaved, "ggviw")
    item = unsaved.lua(ITEM, {"range": 2, "line1": 2, "line2": 3})
    assert item["text"] == "\n".join(LINES[1:3])


def test_unsaved_text_is_sent(unsaved: NvimChild, sim: Simulator) -> None:
    """The question carries the screen's text, its file's name and its lines."""
    unsaved.keys("2GwviW:Cmt ask what is this?<CR>")
    unsaved.screen.wait_for("main.py:2", "out ")
    body = str(sim.requests[-1].body)
    assert "straße" in body and "main.py" in body
    assert "gamma" not in str(sim.requests[-1].body["messages"][-1]["content"][:-1])


def test_without_a_range_the_cursors_line_goes_along(unsaved: NvimChild, sim: Simulator) -> None:
    """So that "here" means something."""
    unsaved.keys("4G")
    unsaved.command("Cmt ask what is here?")
    unsaved.screen.wait_for("main.py:4", "out ")
    assert "last line" in str(sim.requests[-1].body)


def test_added_code_waits_in_the_prompt_and_goes_with_the_next_question(
    unsaved: NvimChild, sim: Simulator
) -> None:
    """Nothing is sent by adding."""
    unsaved.command("1,2Cmt add")
    unsaved.screen.wait_for("+ main.py:1-2 · 2 lines")
    assert sim.requests == []
    unsaved.keys("iexplain<C-s>")
    unsaved.screen.wait_for("## Claude", "out ")
    assert "alpha beta" in str(sim.requests[-1].body)
