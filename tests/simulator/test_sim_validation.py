"""The simulator refuses what the service refuses, and names the field."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sim_client import ask, message

from cmt_lsp.simulator import Simulator, simulator_in_thread

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
TOOL = {"name": "read_file", "input_schema": {"type": "object"}}
OLD = "claude-haiku-4-5"


def text(words: str = "some words", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def picture(width: int = 8, height: int = 8, fmt: str = "PNG") -> str:
    held = io.BytesIO()
    Image.new("1", (width, height)).save(held, fmt)
    return base64.b64encode(held.getvalue()).decode()


def image(data: str | None = None, media_type: str = "image/png", **more: Any) -> dict[str, Any]:
    source = {"type": "base64", "media_type": media_type, "data": picture() if data is None else data}
    return {"type": "image", "source": source, **more}


def turns(*contents: Any, **fields: Any) -> dict[str, Any]:
    """A chat of alternating speakers, the user first."""
    messages = [{"role": ("user", "assistant")[i % 2], "content": c} for i, c in enumerate(contents)]
    return message(**{**fields, "messages": messages})


def without(name: str) -> dict[str, Any]:
    return {k: v for k, v in message().items() if k != name}


REFUSED: list[tuple[str, Any, str]] = [
    ("unknown field", message(colour="blue"), "colour: Extra inputs"),
    ("no model", without("model"), "model: Field required"),
    ("no max_tokens", without("max_tokens"), "max_tokens: Field required"),
    ("no messages", without("messages"), "messages: Field required"),
    ("body is a list", [], "Input should be a valid dictionary"),
    ("temperature", message(temperature=0.5), "temperature: "),
    ("top_p", message(top_p=0.5), "top_p: "),
    ("top_k", message(top_k=5), "top_k: "),
    ("max_tokens below 0", message(max_tokens=-1), "max_tokens: "),
    ("max_tokens as text", message(max_tokens="9"), "max_tokens: "),
    ("max_tokens true", message(max_tokens=True), "max_tokens: "),
    ("max_tokens over", message(max_tokens=128_001), "max_tokens: 128001 > 128000"),
    ("max_tokens over, small model", message(model=OLD, max_tokens=64_001), "max_tokens: 64001 > 64000"),
    ("no max_tokens and stream", message(max_tokens=0, stream=True), "max_tokens: 0 cannot"),
    ("empty chat", message(messages=[]), "messages: at least one"),
    ("chat is no list", message(messages={"role": "user"}), "messages: Input should be a valid list"),
    ("message is text", message(messages=["hi"]), "messages.0: "),
    ("message with id", message(messages=[{"role": "user", "content": "x", "id": 1}]), "messages.0.id: Extra"),
    ("message without content", message(messages=[{"role": "user"}]), "messages.0.content: Field required"),
    ("unknown role", message(messages=[{"role": "tool", "content": "x"}]), "messages.0.role: "),
    ("assistant first", message(messages=[{"role": "assistant", "content": "x"}]), "messages.0.role: first message"),
    ("prefill on a new model", turns("a", "b"), "messages.1: claude-opus-5-5 does not support assistant message prefill"),
    ("prefill ends in space", turns("a", "b ", model=OLD), "messages.1.content: final assistant content"),
    ("system turn on an old model", message(model="claude-opus-4-6", messages=[
        {"role": "user", "content": "a"}, {"role": "system", "content": "b"}]), "messages.1.role: "),
    ("empty content", turns("", "b", "c"), "messages.0.content: all messages must have non-empty content"),
    ("empty content list", turns([], "b", "c"), "messages.0.content: "),
    ("empty assistant in the middle", turns("a", "", "c"), "messages.1.content: "),
    ("empty text block", message([text("")]), "messages.0.content.0.text: text content blocks must be non-empty"),
    ("white text block", message([text(), text(" \n")]), "messages.0.content.1.text: "),
    ("white string", message(" \t"), "messages.0.content: text content blocks must contain non-whitespace"),
    ("text without text", message([{"type": "text"}]), "messages.0.content.0.text.text: Field required"),
    ("unknown block", message([{"type": "video"}]), "messages.0.content.0.type: "),
    ("unknown block field", message([text(lang="en")]), "messages.0.content.0.text.lang: Extra"),
    ("user cites", message([text(citations=[])]), "messages.0.content.0.citations: "),
    ("assistant shows a picture", turns("a", [image()], "c"), "messages.1.content.0.type: "),
    ("user thinks", message([{"type": "thinking", "thinking": "", "signature": "x"}]), "messages.0.content.0.type: "),
    ("empty system block", message(system=[text("")]), "system.0.text: "),
    ("system block of another type", message(system=[image()]), "system.0."),
    ("five marks", message([text(cache_control=MARK)] * 5), "cache_control: A maximum of 4 blocks"),
    ("four marks and an automatic one", message([text(cache_control=MARK)] * 4 + [text()], cache_control=MARK),
     "cache_control: A maximum of 4"),
    ("ttl of a day", message([text(cache_control={**MARK, "ttl": "24h"})]), "messages.0.content.0.cache_control.ttl: "),
    ("mark of another type", message([text(cache_control={"type": "for ever"})]), "cache_control.type: "),
    ("mark with more", message([text(cache_control={**MARK, "scope": "all"})]), "cache_control.scope: Extra"),
    ("long after short", message([text(cache_control=MARK), text(cache_control=HOUR)]), "messages.0.content.1: a ttl='1h'"),
    ("long message after short system", message([text(cache_control=HOUR)], system=[text(cache_control=MARK)]),
     "messages.0.content.0: a ttl='1h'"),
    ("automatic mark differs from the last", message([text(cache_control=MARK)], cache_control=HOUR), "cache_control: "),
    ("automatic minutes on a last block of an hour", message([text(cache_control=HOUR)], cache_control=MARK),
     "cache_control: the last block already"),
    ("mark on thinking", turns("a", [{"type": "thinking", "thinking": "t", "signature": "s", "cache_control": MARK},
                                    text()], "c"), "messages.1.content.0.thinking.cache_control: Extra"),
    ("unsigned thinking", turns("a", [{"type": "thinking", "thinking": "t"}, text()], "c"),
     "messages.1.content.0.thinking.signature: Field required"),
    ("forged thinking", turns("a", [{"type": "thinking", "thinking": "t", "signature": "bm8="}, text()], "c"),
     "messages.1.content.0: Invalid `signature`"),
    ("forged redacted thinking", turns("a", [{"type": "redacted_thinking", "data": "bm8="}, text()], "c"),
     "messages.1.content.0: Invalid `data`"),
    ("thinking last", turns("a", [{"type": "thinking", "thinking": "t", "signature": "s"}], "c"),
     "messages.1: The final block"),
    ("no thinking on an always thinking model", message(thinking={"type": "disabled"}), "thinking.type: 'disabled'"),
    ("a budget on an adaptive model", message(thinking={"type": "enabled", "budget_tokens": 2000}), "thinking.type: "),
    ("no thinking at high effort", message(model="claude-opus-5", thinking={"type": "disabled"},
                                          output_config={"effort": "max"}), "thinking.type: "),
    ("adaptive on a budget model", message(model=OLD, thinking={"type": "adaptive"}), "thinking.type: "),
    ("small budget", message(model=OLD, thinking={"type": "enabled", "budget_tokens": 1000}),
     "thinking.enabled.budget_tokens: "),
    ("budget over max_tokens", message(model=OLD, thinking={"type": "enabled", "budget_tokens": 4096}), "max_tokens: "),
    ("no budget", message(model=OLD, thinking={"type": "enabled"}), "thinking.enabled.budget_tokens: "),
    ("thinking with more", message(thinking={"type": "adaptive", "budget_tokens": 9}), "thinking.adaptive.budget_tokens"),
    ("odd display", message(thinking={"type": "adaptive", "display": "full"}), "thinking.adaptive.display: "),
    ("unknown effort", message(output_config={"effort": "extreme"}), "output_config.effort: "),
    ("effort on a model without", message(model=OLD, output_config={"effort": "low"}), "output_config.effort: "),
    ("fast on a slow model", message(model="claude-sonnet-5-5", speed="fast"), "speed: "),
    ("fast without its header", message(model="claude-opus-4-8", speed="fast"), "speed: "),
    ("us on an old model", message(model=OLD, inference_geo="us"), "inference_geo: "),
    ("odd tier", message(service_tier="gold"), "service_tier: "),
    ("metadata", message(metadata={"email": "x"}), "metadata.email: Extra"),
    ("diagnostics", message(diagnostics={"id": "x"}), "diagnostics.id: Extra"),
    ("white stop sequence", message(stop_sequences=["\n"]), "stop_sequences.0: "),
    ("stream as text", message(stream="yes"), "stream: "),
    ("tool without schema", message(tools=[{"name": "a"}]), "tools.0.input_schema: "),
    ("tool with odd name", message(tools=[{**TOOL, "name": "a b"}]), "tools.0.name: "),
    ("tool twice", message(tools=[TOOL, TOOL]), "tools.1.name: "),
    ("forced tool", message(tools=[TOOL], tool_choice={"type": "any"}), "tool_choice: "),
    ("unknown tool chosen", message(tools=[TOOL], tool_choice={"type": "tool", "name": "x"}), "tool_choice.name: "),
    ("choice without tools", message(tool_choice={"type": "auto"}), "tool_choice: "),
    ("tool never answered", turns("a", [{"type": "tool_use", "id": "t1", "name": "x", "input": {}}], "c"), "messages.2: "),
    ("answer to no tool", message([{"type": "tool_result", "tool_use_id": "t1"}]), "messages.0.content: unexpected"),
    ("type and bytes disagree", message([image(media_type="image/jpeg"), text()]),
     "messages.0.content.0.source.media_type: The image was specified using the image/jpeg"),
    ("bmp", message([image(media_type="image/bmp")]), "messages.0.content.0.source.media_type: "),
    ("not base64", message([image("!!!!")]), "messages.0.content.0.source.data: Invalid base64"),
    ("no picture", message([image("bm9wZQ==")]), "messages.0.content.0.source.data: Could not process"),
    ("5 MB picture", message([image("A" * (5 * 1024 * 1024 + 4))]), "messages.0.content.0.source.data: image exceeds 5 MB"),
    ("8001 pixels", message([image(picture(8001, 4))]), "messages.0.content.0: At least one of the image dimensions"),
    ("21 pictures, one of 2001 pixels", message([image()] * 20 + [image(picture(4, 2001))]), "messages.0.content.20: "),
    ("601 pictures", message([image()] * 601), "messages: Too many images: 601 > 600"),
    ("101 pictures, small model", message([image()] * 101, model=OLD), "messages: Too many images: 101 > 100"),
    ("plain http picture", message([{"type": "image", "source": {"type": "url", "url": "http://x/y.png"}}]), "Only HTTPS"),
    ("no silent scaling", message([image(picture(3000, 10), transformations={"oversized_image": "error"})]),
     "messages.0.content.0: image of 3000x10"),
    ("not a pdf", message([{"type": "document", "source": {"type": "base64", "media_type": "application/pdf",
                                                           "data": "bm9wZQ=="}}]), "messages.0.content.0.source.data: "),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_faulty_request_is_a_400_that_names_the_field(sim: Simulator, body: Any, expected: str) -> None:
    seen = ask(sim.base_url, body)

    assert seen.status == 400
    assert seen.json["type"] == "error"
    assert seen.json["error"]["type"] == "invalid_request_error"
    assert expected in seen.json["error"]["message"]
    assert seen.json["request_id"] == seen.headers["request-id"]


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("two user turns in a row", message(messages=[{"role": "user", "content": c} for c in "ab"])),
    ("prefill on an old model", turns("a", "b", model=OLD)),
    ("empty prefill on an old model", turns("a", "", model=OLD)),
    ("system turn", message(messages=[{"role": "user", "content": "a"}, {"role": "system", "content": "b"}])),
    ("four marks, long before short", message([text(cache_control=HOUR), text(cache_control=MARK)],
                                             system=[text(cache_control=HOUR)], tools=[{**TOOL, "cache_control": HOUR}])),
    ("automatic mark on a marked block", message([text(cache_control=MARK)] * 4, cache_control=MARK)),
    ("empty system", message(system="")),
    ("summary", message(thinking={"type": "adaptive", "display": "summarized"})),
    ("thinking off", message(model="claude-opus-5", thinking={"type": "disabled"}, output_config={"effort": "high"})),
    ("between tools", message(model="claude-sonnet-5-5", thinking={"type": "between_tools"})),
    ("budget", message(model=OLD, thinking={"type": "enabled", "budget_tokens": 2000})),
    ("8000 pixels", message([image(picture(8000, 4)), text()])),
    ("20 pictures, one of 2001 pixels", message([image()] * 19 + [image(picture(2001, 4))])),
    ("21 pictures of 2000 pixels", message([image(picture(2000, 4))] * 21)),
    ("gif", message([image(picture(fmt="GIF"), "image/gif")])),
    ("webp", message([image(picture(fmt="WEBP"), "image/webp")])),
    ("jpeg", message([image(picture(fmt="JPEG"), "image/jpeg")])),
    ("url picture", message([{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}])),
    ("text document", message([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}])),
    ("tool round", message(tools=[TOOL], messages=[
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "read_file", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [image()]}]}])),
    ("forced tool on haiku", message(model="claude-haiku-5-5", tools=[TOOL], tool_choice={"type": "any"})),
    ("everything else", message(metadata={"user_id": "u"}, service_tier="auto", speed="fast", inference_geo="us",
                                stop_sequences=["END"], output_config={"effort": "max"}, diagnostics={})),
    ("nulls", message(system=None, cache_control=None, thinking=None, speed=None, container=None)),
]  # fmt: skip


@pytest.mark.parametrize("body", [a[1] for a in ACCEPTED], ids=[a[0] for a in ACCEPTED])
def test_a_sound_request_is_answered(sim: Simulator, body: dict[str, Any]) -> None:
    seen = ask(sim.base_url, body)

    assert (seen.status, seen.json.get("error")) == (200, None)


def test_an_unknown_or_retired_model_is_a_404(sim: Simulator) -> None:
    for name in ("claude-opus-4-6-20250118", "claude-opus-4-1", "gpt-5"):
        seen = ask(sim.base_url, message(model=name))
        assert (seen.status, seen.json["error"]["type"]) == (404, "not_found_error")
        assert name in seen.json["error"]["message"]


def test_too_large_pictures_are_listed_for_a_program_to_read(sim: Simulator) -> None:
    seen = ask(sim.base_url, message([image(), image(picture(8001, 4)), image(picture(4, 9000))]))

    assert seen.json["error"]["details"] == {
        "error_code": "image_dimensions_too_large",
        "max_side_length_pixels": 8000,
        "paths": ["messages.0.content.1", "messages.0.content.2"],
    }


def test_a_body_over_32_mb_is_a_413(sim: Simulator) -> None:
    seen = ask(sim.base_url, message("x" * (32 * 1024 * 1024)))

    assert (seen.status, seen.json["error"]["type"]) == (413, "request_too_large")


def test_a_prompt_over_the_context_window_is_too_long(sim: Simulator) -> None:
    seen = ask(sim.base_url, message("word " * 200_000, model=OLD))

    assert seen.status == 400
    assert seen.json["error"]["message"].startswith("prompt is too long: ")
    assert seen.json["error"]["message"].endswith(" tokens > 200000 maximum")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": NaN}', b'{"model": "\\ud800"}', b"\xff", b"[" * 100_000, b"1" * 5000],
    ids=repr,
)
def test_a_body_that_is_no_json_is_a_400(sim: Simulator, body: bytes) -> None:
    seen = ask(sim.base_url, body)

    assert seen.status == 400
    assert "not valid JSON" in seen.json["error"]["message"] or body == b"1" * 5000


def test_the_version_header_is_required_and_known(sim: Simulator) -> None:
    for version in ("", "2029-01-01"):
        seen = ask(sim.base_url, message(), anthropic_version=version)
        assert seen.status == 400
        assert "anthropic-version" in seen.json["error"]["message"]


def test_the_old_version_still_takes_sampling_parameters(sim: Simulator) -> None:
    body = message(temperature=0.3, top_p=0.9, top_k=4)

    assert ask(sim.base_url, body, anthropic_version="2023-06-01").status == 200
    assert ask(sim.base_url, {**body, "temperature": 1.5}, anthropic_version="2023-06-01").status == 400


def test_fast_mode_opens_with_its_beta_header(sim: Simulator) -> None:
    body = message(model="claude-opus-4-8", speed="fast")

    seen = ask(sim.base_url, body, anthropic_beta="other-1, fast-mode-2026-02-01")

    assert (seen.status, seen.json["usage"]["speed"]) == (200, "fast")


def test_any_key_will_do_but_one_is_needed(sim: Simulator) -> None:
    assert ask(sim.base_url, message(), x_api_key="").status == 401
    assert ask(sim.base_url, message(), x_api_key="", authorization="Bearer token").status == 200


def test_with_a_key_set_every_other_key_is_refused() -> None:
    with simulator_in_thread(api_key="right") as sim:
        assert ask(sim.base_url, message(), x_api_key="right").status == 200
        assert ask(sim.base_url, message(), x_api_key="", authorization="Bearer right").status == 200
        seen = ask(sim.base_url, message(), x_api_key="wrong")

    assert (seen.status, seen.json["error"]["type"]) == (401, "authentication_error")


def test_counting_takes_what_a_message_takes_but_no_answer_fields(sim: Simulator) -> None:
    counted = {k: v for k, v in message().items() if k != "max_tokens"}

    assert ask(sim.base_url, counted, "/v1/messages/count_tokens").status == 200
    seen = ask(sim.base_url, message(), "/v1/messages/count_tokens")
    assert seen.json["error"]["message"].startswith("max_tokens: Extra")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = ["model", "max_tokens", "messages", "system", "thinking", "tools", "tool_choice", "cache_control",
          "output_config", "diagnostics", "metadata", "stop_sequences", "stream", "speed", "messages.0",
          "messages.0.role", "messages.0.content", "messages.0.content.0", "messages.0.content.0.type",
          "messages.0.content.0.text", "messages.0.content.0.cache_control", "messages.0.content.1.source",
          "messages.0.content.1.source.data", "messages.1.content", "tools.0", "tools.0.name", "thinking.type"]  # fmt: skip


def planted(path: str, value: Any) -> dict[str, Any]:
    """A valid request with one foul value somewhere."""
    body: dict[str, Any] = json.loads(json.dumps(turns(
        [text(cache_control=MARK), image()], [text()], "c", system=[text()], tools=[TOOL], thinking={"type": "adaptive"},
        tool_choice={"type": "auto"}, output_config={"effort": "low"}, diagnostics={}, metadata={},
    )))  # fmt: skip
    *steps, last = [int(p) if p.isdecimal() else p for p in path.split(".")]
    at: Any = body
    for step in steps:
        at = at[step]
    at[last] = value
    return body


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PLACES), value=JSON)
@pytest.mark.parametrize("dialect", ["anthropic", "vllm"])
def test_no_foul_value_anywhere_gets_anything_but_a_clean_answer(
    fuzzed: dict[str, Simulator], dialect: str, path: str, value: Any
) -> None:
    seen = ask(fuzzed[dialect].base_url, planted(path, value))

    assert seen.end == "whole"
    assert seen.status in (200, 400, 404)


@pytest.fixture(scope="module")
def fuzzed() -> Any:
    """One simulator of each strictness for all examples."""
    with simulator_in_thread() as strict, simulator_in_thread(dialect="vllm") as lenient:
        yield {"anthropic": strict, "vllm": lenient}
