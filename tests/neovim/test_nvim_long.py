"""A chat of ten thousand lines: opened, streamed below, and scrolled with the mouse while an answer comes."""

from __future__ import annotations

import time
from collections.abc import Callable

from nvim_child import NvimChild
from test_nvim_view import longest_gap, processor_seconds

from cmt_lsp.simulator import Answer, Fault, Simulator

LINES = 10_000
LONG = "\n".join(
    "```lua" if n % 40 == 5 else "```" if n % 40 == 20 else f"line {n} with `code` and **bold** words"
    for n in range(LINES)
)
CHAT = "vim.fn.bufwinid(require('cmt.chat').all()[1].transcript.buf)"


def at(nvim: NvimChild, what: str) -> int:
    """A line of the chat's window, such as `w0`."""
    line: int = nvim.lua(f"return vim.fn.line(..., {CHAT})", what)
    return line


def wheel(nvim: NvimChild, direction: str) -> None:
    """Turn the wheel over the transcript by one notch."""
    row, column = nvim.lua(f"return vim.api.nvim_win_get_position({CHAT})")
    nvim.call("nvim_input_mouse", "wheel", direction, "", 0, row + 5, column + 5)


def test_ten_thousand_lines_open_and_stream(
    nvim: NvimChild, sim: Simulator, figure: Callable[[str, str], None]
) -> None:
    """The end is on the screen soon after a session is opened; below it an answer comes as below nothing."""
    sim.reply_with(
        Answer(text=LONG, chunk_chars=2000, stop_reason="end_turn"),
        Answer(chunks=tuple(f"new {n}\n\n" for n in range(100)), chunk_delay=0.015),
    )
    nvim.command("Cmt ask everything")
    nvim.screen.wait_for(f"line {LINES - 1} ", "today ", seconds=30)
    asked = time.monotonic()
    nvim.command("Cmt fork")
    nvim.screen.wait_for(f"line {LINES - 1} ", "cmt://chat/2")
    opened = time.monotonic() - asked
    assert (
        nvim.lua("return vim.api.nvim_buf_line_count(require('cmt.chat').all()[2].transcript.buf)") >= LINES
    )
    before, seen = processor_seconds(nvim.process.pid), len(nvim.screen.flushes)
    nvim.command("Cmt ask more")
    nvim.screen.wait_for("new 99")
    times = nvim.screen.flushes[seen + 2 :]
    spent = processor_seconds(nvim.process.pid) - before
    figure(
        "neovim, a chat of 10,000 lines",
        f"opened in {opened * 1000:.0f} ms; 100 pieces below it: {len(times)} updates, "
        f"longest gap {longest_gap(times) * 1000:.0f} ms, {spent:.2f} s of processor time",
    )
    assert opened < 5
    assert len(times) >= 15
    assert spent <= 1.0


def test_no_tree_sitter_looks_at_a_chat(nvim: NvimChild, sim: Simulator) -> None:
    """Its parse after each piece grows with the whole chat, and the screen stands still meanwhile."""
    sim.reply_with("```lua\nlocal x = [[ never closed")
    nvim.command("Cmt ask code")
    nvim.screen.wait_for("never closed", "today ")
    buffer = "require('cmt.chat').all()[1].transcript.buf"
    assert nvim.lua(f"return vim.treesitter.highlighter.active[{buffer}] == nil")


def test_the_wheel_leaves_the_end_and_comes_back_to_it(nvim: NvimChild, sim: Simulator) -> None:
    """While an answer comes: the view stays where it was scrolled to, and follows again from the end on."""
    sim.reply_with(Answer(chunks=tuple(f"row {n}\n\n" for n in range(3000)), chunk_delay=0.02))
    sim.fail_next(Fault.stall(after_events=60))
    nvim.command("Cmt ask go")
    nvim.screen.wait_for("row 40")
    for _ in range(4):
        wheel(nvim, "up")
    nvim.screen.wait(lambda text: "row 30" in text and "row 45" not in text)
    top = at(nvim, "w0")
    sim.release()
    nvim.wait(f"vim.fn.line('$', {CHAT}) > 200")
    assert at(nvim, "w0") == top
    assert "row 30" in nvim.screen.text
    deadline = time.monotonic() + 20
    while at(nvim, "w$") < at(nvim, "$"):
        assert time.monotonic() < deadline, "the end was not reached"
        wheel(nvim, "down")
    reached = at(nvim, "$")
    nvim.wait(f"vim.fn.line('w0', {CHAT}) > {reached}")
    assert at(nvim, "w$") >= reached
    nvim.command("Cmt stop")
    nvim.screen.wait_for("[partial: stopped by you]")
