"""The server as a process: missing, wrong, silent, killed, restarted, and gone with its editor."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from nvim_child import NvimChild, Start

from cmt_lsp.simulator import Answer, Fault, Simulator

SLOW = Answer(chunks=tuple(f"word{n} " for n in range(40)))
PROMPT = "return require('cmt.chat').all()[1].prompt:text()"
OTHER = """
import json, sys
while head := sys.stdin.buffer.readline():
    sys.stdin.buffer.readline()
    said = json.loads(sys.stdin.buffer.read(int(head.split()[1])))
    if "id" in said:
        told = {"capabilities": {"experimental": CAPABILITIES}} if said["method"] == "initialize" else None
        body = json.dumps({"jsonrpc": "2.0", "id": said["id"], "result": told}).encode()
        sys.stdout.buffer.write(b"Content-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
        sys.stdout.flush()
"""
"""A language server that answers nothing of worth, and says what it is told to of itself."""


def is_gone(process: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(") ")[2][0] in "ZX"


def wait_gone(processes: list[int], seconds: float = 10.0) -> None:
    """Wait until all of them have ended."""
    deadline = time.monotonic() + seconds
    while not all(map(is_gone, processes)):
        assert time.monotonic() < deadline, f"of {processes} some live on"
        time.sleep(0.01)


def streaming(nvim: NvimChild, sim: Simulator) -> list[int]:
    """Ask, and have an answer stand still in its middle; the processes of Neovim."""
    sim.reply_with(SLOW)
    sim.fail_next(Fault.stall(after_events=12))
    nvim.command("Cmt ask count")
    nvim.screen.wait_for("word3")
    processes = nvim.children()
    assert processes
    return processes


def test_a_missing_server_says_how_to_get_it(start: Start) -> None:
    """Nothing hangs, and the question stays in the prompt."""
    nvim = start(setup="vim.lsp.config('cmt_lsp', { cmd = { 'no-such-cmt-lsp' } })")
    nvim.command("Cmt")
    nvim.keys("ihello<C-s>")
    nvim.screen.wait_for("was not found", "pipx", "hello")
    assert not nvim.blocked()


def test_without_a_key_nothing_is_sent(start: Start) -> None:
    """A sentence, and the question comes back."""
    nvim = start(key="")
    nvim.command("Cmt ask hello")
    nvim.screen.wait_for("[failed:", "key")
    nvim.wait(f"(function() {PROMPT} end)() == 'hello'")


@pytest.mark.parametrize(
    ("capabilities", "advice"),
    [('{"cmt": {"version": 2}}', "Update the plugin."), ("{}", "Update the server")],
    ids=["newer", "older"],
)
def test_a_server_of_another_contract_is_told_of_before_anything_is_sent(
    start: Start, tmp_path: Path, capabilities: str, advice: str
) -> None:
    """With what to update; the question stays."""
    program = tmp_path / "other.py"
    program.write_text(OTHER.replace("CAPABILITIES", capabilities))
    nvim = start(setup=f"vim.lsp.config('cmt_lsp', {{ cmd = {{ {sys.executable!r}, {str(program)!r} }} }})")
    nvim.command("Cmt ask hello")
    nvim.screen.wait_for(advice)
    assert not nvim.blocked()
    nvim.wait(f"(function() {PROMPT} end)() == 'hello'")


def test_a_program_that_ends_at_once_is_told_of(start: Start) -> None:
    """And the question comes back."""
    nvim = start(setup="vim.lsp.config('cmt_lsp', { cmd = { 'false' } })")
    nvim.command("Cmt ask hello")
    nvim.screen.wait_for("ended before it was ready", "checkhealth cmt")
    nvim.wait(f"(function() {PROMPT} end)() == 'hello'")
    assert not nvim.blocked()


def test_a_server_that_never_answers_can_be_left(start: Start) -> None:
    """Its silence is shown, stop works, and it goes with the editor."""
    nvim = start(setup="vim.lsp.config('cmt_lsp', { cmd = { 'sleep', '600' } })")
    nvim.command("Cmt ask hello")
    nvim.lua("local now = vim.uv.now; vim.uv.now = function() return now() + 9000 end")
    nvim.screen.wait_for("silent for ", "stops")
    nvim.command("Cmt stop")
    nvim.screen.wait_for("[stopped ")
    processes = nvim.children()
    assert processes
    nvim.quit("qall")
    wait_gone(processes)


def test_a_server_killed_in_the_middle_of_an_answer(own_nvim: NvimChild, sim: Simulator) -> None:
    """A message, the transcript intact and marked, and one command starts it again. No open reply comes by itself."""
    for process in streaming(own_nvim, sim):
        os.kill(process, signal.SIGKILL)
    own_nvim.screen.wait_for("cmt-lsp has ended", ":Cmt restart", "word3", "[failed:")
    assert not own_nvim.blocked()
    sim.reply_with("Back again.")
    own_nvim.command("Cmt restart")
    own_nvim.wait("require('cmt').status().running")
    own_nvim.command("Cmt ask are you there")
    own_nvim.screen.wait_for("word3", "Back again.", "today ")


@pytest.mark.parametrize("command", ["qall", "quit | quit | quit"])
def test_leaving_in_the_middle_of_an_answer_leaves_no_process(
    own_nvim: NvimChild, sim: Simulator, command: str
) -> None:
    """The server ends with the editor, and with it the request that costs money."""
    processes = streaming(own_nvim, sim)
    own_nvim.quit(command)
    assert all(map(is_gone, processes))
    sim.wait_closed(0, within=30)


def test_a_killed_editor_leaves_no_process(own_nvim: NvimChild, sim: Simulator) -> None:
    """The server notices that its pipe is closed."""
    processes = streaming(own_nvim, sim)
    own_nvim.process.kill()
    wait_gone(processes)
    sim.wait_closed(0, within=30)
