"""Which tool takes the picture, and with which arguments: a plain function of the desktop and the wish.

A tool hands its picture over through a pipe wherever it can, so that most pictures never are a file. Those that only
write files get one in a private folder, see `drop.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.api.errors import NoPictureError
from cmt_lsp.core.screen.powershell import arguments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.core.screen.desktop import Desktop

Wish: TypeAlias = Literal["screen", "window", "region", "clipboard"]
WISHES: tuple[Wish, ...] = ("screen", "window", "region", "clipboard")

FILE = "{file}"
"""Stands in the arguments for the path of the picture."""
ANSWER = "{answer}"
"""Stands in the arguments for what the first program printed."""

IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""Best first."""
_AREA = re.compile(r"-?\d{1,6},-?\d{1,6} \d{1,6}x\d{1,6}")


@dataclass(frozen=True, slots=True)
class Command:
    """How one tool is run. `argv` begins with an absolute path and goes to no shell."""

    argv: tuple[str, ...]
    gives: Literal["bytes", "base64", "applescript", "file"] = "bytes"
    """What comes on standard output, or that the picture is written to the place of `FILE`."""
    first: tuple[str, ...] = ()
    """A program that is asked before; what it prints goes to the place of `ANSWER`."""
    answer: Literal["area", "type"] = "area"
    chosen: bool = False
    """True where the person points at something, which takes its time and may be given up."""

    @property
    def tool(self) -> str:
        """The tool's name for a sentence."""
        return re.split(r"[/\\]", self.argv[0])[-1].removesuffix(".exe")


@dataclass(frozen=True, slots=True)
class _Tool:
    """One row of a table: a tool, its arguments for each wish it can fulfil, and how it gives the picture."""

    name: str
    arguments: Mapping[Wish, tuple[str, ...]]
    gives: Literal["bytes", "base64", "applescript", "file"] = "bytes"
    chosen: tuple[Wish, ...] = ("window", "region")
    first: Mapping[Wish, tuple[str, ...]] | None = None


# slop's tolerance: with the largest one a click is never a drag, and so always means a window
_MAIM = _Tool("maim", {"screen": ("-u",), "window": ("-u", "-s", "-t", "9999999"), "region": ("-u", "-s")})
_SCROT = _Tool("scrot", {"screen": ("-",), "window": ("-s", "-"), "region": ("-s", "-")})
_IMPORT = _Tool(
    "import",
    {
        "screen": ("-silent", "-window", "root", "png:-"),
        "window": ("-silent", "png:-"),
        "region": ("-silent", "png:-"),
    },
)
# the compositor shows single windows to nobody, so that a window is the region around it
_GRIM = _Tool(
    "grim",
    {
        "screen": ("-t", "png", "-"),
        "window": ("-t", "png", "-g", ANSWER, "-"),
        "region": ("-t", "png", "-g", ANSWER, "-"),
    },
    first={"window": ("slurp",), "region": ("slurp",)},
)
_SPECTACLE = _Tool(
    "spectacle",
    {
        "screen": ("-b", "-n", "-f", "-o", FILE),
        "window": ("-b", "-n", "-a", "-o", FILE),
        "region": ("-b", "-n", "-r", "-o", FILE),
    },
    "file",
    ("region",),
)
_GNOME = _Tool(
    "gnome-screenshot",
    {"screen": ("-f", FILE), "window": ("-w", "-f", FILE), "region": ("-a", "-f", FILE)},
    "file",
    ("region",),
)
_XFCE = _Tool(
    "xfce4-screenshooter",
    {"screen": ("-f", "-s", FILE), "window": ("-w", "-s", FILE), "region": ("-r", "-s", FILE)},
    "file",
    ("region",),
)
_SCREENCAPTURE = _Tool(
    "screencapture",
    {
        "screen": ("-x", "-t", "png", FILE),
        "window": ("-x", "-t", "png", "-i", "-w", "-o", FILE),
        "region": ("-x", "-t", "png", "-i", "-s", FILE),
    },
    "file",
)
_POWERSHELL = _Tool(
    "powershell",
    {
        "screen": arguments("screen"),
        "window": arguments("window"),
        "region": arguments("region"),
        "clipboard": arguments("clipboard"),
    },
    "base64",
    ("region",),
)
_WL_PASTE = _Tool(
    "wl-paste",
    {"clipboard": ("--no-newline", "--type", ANSWER)},
    first={"clipboard": ("wl-paste", "--list-types")},
)
_XCLIP = _Tool(
    "xclip",
    {"clipboard": ("-selection", "clipboard", "-t", ANSWER, "-o")},
    first={"clipboard": ("xclip", "-selection", "clipboard", "-t", "TARGETS", "-o")},
)
_PNGPASTE = _Tool("pngpaste", {"clipboard": ("-",)})
_OSASCRIPT = _Tool("osascript", {"clipboard": ("-e", "the clipboard as «class PNGf»")}, "applescript")

_PACKAGES: Mapping[str, Mapping[str, str]] = {
    "grim": {"": "grim slurp"},
    "spectacle": {"": "spectacle", "apt": "kde-spectacle"},
    "wl-paste": {"": "wl-clipboard"},
}
"""The package of a tool where it has another name; "" stands for every other installer."""
_INSTALL = {
    "apt": "sudo apt install",
    "dnf": "sudo dnf install",
    "pacman": "sudo pacman -S",
    "zypper": "sudo zypper install",
    "apk": "sudo apk add",
    "brew": "brew install",
}


def commands_for(wish: Wish, desktop: Desktop) -> tuple[Command, ...]:
    """The tools of this desktop that can do it, best first; NoPictureError says what to install where there is none."""
    if desktop.system == "linux" and desktop.display == "none":
        raise NoPictureError(
            "This session has no screen (WAYLAND_DISPLAY and DISPLAY are not set); start the editor from the desktop, "
            "or attach the picture by its path."
        )
    tools = _tools(wish, desktop)
    found = tuple(_command(tool, wish, desktop) for tool in tools if _is_here(tool, wish, desktop))
    if not found:
        raise NoPictureError(_missing(wish, tools[0].name, desktop))
    return found


def chosen_answer(command: Command, printed: str) -> str | None:
    """What the first program's output means for the second; None where nothing fits."""
    if command.answer == "area":
        area = printed.strip()
        return area if _AREA.fullmatch(area) else None
    offered = {line.strip() for line in printed.splitlines()}
    return next((kind for kind in IMAGE_TYPES if kind in offered), None)


def _tools(wish: Wish, desktop: Desktop) -> tuple[_Tool, ...]:
    """Those that can work here, best first; the first is the one to recommend."""
    if desktop.system in ("windows", "wsl"):
        return (_POWERSHELL,)
    if desktop.system == "macos":
        return (_PNGPASTE, _OSASCRIPT) if wish == "clipboard" else (_SCREENCAPTURE,)
    if wish == "clipboard":
        return (_WL_PASTE,) if desktop.display == "wayland" else (_XCLIP,)
    if desktop.display == "x11":
        return (_MAIM, _SCROT, _IMPORT, _SPECTACLE, _GNOME, _XFCE)
    # on Wayland each compositor lets only its own tool see the screen
    own = {"kde": (_SPECTACLE,), "gnome": (_GNOME,), "other": (_GRIM, _SPECTACLE, _GNOME, _XFCE)}
    return own[desktop.shell]


def _is_here(tool: _Tool, wish: Wish, desktop: Desktop) -> bool:
    first = (tool.first or {}).get(wish, ())
    return all(name in desktop.tools for name in (tool.name, *first[:1]))


def _command(tool: _Tool, wish: Wish, desktop: Desktop) -> Command:
    first = (tool.first or {}).get(wish, ())
    return Command(
        argv=(desktop.tools[tool.name], *tool.arguments[wish]),
        gives=tool.gives,
        first=(desktop.tools[first[0]], *first[1:]) if first else (),
        answer="type" if wish == "clipboard" else "area",
        chosen=wish in tool.chosen,
    )


def _missing(wish: Wish, tool: str, desktop: Desktop) -> str:
    """One sentence: what is missing, and the one command that brings it."""
    thing = "reads an image from the clipboard" if wish == "clipboard" else f"takes a picture of the {wish}"
    if desktop.system == "wsl":
        return "PowerShell of the Windows host cannot be reached; enable interop in /etc/wsl.conf and restart WSL."
    if desktop.system in ("windows", "macos"):
        return f"The system's own {tool} is missing, which {thing}; attach the picture by its path."
    names = _PACKAGES.get(tool, {"": tool})
    package = names.get(desktop.installer or "", names[""])
    if desktop.installer is None:
        return f"No program here {thing}; install {package} with your package manager."
    return f"No program here {thing}; install one with `{_INSTALL[desktop.installer]} {package}`."
