"""What kind of desktop this is and which tools it has: the facts that the choice of a tool rests on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

System: TypeAlias = Literal["linux", "macos", "windows", "wsl"]
Display: TypeAlias = Literal["wayland", "x11", "none"]
Shell: TypeAlias = Literal["kde", "gnome", "other"]

TOOLS = (
    "grim", "slurp", "spectacle", "gnome-screenshot", "xfce4-screenshooter", "maim", "scrot", "import",
    "wl-paste", "xclip", "pngpaste", "osascript", "screencapture", "powershell",
)  # fmt: skip
INSTALLERS = {
    "apt-get": "apt",
    "dnf": "dnf",
    "pacman": "pacman",
    "zypper": "zypper",
    "apk": "apk",
    "brew": "brew",
}
"""A program that only one kind of system has, and the name under which people call it."""

_MORE_PLACES = ("/usr/local/bin", "/opt/homebrew/bin", "/usr/bin", "/bin", "/usr/sbin")
"""An editor started from a desktop's menu may have a shorter PATH than the person's shell."""
_POWERSHELL = "System32/WindowsPowerShell/v1.0/powershell.exe"
_KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR",
    "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP",
    "XDG_DATA_DIRS", "DESKTOP_SESSION", "DBUS_SESSION_BUS_ADDRESS", "KDE_FULL_SESSION", "KDE_SESSION_VERSION",
    "WSL_INTEROP", "WSL_DISTRO_NAME", "SYSTEMROOT", "WINDIR", "TEMP", "TMP", "USERPROFILE", "LOCALAPPDATA", "APPDATA",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Desktop:
    """Where the person sits; `tools` are those of `TOOLS` that are here, by their absolute paths."""

    system: System
    display: Display = "none"
    """How a Linux session shows windows; of no meaning elsewhere."""
    shell: Shell = "other"
    tools: Mapping[str, str] = field(default_factory=dict)
    installer: str | None = None
    """The command that installs packages here, one of the values of `INSTALLERS`."""


def find_desktop(platform: str, environ: Mapping[str, str]) -> Desktop:
    """Look at this machine; `platform` is `sys.platform`."""
    system = _system(platform, environ)
    places = _places(environ)
    return Desktop(
        system=system,
        display=_display(environ) if system == "linux" else "none",
        shell=_shell(environ),
        tools={name: path for name in TOOLS if (path := _find(name, system, places, environ))},
        installer=next((name for program, name in INSTALLERS.items() if _in(program, places)), None),
    )


def tool_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a tool needs to reach the screen; no key and no setting of this program is among it."""
    kept = {name: environ[name] for name in _KEPT if environ.get(name)}
    return kept | {"PATH": os.pathsep.join(map(str, _places(environ)))}


def _system(platform: str, environ: Mapping[str, str]) -> System:
    if platform == "win32":
        return "windows"
    if platform == "darwin":
        return "macos"
    return "wsl" if environ.get("WSL_DISTRO_NAME") else "linux"


def _display(environ: Mapping[str, str]) -> Display:
    """Wayland first: it sets DISPLAY too, for old programs, and what these see of the screen is black."""
    if environ.get("WAYLAND_DISPLAY"):
        return "wayland"
    return "x11" if environ.get("DISPLAY") else "none"


def _shell(environ: Mapping[str, str]) -> Shell:
    names = environ.get("XDG_CURRENT_DESKTOP", "").upper().split(":")
    if "KDE" in names:
        return "kde"
    return "gnome" if "GNOME" in names else "other"


def _places(environ: Mapping[str, str]) -> list[Path]:
    """The absolute folders of PATH: a relative one would run what a workspace brings along."""
    named = [Path(part) for part in environ.get("PATH", "").split(os.pathsep) if part]
    found = [place for place in named if place.is_absolute()]
    return list(dict.fromkeys([*found, *(Path(place) for place in _MORE_PLACES if os.name == "posix")]))


def _find(name: str, system: System, places: list[Path], environ: Mapping[str, str]) -> str | None:
    if name != "powershell":
        return _in(name, places)
    if system == "wsl":
        return _in("powershell.exe", [*places, Path("/mnt/c/Windows/System32/WindowsPowerShell/v1.0")])
    root = environ.get("SYSTEMROOT")
    path = Path(root) / _POWERSHELL if root else None
    return str(path) if path and path.is_file() else None


def _in(program: str, places: list[Path]) -> str | None:
    return next((str(path) for place in places if _runs(path := place / program)), None)


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
