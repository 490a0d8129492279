"""`:help cmt` has a tag for every name a person can type or hear of, and no tag for a name that is not there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).parents[2] / "editor-clients" / "neovim"

NAMES = r"""
local function flat(options, prefix, found)
  for name, value in pairs(options) do
    found[#found + 1] = prefix .. name
    if type(value) == "table" then
      flat(value, prefix .. name .. ".", found)
    end
  end
  return found
end
local plugs = {}
for _, mode in ipairs({ "n", "x", "i" }) do
  for _, map in ipairs(vim.api.nvim_get_keymap(mode)) do
    if vim.startswith(map.lhs, "<Plug>(cmt-") then
      plugs[map.lhs] = true
    end
  end
end
io.stdout:write(vim.json.encode({
  loaded = vim.tbl_filter(function(name) return vim.startswith(name, "cmt") end, vim.tbl_keys(package.loaded)),
  commands = vim.fn.getcompletion("Cmt ", "cmdline"),
  plugs = vim.tbl_keys(plugs),
  highlights = vim.fn.getcompletion("Cmt", "highlight"),
  options = flat(require("cmt.config").defaults, "", {}),
  functions = vim.tbl_keys(require("cmt")),
}))
"""


def nvim(path: str, *arguments: str, folder: Path) -> str:
    """What a Neovim with the plugin writes to its standard output."""
    world = {"HOME": str(folder), "XDG_STATE_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    done = subprocess.run(
        [path, "--headless", "--clean", "--cmd", f"set rtp^={PLUGIN}", *arguments, "-c", "qall!"],
        env=os.environ | world,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout


@pytest.fixture(scope="module")
def names(nvim_path: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the plugin offers, asked of a Neovim that has it."""
    folder = tmp_path_factory.mktemp("names")
    script = folder / "names.lua"
    script.write_text(NAMES)
    found: dict[str, Any] = json.loads(nvim(nvim_path, "-c", f"luafile {script}", folder=folder))
    sources = [path.read_text(encoding="utf-8") for path in PLUGIN.rglob("*.lua")]
    found["events"] = sorted({name for text in sources for name in re.findall(r'fire\("(\w+)"', text)})
    found["variables"] = sorted({name for text in sources for name in re.findall(r"vim\.g\.(cmt\w*)", text)})
    return found


@pytest.fixture(scope="module")
def tags(nvim_path: str, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The tags of the help file, as `:helptags` finds them; it fails on one that stands twice."""
    folder = tmp_path_factory.mktemp("help")
    (folder / "doc").mkdir()
    (folder / "doc" / "cmt.txt").write_bytes((PLUGIN / "doc" / "cmt.txt").read_bytes())
    nvim(nvim_path, "-c", f"helptags {folder / 'doc'}", folder=folder)
    return {line.split("\t")[0] for line in (folder / "doc" / "tags").read_text().splitlines()}


def tagged(tags: set[str], pattern: str) -> list[str]:
    """The part in brackets of each tag of a shape, sorted."""
    return sorted(match[1] for tag in tags if (match := re.fullmatch(pattern, tag)))


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("commands", r":Cmt-(.+)"),
        ("plugs", r"(<Plug>.+)"),
        ("highlights", r"hl-(.+)"),
        ("options", r"cmt-config-(.+)"),
        ("functions", r"cmt\.(\w+)\(\)"),
        ("events", r"(Cmt\w+)"),
        ("variables", r"g:(\w+)"),
    ],
)
def test_every_name_has_its_tag_and_every_tag_its_name(
    names: dict[str, Any], tags: set[str], kind: str, pattern: str
) -> None:
    assert tagged(tags, pattern) == sorted(names[kind])
    assert names[kind]


def test_nothing_of_the_plugin_is_loaded_before_it_is_used(names: dict[str, Any]) -> None:
    """At start there are a command, maps and highlights; no module."""
    assert names["loaded"] in ([], {})


def test_the_defaults_in_the_help_are_those_of_the_code(nvim_path: str, tmp_path: Path) -> None:
    """The keys of the table and the values of the example."""
    text = (PLUGIN / "doc" / "cmt.txt").read_text()
    written = 'io.stdout:write(vim.json.encode(require("cmt.config").defaults))'
    defaults = json.loads(nvim(nvim_path, "-c", f"lua {written}", folder=tmp_path))
    keys = dict(re.findall(r"^(\w+) +(\S+) +(?:prompt|transcript|both) ", text, re.MULTILINE))
    assert keys == defaults["keys"]
    for name in ("width", "prompt_height", "batch_ms", "history_turns"):
        assert f"      {name} = {defaults[name]},\n" in text


def test_references_in_the_help_lead_somewhere(nvim_path: str, tags: set[str], tmp_path: Path) -> None:
    """Each |reference| is a tag of ours or of Neovim's own help."""
    text = (PLUGIN / "doc" / "cmt.txt").read_text()
    runtime = nvim(nvim_path, "-c", "lua io.stdout:write(vim.env.VIMRUNTIME)", folder=tmp_path)
    theirs = (Path(runtime) / "doc" / "tags").read_text()
    known = tags | {line.split("\t")[0] for line in theirs.splitlines()}
    assert {ref for ref in re.findall(r"\|([^\s|]+)\|", text) if ref not in known} == set()
    assert max(len(line) for line in text.splitlines()) <= 80
