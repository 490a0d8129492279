"""`cmt-lsp cache`: ask the server about the prompt cache, and show or do what it says."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from cmt_lsp.terminal.cache.screen import advice_lines, stats_tables, warm_line
from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.render import one_line
from cmt_lsp.terminal.sessions import find_session
from cmt_lsp.terminal.tables import console, run_in_window
from cmt_lsp.terminal.window import Window

WELL = ("warmed", "refreshed", "already-warm", "priced", "nothing-to-warm")
"""How warming ends where nothing went wrong."""
NOTHING_YET = 'No question was answered yet. `cmt-lsp ask "..." --session NAME` begins a session.'


def show_stats(
    which: str | None, *, as_json: bool, no_color: bool, command: Sequence[str] | None = None
) -> int:
    """Print what the cache did for a session, or for all; the exit code."""

    async def talk(window: Window) -> int:
        about, scope = await _scope(window, which)
        found = await window.ask("cmt/cache/stats", scope)
        if as_json:
            _print_json(found)
        elif not sum(found["turns"].values()):
            sys.stdout.write(f"{NOTHING_YET}\n")
        else:
            screen = console(no_color=no_color)
            screen.print(f"{one_line(about)}: {one_line(found['text'])}")
            for made in stats_tables(found):
                screen.print(made)
        return 0

    return run_in_window(talk, command)


def show_advice(
    which: str | None, *, as_json: bool, no_color: bool, command: Sequence[str] | None = None
) -> int:
    """Print what would have cost less in a session, or in all; the exit code."""

    async def talk(window: Window) -> int:
        about, scope = await _scope(window, which)
        found = await window.ask("cmt/cache/advice", scope)
        if as_json:
            _print_json(found)
        elif not found["suggestions"]:
            screen = console(no_color=no_color)
            screen.print(one_line(found["reason"] if found["turns"] else NOTHING_YET))
        else:
            screen = console(no_color=no_color)
            screen.print(f"{one_line(about)}, by {found['turns']:,} questions:")
            for number, suggestion in enumerate(found["suggestions"], 1):
                screen.print(advice_lines(number, suggestion, which))
        return 0

    return run_in_window(talk, command)


def apply_advice(which: str | None, number: int, command: Sequence[str] | None = None) -> int:
    """Do what a suggestion says, or say what to write where; the exit code."""

    async def talk(window: Window) -> int:
        _, scope = await _scope(window, which)
        suggestions = (await window.ask("cmt/cache/advice", scope))["suggestions"]
        if number > len(suggestions):
            raise TroubleError(
                f"There is no suggestion {number}.", hint="`cmt-lsp cache advice` lists what there is."
            )
        await _apply(window, suggestions[number - 1])
        return 0

    return run_in_window(talk, command)


async def _apply(window: Window, suggestion: Mapping[str, Any]) -> None:
    if act := suggestion.get("command"):
        done = await window.ask(act["command"].replace(".", "/"), act["arguments"][0])
        sys.stdout.write(f"Done: {one_line(act['title'])}.\n")
        for notice in done.get("notices") or []:
            sys.stdout.write(f"note: {one_line(notice)}\n")
    elif setting := suggestion.get("setting"):
        raise TroubleError(
            "A setting is yours to change.", hint=f"Write this line into config.toml: {one_line(setting)}"
        )
    else:
        raise TroubleError("No command does this.", hint=one_line(suggestion["text"]))


def warm(which: str | None, *, dry_run: bool, as_json: bool, command: Sequence[str] | None = None) -> int:
    """Write a session's prefix into the cache, or say what that would cost; the exit code."""

    async def talk(window: Window) -> int:
        session = await _last_session(window) if which is None else await find_session(window, which)
        done = await window.ask("cmt/cache/warm", {"sessionId": session["id"], "dryRun": dry_run})
        if as_json:
            _print_json(done)
        else:
            sys.stdout.write(f"{one_line(session['name'])}: {warm_line(done)}\n")
            for notice in done.get("notices") or []:
                sys.stdout.write(f"note: {one_line(notice)}\n")
        return 0 if done["state"] in WELL else 1

    return run_in_window(talk, command)


async def _scope(window: Window, which: str | None) -> tuple[str, dict[str, str]]:
    """What to call it, and the params."""
    if which is None:
        return "All sessions", {"scope": "all"}
    session = await find_session(window, which)
    return str(session["name"]), {"sessionId": str(session["id"])}


async def _last_session(window: Window) -> Mapping[str, Any]:
    sessions = (await window.ask("cmt/session/list", {"scope": "workspace"})).get("sessions", [])
    if not sessions:
        raise TroubleError("There is no session in this folder.", hint="`cmt-lsp sessions --all` lists all.")
    found: Mapping[str, Any] = sessions[0]
    return found


def _print_json(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
