"""Options hold from the first question on; wrong ones are told, all at once, and the rest stand."""

from __future__ import annotations

import re
from pathlib import Path

from nvim_child import Start

from cmt_lsp.simulator import Simulator

OPTIONS = """
vim.g.cmt = {
  widht = 3,
  history_turns = 0,
  keys = { send = 3, close = false, help = 'gh' },
  settings = { model = 'claude-haiku-4-5', effrt = 'low' },
}
"""


def test_options_of_the_server_hold_for_the_very_first_question(start: Start, sim: Simulator) -> None:
    """It is asked while the server starts, which knows no options until it was greeted."""
    nvim = start(setup=OPTIONS)
    nvim.command("edit main.py")
    nvim.command("Cmt ask hello")
    nvim.screen.wait_for(
        "no option `widht`", "`history_turns` must be a number above 0", "`keys.send` must be"
    )
    nvim.screen.wait_for("effrt", "is no option")
    nvim.screen.wait_for("haiku-4-5", "out ")
    assert sim.requests[0].body["model"] == "claude-haiku-4-5"
    keys = nvim.lua("return require('cmt.config').get().keys")
    assert (keys["send"], keys["close"], keys["help"]) == ("<CR>", False, "gh")
    assert not nvim.blocked()


def test_every_request_of_the_plugin_is_typed_and_known_to_the_server() -> None:
    """What it asks is in the generated list of requests, which has both ways to ask for each."""
    plugin = Path(__file__).parents[2] / "editor-clients" / "neovim" / "lua" / "cmt"
    typed = (plugin / "requests.lua").read_text(encoding="utf-8")
    sources = [
        path.read_text(encoding="utf-8") for path in plugin.glob("*.lua") if path.name != "requests.lua"
    ]
    asked = {name for text in sources for name in re.findall(r'client\.(?:ask|request)\("([^"]+)"', text)}
    assert len(asked) > 12
    assert {name: typed.count(f'(method: "{name}", ') for name in asked} == dict.fromkeys(asked, 2)
