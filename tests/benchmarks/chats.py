"""Chats in a real Neovim with a screen: ours, the least that could be one, and a rival where its folders are named."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .caller import KEY, MODEL
from .processes import HERE, cmt_lsp

sys.path.append(str(HERE.parent / "neovim"))

from nvim_child import NvimChild

if TYPE_CHECKING:
    from .processes import World

RIVAL = os.environ.get("CMT_BENCH_RIVAL", "")
"""Folders of a chat plugin and of what it needs, with colons between them; none is part of this repository."""
FILL = """
local buf = ...
local lines = {}
for n = 1, 3600 do
  lines[n] = n % 40 == 5 and '```lua' or n % 40 == 20 and '```' or ('line ' .. n .. ' with `code` and **bold** words')
end
local modifiable = vim.bo[buf].modifiable
vim.bo[buf].modifiable = true
vim.api.nvim_buf_set_lines(buf, AT, AT, true, lines)
vim.bo[buf].modifiable = modifiable
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How one chat is opened, filled, and brought to take a question; Lua and keys."""

    name: str
    open: str
    focus: str
    buffer: str
    fill_at: str
    busy: str


def _file(name: str) -> str:
    return f"loadfile({str(HERE / name)!r})(...)"


OURS = Way(
    "cmt",
    "vim.cmd('Cmt')",
    "vim.api.nvim_set_current_win(require('cmt.chat').current():panes().prompt)",
    "require('cmt.chat').current().transcript.buf",
    "-1",
    "#require('cmt.turn').running() > 0",
)
LAST = "vim.fn.winbufnr(vim.fn.winnr('$'))"
BARE = Way("bare Lua client", _file("bare_chat.lua"), "vim.cmd('wincmd b')", LAST, "0", "vim.g.asking")
OTHER = Way(
    "codecompanion",
    _file("rival_chat.lua"),
    "vim.cmd('wincmd b')",
    LAST,
    "0",
    f"not vim.bo[{LAST}].modifiable",
)


class Chat:
    """One chat beside a file with code."""

    def __init__(self, way: Way, nvim: NvimChild) -> None:
        self._way = way
        self.nvim = nvim

    def fill(self) -> None:
        """Put 3,600 lines of Markdown with code before what comes next."""
        self.nvim.lua(
            f"return (function(...) {FILL.replace('AT', self._way.fill_at)} end)({self._way.buffer})"
        )

    def write(self, question: str) -> None:
        """Type a question, on the screen when this returns."""
        self.nvim.keys("<C-\\><C-n>")
        self.nvim.wait("vim.fn.mode() == 'n'")
        self.nvim.lua(self._way.focus)
        self.nvim.keys(f"G$a{question}")
        self.nvim.wait("vim.endswith(vim.api.nvim_get_current_line(), ...)", question)

    def send(self) -> None:
        """Send what was typed."""
        self.nvim.keys("<C-s>")

    def settle(self, seconds: float) -> None:
        """Wait until the answer has ended, and be in normal mode."""
        self.nvim.keys("<C-\\><C-n>")
        self.nvim.wait(f"vim.fn.mode() == 'n' and not ({self._way.busy})", seconds=seconds)

    def to_code(self) -> None:
        """Put the cursor into an empty line of the code, ready to be typed in."""
        self.nvim.keys("<C-\\><C-n>")
        self.nvim.wait("vim.fn.mode() == 'n'")
        self.nvim.command("wincmd t")
        self.nvim.keys("ggO")
        self.nvim.wait("vim.fn.mode() == 'i'")


@contextmanager
def chat(way: Way, world: World) -> Iterator[Chat]:
    """A chat that has been opened, in a Neovim that is ended with it. No traffic leaves the machine."""
    nvim_path = os.environ.get("CMT_TEST_NVIM") or str(Path(sys.executable).with_name("nvim"))
    with tempfile.TemporaryDirectory(prefix="cmt-benchmark-") as home:
        folder = Path(home) / "work"
        folder.mkdir()
        (folder / "main.py").write_text("def one():\n    return 1\n")
        places = {f"XDG_{name}_HOME": str(Path(home) / name) for name in ("CONFIG", "CACHE", "DATA", "STATE")}
        nowhere = {"https_proxy": "http://127.0.0.1:9", "HOME": home, "CMT_BENCH_RIVAL": RIVAL}
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **nowhere, **world.environment, **places}
        nvim = NvimChild(nvim_path, env, folder, columns=120, rows=50)
        try:
            words = ", ".join(repr(word) for word in cmt_lsp())
            nvim.lua(f"vim.lsp.config('cmt_lsp', {{ cmd = {{ {words} }} }})")
            nvim.command("edit main.py")
            nvim.lua(way.open, world.url, KEY, MODEL)
            yield Chat(way, nvim)
        finally:
            nvim.end()
