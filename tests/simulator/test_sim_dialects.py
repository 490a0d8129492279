"""Each dialect differs from the service where its server does, and nowhere else that matters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from sim_client import Seen, ask, message

from cmt_lsp.simulator import DIALECTS, Answer, Fault, Simulator, simulator_in_thread

LOCAL = ["ollama", "llamacpp", "vllm"]
MARKED = [{"type": "text", "text": "word " * 2000, "cache_control": {"type": "ephemeral"}}]


@contextlib.contextmanager
def server(dialect: str) -> Iterator[Simulator]:
    with simulator_in_thread(dialect=dialect) as simulator:
        yield simulator


def usages(seen: Seen) -> tuple[Any, Any]:
    return seen.events[0]["message"]["usage"], seen.events[-2].get("usage")


@pytest.mark.parametrize("dialect", LOCAL)
def test_local_servers_take_any_model_any_key_and_ignore_what_they_do_not_know(dialect: str) -> None:
    body = message(
        model="qwen3:8b", temperature=0.2, min_p=0.1, thinking={"type": "enabled"}, system=MARKED, stream=True
    )
    with server(dialect) as sim:
        sim.reply_with("hi")
        seen = ask(sim.base_url, body, x_api_key="", anthropic_version="")

    assert (seen.status, seen.text) == (200, "hi")
    assert "request-id" not in seen.headers
    assert not [h for h in seen.headers if h.startswith("anthropic-")]


@pytest.mark.parametrize("dialect", LOCAL)
def test_local_servers_need_room_for_an_answer(dialect: str) -> None:
    with server(dialect) as sim:
        assert ask(sim.base_url, message(max_tokens=0)).status == 400


def test_ollama_counts_nothing_but_input_and_output() -> None:
    with server("ollama") as sim:
        start, end = usages(ask(sim.base_url, message(system=MARKED, stream=True)))
        counting = ask(sim.base_url, message(), "/v1/messages/count_tokens")
        broken = ask(sim.base_url, message(messages="x"))

    assert set(start) == set(end) == {"input_tokens", "output_tokens"}
    assert counting.status == 404
    assert (broken.status, broken.body) == (400, b"")


def test_llamacpp_reports_what_it_reused_and_starts_at_no_output() -> None:
    with server("llamacpp") as sim:
        first = usages(ask(sim.base_url, message("one", system=MARKED, stream=True)))
        second = usages(ask(sim.base_url, message("two", system=MARKED, stream=True)))

    assert first[0]["cache_read_input_tokens"] == first[0]["output_tokens"] == 0
    assert second[0]["cache_read_input_tokens"] > 2000
    assert second[0]["input_tokens"] < 50
    assert "cache_creation_input_tokens" not in second[1]


def test_vllm_starts_with_no_usage_at_all() -> None:
    with server("vllm") as sim:
        start, end = usages(ask(sim.base_url, message(stream=True)))
        counted = ask(sim.base_url, message(), "/v1/messages/count_tokens").json

    assert start is None
    assert end["input_tokens"] == counted["input_tokens"]


def test_litellm_tells_the_usage_at_the_end_and_breaks_softly() -> None:
    with server("litellm") as sim:
        ask(sim.base_url, message("one", system=MARKED))
        start, end = usages(ask(sim.base_url, message("two", system=MARKED, stream=True)))
        sim.fail_next(Fault.status(529), Fault.reset(after_events=4))
        overloaded = ask(sim.base_url, message())
        cut = ask(sim.base_url, message(stream=True))

    assert start == {"input_tokens": 0, "output_tokens": 0}
    assert end["cache_read_input_tokens"] > 2000
    assert overloaded.status == 500
    assert (cut.events[-1]["type"], cut.end) == ("error", "whole")


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_models_are_listed_in_the_dialects_shape(dialect: str) -> None:
    with server(dialect) as sim:
        listed = ask(sim.base_url, None, "/v1/models", "GET").json
        one = ask(sim.base_url, None, "/v1/models/claude-opus-5-5", "GET")

    if dialect in LOCAL:
        assert listed["object"] == "list"
        assert set(listed["data"][0]) == {"id", "object", "created", "owned_by"}
        assert one.status == 404
    else:
        assert listed["data"][0]["max_input_tokens"] == 1_000_000
        assert one.json["type"] == "model"


@pytest.mark.parametrize("dialect", ["anthropic", "litellm", "ollama", "llamacpp"])
def test_the_sdk_reads_every_dialect_that_sends_a_usage(dialect: str) -> None:
    with (
        server(dialect) as sim,
        anthropic.Anthropic(api_key="k", base_url=sim.base_url, max_retries=0) as client,
    ):
        sim.reply_with(Answer(text="plain words"))
        with client.messages.stream(
            model="claude-opus-5-5", max_tokens=99, messages=[{"role": "user", "content": "x"}]
        ) as stream:
            found = stream.get_final_message()

    assert found.content[-1].type == "text"
    assert found.content[-1].text == "plain words"
    assert found.usage.output_tokens > 0
