"""Whoever appends verbatim is served, whoever tampers with a thinking chat is refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_client import RawClient, Seen, ask, message

from cmt_lsp.simulator import Answer, Simulator, simulator_in_thread
from cmt_lsp.simulator.models import MODELS

MARK = {"type": "ephemeral"}
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(str.strip)


def fold(seen: Seen) -> list[dict[str, Any]]:
    """The content of a streamed answer, as the next request has to carry it."""
    blocks: list[dict[str, Any]] = []
    for event in seen.events:
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            name = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}[
                delta["type"]
            ]
            blocks[event["index"]][name] += delta[name]
    return blocks


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with simulator_in_thread() as simulator:
        yield simulator


TURN = st.fixed_dictionaries(
    {
        "text": WORDS,
        "as_block": st.booleans(),
        "stream": st.booleans(),
        "marked": st.booleans(),
        "answer": st.builds(
            Answer,
            text=WORDS,
            thinking=st.none() | WORDS,
            redacted=st.booleans(),
            chunk_chars=st.integers(1, 9),
        ),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    model=st.sampled_from([m.id for m in MODELS if m.lifecycle != "retired"]),
    system=st.none() | WORDS,
    turns=st.lists(TURN, min_size=1, max_size=5),
    automatic=st.booleans(),
)
def test_every_chat_that_only_appends_is_served_and_its_account_adds_up(
    shared: Simulator, model: str, system: str | None, turns: list[dict[str, Any]], automatic: bool
) -> None:
    client, messages = RawClient(shared.base_url), list[dict[str, Any]]()
    for turn in turns:
        content: Any = turn["text"]
        if turn["as_block"]:
            content = [
                {"type": "text", "text": turn["text"], **({"cache_control": MARK} if turn["marked"] else {})}
            ]
        messages.append({"role": "user", "content": content})
        fields = {"model": model, "stream": turn["stream"], "system": system}
        if automatic:
            fields["cache_control"] = MARK
        shared.reply_with(turn["answer"])
        if sum("cache_control" in str(m["content"]) for m in messages) > 3:
            for m in messages:
                if isinstance(m["content"], list):
                    m["content"][0].pop("cache_control", None)
        seen = client.ask(message(messages=messages, **fields))

        assert seen.status == 200, seen.body
        answered = fold(seen) if turn["stream"] else seen.json["content"]
        assert "".join(b.get("text", "") for b in answered) == turn["answer"].text
        used = shared.requests[-1].usage
        assert used is not None
        start = seen.events[0]["message"]["usage"] if turn["stream"] else seen.json["usage"]
        assert start["input_tokens"] == used["input_tokens"]
        messages.append({"role": "assistant", "content": answered})
    client.close()


def begun(sim: Simulator, model: str = "claude-opus-5-5", **fields: Any) -> dict[str, Any]:
    """A chat of two thinking answers with the third question asked."""
    body = message("one", model=model, system="Be brief.", **fields)
    for question in ("two", "three"):
        sim.reply_with(Answer(text="an answer", thinking="a thought"))
        content = ask(sim.base_url, body).json["content"]
        assert content[0]["type"] == "thinking"
        body["messages"] += [{"role": "assistant", "content": content}, {"role": "user", "content": question}]
    return body


def edit_first_question(body: dict[str, Any]) -> None:
    body["messages"][0]["content"] = "uno"


def edit_first_answer(body: dict[str, Any]) -> None:
    body["messages"][1]["content"][1]["text"] = "another answer"


def edit_system(body: dict[str, Any]) -> None:
    body["system"] = "Be long."


def add_tool(body: dict[str, Any]) -> None:
    body["tools"] = [{"name": "t", "input_schema": {"type": "object"}}]


def drop_first_thought(body: dict[str, Any]) -> None:
    del body["messages"][1]["content"][0]


def drop_first_turn(body: dict[str, Any]) -> None:
    del body["messages"][:2]


TAMPERING = [
    edit_first_question,
    edit_first_answer,
    edit_system,
    add_tool,
    drop_first_thought,
    drop_first_turn,
]


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda f: f.__name__)
@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-haiku-5-5", "claude-fable-5-1"])
def test_preserved_thinking_refuses_a_changed_past(sim: Simulator, model: str, tamper: Any) -> None:
    body = begun(sim, model)
    tamper(body)
    seen = ask(sim.base_url, body)

    assert seen.status == 400
    assert "thinking" in seen.json["error"]["message"]
    assert seen.json["error"]["message"].startswith("messages.")


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda f: f.__name__)
def test_older_models_and_older_accounts_take_a_changed_past(sim: Simulator, tamper: Any) -> None:
    body = begun(sim, "claude-opus-5")
    tamper(body)
    assert ask(sim.base_url, body).status == 200

    with simulator_in_thread(preserved_thinking=False) as older:
        body = begun(older)
        tamper(body)
        assert ask(older.base_url, body).status == 200


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda f: f.__name__)
def test_without_any_thinking_the_past_is_free(sim: Simulator, tamper: Any) -> None:
    body = begun(sim)
    if tamper is not drop_first_thought:
        tamper(body)
    for each in body["messages"]:
        if isinstance(each["content"], list):
            each["content"] = [b for b in each["content"] if b["type"] != "thinking"]

    assert ask(sim.base_url, body).status == 200


def test_marks_and_the_form_of_plain_text_are_no_change(sim: Simulator) -> None:
    body = begun(sim)
    body["system"] = [{"type": "text", "text": "Be brief.", "cache_control": MARK}]
    body["messages"][0]["content"] = [{"type": "text", "text": "one"}]
    body["messages"][3]["content"][1]["cache_control"] = MARK

    assert ask(sim.base_url, body).status == 200


def test_the_newest_thought_may_be_dropped_with_all_after_it(sim: Simulator) -> None:
    body = begun(sim)
    del body["messages"][3]["content"][0]

    assert ask(sim.base_url, body).status == 200


@pytest.mark.parametrize("field", ["thinking", "signature"])
def test_a_thought_cannot_be_changed_on_any_model(sim: Simulator, field: str) -> None:
    body = begun(sim, "claude-opus-4-6", thinking={"type": "adaptive"})
    assert body["messages"][1]["content"][0]["thinking"] == "a thought"
    body["messages"][1]["content"][0][field] += "AAAA"
    seen = ask(sim.base_url, body)

    assert seen.status == 400
    assert seen.json["error"]["message"].startswith("messages.1.content.0: ")


def test_another_models_thoughts_are_dropped_silently(sim: Simulator) -> None:
    body = begun(sim)
    bare = copy.deepcopy(body)
    for each in bare["messages"]:
        if isinstance(each["content"], list):
            each["content"] = each["content"][1:]
    other = {"model": "claude-sonnet-5-5"}

    with_thoughts = ask(sim.base_url, {**body, **other}).json["usage"]
    without = ask(sim.base_url, {**bare, **other}).json["usage"]
    assert with_thoughts["input_tokens"] == without["input_tokens"]


def test_replayed_thinking_is_charged_as_input(sim: Simulator) -> None:
    body = begun(sim)
    bare = copy.deepcopy(body)
    for each in bare["messages"]:
        if isinstance(each["content"], list):
            each["content"] = each["content"][1:]

    kept, dropped = (ask(sim.base_url, b).json["usage"]["input_tokens"] for b in (body, bare))
    assert kept > dropped


def test_a_chat_outlives_the_simulator(sim: Simulator) -> None:
    body = begun(sim)
    with simulator_in_thread() as another:
        assert ask(another.base_url, body).status == 200
