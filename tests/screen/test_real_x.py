"""Real tools on a real X server: the pixels that were on the screen are the pixels of the picture."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fake_tools import png
from PIL import Image
from x_display import BLUE, GREEN, RED, SIZE, XClient, XDisplay

from cmt_lsp.api.errors import NoPictureError
from cmt_lsp.core.screen.choice import Wish
from cmt_lsp.core.screen.desktop import Desktop, find_desktop, tool_environment
from cmt_lsp.core.screen.taking import Picture, take_picture

NEEDED = ("Xvfb", "scrot", "maim", "xclip")


@pytest.mark.parametrize("name", NEEDED)
def test_this_machine_has_what_these_tests_need(name: str) -> None:
    assert shutil.which(name), f"install it: apt-get install {' '.join(NEEDED).lower()}"


@pytest.fixture
def environ(x_display: XDisplay, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A session on the test's screen."""
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", x_display.name)
    return dict(os.environ)


def found_with(environ: dict[str, str], *tools: str) -> Desktop:
    """This machine with only these of its tools."""
    here = find_desktop("linux", environ)
    return Desktop(here.system, here.display, here.shell, {name: here.tools[name] for name in tools})


async def take(wish: Wish, environ: dict[str, str], tool: str) -> Picture:
    desktop = found_with(environ, tool)
    return await take_picture(
        wish, desktop, tool_environment(environ), Path(environ["CMT_STATE_DIR"]), choosing_seconds=30
    )


def pixels(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.data)).convert("RGB")


@pytest.mark.parametrize("tool", ["scrot", "maim"])
async def test_a_picture_of_the_screen_has_its_pixels(
    tool: str, environ: dict[str, str], x_client: XClient
) -> None:
    """Two windows one upon the other, to the pixel."""
    x_client.window(0, 0, *SIZE, GREEN)
    x_client.window(20, 30, 100, 80, RED)
    picture = await take("screen", environ, tool)
    image = pixels(picture)
    assert (image.size, picture.width, picture.height, picture.tool) == (SIZE, *SIZE, tool)
    for place, colour in {(20, 30): RED, (119, 109): RED, (19, 30): GREEN, (120, 109): GREEN}.items():
        assert image.getpixel(place) == colour, place


async def test_the_window_that_is_clicked_is_taken(environ: dict[str, str], x_client: XClient) -> None:
    """A click with a real mouse, once the tool waits for it."""
    x_client.window(0, 0, *SIZE, GREEN)
    x_client.window(40, 50, 90, 70, BLUE)
    x_client.point(60, 60)
    taking = asyncio.create_task(take("window", environ, "scrot"))
    await asyncio.to_thread(x_client.wait_for_grab)
    x_client.press()
    x_client.release()
    image = pixels(await taking)
    assert (image.size, image.getpixel((0, 0)), image.getpixel((89, 69))) == ((90, 70), BLUE, BLUE)


async def test_the_region_that_is_drawn_is_taken(environ: dict[str, str], x_client: XClient) -> None:
    """From corner to corner, half of it in the window."""
    x_client.window(0, 0, *SIZE, GREEN)
    x_client.window(50, 50, 100, 100, RED)
    x_client.point(60, 60)
    taking = asyncio.create_task(take("region", environ, "scrot"))
    await asyncio.to_thread(x_client.wait_for_grab)
    x_client.point(30, 70)
    x_client.press()
    x_client.point(50, 80)
    x_client.point(70, 90)
    x_client.release()
    image = pixels(await taking)
    assert (image.size, image.getpixel((0, 0)), image.getpixel((30, 10))) == ((40, 20), GREEN, RED)


@pytest.mark.parametrize("tool", ["scrot", "maim"])
async def test_giving_up_while_choosing_frees_the_mouse(
    tool: str, environ: dict[str, str], x_client: XClient
) -> None:
    """The tool is gone, so that the next one can take the mouse."""
    x_client.window(0, 0, *SIZE, GREEN)
    x_client.point(60, 60)
    for _ in range(2):
        taking = asyncio.create_task(take("region", environ, tool))
        await asyncio.to_thread(x_client.wait_for_grab)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking


@pytest.mark.parametrize(("tool", "wish"), [("scrot", "screen"), ("maim", "screen"), ("xclip", "clipboard")])
async def test_a_screen_that_is_not_there_is_told(tool: str, wish: Wish, environ: dict[str, str]) -> None:
    """In the tool's own words, with its name."""
    with pytest.raises(NoPictureError, match=rf"^{tool} took no picture \(.*:4711"):
        await take(wish, environ | {"DISPLAY": ":4711"}, tool)


def copy(environ: dict[str, str], data: bytes, kind: str) -> None:
    """Put something into the clipboard, as a program would; it is kept by a child until the server ends."""
    command = ["xclip", "-selection", "clipboard", "-t", kind]
    subprocess.run(command, input=data, env=environ, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


async def test_what_was_copied_is_what_comes(environ: dict[str, str]) -> None:
    """An image byte for byte; of text that there is no image."""
    copy(environ, png((64, 48), BLUE), "image/png")
    picture = await take("clipboard", environ, "xclip")
    assert (picture.data, picture.width, picture.tool) == (png((64, 48), BLUE), 64, "xclip")
    copy(environ, b"a word", "UTF8_STRING")
    with pytest.raises(NoPictureError, match=r"^The clipboard holds no image"):
        await take("clipboard", environ, "xclip")
