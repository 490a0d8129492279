"""One Neovim for many tests: what a test left in it is taken out, and nothing may have gone wrong unseen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nvim_child import NvimChild

STOP = """
local chats = package.loaded['cmt.chat']
for _, chat in ipairs(chats and chats.all() or {}) do
  if chat.turn and chat.turn.phase ~= 'stopping' then
    chat:stop()
  end
end
"""
RUNNING = "package.loaded['cmt.turn'] and #require('cmt.turn').running() or 0"

LEAVE = """
vim.cmd('fclose!')
vim.cmd('silent! tabonly! | silent! only!')
vim.cmd('enew! | silent! %bwipeout!')
vim.g.cmt = nil
vim.ui.select, vim.uv.now = unpack(originals)
vim.cmd('messages clear')
vim.api.nvim_create_augroup('test', { clear = true })
"""


class SharedNvim:
    """A Neovim that is started when it is first wanted, and anew where a test broke it."""

    def __init__(self, start: Callable[[], NvimChild]) -> None:
        """`start` begins one."""
        self._start = start
        self._nvim: NvimChild | None = None
        self._log_read = 0

    def take(self) -> NvimChild:
        """The editor, tidy."""
        if self._nvim is None:
            self._nvim, self._log_read = self._start(), 0
            self._nvim.lua("originals = { vim.ui.select, vim.uv.now }")
        return self._nvim

    def give_back(self) -> None:
        """Stop and close what a test left; raises where Neovim or its connection noted an error meanwhile."""
        nvim, self._nvim = self._nvim, None
        assert nvim is not None
        try:
            self._tidy(nvim)
        except BaseException:
            nvim.end()
            raise
        self._nvim = nvim

    def end(self) -> None:
        """Leave."""
        if self._nvim is not None:
            self._nvim.end()

    def _tidy(self, nvim: NvimChild) -> None:
        assert nvim.process.poll() is None, "Neovim has ended"
        nvim.keys("<C-\\><C-n>")
        nvim.wait("vim.fn.mode() == 'n'")
        nvim.lua(STOP)
        nvim.wait(f"({RUNNING}) == 0")
        told = nvim.lua("return vim.fn.execute('messages')")
        nvim.lua(LEAVE)
        assert "Error" not in told and "stack traceback" not in told, told
        log = Path(nvim.lua("return vim.lsp.log.get_filename()"))
        written = log.read_text() if log.exists() else ""
        news, self._log_read = written[self._log_read :], len(written)
        assert "[ERROR]" not in news, news
