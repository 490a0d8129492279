"""The page on Neovim: its commands work as they stand there, and its words are those of the plugin."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "editors" / "neovim.md"

ASKED = """
vim.cmd("help cmt-config")
io.stdout:write(vim.json.encode({
  command = vim.fn.exists(":Cmt"),
  server = vim.lsp.config.cmt_lsp.cmd,
  help = vim.fn.expand("%:t"),
  status = require("cmt").statusline(),
}))
"""


def block(name: str) -> str:
    """The shell lines of the page under a mark."""
    found = re.search(rf"<!-- command: {name} -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, name
    return found[1]


def test_the_lines_by_hand_install_it(nvim_path: str, tmp_path: Path) -> None:
    """In an empty home: the command, the server's configuration, the help and the status are there."""
    env = os.environ | {
        "HOME": str(tmp_path),
        "PATH": f"{Path(nvim_path).parent}{os.pathsep}{os.environ['PATH']}",
    }
    env = {name: value for name, value in env.items() if not name.startswith("XDG_")}
    script = tmp_path / "asked.lua"
    script.write_text(ASKED)
    tags = ROOT / "editor-clients" / "neovim" / "doc" / "tags"
    subprocess.run(["sh", "-eu", "-c", block("neovim by hand")], cwd=ROOT, env=env, check=True, timeout=30)
    done = subprocess.run(
        [nvim_path, "--headless", "-c", f"luafile {script}", "-c", "qall!"],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    tags.unlink(missing_ok=True)
    assert json.loads(done.stdout) == {
        "command": 2,
        "server": ["cmt-lsp", "--stdio"],
        "help": "cmt.txt",
        "status": "",
    }


def test_the_page_names_what_the_help_names() -> None:
    """Every subcommand, map, event and option of the page has a tag in the help."""
    page = PAGE.read_text()
    tags = set(re.findall(r"\*(\S+)\*", (ROOT / "editor-clients" / "neovim" / "doc" / "cmt.txt").read_text()))
    table = page.split("## Commands")[1].split("## Options")[0]
    said = {f":Cmt-{name}" for name in re.findall(r"`:(?:\[range\])?Cmt (\w+)", page)}
    said |= {
        f":Cmt-{name}" for name in re.findall(r"`(new|sessions|rename|fork|log|restart|health)\b", table)
    }
    said |= set(re.findall(r"<Plug>\(cmt-\w+\)", page)) | set(re.findall(r"\bCmt[A-Z]\w+", page))
    options = page.split("vim.g.cmt = {\n")[1].split("\n}")[0]
    said |= {f"cmt-config-{name}" for name in re.findall(r"^  (\w+) =", options, re.MULTILINE)}
    assert said - tags == set()
    commands = {tag for tag in tags if tag.startswith(":Cmt-")}
    assert commands - said == set()
