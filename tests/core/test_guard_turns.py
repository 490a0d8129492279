"""The guard around turns of a script: refused without a trace, allowed by an argument, never in the way of others."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest
from live_turns import Listener, new_session
from test_guard import SECRETS

import cmt_lsp
from cmt_lsp.api.errors import BlockedFileError
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.context.items import NamedText
from cmt_lsp.core.guard.concern import Concern, pieces_of
from cmt_lsp.core.guard.permission import Permission, pass_guard
from cmt_lsp.core.turn import TurnRequest
from cmt_lsp.simulator import Simulator

SECRET = SECRETS["GitHub"][1]


async def test_a_script_is_refused_and_may_allow(manager: APISessionManager, simulator: Simulator) -> None:
    """BlockedFileError names the item; nothing is sent, kept or booked, and the same call with the argument works."""
    session = manager.create_session()
    with pytest.raises(BlockedFileError, match=r"the question: line 1: GitHub token \(ghp_\.\.\.") as refused:
        await manager.send_message(session, f"is {SECRET} mine?")
    assert SECRET not in str(refused.value)
    assert simulator.requests == []
    _, turns = await manager.sessions.get(session)
    assert turns == ()
    assert manager.get_global_usage()["sessions"] == {}
    text, *_ = await manager.send_message(session, f"is {SECRET} mine?", allow_secrets=True)
    assert text
    pieces: list[str] = []
    await manager.stream_message(session, SECRET, pieces.append, allow_secrets=True)
    assert pieces


async def test_an_answer_is_asked_for_each_file_until_a_no() -> None:
    """In order; after a no the others are not asked about."""
    asked: list[str] = []

    async def ask(concern: Concern) -> bool:
        asked.append(concern.label)
        return concern.label != "b"

    items = tuple(NamedText(title, SECRET) for title in ("a", "b", "c"))
    with pytest.raises(BlockedFileError, match="Not sent: b: line 1"):
        await pass_guard(pieces_of("x", items), Permission(ask=ask), scan=True)
    assert asked == ["a", "b"]


async def test_a_large_text_is_looked_through_beside_the_loop(manager: APISessionManager) -> None:
    """2 MB of code: another task goes on meanwhile."""
    text = Path(asyncio.__file__).with_name("base_events.py").read_text() * 24
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0)
            beats += 1

    beating = asyncio.create_task(beat())
    assert await manager.foresight.concerns(TurnRequest(text)) == ()
    beating.cancel()
    assert beats > 10


async def test_the_refusal_ends_the_turn_and_frees_the_session(
    manager: APISessionManager, simulator: Simulator
) -> None:
    """The next question of the session goes out at once."""
    session = await new_session(manager)
    turn = manager.start_turn(session, TurnRequest(SECRET), Listener())
    with pytest.raises(BlockedFileError):
        await turn.result()
    result = await manager.start_turn(session, TurnRequest("hello"), Listener()).result()
    assert result.stop_reason == "end_turn"
    assert SECRET not in str(simulator.requests[-1].body)


def test_nothing_gives_the_model_a_tool() -> None:
    """No code between an editor and the endpoint names one, as an argument or as a key of a request."""
    words = {"tools", "tool_choice", "mcp_servers", "container"}
    package = Path(cmt_lsp.__file__).parent
    found = [
        (path.name, node.lineno)
        for room in ("core", "server", "terminal", "cli")
        for path in (package / room).rglob("*.py")
        if path.parent.name != "screen"  # the programs that take a picture are tools as well
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.keyword) and node.arg in words)
        or (
            isinstance(node, ast.Dict)
            and any(isinstance(k, ast.Constant) and k.value in words for k in node.keys)
        )
    ]
    assert found == []
