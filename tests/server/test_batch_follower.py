"""Following a batch: one progress with one end, a word at the end, and none when nobody can be asked any more."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from lsprotocol import types
from pygls.protocol import default_converter

from cmt_lsp.core import APISessionManager
from cmt_lsp.core.batch.batch import BatchInfo, BatchOrder, BatchPrompt
from cmt_lsp.server.rpc.convert import wire_converter
from cmt_lsp.server.rpc.messages import Response
from cmt_lsp.server.rpc.outbox import Outbox
from cmt_lsp.server.rpc.peer import Peer
from cmt_lsp.server.window.batch_follower import follow_batch, standing
from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread

LOOKS = (0.01, 0.02)


class Link:
    """A pipe whose other end accepts every progress; keeps what was sent."""

    backlog = 0
    stalled_for = 0.0

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.questions: Any = None

    def send(self, frame: bytes, *, droppable: bool = False) -> None:
        message = json.loads(frame.split(b"\r\n\r\n", 1)[1])
        self.sent.append(message)
        if "id" in message and "method" in message:
            asyncio.get_running_loop().call_soon(
                self.questions.settle, Response(message["id"], None, None, bare=False)
            )

    def on_drained(self, callback: Callable[[], None]) -> None:
        callback()

    def watch(self, process_id: int) -> None: ...

    def stop(self, reason: str, code: int | None) -> None: ...

    @property
    def values(self) -> list[dict[str, Any]]:
        """What was told on the progress."""
        return [m["params"]["value"] for m in self.sent if m["method"] == "$/progress"]

    @property
    def words(self) -> list[str]:
        """What was shown to the person."""
        return [m["params"]["message"] for m in self.sent if m["method"] == "window/showMessage"]


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def peer(link: Link) -> Peer:
    """An editor that shows progress."""
    outbox = Outbox(wire_converter(), default_converter())
    outbox.link, link.questions = link, outbox.questions
    made = Peer(outbox)
    window = types.WindowClientCapabilities(work_done_progress=True)
    made.initialize_params = types.InitializeParams(capabilities=types.ClientCapabilities(window=window))
    return made


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with simulator_in_thread(batch_rate=0.0) as running:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.base_url)
        yield running


@pytest.fixture
async def manager(simulator: Simulator) -> AsyncIterator[APISessionManager]:
    made = APISessionManager()
    yield made
    await made.aclose()


async def submitted(manager: APISessionManager, count: int = 3) -> BatchInfo:
    prompts = [BatchPrompt(str(i), f"prompt {i}") for i in range(count)]
    return (await manager.batches.submit(BatchOrder(prompts, name="Three")))[0]


async def test_a_followed_batch_is_shown_until_its_end_and_then_told_once(
    manager: APISessionManager, simulator: Simulator, peer: Peer, link: Link
) -> None:
    simulator.reply_with("a", Answer(fault=Fault.status(500)), "c")
    info = await submitted(manager)
    following = asyncio.create_task(follow_batch(manager.batches, info.record.id, peer, LOOKS))
    while not link.values[1:]:
        await asyncio.sleep(0.005)
    simulator.batches.rate = math.inf
    await following
    (told,) = link.words

    assert told.startswith("cmt-lsp: batch Three: 2 answered, 1 refused, ")
    assert [value["kind"] for value in link.values][0 :: len(link.values) - 1] == ["begin", "end"]
    assert link.values[1]["message"] == "Three: in progress, 3 prompts"
    assert link.values[-1]["message"] == told.removeprefix("cmt-lsp: batch ")
    assert peer.open_progress == 0


async def test_an_error_that_stays_ends_the_progress_with_its_reason_and_no_word(
    manager: APISessionManager, simulator: Simulator, peer: Peer, link: Link
) -> None:
    info = await submitted(manager)
    simulator.fail_next(Fault.status(403), path="/v1/messages/batches/*")

    await follow_batch(manager.batches, info.record.id, peer, LOOKS)

    assert link.words == []
    assert (link.values[-1]["kind"], "may not do this" in link.values[-1]["message"]) == ("end", True)


async def test_stopping_to_follow_ends_the_progress_and_says_nothing(
    manager: APISessionManager, peer: Peer, link: Link
) -> None:
    info = await submitted(manager)
    following = asyncio.create_task(follow_batch(manager.batches, info.record.id, peer, LOOKS))
    while not link.values[1:]:
        await asyncio.sleep(0.005)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following

    assert (link.values[-1]["kind"], link.words, peer.open_progress) == ("end", [], 0)


async def test_how_a_batch_stands_is_one_line_of_what_there_is(
    manager: APISessionManager, simulator: Simulator
) -> None:
    info = await submitted(manager, 4)
    assert standing(info) == "in progress, 4 prompts"
    await manager.batches.cancel(info.record.id)
    simulator.batches.rate = math.inf
    ended = await manager.batches.status(info.record.id)

    assert standing(ended) == f"1 answered, 3 canceled, {ended.sums.cost.display}"
