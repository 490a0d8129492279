"""Editors that never answer: a transcript is neither waited for nor lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from lsprotocol import types
from pygls.protocol import default_converter

from cmt_lsp.core.chatfile.addition import Addition
from cmt_lsp.server.chatfile import screen
from cmt_lsp.server.chatfile.screen import Screen
from cmt_lsp.server.rpc.convert import wire_converter
from cmt_lsp.server.rpc.documents import OpenDocument
from cmt_lsp.server.rpc.messages import Response
from cmt_lsp.server.rpc.outbox import Outbox
from cmt_lsp.server.rpc.peer import Peer

URI = "file:///state/transcripts/one.md"


class Link:
    """An editor that gives `answers` by method, and never answers anything else."""

    backlog = 0
    stalled_for = 0.0

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.sent: list[dict[str, Any]] = []
        self.outbox: Outbox

    def send(self, frame: bytes, *, droppable: bool = False) -> None:
        message = json.loads(frame.split(b"\r\n\r\n", 1)[1])
        self.sent.append(message)
        name = message["method"].rpartition("/")[2]
        if name in self.answers:
            answer = Response(message["id"], self.answers[name], None, bare=False)
            asyncio.get_running_loop().call_soon(self.outbox.questions.settle, answer)

    def messages(self) -> list[str]:
        """What the person was told."""
        return [m["params"]["message"] for m in self.sent if m["method"] == "window/showMessage"]

    def on_drained(self, callback: Callable[[], None]) -> None:
        callback()

    def watch(self, process_id: int) -> None: ...

    def stop(self, reason: str, code: int | None) -> None: ...


def screen_of(link: Link) -> Screen:
    """The side of an editor that can do everything."""
    outbox = link.outbox = Outbox(wire_converter(), default_converter())
    outbox.link = link
    peer = Peer(outbox)
    peer.initialize_params = types.InitializeParams(
        types.ClientCapabilities(
            window=types.WindowClientCapabilities(
                show_document=types.ShowDocumentClientCapabilities(support=True)
            ),
            workspace=types.WorkspaceClientCapabilities(apply_edit=True),
        )
    )
    return Screen(peer)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long here."""
    for name in ("EDIT_SECONDS", "SHOW_SECONDS", "ECHO_SECONDS"):
        monkeypatch.setattr(screen, name, 0.05)


async def test_a_file_that_nobody_says_was_shown_is_named() -> None:
    link = Link()
    assert await screen_of(link).show(URI) is False
    assert link.messages() == ["Claude: The answer is in /state/transcripts/one.md."]


async def test_the_focus_is_left_where_it_is() -> None:
    """Eglot takes a `false` for true."""
    link = Link(showDocument={"success": True})
    assert await screen_of(link).show(URI, 3) is True
    assert "takeFocus" not in link.sent[0]["params"]
    assert link.sent[0]["params"]["selection"]["start"] == {"line": 3, "character": 0}


async def test_an_edit_that_nobody_answers_was_not_made() -> None:
    link = Link()
    document = OpenDocument(URI, "# x\n", version=0)
    refused = await screen_of(link).add(document, Addition(0, "\n\nmore"))
    assert refused == "The editor did not add the answer to one.md."


async def test_a_change_that_is_never_told_holds_up_nothing() -> None:
    """In `--batch` Eglot tells it with the next request only."""
    link = Link(applyEdit={"applied": True})
    document = OpenDocument(URI, "é𝄞\r\nx\r\n", version=0)
    assert await screen_of(link).add(document, Addition(0, "\n\nmore")) is None
    (edit,) = link.sent[0]["params"]["edit"]["changes"][URI]
    assert edit["range"]["start"] == {"line": 0, "character": 3}
    assert edit["newText"] == "\r\n\r\nmore", "as the lines of the document end"
