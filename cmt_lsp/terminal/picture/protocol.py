"""Which picture protocol a terminal speaks: told by its environment, else asked, and never for long."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Protocol: TypeAlias = Literal["kitty", "iterm", "sixel"]

ANSWER_SECONDS = 0.3
"""How long a terminal may take to answer; nearly all of them do, at once."""
_KITTY_QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_ATTRIBUTES_QUESTION = (
    b"\x1b[c"  # every terminal answers it, so that the wait ends where kitty's is not understood
)
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_SIXEL = b"4"  # among the attributes
_SILENT = ("", "dumb", "linux")
_BY_PROGRAM: Mapping[str, Protocol] = {
    "ghostty": "kitty",
    "iTerm.app": "iterm",
    "WezTerm": "iterm",
    "mintty": "iterm",
}


def terminal_protocol() -> Protocol | None:
    """The protocol of the terminal behind standard input and all output; None in a pipe and where it has none."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        return None
    if os.environ.get("TERM", "") in _SILENT:
        return None
    return told_by(os.environ) or protocol_in(_asked())


def told_by(environment: Mapping[str, str]) -> Protocol | None:
    """What the environment says; nothing inside a multiplexer, whose outer terminal it may speak of."""
    term = environment.get("TERM", "")
    if environment.get("TMUX") or environment.get("STY") or term.startswith(("screen", "tmux")):
        return None
    if environment.get("KITTY_WINDOW_ID") or term in ("xterm-kitty", "xterm-ghostty"):
        return "kitty"
    return _BY_PROGRAM.get(environment.get("TERM_PROGRAM") or environment.get("LC_TERMINAL", ""))


def protocol_in(answer: bytes) -> Protocol | None:
    """What a terminal's answer to both questions says."""
    if b"\x1b_Gi=31;OK" in answer:
        return "kitty"
    attributes = _ATTRIBUTES.search(answer)
    return "sixel" if attributes is not None and _SIXEL in attributes[1].split(b";") else None


def _asked() -> bytes:
    """Ask the terminal, unseen and unechoed; what it says until its attributes or the time are at an end."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        return b""
    screen = sys.stdin.fileno()
    before = termios.tcgetattr(screen)
    try:
        tty.setcbreak(screen, termios.TCSADRAIN)
        sys.stderr.flush()
        os.write(sys.stderr.fileno(), _KITTY_QUESTION + _ATTRIBUTES_QUESTION)
        return _heard(screen)
    except OSError:
        return b""
    finally:
        termios.tcsetattr(screen, termios.TCSADRAIN, before)


def _heard(screen: int) -> bytes:
    heard, ends_at = b"", time.monotonic() + ANSWER_SECONDS
    while not _ATTRIBUTES.search(heard) and (left := ends_at - time.monotonic()) > 0:
        if not select.select([screen], [], [], left)[0]:
            break
        heard += os.read(screen, 1024)
    return heard
