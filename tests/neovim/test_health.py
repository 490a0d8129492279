"""`:checkhealth cmt` in a real Neovim: what it finds, what it advises, and that it never hangs or tells the key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from nvim_child import NvimChild

from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread

PLUGIN = Path(__file__).parents[2] / "editor-clients" / "neovim"
BIN = Path(sys.executable).parent
KEY = "sk-ant-health-5Tq81xZw"

RUNNING = """
local server = require("cmt.client").start()
assert(vim.wait(20000, function() return server.initialized == true end, 5))
"""
"""The server runs before the check."""

Check = Callable[..., str]


@pytest.fixture
def check(nvim_path: str, tmp_path: Path) -> Check:
    """Run the check with this Lua before it and these programs first on PATH; the report's text."""

    def run(before: str = "", *, path: Path | None = None, **env: str) -> str:
        report = tmp_path / "report.txt"
        script = tmp_path / "before.lua"
        script.write_text(before)
        arguments = ["--cmd", f"set rtp^={PLUGIN}", "-c", f"luafile {script}", "-c", "checkhealth cmt"]
        world = {
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "nvim"),
            "XDG_DATA_HOME": str(tmp_path / "nvim"),
            "PATH": os.pathsep.join([str(path or BIN), "/usr/bin", "/bin"]),
            "DISPLAY": "",
            "WAYLAND_DISPLAY": "",
        }
        subprocess.run(
            [nvim_path, "--headless", "--clean", *arguments, "-c", f"write {report}", "-c", "qall!"],
            env=os.environ | world | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=50,
        )
        return report.read_text()

    return run


def program(folder: Path, body: str) -> Path:
    """A folder with a program named as the server is."""
    folder.mkdir()
    script = folder / "cmt-lsp"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program that says what the server's says, at once: for tests that are about something else."""
    folder = tmp_path_factory.mktemp("echo")
    env = os.environ | {"ANTHROPIC_API_KEY": KEY, "CMT_STATE_DIR": str(folder / "state")}
    for asked in ("--version", "doctor"):
        said = subprocess.run([BIN / "cmt-lsp", asked], env=env, capture_output=True, check=True, timeout=30)
        (folder / asked).write_bytes(said.stdout)
    return program(folder / "bin", f'exec cat "{folder}/$1"')


def complaints(report: str) -> list[str]:
    """Each error and warning, with its advice in the same line; none may be without."""
    found = re.findall(r"- \S+ (?:ERROR|WARNING) (.+)\n((?:  - ADVICE:\n(?:    .+\n)+)?)", report)
    assert all(advice for _, advice in found), report
    return [" ".join(f"{text} {advice}".split()) for text, advice in found]


def test_with_a_key_and_no_server_yet_all_is_well(check: Check) -> None:
    """The program is asked for its version and its doctor; the server is not started, the key not told."""
    report = check(ANTHROPIC_API_KEY=KEY)
    assert complaints(report) == []
    assert "cmt-lsp, found on PATH: cmt-lsp 0." in report
    assert "the server does not run yet" in report
    assert "OK key: environment, for https://api.anthropic.com" in report
    assert KEY not in report


def test_the_running_server_is_asked_itself(check: Check) -> None:
    """Contract, key source, doctor and wiring; nothing is sent to the endpoint."""
    with simulator_in_thread(api_key=KEY) as sim:
        report = check(RUNNING, ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=sim.base_url)
        assert list(sim.requests) == []
    assert complaints(report) == []
    assert "speaks version 1 of the contract" in report
    assert f"OK key: environment, for {sim.base_url}" in report
    assert "OK ledger: " in report
    assert "reach the plugin" in report
    assert KEY not in report


@pytest.mark.parametrize("before", ["", RUNNING], ids=["at rest", "running"])
def test_without_a_key_it_says_where_to_set_one(check: Check, before: str) -> None:
    report = check(before)
    assert [c for c in complaints(report) if "no API key is set" in c and "Set ANTHROPIC_API_KEY" in c]


def test_without_a_server_it_says_how_to_get_one(check: Check, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (complaint,) = complaints(check(path=tmp_path / "empty"))
    assert "`cmt-lsp` is not found" in complaint
    assert "`pipx install .`" in complaint
    assert "|cmt-server|" in complaint


def test_a_server_that_was_updated_since_it_started_is_told_of(check: Check, tmp_path: Path) -> None:
    """What is installed now says another version than what runs."""
    newer = program(tmp_path / "newer", "echo cmt-lsp 99.1.0")
    swapped = f"""
    vim.lsp.config("cmt_lsp", {{ cmd = {{ "{newer}/cmt-lsp" }} }})
    """
    (complaint,) = complaints(check(RUNNING + swapped, ANTHROPIC_API_KEY=KEY))
    assert "installed is 99.1.0" in complaint
    assert ":Cmt restart" in complaint


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("echo Comment Tool 3", "it says `Comment Tool 3` when asked for its version"),
        ("echo No module named anthropic >&2; exit 1", "No module named anthropic (exit code 1)"),
        ("exec sleep 30", "no answer within 0.3 s"),
    ],
    ids=["another program", "a broken one", "one that hangs"],
)
def test_a_program_that_is_not_the_server_is_told_of(
    check: Check, tmp_path: Path, body: str, says: str
) -> None:
    limit = 'require("cmt.checkup").limits.start_ms = 300'
    (complaint,) = complaints(check(limit, path=program(tmp_path / "other", body)))
    assert says in complaint


def test_a_server_that_is_silent_is_told_of_in_time(check: Check) -> None:
    """It is stopped by a signal; the check ends all the same."""
    stopped = """
    require("cmt.checkup").limits.answer_ms = 300
    local _, pid = next(vim.api.nvim_get_proc_children(vim.fn.getpid()))
    vim.uv.kill(pid, "sigstop")
    vim.api.nvim_create_autocmd("VimLeavePre", { callback = function() vim.uv.kill(pid, "sigkill") end })
    """
    (complaint,) = complaints(check(RUNNING + stopped, ANTHROPIC_API_KEY=KEY))
    assert "it gives no account of itself: no answer within 0.3 s" in complaint
    assert ":Cmt restart" in complaint


def test_handlers_and_capabilities_of_somebody_else_are_found(check: Check) -> None:
    """A configuration that takes the answers away, as progress plugins advise, is named."""
    taken = """
    vim.lsp.config("cmt_lsp", {
      handlers = { ["$/progress"] = function() end, ["cmt/turn"] = function() end },
      capabilities = { experimental = { cmt = { turn = false } } },
    })
    """
    found = complaints(check(taken + RUNNING, ANTHROPIC_API_KEY=KEY))
    for complaint, word in zip(found, ("not asked for", "cmt/turn", "$/progress", "pieces"), strict=True):
        assert word in complaint


def test_unknown_options_are_named(check: Check, echo: Path) -> None:
    found = complaints(check("vim.g.cmt = { widht = 3, prompt_height = 'tall' }", path=echo))
    assert [("widht" in c, "prompt_height" in c) for c in found] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("options", "says"),
    [("function() error('no such thing', 0) end", "no such thing"), ("'wide'", "must be a table")],
    ids=["a function that fails", "a string"],
)
def test_options_that_are_no_table_are_told_of_and_the_defaults_stand(
    check: Check, echo: Path, options: str, says: str
) -> None:
    (complaint,) = complaints(check(f"vim.g.cmt = {options}", path=echo))
    assert says in complaint


def test_a_server_of_another_contract_is_named_with_what_to_update(check: Check, echo: Path) -> None:
    """The older side is the one to update; what is said of no contract and of a later one stands in the report."""
    asked = """
    local told = require("cmt.checkup").contract_finding
    vim.g.cmt = { [told(nil).advice] = 1, [told({ version = 2 }).advice] = 1 }
    """
    report = check(asked, path=echo)
    assert "option `Update the server: pipx upgrade cmt-lsp.`" in report
    assert "option `Update the plugin.`" in report


def test_a_check_in_the_middle_of_an_answer_leaves_it_alone(nvim: NvimChild, sim: Simulator) -> None:
    """On the screen: what the terminal can do, and a server named by a command of several words; then the rest comes."""
    sim.reply_with(Answer(chunks=tuple(f"word{n} " for n in range(40))))
    sim.fail_next(Fault.stall(after_events=12))
    nvim.command("Cmt ask count")
    nvim.screen.wait_for("word3", "stops")
    nvim.command("tab Cmt health")
    nvim.screen.wait_for("cmt: editor", "a screen of 110 by 36, with all colours")
    report = "\n".join(nvim.call("nvim_buf_get_lines", 0, 0, -1, True))
    assert complaints(report) == []
    assert ", named in vim.lsp.config: cmt-lsp 0." in report
    nvim.command("tabclose")
    sim.release()
    nvim.screen.wait_for("word39", "out ")
