"""A turn's stream: complete, in order, whole grapheme clusters, one end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from cmt_lsp.server.window.turn_stream import LONGEST_CLUSTER, MERGE_SECONDS, ON_ITS_WAY, TurnStream

CLUSTERS = ["a", "e\u0301", "\r\n", "👩‍👩‍👧", "🇩🇪", "한", "각", "क्षि", " ", "\n", "🏽", "\u200d", "z"]


class Pipe:
    """An outlet whose reader can stop reading."""

    def __init__(self) -> None:
        self.backlog = 0
        self.values: list[dict[str, Any]] = []
        self.waiting: list[Callable[[], None]] = []

    def progress(self, token: int | str, value: Any) -> None:
        self.values.append(value)

    def on_drained(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def drain(self) -> None:
        self.backlog = 0
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()

    @property
    def texts(self) -> list[str]:
        return [value["text"] for value in self.values if value["kind"] == "text"]


@given(st.lists(st.text(st.sampled_from("".join(CLUSTERS)), max_size=6), max_size=12), st.randoms())
@settings(max_examples=300, deadline=None)
async def test_joined_text_is_whole_and_no_cluster_is_split(pieces: list[str], random: Any) -> None:
    pipe = Pipe()
    stream = TurnStream(pipe, "t", "turn")
    for piece in pieces:
        pipe.backlog = random.choice([0, ON_ITS_WAY, ON_ITS_WAY + 1])
        stream.text(piece)
        if random.random() < 0.3:
            pipe.drain()
    stream.end(stopReason="end_turn")
    stream.text("too late")

    whole = "".join(pieces)
    boundaries = {0}
    for cluster in iter_graphemes(whole):
        boundaries.add(max(boundaries) + len(cluster))
    assert "".join(pipe.texts) == whole
    assert all(value["offset"] in boundaries for value in pipe.values if value["kind"] == "text")
    assert [value["seq"] for value in pipe.values] == list(range(len(pipe.values)))
    assert [value["kind"] for value in pipe.values].count("end") == 1
    assert pipe.values[-1]["kind"] == "end"


async def test_the_first_piece_leaves_at_once_and_the_next_ones_are_merged() -> None:
    pipe = Pipe()
    stream = TurnStream(pipe, "t", "turn")

    stream.text("Hello ")
    assert pipe.texts == ["Hello"]

    for piece in ("my ", "old ", "friend"):
        stream.text(piece)
    assert pipe.texts == ["Hello"]
    async with asyncio.timeout(100 * MERGE_SECONDS):
        while len(pipe.texts) < 2:
            await asyncio.sleep(0)
    assert pipe.texts == ["Hello", " my old frien"]


async def test_the_first_piece_does_not_wait_for_the_values_before_it_to_be_written() -> None:
    pipe = Pipe()
    stream = TurnStream(pipe, "t", "turn")
    stream.send("usage", usage={})
    pipe.backlog = 300

    stream.text("Hello ")

    assert pipe.texts == ["Hello"]


async def test_while_the_editor_does_not_read_pieces_gather_into_one_message() -> None:
    pipe = Pipe()
    pipe.backlog = ON_ITS_WAY + 1
    stream = TurnStream(pipe, "t", "turn")
    for _ in range(1000):
        stream.text("word ")
    assert pipe.values == []

    pipe.drain()
    assert pipe.texts == ["word " * 999 + "word"]


async def test_thinking_comes_before_the_text_that_follows_it() -> None:
    pipe = Pipe()
    stream = TurnStream(pipe, "t", "turn")
    stream.thinking("let me see")
    stream.text("Yes. ")
    stream.end(stopReason="end_turn")
    kinds = [(value["kind"], value.get("text")) for value in pipe.values]
    assert kinds == [
        ("thinking", "let me se"),
        ("thinking", "e"),
        ("text", "Yes."),
        ("text", " "),
        ("end", None),
    ]


@pytest.mark.parametrize("marks", [LONGEST_CLUSTER - 1, LONGEST_CLUSTER, 10 * LONGEST_CLUSTER])
async def test_a_cluster_without_end_is_not_held_back_for_ever(marks: int) -> None:
    pipe = Pipe()
    stream = TurnStream(pipe, "t", "turn")
    stream.text("e" + "\u0301" * marks)
    held = 0 if marks >= LONGEST_CLUSTER else marks + 1
    assert sum(map(len, pipe.texts)) == marks + 1 - held
