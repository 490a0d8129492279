"""Asking an editor for consent: silence is a no, and two turns with the same file are one question at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal

import pytest
from lsprotocol import types
from pygls.protocol import default_converter

from cmt_lsp.core.guard.concern import Concern
from cmt_lsp.server.rpc.convert import wire_converter
from cmt_lsp.server.rpc.messages import Response
from cmt_lsp.server.rpc.outbox import Outbox
from cmt_lsp.server.rpc.peer import Peer
from cmt_lsp.server.rpc.table import Caller
from cmt_lsp.server.window import consent

ENV = Concern(
    "file:///w/.env", ".env", frozenset({"password"}), ("line 1: password (...)",), is_document=True
)


class Link:
    """An editor that answers each question with `title`, a little later, or never when it is None."""

    backlog = 0
    stalled_for = 0.0

    def __init__(self, title: str | None) -> None:
        self.title = title
        self.sent: list[dict[str, Any]] = []
        self.questions: Any = None
        self.open = self.most_open = 0

    def send(self, frame: bytes, *, droppable: bool = False) -> None:
        message = json.loads(frame.split(b"\r\n\r\n", 1)[1])
        self.sent.append(message)
        if message["method"] == types.WINDOW_SHOW_MESSAGE_REQUEST and self.title is not None:
            self.open += 1
            self.most_open = max(self.open, self.most_open)
            asyncio.get_running_loop().call_later(0.01, self._answer, message["id"])

    def _answer(self, question: Any) -> None:
        self.open -= 1
        self.questions.settle(Response(question, {"title": self.title}, None, bare=False))

    def on_drained(self, callback: Callable[[], None]) -> None:
        callback()

    def watch(self, process_id: int) -> None: ...

    def stop(self, reason: str, code: int | None) -> None: ...


def caller_at(link: Link, door: Literal["request", "command"] = "request") -> Caller:
    """Somebody in an editor with windows."""
    outbox = Outbox(wire_converter(), default_converter())
    outbox.link, link.questions = link, outbox.questions
    peer = Peer(outbox)
    window = types.WindowClientCapabilities()
    peer.initialize_params = types.InitializeParams(types.ClientCapabilities(window=window), None, None)
    return Caller(door, 1, None, None, peer)


async def test_silence_is_a_no_and_the_question_is_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time; nothing is left waiting."""
    monkeypatch.setattr(consent, "ANSWER_SECONDS", 0.05)
    link = Link(None)
    ask = consent.Consent().asker(caller_at(link))
    assert ask is not None
    assert await ask(ENV) is False
    assert [message["method"] for message in link.sent] == ["window/showMessageRequest", "$/cancelRequest"]
    assert len(link.questions) == 0


async def test_after_a_command_the_question_waits_for_the_reply_to_be_read() -> None:
    """A question right behind the reply is lost in some editors; a request has none to wait for."""
    for door, at_once in (("request", True), ("command", False)):
        link = Link(consent.ONCE)
        ask = consent.Consent().asker(caller_at(link, door))
        assert ask is not None
        asking = asyncio.ensure_future(ask(ENV))
        for _ in range(5):
            await asyncio.sleep(0)
        assert bool(link.sent) is at_once
        assert await asking is True


async def test_what_was_typed_is_allowed_once_at_most() -> None:
    """No lasting answer is offered for it, nor taken."""
    link = Link(consent.ALWAYS)
    ask = consent.Consent().asker(caller_at(link))
    assert ask is not None
    assert await ask(Concern("the question", "the question", frozenset({"password"}), ("x",))) is False
    assert [action["title"] for action in link.sent[0]["params"]["actions"]] == [consent.NO, consent.ONCE]


@pytest.mark.parametrize(("title", "asked"), [(consent.ALWAYS, 1), (consent.ONCE, 3), (consent.NO, 3)])
async def test_three_turns_at_once_with_the_same_file(title: str, asked: int) -> None:
    """One dialog at a time; who said always is not asked by those that waited."""
    link = Link(title)
    ask = consent.Consent().asker(caller_at(link))
    assert ask is not None
    answers = await asyncio.gather(*(ask(ENV) for _ in range(3)))
    assert answers == [title != consent.NO] * 3
    assert len(link.sent) == asked
    assert link.most_open == 1
