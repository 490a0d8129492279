"""Screenshots through the real server: a handle, a question, and nothing on disk, however it ends."""

from __future__ import annotations

import base64
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cmt_lsp.simulator import Fault, Simulator, simulator_in_thread

from .conftest import close
from .editor import CANARY, Editor, is_gone, wait_until

sys.path.insert(0, str(Path(__file__).parents[1] / "screen"))

from fake_tools import FakeTools, png

RED = (230, 20, 30)
HANGS = 'cp "$picture" "$file"; exec sleep 60'
"""A tool that has written its picture and waits for the person still."""


class World:
    """A GNOME desktop, whose tools hand pictures over as files, and windows on it that share a state folder."""

    def __init__(self, folder: Path, sim: Simulator) -> None:
        """`folder` holds everything."""
        self.folder = folder
        self.sim = sim
        self.fake = FakeTools(folder / "tools")
        self.place = folder / "state" / "pictures"

    def window(self) -> Editor:
        """A new window, ready to be asked."""
        path = f"{self.fake.bin}{os.pathsep}{os.environ['PATH']}"
        env = {"PATH": path, "WAYLAND_DISPLAY": "wayland-test", "XDG_CURRENT_DESKTOP": "GNOME"}
        editor = Editor(self.folder, self.sim.base_url, env=env)
        editor.open()
        return editor

    def files(self) -> list[Path]:
        """What lies in the place for pictures."""
        return [path for path in self.place.rglob("*") if path.is_file()]

    def hanging(self, editor: Editor, **more: Any) -> int:
        """The id of a request whose tool has written its picture and waits for the person still."""
        before = self.files()
        self.fake.add("gnome-screenshot", HANGS)
        request = editor.ask("cmt/screenshot/take", {"what": "region", **more})
        wait_until(lambda: any(path.stat().st_size for path in self.files() if path not in before))
        return request

    def tool(self) -> int:
        """The process of the tool that ran last."""
        return int(self.fake.told("gnome-screenshot", "pid")[0])


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Editor]]:
    """One window for the module, since a start costs a second of processor time."""
    with simulator_in_thread(api_key=CANARY) as sim:
        world = World(tmp_path_factory.mktemp("world"), sim)
        with world.window() as editor:
            yield world, editor
            close(editor)


@pytest.fixture
def world(shared_world: tuple[World, Editor]) -> World:
    """The desktop, its tool as it should be."""
    shared_world[0].fake.add("gnome-screenshot")
    return shared_world[0]


@pytest.fixture
def editor(shared_world: tuple[World, Editor]) -> Editor:
    """The window, in a session of the test's own."""
    shared_world[1].session()
    return shared_world[1]


def take(editor: Editor, **params: Any) -> dict[str, Any]:
    held: dict[str, Any] = editor.result("cmt/screenshot/take", params)
    return held


def test_a_picture_is_taken_told_of_sent_once_and_forgotten(world: World, editor: Editor) -> None:
    """Size, tokens and price come before anything is sent; the pixels that arrive are those of the tool."""
    asked = len(world.sim.requests)
    held = take(editor)
    image = held["image"]
    assert (image["width"], image["height"], image["bytes"]) == (40, 30, len(png()))
    assert (held["tool"], image["format"], image["models"][0]["tokens"]) == ("gnome-screenshot", "png", 4)
    assert image["models"][0]["nanoUsd"] > 0
    assert image["thumbnail"].startswith("data:image/png;base64,")
    assert "data" not in held
    assert len(world.sim.requests) == asked
    assert world.files() == []
    image = {"handle": held["handle"]}
    shown = editor.result("cmt/preview", {"text": "What is it?", "images": [image]})
    assert [block["kind"] for block in shown["blocks"]] == ["image", "prompt"]
    editor.chat("What is it?", images=[image])
    source = world.sim.requests[-1].body["messages"][-1]["content"][0]["source"]
    assert Image.open(io.BytesIO(base64.b64decode(source["data"]))).convert("RGB").getpixel((7, 7)) == RED
    error = editor.refused("cmt/chat", {"text": "again?", "images": [image]})
    assert error["data"]["kind"] == "bad_image"
    assert "take it again" in error["message"]


def test_a_failed_question_does_not_lose_its_picture(world: World, editor: Editor) -> None:
    """It can be asked again with the same handle."""
    image = {"handle": take(editor, what="window")["handle"]}
    world.sim.fail_next(Fault.status(400, "invalid_request_error"))
    editor.refused("cmt/chat", {"text": "x", "images": [image]})
    assert editor.chat("x", images=[image])["stopReason"] == "end_turn"


def test_the_bytes_come_along_where_they_are_asked_for(world: World, editor: Editor) -> None:
    """Through the door of commands too."""
    command = {"command": "cmt.screenshot.take", "arguments": [{"withData": True}]}
    held = editor.result("workspace/executeCommand", command)
    assert base64.b64decode(held["data"]) == png()


def test_the_clipboard_gives_its_image_or_says_that_there_is_none(world: World, editor: Editor) -> None:
    """An image is held like a screenshot; its absence is an error of its own kind."""
    world.fake.add("wl-paste", 'case "$*" in *--list-types*) echo image/png;; *) cat "$picture";; esac')
    held = editor.result("cmt/image/clipboard", {})
    assert (held["image"]["name"], held["image"]["width"]) == ("clipboard.png", 40)
    assert editor.chat("x", images=[{"handle": held["handle"]}])["stopReason"] == "end_turn"
    world.fake.add("wl-paste", "echo 'Nothing is copied' >&2; exit 1")
    error = editor.refused("cmt/image/clipboard", {})
    assert (error["code"], error["data"]["kind"], error["data"]["retryable"]) == (-32803, "no_picture", False)
    assert "holds no image" in error["message"]


def test_the_doctor_names_the_tools(world: World, editor: Editor) -> None:
    world.fake.add("wl-paste")
    (check,) = [one for one in editor.result("cmt/doctor", {})["checks"] if one["name"] == "pictures"]
    assert check["state"] == "ok"
    assert check["detail"].startswith("screen by gnome-screenshot, window by gnome-screenshot")
    assert check["detail"].endswith("clipboard by wl-paste")


def test_a_cut_picture_is_refused_before_a_question_is_asked(world: World, editor: Editor) -> None:
    """Its header is fine; its pixels are not there."""
    world.fake.add("gnome-screenshot", 'head -c 60 "$picture" > "$file"')
    assert editor.refused("cmt/screenshot/take", {})["data"]["kind"] == "bad_image"


def test_bad_params_take_no_picture(world: World, editor: Editor) -> None:
    for params in ({"what": "desk"}, {"delaySeconds": -1}, {"delaySeconds": 61}, {"delaySeconds": "soon"}):
        assert editor.refused("cmt/screenshot/take", params)["code"] == -32602, params
    for image in ({"handle": "picture-x", "path": "/x.png"}, {"handle": 7}):
        assert editor.refused("cmt/chat", {"text": "x", "images": [image]})["code"] == -32602, image
    assert world.fake.told("gnome-screenshot") == []


WAYS_TO_GIVE_UP: dict[str, Callable[[Editor, int], object]] = {
    "cancelRequest": lambda editor, request: editor.notify("$/cancelRequest", {"id": request}),
    "cmt/cancel": lambda editor, _: editor.request("cmt/cancel", {}),
    "progress": lambda editor, _: editor.notify("window/workDoneProgress/cancel", {"token": "progress"}),
}


def test_nothing_waits_while_a_region_is_chosen_and_it_can_be_given_up(world: World, editor: Editor) -> None:
    """In each way that an editor has; a second picture meanwhile is refused."""
    for way, give_up in WAYS_TO_GIVE_UP.items():
        request = world.hanging(editor, workDoneToken=way)
        assert editor.chat("meanwhile")["stopReason"] == "end_turn"
        assert "Another picture" in editor.refused("cmt/screenshot/take", {})["message"]
        assert editor.value(way, "begin")["title"] == "Draw a region"
        give_up(editor, request)
        assert editor.answer(request)["error"]["code"] == -32800, way
        assert world.files() == []
        wait_until(lambda: is_gone(world.tool()))
        assert editor.values(way)[-1]["kind"] == "end"
    world.fake.add("gnome-screenshot")
    assert take(editor)["image"]["width"] == 40


def test_after_a_kill_the_next_start_removes_the_picture_and_leaves_those_of_living_windows(
    world: World, editor: Editor
) -> None:
    """The killed server cannot clean up. One that is asked to stop can, and ends its tool as well."""
    request = world.hanging(editor)
    (living,) = world.files()
    with world.window() as killed:
        world.hanging(killed)
        killed.process.kill()
        killed.process.wait()
    os.kill(world.tool(), signal.SIGKILL)
    (orphan,) = set(world.files()) - {living}
    with world.window() as stopped:
        wait_until(lambda: not orphan.parent.exists())
        assert world.files() == [living]
        world.hanging(stopped)
        assert len(world.files()) == 2
        stopped.process.send_signal(signal.SIGTERM)
        stopped.exit_code()
        assert world.files() == [living]
        wait_until(lambda: is_gone(world.tool()))
    editor.notify("$/cancelRequest", {"id": request})
    assert editor.answer(request)["error"]["code"] == -32800
    assert list(world.place.iterdir()) == []
