"""Pictures from a file and from the clipboard: told before, sent whole, and named where they cannot be had."""

from __future__ import annotations

import base64
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nvim_child import NvimChild, Start
from PIL import Image

from cmt_lsp.simulator import RecordedRequest, Simulator

sys.path.append(str(Path(__file__).parents[1] / "screen"))

from fake_tools import FakeTools, png
from x_display import XDisplay

WATCHED = """
largest = 0
local client = vim.lsp.get_clients({ name = 'cmt_lsp' })[1]
local request = client.request
client.request = function(self, method, params, ...)
  largest = math.max(largest, #vim.json.encode(params))
  return request(self, method, params, ...)
end
"""
"""Keeps the size of the largest request."""


def picture_in(request: RecordedRequest) -> bytes:
    """The bytes of the picture that a request carries."""
    (block,) = [one for one in request.body["messages"][-1]["content"] if one["type"] == "image"]
    assert block["source"]["media_type"] == "image/png"
    return base64.b64decode(block["source"]["data"])


def test_a_picture_is_told_with_size_tokens_and_price_and_sent_as_it_is(
    nvim: NvimChild, sim: Simulator
) -> None:
    """Before it is sent; then byte by byte."""
    (nvim.folder / "red.png").write_bytes(png((200, 100)))
    nvim.command("Cmt image red.png")
    nvim.screen.wait_for("red.png", "200 x 100", "tokens")
    assert sim.requests == []
    nvim.keys("iwhat colour?<C-s>")
    nvim.screen.wait_for("+ red.png", "out ")
    assert picture_in(sim.requests[-1]) == png((200, 100))


def test_a_large_picture_does_not_go_through_the_editor(nvim: NvimChild, sim: Simulator) -> None:
    """Some MiB in a request stop the editor for a quarter of a second, so it travels by its path."""
    noise = random.Random(6).randbytes(1200 * 900 * 3)
    Image.frombytes("RGB", (1200, 900), noise).save(nvim.folder / "noise.png")
    size = (nvim.folder / "noise.png").stat().st_size
    assert size > 3_000_000
    nvim.command("Cmt ask warm")
    nvim.screen.wait_for("out ")
    nvim.lua(WATCHED)
    nvim.command("Cmt image noise.png")
    nvim.screen.wait_for("noise.png", "1200 x 900")
    nvim.keys("iwhat is it?<C-s>")
    sim.wait_finished(1, within=20)
    nvim.screen.wait_for("what is it?", "today ")
    assert sim.requests[1].size > 1_000_000
    assert 0 < nvim.lua("return largest") < 2000


@pytest.fixture(scope="module")
def display() -> Iterator[XDisplay]:
    """A screen without a monitor."""
    with XDisplay() as running:
        yield running


def test_the_clipboards_picture_is_sent(
    start: Start, sim: Simulator, display: XDisplay, tmp_path: Path
) -> None:
    """From a real clipboard, read by the server: what was copied is what arrives."""
    copied = tmp_path / "copied.png"
    copied.write_bytes(png((64, 48), (10, 200, 40)))
    subprocess.run(
        ["xclip", "-selection", "clipboard", "-t", "image/png", "-i", copied],
        env=os.environ | {"DISPLAY": display.name},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=20,
    )
    nvim = start(env={"DISPLAY": display.name})
    nvim.command("Cmt image")
    nvim.screen.wait_for("64 x 48", "tokens")
    nvim.keys("iwhat is it?<C-s>")
    nvim.screen.wait_for("## Claude", "out ")
    assert picture_in(sim.requests[-1]) == copied.read_bytes()


def test_a_clipboard_without_a_picture_is_named(start: Start, sim: Simulator, tmp_path: Path) -> None:
    """The tool says that it holds a text."""
    fake = FakeTools(tmp_path / "tools")
    fake.add("wl-paste", "echo text/plain")
    nvim = start(env={"PATH": f"{fake.bin}:/usr/bin:/bin", "WAYLAND_DISPLAY": "wayland-test"})
    nvim.command("Cmt image")
    nvim.screen.wait_for("The clipboard holds no image; copy one first.")
    assert not nvim.blocked()
    assert sim.requests == []


@pytest.mark.parametrize(
    ("screen", "tool"),
    [({"DISPLAY": ":7"}, "xclip"), ({"WAYLAND_DISPLAY": "wayland-7"}, "wl-clipboard")],
    ids=["X", "Wayland"],
)
def test_a_missing_clipboard_tool_is_named(
    start: Start, tmp_path: Path, screen: dict[str, str], tool: str
) -> None:
    """With what to install; the editor is free."""
    (tmp_path / "bare").mkdir()
    nvim = start(env={"PATH": str(tmp_path / "bare"), **screen})
    nvim.command("Cmt image")
    nvim.screen.wait_for(tool)
    assert not nvim.blocked()


def test_a_clipboard_of_no_screen_is_named(nvim: NvimChild) -> None:
    """There is no display here, so there is nothing to take a picture from."""
    nvim.command("Cmt image")
    nvim.screen.wait_for("has no screen", "path.")
    assert not nvim.blocked()
