"""Hostile images through the real server: refused or made harmless, at once, and nobody else notices."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from e2e.editor import CANARY, Editor
from image_bombs import CLEANED, REFUSED, RENAMED, picture

from cmt_lsp.api.errors import BadImageError
from cmt_lsp.api.vision.container import inspect_image
from cmt_lsp.api.vision_handler import VisionHandler
from cmt_lsp.simulator import Answer, simulator_in_thread

GROWTH = 20_000_000  # bytes of the server's resident memory
STREAM = Answer(chunks=("word ",) * 4000, chunk_delay=0.01)


class Stamped(list[dict[str, Any]]):
    """Messages, with the moments at which pieces of one stream came."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token
        self.moments: list[float] = []

    def append(self, message: dict[str, Any]) -> None:
        """Keep it, and the moment if it is a piece of the stream."""
        if message.get("method") == "$/progress" and message["params"]["token"] == self.token:
            self.moments.append(time.monotonic())
        super().append(message)

    def longest_gap(self, since: float) -> float:
        """Seconds between two pieces."""
        seen = [moment for moment in self.moments if moment >= since]
        return max(after - before for before, after in itertools.pairwise(seen))


@pytest.mark.parametrize("name", CLEANED)
def test_what_does_no_harm_leaves_as_a_plain_picture(name: str) -> None:
    """Of the rest nothing: no text, no archive, no second frame."""
    data = CLEANED[name]()
    image = VisionHandler().load_image_from_bytes(data)
    sent = base64.b64decode(image.data)
    facts = inspect_image(sent)
    assert facts is not None
    assert (facts.clean, facts.animated) == (True, False)
    assert not any(sign in sent for sign in (b"PK\x03\x04", b"<script>", b"prVt", b"Exif"))


@pytest.mark.parametrize("name", [*REFUSED, *RENAMED])
def test_a_bomb_is_refused_with_a_sentence(name: str) -> None:
    """It names the file and what works."""
    data = (REFUSED | RENAMED)[name]()
    with pytest.raises(BadImageError, match=r"^bomb\.png (is|has|needs) .*: (save|open)"):
        VisionHandler().load_image_from_bytes(data, name="bomb.png")


@pytest.mark.campaign
def test_bombs_cost_a_server_nothing_and_no_other_turn_a_moment(
    tmp_path: Path, campaign_size: Callable[[int, int], int]
) -> None:
    """Each is refused within a second; memory grows by 20 MB at most; another turn streams on all the while.

    A sample shares its machine with other tests, so that its limits are wider.
    """
    seconds, gap = campaign_size(5, 1), campaign_size(1000, 100) / 1000
    corpus = REFUSED | CLEANED | RENAMED
    for name, make in corpus.items():
        (tmp_path / f"{name}.png").write_bytes(make())
    (tmp_path / "good.png").write_bytes(picture("PNG"))
    with simulator_in_thread(api_key=CANARY) as sim, Editor(tmp_path, sim.base_url) as editor:
        editor.open()
        editor.result("cmt/image/inspect", {"path": str(tmp_path / "good.png")})
        editor.messages = stamped = Stamped("stream-1")
        sim.reply_with(STREAM)
        stream = editor.streaming_chat("Write a book.", sessionId=editor.session())
        assert stream.token == stamped.token
        stream.first_text()
        before, began, highest = editor.memory(), time.monotonic(), 0
        took: dict[str, float] = {}
        for name in corpus:
            started = time.monotonic()
            answer = editor.request("cmt/image/inspect", {"path": str(tmp_path / f"{name}.png")})
            took[name] = time.monotonic() - started
            assert ("result" in answer) is (name in CLEANED), (name, answer)
            assert name in CLEANED or answer["error"]["data"]["kind"] == "bad_image", (name, answer)
            highest = max(highest, editor.memory())
        longest = stamped.longest_gap(since=began)
        assert stamped.moments[-1] > began + sum(took.values()) * 0.9, "the stream ended before the bombs"
        editor.request("cmt/cancel", {})
        stream.answer()
        children = psutil.Process(editor.process.pid).children()
        editor.leave()
    slow = {name: round(value, 2) for name, value in took.items() if value > seconds and name in REFUSED}
    print(
        f"slowest {max(took.values()):.2f} s, {highest - before:,} bytes more, longest gap {longest * 1000:.0f} ms"
    )
    assert not slow
    assert highest - before <= GROWTH
    assert longest <= gap
    assert children == []
