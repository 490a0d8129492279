"""Pins of a session from a shell: `ask --pin FILE`, `--unpin FILE`, and how a session's pins are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.render import one_line, tokens

if TYPE_CHECKING:
    from cmt_lsp.terminal.window import Window


def check_pins(pin: Sequence[str], unpin: Sequence[str], session: str | None, *, dry_run: bool) -> None:
    """What can be told before a server is started; TroubleError."""
    if not pin and not unpin:
        return
    if session is None:
        raise TroubleError("A pin belongs to a session.", hint="Name it with --session NAME.")
    if dry_run:
        raise TroubleError(
            "--pin and --unpin change the session, and --dry-run changes nothing.",
            hint="Pin first, then look.",
        )
    for name in pin:
        path = Path(name).absolute()
        if not path.is_file():
            raise TroubleError(f"There is no file {path}.", kind="blocked_file")
        if not path.resolve().is_relative_to(Path.cwd().resolve()):
            hint = "Pin a file of this folder, or send it once with --file."
            raise TroubleError(f"{path} lies outside this folder.", hint=hint, kind="blocked_file")


async def change_pins(
    session: Mapping[str, Any],
    pin: Sequence[str],
    unpin: Sequence[str],
    window: Window,
    tell: Callable[[str], None],
) -> None:
    """Pin and unpin, and say what is pinned then."""
    if not pin and not unpin:
        return
    items = [{"kind": "file", "uri": _uri(name)} for name in pin]
    known = {str(one.get("uri")) for one in session.get("pinned", [])}
    named = [_uri_or_name(name, known) for name in unpin]
    changed = await window.ask(
        "cmt/session/update", {"sessionId": session["id"], "pin": items, "unpin": named}
    )
    for notice in changed.get("notices", []):
        tell(notice)
    tell(f"pinned: {', '.join(pin_lines(changed)) or 'nothing'}")


def pin_lines(session: Mapping[str, Any]) -> list[str]:
    """One line for each pin: its name, its tokens, and its state unless that is fresh."""
    return [_line(pin) for pin in session.get("pinned", [])]


def pin_summary(session: Mapping[str, Any]) -> str:
    """How many pins there are, and how many of them changed or are missing."""
    pins = session.get("pinned", [])
    states = [pin["state"] for pin in pins]
    parts = [f"{states.count(state)} {state}" for state in ("changed", "missing") if state in states]
    return ", ".join([str(len(pins)), *parts]) if pins else ""


def _line(pin: Mapping[str, Any]) -> str:
    state = "" if pin["state"] == "fresh" else f", {pin['state']}"
    return one_line(f"{pin['title']} ({tokens(pin['tokens'])} tokens{state})")


def _uri_or_name(name: str, known: set[str]) -> str:
    uri = _uri(name)
    return uri if uri in known else name


def _uri(name: str) -> str:
    return Path(name).absolute().as_uri()
