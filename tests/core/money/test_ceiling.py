"""What is reserved is never less than what is charged, and says from the request alone what that is."""

from __future__ import annotations

import base64
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_chats import Billed, billed_requests

from cmt_lsp.api import models
from cmt_lsp.api.request import MessageRequest
from cmt_lsp.api.vision.container import image_size, inspect_image
from cmt_lsp.core.money.attempt import Ceiling
from cmt_lsp.core.money.ceiling import ceiling_of, lifetime_of, prompt_estimate

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVERYTHING = {
    "above the tier", "below the tier", "5m write", "1h write", "cache read", "thinking shown", "thinking hidden",
    "image", "pdf", "tools", "fast", "us", "unmarked", "automatic", "answer at its limit", "not ascii", "many messages",
}  # fmt: skip


def ask(
    content: object = "Hello", model: str = "claude-sonnet-5-5", system: Any = None, **extra: Any
) -> MessageRequest:
    return MessageRequest(model, 1_000, [{"role": "user", "content": content}], system=system, extra=extra)


def most(request: MessageRequest, counted: int | None = None, **options: bool) -> Ceiling:
    found = ceiling_of(request, counted, NOW, **options)
    assert found is not None
    return found


def text(words: str, ttl: str | None = None) -> dict[str, Any]:
    mark = {"cache_control": {"type": "ephemeral", **({"ttl": ttl} if ttl != "5m" else {})}} if ttl else {}
    return {"type": "text", "text": words, **mark}


def png(width: int, height: int) -> dict[str, Any]:
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + struct.pack(">II", width, height) + bytes(9)
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(header).decode()}
    return {"type": "image", "source": source}


# The campaign: the simulated service bills, to the token


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_no_request_costs_more_than_its_ceiling(campaign_size: Callable[[int, int], int]) -> None:
    """Reserved is at least charged in every request, with the endpoint's count of the prompt and without any."""
    size = campaign_size(300, 10_000)
    seen: Counter[str] = Counter()
    loose: dict[str, list[float]] = {"counted": [], "uncounted": []}
    for billed in islice(billed_requests(seed=20261122), size):
        for name, counted in (("uncounted", None), ("counted", billed.counted)):
            ceiling = ceiling_of(billed.request, counted, billed.at)
            assert ceiling is not None
            assert ceiling.input_nano >= billed.input_nano, f"the prompt, {name}: {billed.usage}"
            assert ceiling.of(billed.request.max_tokens) >= billed.nano_usd, f"{name}: {billed.usage}"
            loose[name].append(ceiling.of(billed.usage.output_tokens) / billed.nano_usd)
        seen.update(traits(billed))
    assert set(seen) >= EVERYTHING if size >= 10_000 else len(seen) >= 12
    # A bound that nobody can use is no bound: plain text has three to four bytes a token.
    assert median(loose["counted"]) < 2
    assert median(loose["uncounted"]) < 6


def traits(billed: Billed) -> set[str]:
    """What makes a request dear, as far as this one has it."""
    request, usage = billed.request, billed.usage
    blocks = [b for m in request.messages if not isinstance(m["content"], str) for b in m["content"]]
    kinds = Counter(block["type"] for block in blocks)
    thoughts = [block["thinking"] for block in blocks if block["type"] == "thinking"]
    haiku = request.model == "claude-haiku-5-5"
    facts = {
        "above the tier": haiku and usage.total_input_tokens > 100_000,
        "below the tier": haiku and usage.total_input_tokens <= 100_000,
        "5m write": usage.cache_creation_5m_input_tokens,
        "1h write": usage.cache_creation_1h_input_tokens,
        "cache read": usage.cache_read_input_tokens,
        "thinking shown": any(thoughts),
        "thinking hidden": not all(thoughts) or kinds["redacted_thinking"],
        "image": kinds["image"],
        "pdf": any(b["type"] == "document" and b["source"]["type"] == "base64" for b in blocks),
        "tools": request.extra.get("tools"),
        "fast": request.extra.get("speed") == "fast",
        "us": request.extra.get("inference_geo") == "us",
        "unmarked": lifetime_of(request) is None,
        "automatic": request.extra.get("cache_control"),
        "answer at its limit": usage.output_tokens == request.max_tokens,
        "not ascii": any(not block.get("text", "").isascii() for block in blocks),
        "many messages": len(request.messages) > 6,
    }
    return {name for name, true in facts.items() if true}


# The rates


@pytest.mark.parametrize(
    ("content", "rate"),
    [
        ([text("Hello")], 2_000),
        ([text("Hello", "5m")], 2_500),
        ([text("Hello", "1h")], 4_000),
        ([text("a", "1h"), text("b", "5m")], 4_000),
        ([text("a", "5m"), text("b", "1h")], 4_000),
        ([{"type": "tool_result", "tool_use_id": "x", "content": [text("Hello", "1h")]}], 4_000),
    ],
)
def test_the_prompt_is_priced_at_the_dearest_class_that_its_marks_allow(
    content: list[dict[str, Any]], rate: int
) -> None:
    assert most(ask(content, inference_geo="global"), 100) == Ceiling(110 * rate, 10_000)


@pytest.mark.parametrize(
    ("marked", "lifetime"),
    [
        (ask(), None), (ask(system=[text("s", "5m")]), "5m"), (ask(system=[text("s", "1h")]), "1h"),
        (ask([text("a", "5m")], system=[text("s", "1h")]), "1h"), (ask(cache_control={"type": "ephemeral"}), "5m"),
        (ask(cache_control={"type": "ephemeral", "ttl": "1h"}), "1h"),
        (ask(tools=[{"name": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]), "1h"),
        (ask([text("a", "24h")]), "1h"), (ask("plain", system="plain"), None),
    ],
)  # fmt: skip
def test_marks_are_found_wherever_they_are(marked: MessageRequest, lifetime: str | None) -> None:
    assert lifetime_of(marked) == lifetime


def test_the_count_gets_a_tenth_rounded_up() -> None:
    for counted, tokens in ((0, 0), (1, 2), (10, 11), (11, 13), (100, 110)):
        assert most(ask(inference_geo="global"), counted).input_nano == tokens * 2_000


def test_a_place_that_is_left_open_is_taken_as_the_dearest() -> None:
    assert most(ask(), 100) == Ceiling(110 * 2_200, 11_000)
    assert most(ask(inference_geo="us"), 100) == Ceiling(110 * 2_200, 11_000)
    assert most(ask(inference_geo="on the moon"), 100) == Ceiling(110 * 2_200, 11_000)
    assert most(ask(model="claude-haiku-4-5"), 100) == Ceiling(110 * 1_000, 5_000)


def test_speed_counts_where_it_was_asked_for() -> None:
    fast = ask(model="claude-opus-5-5", speed="fast", inference_geo="global")
    assert most(fast, 100) == Ceiling(110 * 8_000, 40_000)
    assert (
        most(ask(model="claude-opus-5-5", speed="standard", inference_geo="global"), 100).output_nano
        == 20_000
    )
    assert most(ask(model="claude-opus-5-5", speed="warp", inference_geo="global"), 100).output_nano == 40_000


def test_a_batch_costs_half_rounded_up() -> None:
    assert most(ask(inference_geo="global"), 100, batch=True) == Ceiling(110 * 1_000, 5_000)
    marked = ask([text("x", "5m")], model="claude-haiku-5-5", inference_geo="us")
    assert most(marked, 10, batch=True) == Ceiling(757, 275)  # 11 x 125 x 1.1 / 2 = 756.25


def test_the_dearest_tier_that_the_prompt_can_reach_prices_all_of_it() -> None:
    haiku = ask(model="claude-haiku-5-5", inference_geo="global")
    assert most(haiku, 90_909) == Ceiling(100_000 * 100, 500)
    assert most(haiku, 90_910) == Ceiling(100_001 * 500, 2_500)


def test_a_tier_that_is_cheaper_above_its_threshold_saves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(
        f'[[price]]\nmodel = "own"\ninput = {price}\noutput = {price}\nread = {read}\n{tier}'
        for price, read, tier in ((4, 1, ""), (1, 1, "above = 1000\n"), (2, 3, "above = 2000\n"))
    )
    own_prices(tmp_path, monkeypatch, rows)
    at = {n: most(ask(model="own", inference_geo="global"), n) for n in (909, 910, 1_818, 1_819, 9_000)}
    assert at[909] == Ceiling(1_000 * 4_000, 4_000)
    assert at[910] == Ceiling(1_000 * 4_000, 4_000)  # 1,001 tokens at 1 are cheaper than 1,000 at 4
    assert at[1_819] == Ceiling(
        2_001 * 3_000, 4_000
    )  # a read may be the dearest class of somebody's own list
    assert at[9_000] == Ceiling(9_900 * 3_000, 4_000)


@pytest.fixture(autouse=True)
def no_own_prices() -> Any:
    """The person's list is read once and kept; no test leaves its own behind."""
    yield
    models._own.cache_clear()


def own_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: str) -> None:
    folder = tmp_path / "config" / "cmt-lsp"
    folder.mkdir(parents=True)
    (folder / "prices.toml").write_text(rows)
    models._own.cache_clear()


def test_parts_of_a_nano_dollar_are_rounded_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_prices(tmp_path, monkeypatch, '[[price]]\nmodel = "own"\ninput = 0.001\noutput = 0.001\n')
    assert most(ask(model="own", inference_geo="us"), 10) == Ceiling(13, 2)  # 11 x 1.1 = 12.1, and 1.1


def test_a_model_without_a_price_has_no_ceiling() -> None:
    assert ceiling_of(ask(model="local-llama"), 100, NOW) is None
    assert ceiling_of(ask(model="local-llama"), None, NOW) is None


def test_the_list_of_the_day_counts() -> None:
    sonnet, before, after = ask(model="claude-sonnet-5-5"), datetime(2026, 10, 6, tzinfo=UTC), NOW
    assert ceiling_of(sonnet, 100, before) == ceiling_of(sonnet, 100, after)  # only its reads became cheaper
    fable = ask(model="claude-fable-5-2", inference_geo="global")
    assert most(fable, 10) == Ceiling(11 * 8_000, 40_000)


# The prompt that nobody counted


@given(st.text(min_size=1, max_size=300))
def test_text_is_bounded_by_its_bytes(words: str) -> None:
    words = words.encode("utf-8", "replace").decode()
    longer = (
        most(ask(words, inference_geo="global")).input_nano - most(ask("", inference_geo="global")).input_nano
    )
    assert longer == len(words.encode()) * 2_000


def test_every_message_and_every_block_adds_to_the_bound() -> None:
    one, two = ask([text("ab")]), ask([text("a"), text("b")])
    more = MessageRequest("claude-sonnet-5-5", 1, [*one.messages, {"role": "assistant", "content": "ab"}])
    assert most(one).input_nano < most(two).input_nano < most(more).input_nano
    assert prompt_estimate(one) < prompt_estimate(two) < prompt_estimate(more)


def test_nothing_bounds_a_prompt_better_than_the_context_window() -> None:
    window = 1_000_000 * 2_000
    assert most(ask("x" * 1_000_000, inference_geo="global")).input_nano == window
    assert most(ask("x" * 999_000, inference_geo="global")).input_nano < window
    assert most(ask(inference_geo="global"), 950_000).input_nano == window
    assert most(ask("x" * 300_000, model="claude-haiku-4-5")).input_nano == 200_000 * 1_000


PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}


def test_a_pdf_may_fill_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert most(ask([PDF], model="claude-haiku-4-5")).input_nano == 200_000 * 1_000
    assert most(ask([PDF], model="claude-haiku-4-5"), 100).input_nano == 110 * 1_000
    assert (
        most(ask([{"type": "document", "source": {"type": "file", "file_id": "f"}}])).input_nano
        == 2_200 * 10**6
    )
    own_prices(tmp_path, monkeypatch, '[[price]]\nmodel = "own"\ninput = 1\noutput = 1\n')
    assert most(ask([PDF], model="own", inference_geo="global")).input_nano == 10**6 * 1_000


def test_the_text_of_a_document_is_text() -> None:
    note = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é" * 1_000}}
    assert 2_000 < most(ask([note], inference_geo="global")).input_nano / 2_000 < 2_500


@pytest.mark.parametrize(
    ("model", "width", "height", "tokens"),
    [
        ("claude-sonnet-5-5", 1920, 1080, 2691), ("claude-haiku-4-5", 1920, 1080, 1560),
        ("claude-sonnet-5-5", 28, 28, 1), ("claude-sonnet-5-5", 29, 28, 2),
        ("claude-sonnet-5-5", 8000, 8000, 4761), ("claude-sonnet-5-5", 0, 5, 4784), ("claude-haiku-4-5", 0, 5, 1568),
    ],
)  # fmt: skip
def test_images_are_priced_by_the_published_formula(model: str, width: int, height: int, tokens: int) -> None:
    bare, with_image = ask([], model), ask([png(width, height)], model)
    assert prompt_estimate(with_image) - prompt_estimate(bare) == tokens + 1
    rate = most(bare, 10, batch=False).input_nano // 11
    assert most(with_image).input_nano - most(bare).input_nano == (tokens + 8) * rate


@pytest.mark.parametrize(
    "source",
    [
        {"type": "url", "url": "https://example.com/x.png"}, {"type": "file", "file_id": "f"}, {},
        {"type": "base64", "data": "not base64!"}, {"type": "base64", "data": ""}, {"type": "base64", "data": None},
        {"type": "base64", "data": base64.b64encode(b"\x89PNG\r\n\x1a\n\x00").decode()},
        {"type": "base64", "data": base64.b64encode(b"\xff\xd8\xff\xe0\x00\x10").decode()},
    ],
)  # fmt: skip
def test_an_image_of_unknown_size_is_taken_as_the_largest(source: Mapping[str, Any]) -> None:
    bare, with_image = ask([]), ask([{"type": "image", "source": source}])
    assert prompt_estimate(with_image) - prompt_estimate(bare) == 4_784 + 1


def test_base64_that_ends_early_still_tells_the_size() -> None:
    broken = png(1920, 1080)
    broken["source"]["data"] += "A"
    assert prompt_estimate(ask([broken])) == prompt_estimate(ask([png(1920, 1080)]))


def test_only_the_head_of_an_image_is_read() -> None:
    large = png(1920, 1080)
    large["source"]["data"] += "A" * 5_000_000 + "~ not base64 ~"
    assert prompt_estimate(ask([large])) == prompt_estimate(ask([png(1920, 1080)]))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("size", [(1, 1), (300, 200), (17, 4_000)])
def test_the_size_of_a_picture_is_in_its_head(kind: str, size: tuple[int, int]) -> None:
    import io

    from PIL import Image

    drawn = io.BytesIO()
    Image.effect_noise(size, 50).convert("RGB" if kind != "GIF" else "P").save(drawn, kind)
    data = drawn.getvalue()
    facts = inspect_image(data)

    assert facts is not None
    assert image_size(data) == (facts.width, facts.height) == size
    assert image_size(data[:700]) == size


@given(
    st.binary(max_size=64)
    | st.sampled_from([b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFFxxxxWEBP", b"\xff\xd8\xff"])
)
def test_no_bytes_at_all_break_the_look_at_a_head(data: bytes) -> None:
    assert image_size(data) is None or min(image_size(data) or ()) > 0


def test_hidden_thinking_is_no_more_than_what_carries_it() -> None:
    sealed = {"type": "thinking", "thinking": "", "signature": "c" * 4_000}
    shown = {"type": "thinking", "thinking": "t" * 4_000, "signature": "c" * 400}
    redacted = {"type": "redacted_thinking", "data": "c" * 4_000}
    bare = ask([], inference_geo="global")
    for block, bound, usual in ((sealed, 4_000, 858), (shown, 4_400, 1_143), (redacted, 4_000, 858)):
        request = ask([block], inference_geo="global")
        assert (most(request).input_nano - most(bare).input_nano) / 2_000 == bound + 8
        assert prompt_estimate(request) - prompt_estimate(bare) == usual + 1


def test_tools_and_the_form_of_an_answer_cost_their_json_and_what_is_said_about_them() -> None:
    tool = {"name": "look", "description": "d" * 700, "input_schema": {"type": "object"}}
    form = {"format": {"type": "json_schema", "schema": {"type": "object", "title": "t" * 700}}}
    for extra in ({"tools": [tool]}, {"output_config": form}):
        more = (
            most(ask(inference_geo="global", **extra)).input_nano
            - most(ask(inference_geo="global")).input_nano
        )
        assert 1_024 + 700 < more / 2_000 < 1_024 + 850
        assert 350 + 200 < prompt_estimate(ask(**extra)) - prompt_estimate(ask()) < 350 + 250
    assert prompt_estimate(ask(tools=[], output_config={})) == prompt_estimate(ask())


def test_whatever_else_a_message_holds_counts_by_its_json() -> None:
    use = {"type": "tool_use", "id": "x", "name": "look", "input": {"what": "é" * 500}}
    cited = {"type": "text", "text": "a" * 10, "citations": [{"cited_text": "c" * 500}]}
    for block, least in ((use, 1_000), (cited, 510)):
        bound = (
            most(ask([block], inference_geo="global")).input_nano
            - most(ask([], inference_geo="global")).input_nano
        )
        assert least < bound / 2_000 < least + 150


# The rule of thumb


def test_the_rule_of_thumb_is_three_and_a_half_bytes_a_token() -> None:
    assert prompt_estimate(ask("x" * 350)) == 100 + 4 + 1
    assert prompt_estimate(ask("é" * 350)) == 200 + 4 + 1
    assert prompt_estimate(ask("x" * 350, system="y" * 35)) == 110 + 4 + 2
