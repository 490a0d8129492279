"""Counting is deterministic, grows with the text, and scales pictures as the tiers say."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cmt_lsp.simulator.images import inspect
from cmt_lsp.simulator.models import SimulatedModel, find_model
from cmt_lsp.simulator.tokens import TIERS, count_image, count_text, fitting_prefix


def model(name: str) -> SimulatedModel:
    found = find_model(name)
    assert found is not None
    return found


OLD, NEW = model("claude-opus-4-6"), model("claude-opus-5-5")


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(a: str, b: str) -> None:
    assert count_text(a, NEW) <= count_text(a + b, NEW)
    assert (count_text(a, NEW) == 0) == (a == "")


def test_the_newer_tokenizer_makes_about_30_percent_more() -> None:
    words = "The quick brown fox jumps over the lazy dog. " * 50

    assert count_text(words, NEW) == pytest.approx(1.3 * count_text(words, OLD), rel=0.01)
    assert 1.2 < count_text(words, OLD) / len(words.split()) < 1.6


@given(st.text(), st.integers(0, 30))
def test_a_fitting_prefix_is_the_longest_that_fits(text: str, limit: int) -> None:
    prefix = fitting_prefix(text, limit, NEW)

    assert text.startswith(prefix)
    assert count_text(prefix, NEW) <= limit
    assert prefix == text or count_text(text[: len(prefix) + 1], NEW) > limit


@pytest.mark.parametrize(
    ("width", "height", "standard", "high"),
    [(28, 28, 1, 1), (29, 28, 2, 2), (1, 1, 1, 1), (1000, 1000, 1296, 1296), (1920, 1080, 1560, 2691),
     (8000, 20, 56, 92)],
)  # fmt: skip
def test_known_pictures_cost_known_tokens(width: int, height: int, standard: int, high: int) -> None:
    assert (count_image(width, height, "standard"), count_image(width, height, "high")) == (standard, high)


@given(st.integers(1, 8000), st.integers(1, 8000))
def test_no_picture_costs_more_than_its_tier_allows(width: int, height: int) -> None:
    for vision, tier in TIERS.items():
        assert 1 <= count_image(width, height, vision) <= tier.tokens
        assert count_image(width, height, vision) == count_image(height, width, vision)


@given(
    st.sampled_from(["PNG", "GIF", "JPEG", "WEBP", "LOSSLESS"]),
    st.integers(1, 500),
    st.integers(1, 500),
    st.booleans(),
)
def test_headers_tell_format_and_size(kind: str, width: int, height: int, alpha: bool) -> None:
    held = io.BytesIO()
    lossless = kind == "LOSSLESS"
    picture = Image.new("RGBA" if alpha and kind != "JPEG" else "RGB", (width, height))
    name = "WEBP" if lossless else kind
    picture.save(held, name, lossless=lossless, **({"progressive": True} if kind == "JPEG" and alpha else {}))
    facts = inspect(held.getvalue())

    assert facts is not None
    assert (facts.media_type, facts.width, facts.height) == (f"image/{name.lower()}", width, height)


@given(
    st.binary(max_size=64),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"GIF89a", b"\xff\xd8\xff", b"RIFF1234WEBPVP8X"]),
)
def test_broken_headers_are_no_picture_and_no_crash(rest: bytes, start: bytes) -> None:
    seen = inspect(start + rest)
    assert seen is None or seen.media_type.startswith("image/")
