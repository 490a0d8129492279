"""Which tool is chosen on which desktop, with which arguments; and what is said where there is none."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from cmt_lsp.api.errors import NoPictureError
from cmt_lsp.core.screen.choice import Command, Wish, chosen_answer, commands_for
from cmt_lsp.core.screen.desktop import TOOLS, Desktop, find_desktop, tool_environment
from cmt_lsp.core.screen.powershell import SCRIPTS, arguments

ALL = {name: f"/usr/bin/{name}" for name in TOOLS}
WAYLAND = Desktop("linux", "wayland", "other", ALL)
KDE = Desktop("linux", "wayland", "kde", ALL)
GNOME = Desktop("linux", "wayland", "gnome", ALL)
X11 = Desktop("linux", "x11", "other", ALL)
MAC = Desktop("macos", tools=ALL)
WINDOWS = Desktop("windows", tools={"powershell": "C:\\Windows\\powershell.exe"})
WSL = Desktop("wsl", tools={"powershell": "/mnt/c/Windows/powershell.exe"})


def only(desktop: Desktop, *tools: str) -> Desktop:
    """The same desktop with these tools alone."""
    return Desktop(desktop.system, desktop.display, desktop.shell, {name: ALL[name] for name in tools})


BEST: list[tuple[Desktop, Wish, str]] = [
    (WAYLAND, "screen", "grim -t png -"),
    (WAYLAND, "region", "slurp | grim -t png -g {answer} -"),
    (WAYLAND, "window", "slurp | grim -t png -g {answer} -"),
    (KDE, "screen", "spectacle -b -n -f -o {file}"),
    (KDE, "window", "spectacle -b -n -a -o {file}"),
    (KDE, "region", "spectacle -b -n -r -o {file}"),
    (GNOME, "screen", "gnome-screenshot -f {file}"),
    (GNOME, "window", "gnome-screenshot -w -f {file}"),
    (GNOME, "region", "gnome-screenshot -a -f {file}"),
    (X11, "screen", "maim -u"),
    (X11, "window", "maim -u -s -t 9999999"),
    (X11, "region", "maim -u -s"),
    (only(X11, "scrot"), "screen", "scrot -"),
    (only(X11, "scrot"), "window", "scrot -s -"),
    (only(X11, "scrot"), "region", "scrot -s -"),
    (only(X11, "import"), "screen", "import -silent -window root png:-"),
    (only(X11, "import"), "region", "import -silent png:-"),
    (only(X11, "spectacle"), "screen", "spectacle -b -n -f -o {file}"),
    (only(X11, "xfce4-screenshooter"), "region", "xfce4-screenshooter -r -s {file}"),
    (MAC, "screen", "screencapture -x -t png {file}"),
    (MAC, "window", "screencapture -x -t png -i -w -o {file}"),
    (MAC, "region", "screencapture -x -t png -i -s {file}"),
    (WAYLAND, "clipboard", "wl-paste --list-types | wl-paste --no-newline --type {answer}"),
    (KDE, "clipboard", "wl-paste --list-types | wl-paste --no-newline --type {answer}"),
    (
        X11,
        "clipboard",
        "xclip -selection clipboard -t TARGETS -o | xclip -selection clipboard -t {answer} -o",
    ),
    (MAC, "clipboard", "pngpaste -"),
    (only(MAC, "osascript"), "clipboard", "osascript -e the clipboard as «class PNGf»"),
]


def shown(command: Command) -> str:
    """A command as in the table, its tools without their folder."""
    parts = [list(part) for part in (command.first, command.argv) if part]
    for part in parts:
        assert part[0].startswith("/usr/bin/")
        part[0] = part[0].removeprefix("/usr/bin/")
    return " | ".join(" ".join(part) for part in parts)


@pytest.mark.parametrize(
    ("desktop", "wish", "expected"), BEST, ids=[f"{d.shell}-{d.display}-{w}-{e[:9]}" for d, w, e in BEST]
)
def test_each_desktop_has_its_own_best_tool(desktop: Desktop, wish: Wish, expected: str) -> None:
    assert shown(commands_for(wish, desktop)[0]) == expected


@pytest.mark.parametrize("wish", ["screen", "window", "region", "clipboard"])
@pytest.mark.parametrize("desktop", [WINDOWS, WSL], ids=["windows", "wsl"])
def test_windows_is_asked_in_its_own_shell_and_writes_no_file(desktop: Desktop, wish: Wish) -> None:
    """The script arrives whole, whatever quotes it holds; the picture comes back as base64."""
    (command,) = commands_for(wish, desktop)
    assert command.argv == (desktop.tools["powershell"], *arguments(wish))
    assert base64.b64decode(command.argv[-1]).decode("utf-16-le") == SCRIPTS[wish]
    assert command.gives == "base64"
    assert command.tool == "powershell"
    assert len(command.argv[-1]) < 8000  # Windows takes 32,767 characters, older shells 8,191


def test_the_person_points_only_where_the_tool_cannot_know() -> None:
    """These have the long time limit, and may be given up."""
    chosen = {
        (name, wish)
        for name, desktop in {"grim": WAYLAND, "kde": KDE, "gnome": GNOME, "x11": X11, "mac": MAC, "win": WINDOWS}.items()
        for wish in ("screen", "window", "region", "clipboard")
        if commands_for(wish, desktop)[0].chosen  # type: ignore[arg-type]
    }  # fmt: skip
    everywhere = {(name, "region") for name in ("grim", "kde", "gnome", "x11", "mac", "win")}
    assert chosen == everywhere | {("grim", "window"), ("x11", "window"), ("mac", "window")}


def test_what_x11_sees_of_wayland_is_black_and_so_no_choice() -> None:
    """maim and scrot run there, by way of a translator, and take a black picture."""
    tools = {command.tool for wish in ("screen", "window") for command in commands_for(wish, WAYLAND)}  # type: ignore[arg-type]
    assert tools.isdisjoint({"maim", "scrot", "import"})


def test_all_tools_that_may_do_come_in_order() -> None:
    """The next is tried when one fails."""
    assert [command.tool for command in commands_for("screen", X11)] == [
        "maim", "scrot", "import", "spectacle", "gnome-screenshot", "xfce4-screenshooter",
    ]  # fmt: skip


MISSING = [
    (Desktop("linux", "x11", installer="apt"), "screen", "`sudo apt install maim`"),
    (Desktop("linux", "x11", installer="dnf"), "clipboard", "`sudo dnf install xclip`"),
    (Desktop("linux", "wayland", installer="pacman"), "region", "`sudo pacman -S grim slurp`"),
    (Desktop("linux", "wayland", "other", {"grim": "/bin/grim"}, "apt"), "region", "`sudo apt install grim slurp`"),
    (Desktop("linux", "wayland", "kde", {}, "apt"), "screen", "`sudo apt install kde-spectacle`"),
    (Desktop("linux", "wayland", "kde", {}, "dnf"), "screen", "`sudo dnf install spectacle`"),
    (Desktop("linux", "wayland", "gnome", {}, "zypper"), "screen", "`sudo zypper install gnome-screenshot`"),
    (Desktop("linux", "wayland", "gnome", {}, "apk"), "clipboard", "`sudo apk add wl-clipboard`"),
    (Desktop("linux", "wayland"), "clipboard", "install wl-clipboard with your package manager"),
    (Desktop("linux"), "screen", "has no screen"),
    (Desktop("linux"), "clipboard", "has no screen"),
    (Desktop("wsl"), "screen", "/etc/wsl.conf"),
    (Desktop("windows"), "screen", "attach the picture by its path"),
    (Desktop("macos"), "region", "screencapture is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("desktop", "wish", "advice"), MISSING, ids=[advice for *_, advice in MISSING])
def test_what_is_missing_is_named_with_the_command_that_brings_it(
    desktop: Desktop, wish: Wish, advice: str
) -> None:
    """One sentence."""
    with pytest.raises(NoPictureError) as caught:
        commands_for(wish, desktop)
    assert advice in caught.value.message
    assert caught.value.message.rstrip(".").count(". ") == 0


@pytest.mark.parametrize(
    ("printed", "answer"),
    [
        ("10,20 300x200\n", "10,20 300x200"),
        ("-1920,0 1920x1080", "-1920,0 1920x1080"),
        ("", None),
        ("selection cancelled", None),
        ("1,2 3x4 -o /etc/passwd", None),
    ],
)
def test_a_region_is_numbers_or_nothing(printed: str, answer: str | None) -> None:
    assert chosen_answer(commands_for("region", WAYLAND)[0], printed) == answer


@pytest.mark.parametrize(
    ("printed", "answer"),
    [
        ("TARGETS\nimage/jpeg\nimage/png\n", "image/png"),
        ("text/html\nimage/jpeg\nimage/bmp", "image/jpeg"),
        ("image/bmp\nUTF8_STRING\n", None),
        ("", None),
    ],
)
def test_the_best_kind_of_image_in_the_clipboard_is_taken(printed: str, answer: str | None) -> None:
    """Asked for a kind that it has not, xclip gives the text instead."""
    assert chosen_answer(commands_for("clipboard", X11)[0], printed) == answer


def program(folder: Path, name: str, mode: int = 0o755) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("")
    (folder / name).chmod(mode)


def test_this_machine_is_looked_at(tmp_path: Path) -> None:
    """Sessions, desktops and tools by the environment."""
    program(tmp_path / "bin", "slurp")
    program(tmp_path / "bin", "grim", 0o644)
    (tmp_path / "bin" / "xclip").mkdir()
    place = {"PATH": f"{tmp_path / 'bin'}"}
    found = find_desktop("linux", place | {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"})
    assert (found.system, found.display, found.shell) == ("linux", "wayland", "other")
    assert found.tools["slurp"] == str(tmp_path / "bin" / "slurp")
    assert found.tools.get("grim") != str(tmp_path / "bin" / "grim")
    assert found.tools.get("xclip") != str(tmp_path / "bin" / "xclip")
    assert find_desktop("linux", place | {"DISPLAY": ":0"}).display == "x11"
    assert find_desktop("linux", place).display == "none"
    assert find_desktop("linux", place | {"XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}).shell == "gnome"
    assert find_desktop("linux", place | {"XDG_CURRENT_DESKTOP": "KDE"}).shell == "kde"
    assert find_desktop("darwin", place | {"DISPLAY": ":0"}).system == "macos"
    wsl = find_desktop("linux", place | {"WSL_DISTRO_NAME": "Debian", "WAYLAND_DISPLAY": "wayland-0"})
    assert (wsl.system, wsl.display) == ("wsl", "none")


def test_windows_own_shell_is_found_in_the_systems_folder(tmp_path: Path) -> None:
    """Never in PATH, where anybody's folder may come first."""
    own = tmp_path / "System32" / "WindowsPowerShell" / "v1.0"
    own.mkdir(parents=True)
    program(own, "powershell.exe")
    program(tmp_path / "planted", "powershell.exe")
    environ = {"PATH": str(tmp_path / "planted"), "SYSTEMROOT": str(tmp_path)}
    assert find_desktop("win32", environ).tools["powershell"] == str(own / "powershell.exe")
    assert "powershell" not in find_desktop("win32", {"PATH": str(tmp_path / "planted")}).tools


def test_a_tool_in_the_workspace_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative folder in PATH is passed over, for the search and for the tool itself."""
    program(tmp_path, "slurp")
    monkeypatch.chdir(tmp_path)
    environ = {"PATH": f".{os.pathsep}{os.pathsep}/usr/bin"}
    assert find_desktop("linux", environ).tools.get("slurp", "").startswith(str(tmp_path)) is False
    assert "." not in tool_environment(environ)["PATH"].split(os.pathsep)


def test_a_tool_gets_no_secret() -> None:
    """The names it needs, and no others."""
    environ = {"ANTHROPIC_API_KEY": "sk", "CMT_STATE_DIR": "/s", "LD_PRELOAD": "/x.so", "DISPLAY": ":1", "HOME": "/h"}  # fmt: skip
    assert tool_environment(environ).keys() == {"DISPLAY", "HOME", "PATH"}
