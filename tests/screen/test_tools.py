"""What becomes of every kind of tool: a picture, or one clear sentence; and nothing is left behind, ever."""

from __future__ import annotations

import asyncio
import base64
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_tools import FakeTools, png

from cmt_lsp.api.errors import NoPictureError
from cmt_lsp.core.screen import drop
from cmt_lsp.core.screen.choice import Wish
from cmt_lsp.core.screen.desktop import Desktop, tool_environment
from cmt_lsp.core.screen.taking import Picture, take_picture
from cmt_lsp.core.storage.process_start import process_start

LeftBehind = Callable[[], list[str]]


def desktop(fake: FakeTools, *names: str) -> Desktop:
    """A desktop whose tools these fakes are."""
    tools = {name: str(fake.bin / name) for name in names}
    if "powershell" in tools:
        return Desktop("windows", tools=tools)
    if "osascript" in tools:
        return Desktop("macos", tools=tools)
    shell = "gnome" if "gnome-screenshot" in tools else "other"
    wayland = {"grim", "wl-paste", "gnome-screenshot"} & tools.keys()
    return Desktop("linux", "wayland" if wayland else "x11", shell, tools)


async def take(fake: FakeTools, name: str, wish: Wish = "screen", **limits: float) -> Picture:
    """The picture of one tool."""
    return await take_picture(
        wish, desktop(fake, name), tool_environment(os.environ), Path(os.environ["CMT_STATE_DIR"]), **limits
    )


async def complaint(fake: FakeTools, name: str, wish: Wish = "screen", **limits: float) -> str:
    """The sentence that a tool ends in; it is one sentence."""
    with pytest.raises(NoPictureError) as caught:
        await take(fake, name, wish, **limits)
    assert caught.value.message.endswith(".")
    return caught.value.message


def is_gone(process_id: str) -> bool:
    return process_start(int(process_id)) is None


async def until(holds: Callable[[], object]) -> None:
    """Poll what nothing tells of."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


# --- a tool that writes files


async def test_the_file_of_a_picture_is_private_and_gone(fake: FakeTools, left_behind: LeftBehind) -> None:
    """0600 in a folder of 0700 before the tool starts; read once, and nothing of it stays."""
    fake.add("gnome-screenshot")
    old = os.umask(0)
    try:
        picture = await take(fake, "gnome-screenshot")
    finally:
        os.umask(old)
    assert picture.data == fake.picture.read_bytes()
    assert (picture.media_type, picture.width, picture.height) == ("image/png", 40, 30)
    assert fake.told("gnome-screenshot", "modes") == ["600", "700"]
    assert fake.told("gnome-screenshot")[0] == "-f"
    assert left_behind() == []
    place = Path(os.environ["CMT_STATE_DIR"]) / drop.FOLDER
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


async def test_a_tool_may_write_a_new_file_of_any_mode_and_more_than_one(
    fake: FakeTools, left_behind: LeftBehind
) -> None:
    """The folder keeps others out, and goes with all that is in it. What the tool makes is private by its own mask."""
    fake.add(
        "gnome-screenshot",
        'rm "$file"; cp "$picture" "$file"; stat -c %a "$file" > $log.own; chmod 666 "$file"; touch "$file"_000.png',
    )
    assert (await take(fake, "gnome-screenshot")).data == fake.picture.read_bytes()
    assert fake.told("gnome-screenshot", "own") == ["600"]
    assert left_behind() == []


FILE_TOOLS = {
    "nothing": ("true", "ended without a picture"),
    "removes it": ('rm "$file"', "ended without a picture"),
    "removes all": ('rm -r "$(dirname "$file")"', "ended without a picture"),
    "garbage": ('echo garbage > "$file"', "something that is no picture"),
    "another format": ('printf "BM%050d" 7 > "$file"', "BMP format, which cannot be sent"),
    "fails": ("echo first >&2; echo no such display >&2; exit 1", "took no picture (no such display)"),
    "fails in silence": ("exit 7", "took no picture (exit code 7)"),
    "dies": ("kill -9 $$", "took no picture (exit code -9)"),
    "huge": ('truncate -s 30000000 "$file"', "larger than 20 MB"),
    "a link": ('rm "$file"; ln -s "$picture" "$file"', "which was not opened"),
    "a hard link": ('rm "$file"; ln "$picture" "$file"', "which was not opened"),
    "a pipe": ('rm "$file"; mkfifo "$file"', "which was not opened"),
    "a folder": ('rm "$file"; mkdir "$file"', "which was not opened"),
}


@pytest.mark.parametrize("name", FILE_TOOLS)
async def test_a_bad_tool_is_one_sentence_and_leaves_nothing(
    name: str, fake: FakeTools, left_behind: LeftBehind
) -> None:
    """Whatever it puts in the place of its picture; what a link points at is not read and not touched."""
    does, expected = FILE_TOOLS[name]
    fake.add("gnome-screenshot", does)
    assert expected in await complaint(fake, "gnome-screenshot")
    assert left_behind() == []
    assert fake.picture.read_bytes() == png()


async def test_a_tool_that_hangs_is_ended_with_what_it_started(
    fake: FakeTools, left_behind: LeftBehind
) -> None:
    fake.add("gnome-screenshot", 'cp "$picture" "$file"; sleep 60 & echo $! > $log.child; wait')
    sentence = await complaint(fake, "gnome-screenshot", tool_seconds=0.3)
    assert sentence == "gnome-screenshot did not end within 0 s and was stopped; try again."
    for what in ("pid", "child"):
        await until(lambda what=what: is_gone(fake.told("gnome-screenshot", what)[0]))
    assert left_behind() == []


async def test_giving_up_ends_the_tool_at_once(fake: FakeTools, left_behind: LeftBehind) -> None:
    """Cancelled while the person could still choose; a second cancel changes nothing."""
    fake.add("gnome-screenshot", "exec sleep 60")
    task = asyncio.create_task(take(fake, "gnome-screenshot", "region"))
    await until(lambda: fake.told("gnome-screenshot", "pid"))
    assert len(left_behind()) == 2
    began = time.monotonic()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 10
    assert left_behind() == []
    await until(lambda: is_gone(fake.told("gnome-screenshot", "pid")[0]))


# --- a tool that writes to its output


PIPE_TOOLS = {
    "nothing": ("true", "ended without a picture"),
    "garbage": ("echo garbage", "something that is no picture"),
    "fails after a picture": ('cat "$picture"; exit 1', "took no picture (exit code 1)"),
    "colours": ("printf '\\033[31mred\\n' >&2; exit 1", "took no picture ([31mred)"),
    "huge": ("head -c 30000000 /dev/zero", "larger than 20 MB"),
    "endless": ("exec cat /dev/zero", "larger than 20 MB"),
}


@pytest.mark.parametrize("name", PIPE_TOOLS)
async def test_a_bad_output_is_one_sentence(name: str, fake: FakeTools, left_behind: LeftBehind) -> None:
    does, expected = PIPE_TOOLS[name]
    fake.add("grim", does)
    assert expected in await complaint(fake, "grim")
    assert left_behind() == []
    await until(lambda: is_gone(fake.told("grim", "pid")[0]))


async def test_a_tool_that_can_use_a_pipe_gets_no_file_and_no_secret(
    fake: FakeTools, left_behind: LeftBehind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment is what it needs to reach the screen."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-never")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-7")
    fake.add("grim", 'cat "$picture"')
    assert (await take(fake, "grim")).data == fake.picture.read_bytes()
    assert fake.told("grim") == ["-t", "png", "-"]
    environment = "\n".join(fake.told("grim", "env"))
    assert "WAYLAND_DISPLAY=wayland-7" in environment
    assert "sk-ant-never" not in environment
    assert "CMT_STATE_DIR" not in environment
    assert not (Path(os.environ["CMT_STATE_DIR"]) / drop.FOLDER).exists()


async def test_a_child_that_keeps_the_pipe_open_delays_nothing_for_long(fake: FakeTools) -> None:
    fake.add("grim", 'cat "$picture"; sleep 20 & echo $! > $log.child')
    began = time.monotonic()
    assert (await take(fake, "grim")).width == 40
    assert time.monotonic() - began < 15
    os.kill(int(fake.told("grim", "child")[0]), 9)


async def test_the_region_that_was_chosen_is_taken(fake: FakeTools) -> None:
    """slurp prints it, grim gets it as one argument."""
    fake.add("slurp", "echo 10,20 300x200")
    fake.add("grim", 'cat "$picture"')
    picture = await take_picture(
        "region", desktop(fake, "grim", "slurp"), tool_environment(os.environ), Path("/nowhere")
    )
    assert picture.tool == "grim"
    assert fake.told("grim") == ["-t", "png", "-g", "10,20 300x200", "-"]


GIVEN_UP = {
    "slurp": ("echo selection cancelled >&2; exit 1", "region"),
    "maim": ("echo Selection was cancelled by keystroke or right-click. >&2; exit 1", "window"),
    "scrot": ("echo Key was pressed, aborting shot >&2; echo no image grabbed >&2; exit 1", "region"),
    "gnome-screenshot": ("true", "region"),
}


@pytest.mark.parametrize("name", GIVEN_UP)
async def test_choosing_nothing_is_no_fault_of_the_tool(name: str, fake: FakeTools) -> None:
    """Esc, a right click, or a tool that ends without a word; the next tool is not tried."""
    does, wish = GIVEN_UP[name]
    fake.add(name, does)
    fake.add("grim", 'cat "$picture"')
    fake.add("import", 'cat "$picture"')
    names = (name, "grim") if name == "slurp" else (name,) if "-" in name else (name, "import")
    with pytest.raises(NoPictureError, match=r"^Nothing was chosen"):
        await take_picture(
            wish,  # type: ignore[arg-type]
            desktop(fake, *names),
            tool_environment(os.environ),
            Path(os.environ["CMT_STATE_DIR"]),
        )


async def test_a_person_who_does_not_choose_is_told_of_the_time(fake: FakeTools) -> None:
    fake.add("maim", "exec sleep 60")
    assert "within 0 s" in await complaint(fake, "maim", "region", choosing_seconds=0.2)


async def test_the_next_tool_is_tried_where_one_fails(fake: FakeTools) -> None:
    """And the last one's sentence is told where all do."""
    fake.add("maim", "echo broken >&2; exit 1")
    fake.add("scrot", 'cat "$picture"')
    both = desktop(fake, "maim", "scrot")
    place = Path(os.environ["CMT_STATE_DIR"])
    assert (await take_picture("screen", both, tool_environment(os.environ), place)).tool == "scrot"
    fake.add("scrot", "echo broken too >&2; exit 1")
    with pytest.raises(NoPictureError, match=r"^scrot took no picture \(broken too\)"):
        await take_picture("screen", both, tool_environment(os.environ), place)


async def test_a_tool_that_cannot_be_started_is_named(fake: FakeTools) -> None:
    fake.add("grim")
    (fake.bin / "grim").write_bytes(b"\x7fELF not really")
    assert "cannot be started" in await complaint(fake, "grim")


# --- the clipboard


CLIPBOARD = {
    "xclip": 'case "$*" in *TARGETS*) printf "TARGETS\\nimage/png\\n";; *image/png*) cat "$picture";; esac',
    "wl-paste": 'case "$*" in *--list-types*) echo image/png;; *image/png*) cat "$picture";; esac',
    "osascript": "printf '\\302\\253data PNGf'; od -An -v -tx1 \"$picture\" | tr -d ' \\n'; printf '\\302\\273\\n'",
    "powershell": 'base64 -w 0 "$picture"',
}


@pytest.mark.parametrize("name", CLIPBOARD)
async def test_the_image_in_the_clipboard_comes_whole(
    name: str, fake: FakeTools, left_behind: LeftBehind
) -> None:
    """Each in the form that its tool gives it, and never as a file."""
    fake.add(name, CLIPBOARD[name])
    assert (await take(fake, name, "clipboard")).data == fake.picture.read_bytes()
    assert left_behind() == []


EMPTY = {
    "xclip": "echo 'Error: target TARGETS not available' >&2; exit 1",
    "wl-paste": "echo 'Nothing is copied' >&2; exit 1",
    "osascript": "echo 'execution error: Can not make some data into the expected type. (-1700)' >&2; exit 1",
    "powershell": "printf 'cmt-lsp: no image' >&2; exit 3",
}


@pytest.mark.parametrize("name", EMPTY)
async def test_a_clipboard_without_an_image_says_so(name: str, fake: FakeTools) -> None:
    fake.add(name, EMPTY[name])
    assert await complaint(fake, name, "clipboard") == "The clipboard holds no image; copy one first."


async def test_a_clipboard_of_text_alone_is_not_asked_for_an_image(fake: FakeTools) -> None:
    fake.add("xclip", "printf 'TARGETS\\nUTF8_STRING\\n'")
    assert "holds no image" in await complaint(fake, "xclip", "clipboard")
    assert fake.told("xclip")[-2:] == ["TARGETS", "-o"]


async def test_a_clipboard_that_cannot_be_reached_is_not_called_empty(fake: FakeTools) -> None:
    fake.add("xclip", 'echo "Error: Can\'t open display: :9" >&2; exit 1')
    assert "Can't open display: :9" in await complaint(fake, "xclip", "clipboard")


@pytest.mark.parametrize("output", ["not base64 at all!", base64.b64encode(b"no picture").decode()])
async def test_what_windows_answers_must_be_a_picture(output: str, fake: FakeTools) -> None:
    fake.add("powershell", f"echo '{output}'")
    assert "no picture" in await complaint(fake, "powershell")


# --- what a dead process left


def test_a_sweep_takes_what_the_dead_left_and_nothing_else(tmp_path: Path) -> None:
    """By process id and start time; a living process's picture and foreign things stay."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    with drop.private_file(tmp_path) as mine:
        place = mine.parents[1]
        parts = mine.parent.name.split("-")
        reused = place / f"{parts[0]}-{float(parts[1]) + 1}-{parts[2]}"
        dead = place / f"999999999-5.0-{parts[2]}"
        for folder in (reused, dead):
            folder.mkdir()
            (folder / "picture.png").write_bytes(png())
        (dead / "link").symlink_to(outside)
        (place / "notes").mkdir()
        (place / f"999999998-5.0-{parts[2]}").symlink_to(outside)
        drop.sweep(tmp_path)
        assert mine.exists()
        assert not reused.exists()
        assert not dead.exists()
        assert (place / "notes").exists()
    assert not mine.exists()
    assert (outside / "precious").read_text() == "mine"


def test_there_is_nothing_to_sweep_before_the_first_picture(tmp_path: Path) -> None:
    assert drop.sweep(tmp_path / "none") == 0


def test_a_planted_place_for_pictures_is_refused(tmp_path: Path) -> None:
    """A link in the state folder would choose where pictures go."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state" / drop.FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="symbolic link"), drop.private_file(tmp_path / "state"):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []
