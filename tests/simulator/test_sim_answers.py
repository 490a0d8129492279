"""Scripted answers obey the limits of their request, and say what they were told to say."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sim_client import RawClient, ask, message

from cmt_lsp.simulator import Answer, Simulator, simulator_in_thread


def test_answers_come_in_order_and_then_the_simulators_own(sim: Simulator) -> None:
    sim.reply_with("one", Answer(text="two"))
    texts = [ask(sim.base_url, message(stream=True)).text for _ in range(3)]

    assert texts[:2] == ["one", "two"]
    assert texts[2].startswith("This answer comes from the cmt_lsp simulator")


def test_the_deltas_are_the_scripted_chunks(sim: Simulator) -> None:
    sim.reply_with(Answer(chunks=("Hel", "", "lo ", "👩‍👩‍👧")))
    seen = ask(sim.base_url, message(stream=True))
    deltas = [e["delta"]["text"] for e in seen.events if e["type"] == "content_block_delta"]

    assert deltas == ["Hel", "", "lo ", "👩‍👩‍👧"]


def test_max_tokens_ends_the_answer_and_the_count_stays_within(sim: Simulator) -> None:
    sim.reply_with(Answer(text="many words " * 500))
    seen = ask(sim.base_url, message(max_tokens=50)).json

    assert seen["stop_reason"] == "max_tokens"
    assert seen["usage"]["output_tokens"] == 50
    assert "many words " * 500 > seen["content"][0]["text"] != ""


def test_thinking_eats_from_the_same_plate(sim: Simulator) -> None:
    sim.reply_with(Answer(text="never said", thinking="hmm " * 500))
    seen = ask(sim.base_url, message(max_tokens=50)).json

    assert [b["type"] for b in seen["content"]] == ["thinking"]
    assert seen["stop_reason"] == "max_tokens"
    assert seen["usage"]["output_tokens_details"]["thinking_tokens"] == seen["usage"]["output_tokens"] == 50


def test_the_context_window_ends_the_answer_too(sim: Simulator) -> None:
    model, words = "claude-haiku-4-5", "word " * 159_900
    asked = {"model": model, "messages": [{"role": "user", "content": words}]}
    room = 200_000 - ask(sim.base_url, asked, "/v1/messages/count_tokens").json["input_tokens"]
    sim.reply_with(Answer(text="more words " * 500))
    seen = ask(sim.base_url, message(words, model=model, max_tokens=60_000)).json

    assert seen["stop_reason"] == "model_context_window_exceeded"
    assert 0 < seen["usage"]["output_tokens"] <= room < 200


def test_the_first_stop_sequence_ends_the_answer(sim: Simulator) -> None:
    sim.reply_with(Answer(text="one STOP two END three"))
    seen = ask(sim.base_url, message(stop_sequences=["END", "STOP"])).json

    assert (seen["content"][0]["text"], seen["stop_reason"], seen["stop_sequence"]) == (
        "one ",
        "stop_sequence",
        "STOP",
    )


def test_a_refusal_can_be_scripted(sim: Simulator) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "No."}
    sim.reply_with(Answer(text="I can", stop_reason="refusal", stop_details=details))
    seen = ask(sim.base_url, message(stream=True)).events[-2]

    assert seen["delta"] == {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}


@pytest.mark.parametrize("stream", [False, True])
def test_usage_can_be_late_absent_or_without_cache_fields(sim: Simulator, stream: bool) -> None:
    sim.reply_with(
        Answer(text="a", usage_late=True), Answer(text="b", usage_null=True), Answer(text="c", cache_fields=False),
        Answer(text="d", usage={"output_tokens": 7, "cache_creation": None}),
    )  # fmt: skip
    found: list[tuple[Any, Any]] = []
    for _ in range(4):
        seen = ask(sim.base_url, message(stream=stream))
        if stream:
            found.append((seen.events[0]["message"]["usage"], seen.events[-2].get("usage")))
        else:
            found.append((None, seen.json["usage"]))
    late, null, bare, odd = found

    if stream:
        assert late[0] == {"input_tokens": 0, "output_tokens": 0}
        assert "cache_creation" not in odd[0]
        start_only = {"cache_creation", "service_tier", "speed", "inference_geo"}
        assert not start_only & set(late[1])
        assert start_only <= set(bare[0]) | {"cache_creation"}
    assert late[1]["input_tokens"] > 0
    assert null == (None, None)
    assert not [key for key in bare[1] if key.startswith("cache")]
    assert odd[1]["output_tokens"] == 7


def test_an_answer_can_name_another_model_and_bring_headers(sim: Simulator) -> None:
    sim.reply_with(Answer(text="x", model="claude-other", headers={"x-odd": "1", "request-id": "req_mine"}))
    seen = ask(sim.base_url, message())

    assert seen.json["model"] == "claude-other"
    assert (seen.headers["x-odd"], seen.headers["request-id"]) == ("1", "req_mine")


def test_delays_are_real_time(sim: Simulator) -> None:
    sim.reply_with(Answer(chunks=("a",) * 5, first_delay=0.05, chunk_delay=0.02))
    client = RawClient(sim.base_url)
    begun = time.monotonic()
    client.send("POST", "/v1/messages", message(stream=True))
    client.read_head()
    headers = time.monotonic() - begun
    client._until(b"text_delta")
    first = time.monotonic() - begun
    client._until(b"message_stop")
    whole = time.monotonic() - begun
    client.close()

    assert headers < first
    assert first >= 0.05
    assert whole >= 0.05 + 4 * 0.02


@pytest.fixture
def merging() -> Iterator[Simulator]:
    with simulator_in_thread(coalesce=True) as simulator:
        yield simulator


def test_each_delta_is_a_write_of_its_own_unless_merging_is_asked_for(
    sim: Simulator, merging: Simulator
) -> None:
    def chunks(simulator: Simulator) -> int:
        simulator.reply_with(Answer(chunks=("word ",) * 200))
        client = RawClient(simulator.base_url)
        client.send("POST", "/v1/messages", message(stream=True))
        client.read_head()
        sizes: list[int] = []
        while not sizes or sizes[-1]:
            sizes.append(int(client._until(b"\r\n")[0], 16))
            client._exactly(sizes[-1] + 2)
        client.close()
        return len(sizes) - 1

    assert chunks(sim) == 200 + 6
    assert chunks(merging) == 1
    assert merging.requests[0].sent_events == sim.requests[0].sent_events == 206
    assert merging.requests[0].sent_bytes == sim.requests[0].sent_bytes


def test_the_default_answer_grows_with_the_prompt(sim: Simulator) -> None:
    def length(lines: int) -> int:
        code = "\n".join(f"def f{i}(): pass" for i in range(lines))
        return len(ask(sim.base_url, message(f"```python\n{code}\n```\nExplain.", stream=True)).text)

    lengths = [length(n) for n in (1, 10, 60)]
    assert all(a < b for a, b in itertools.pairwise(lengths))


def test_the_default_answer_quotes_a_block_that_is_not_fenced_and_counts_pictures(sim: Simulator) -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    blocks = [
        picture,
        {"type": "text", "text": "local M = {}\nfunction M.setup()\nend"},
        {"type": "text", "text": "Why?"},
    ]
    text = ask(sim.base_url, message(blocks, stream=True)).text

    assert "local M = {}" in text
    assert "`M.setup`" in text
    assert "one picture" in text
    assert "\u201cWhy?\u201d" in text


def test_the_default_answer_sees_what_stands_between_tags(sim: Simulator) -> None:
    code = "class Shelf:\n    books = []\n    x < 3 > y"
    attached = f"Selection from src/shelf.py, lines 3 to 5\n<attached-1f>\n{code}\n</attached-1f>"
    blocks = [{"type": "text", "text": attached}, {"type": "text", "text": "Explain."}]
    text = ask(sim.base_url, message(blocks, stream=True)).text

    assert "I see 3 lines of code from `src/shelf.py`." in text
    assert "```python\nclass Shelf:\n    books = []\n" in text
    assert "attached-1f" not in text


@pytest.mark.parametrize(
    "words",
    ["?", "<a>\n<a>\n", "file:///x/y.py", "```", "```\n```", "```x\n\n\n```", "\u200b x", "a\n" * 3000],
)
def test_the_default_answer_copes_with_anything(sim: Simulator, words: str) -> None:
    assert ask(sim.base_url, message(words)).status == 200
