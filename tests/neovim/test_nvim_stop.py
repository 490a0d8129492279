"""Stopping: in every state an answer can be in, at once, and with the next question answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from nvim_child import NvimChild

from cmt_lsp.simulator import Answer, Fault, Simulator

SLOW = Answer(thinking="Let me see. " * 40, chunks=tuple(f"word{n} " for n in range(40)))

STATES = {
    "waiting for the endpoint": (Fault.stall(), "waiting", ()),
    "thinking": (Fault.stall(after_events=6), "thinking", ()),
    "streaming": (Fault.stall(after_events=40), "streaming", ("word3",)),
    "silent": (Fault.stall(after_events=40), "streaming", ("word3", "silent for ")),
    "in a retry wait": (Fault.status(529, retry_after=30), "retrying", ("again in ", " s (2 of ")),
}
SHIFTED = "local now = vim.uv.now; vim.uv.now = function() return now() + 6000 end"
"""A clock that is six seconds ahead, so that nobody has to be silent for so long."""


@pytest.mark.parametrize("state", STATES)
def test_stop_works_in_every_state(nvim: NvimChild, sim: Simulator, state: str) -> None:
    """Neovim drops the reply to a cancelled request: the turn ends all the same, and the next one is answered."""
    fault, phase, shown = STATES[state]
    sim.fail_next(fault)
    sim.reply_with(SLOW)
    nvim.command("Cmt ask first")
    sim.wait_arrived(0, within=30)
    if state == "silent":
        nvim.screen.wait_for("word3")
        nvim.lua(SHIFTED)
    nvim.screen.wait_for("stops", *shown)
    nvim.wait("require('cmt.chat').all()[1].turn.phase == ...", phase)
    nvim.command("Cmt stop")
    nvim.screen.wait(lambda text: "[partial: stopped by you]" in text or "[stopped " in text)
    if fault.strikes:
        sim.wait_closed(0, within=30)
    sim.forget()
    sim.reply_with("Answered.")
    nvim.command("Cmt ask second")
    nvim.screen.wait_for("second", "Answered.", "today ")
    assert nvim.lua("return #require('cmt.turn').running()") == 0


def test_stop_while_another_answer_is_waited_for(nvim: NvimChild, sim: Simulator) -> None:
    """The same asked twice at once: the second lets the first write what it can read. It alone ends, and sends nothing."""
    nvim.call(
        "nvim_buf_set_lines", 0, 0, -1, True, [f"value_{n} = {n}  # of the long list" for n in range(3000)]
    )
    sim.fail_next(Fault.stall())
    sim.reply_with("Answer of the first.")
    nvim.command("%Cmt ask what is this?")
    sim.wait_stalled(0, within=30)
    nvim.command("tab Cmt new")
    nvim.command("tabnew main.py")
    nvim.command("%Cmt ask what is this?")
    nvim.screen.wait_for("waiting for the cache", "cmt://chat/2")
    nvim.command("Cmt stop")
    nvim.screen.wait_for("[stopped ")
    nvim.command("tabfirst")
    sim.release()
    nvim.screen.wait_for("Answer of the first.", "today ")
    assert len(sim.requests) == 1


def test_stop_before_the_server_has_a_turn(nvim: NvimChild) -> None:
    """Sent and stopped in one breath: no reply ever comes, nothing hangs, and the question is back in the prompt."""
    nvim.command("Cmt ask warm up")
    nvim.screen.wait_for("out ")
    nvim.lua("vim.cmd('Cmt ask at once'); vim.cmd('Cmt stop')")
    nvim.wait("#require('cmt.turn').running() == 0")
    nvim.screen.wait(lambda text: "[stopped " in text or "[partial" in text)


def test_stop_while_the_server_still_starts(own_nvim: NvimChild, sim: Simulator) -> None:
    """The very first question, before there is a session: nothing is sent."""
    own_nvim.lua("vim.cmd('Cmt ask too early'); vim.cmd('Cmt stop')")
    own_nvim.screen.wait_for("[stopped before anything was sent]")
    own_nvim.wait("require('cmt.chat').all()[1].session ~= nil")
    assert sim.requests == []
    assert own_nvim.lua("return vim.fn.getbufline('cmt://prompt/1', 1)") == ["too early"]


def test_stop_when_nothing_runs_says_so(nvim: NvimChild) -> None:
    """A cancel of an answered request would be an error line in the log."""
    log = Path(nvim.lua("return vim.lsp.log.get_filename()"))
    before = log.read_text() if log.exists() else ""
    nvim.command("Cmt ask something")
    nvim.screen.wait_for("out ")
    nvim.command("Cmt stop")
    nvim.screen.wait_for("Nothing runs.")
    assert (log.read_text() if log.exists() else "") == before


def test_stop_with_a_bang_stops_all_chats(nvim: NvimChild, sim: Simulator) -> None:
    """Wherever the cursor is."""
    sim.fail_next(Fault.stall(), Fault.stall())
    nvim.command("Cmt ask one")
    nvim.command("tab Cmt new")
    nvim.command("Cmt ask two")
    sim.wait_arrived(1, within=30)
    nvim.command("tabfirst")
    nvim.command("Cmt stop!")
    nvim.wait("#require('cmt.turn').running() == 0")
    sim.wait_closed(0, within=30)
    sim.wait_closed(1, within=30)
