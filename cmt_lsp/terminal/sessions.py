"""`cmt-lsp sessions`: what was talked about in this folder, and what it cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.pins import pin_lines, pin_summary
from cmt_lsp.terminal.render import clean, one_line, summary, tokens
from cmt_lsp.terminal.tables import console, run_in_window, table
from cmt_lsp.terminal.window import Window

ROOM_FOR_PINS = 100  # columns; below, `sessions show` tells what is pinned
SHORT_ID = 8  # characters of an id that a terminal shows, and the fewest that name a session


def list_sessions(
    *, everywhere: bool, query: str | None, no_color: bool, command: Sequence[str] | None = None
) -> int:
    """Print a table of this folder's sessions, or of all folders'; the exit code."""

    async def talk(window: Window) -> int:
        wanted = {"scope": "all" if everywhere else "workspace"}
        found = await window.ask("cmt/session/list", wanted | ({"query": query} if query else {}))
        _print_sessions(found.get("sessions", []), everywhere=everywhere, no_color=no_color)
        return 0

    return run_in_window(talk, command)


def _print_sessions(sessions: Sequence[Mapping[str, Any]], *, everywhere: bool, no_color: bool) -> None:
    if not sessions:
        sys.stderr.write('No session yet. `cmt-lsp ask "..." --session NAME` begins one.\n')
        return
    screen = console(no_color=no_color)
    pinned = screen.width >= ROOM_FOR_PINS and any(session.get("pinned") for session in sessions)
    extra = [*(["pinned"] if pinned else []), *(["folder"] if everywhere else [])]
    made = table("=id", "name", "model", ">turns", ">in", ">out", ">cached", ">cost", "=last used", *extra)
    for session in sessions:
        usage, cost = session["usage"], session["cost"]
        identity = str(session["id"])
        row = [identity[:SHORT_ID] if sys.stdout.isatty() else identity]
        row += [session["name"], session["model"], session["turns"]]
        row += [tokens(usage[name]) for name in ("totalInputTokens", "outputTokens", "cacheReadInputTokens")]
        row += [cost["display"], _when(str(session["updatedAt"]))]
        row += [pin_summary(session)] if pinned else []
        row += [session.get("workspace", "")] if everywhere else []
        made.add_row(*(one_line(cell) for cell in row))
    screen.print(made)


def _when(moment: str) -> str:
    """A time of the contract as people here say it: the hour today, else the day."""
    try:
        then = datetime.fromisoformat(moment).astimezone()
    except ValueError:
        return moment
    return f"{then:%H:%M}" if then.date() == datetime.now(UTC).astimezone().date() else f"{then:%Y-%m-%d}"


def show_session(which: str, command: Sequence[str] | None = None) -> int:
    """Print a session's questions and answers; the exit code."""

    async def talk(window: Window) -> int:
        session = await find_session(window, which)
        found = await window.ask("cmt/session/get", {"sessionId": session["id"]})
        sys.stdout.write(f"# {one_line(session['name'])} ({one_line(session['id'])})\n")
        for line in pin_lines(found["session"]):
            sys.stdout.write(f"pinned: {line}\n")
        for turn in found.get("turns", []):
            sys.stdout.write(f"\n> {clean(turn['prompt']).replace(chr(10), chr(10) + '> ')}\n\n")
            sys.stdout.write(f"{clean(turn['text']).rstrip()}\n\n({summary(turn)})\n")
        return 0

    return run_in_window(talk, command)


def export_session(which: str, form: str, command: Sequence[str] | None = None) -> int:
    """Print a session as one document, `markdown` or `json`; the exit code."""

    async def talk(window: Window) -> int:
        session = await find_session(window, which)
        made = await window.ask("cmt/session/export", {"sessionId": session["id"], "format": form})
        sys.stdout.write(clean(made["text"]) if sys.stdout.isatty() else str(made["text"]))
        return 0

    return run_in_window(talk, command)


def delete_session(which: str, command: Sequence[str] | None = None) -> int:
    """Delete a session for good; the exit code."""

    async def talk(window: Window) -> int:
        session = await find_session(window, which)
        await window.ask("cmt/session/delete", {"sessionId": session["id"]})
        sys.stderr.write(f"Deleted {one_line(session['name'])} ({one_line(session['id'])}).\n")
        return 0

    return run_in_window(talk, command)


async def find_session(window: Window, which: str) -> Mapping[str, Any]:
    """The session with this id, or beginning of one, or name: in this folder first, then anywhere."""
    named: list[Mapping[str, Any]] = []
    for scope in ("workspace", "all"):
        sessions = (await window.ask("cmt/session/list", {"scope": scope})).get("sessions", [])
        begun = [one for one in sessions if len(which) >= SHORT_ID and str(one["id"]).startswith(which)]
        found = [one for one in sessions if one["id"] == which] or begun
        named = found or [one for one in sessions if one["name"] == which]
        if named:
            break
    if len(named) > 1:
        raise TroubleError(f"{len(named)} sessions are called {which}.", hint="Name one by its id.")
    if not named:
        raise TroubleError(f"There is no session {which}.", hint="`cmt-lsp sessions --all` lists them.")
    return named[0]
