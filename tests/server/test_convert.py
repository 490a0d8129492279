"""What the strict converter takes and gives, beyond what the operations of the probe show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs
import pytest

from cmt_lsp.server.rpc.convert import BadValueError, lsp_complaint, wire_converter, wire_name


def positive(_: object, __: object, value: int) -> None:
    if value < 1:
        raise ValueError("must be positive")


@attrs.frozen(kw_only=True)
class Limits:
    """A class with everything that is rare."""

    level: Literal[1, 2, "all"] = 1
    pair: tuple[int, ...] = ()
    names: Sequence[str] | None = None
    weights: Mapping[str, float] = attrs.field(factory=dict)
    code: int | str | None = None
    spend_5m_usd: int = attrs.field(default=1, validator=positive)
    anything: Any = None


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"level": True}, '$.level must be one of 1, 2 or "all"'),
        ({"level": 1.0}, '$.level must be one of 1, 2 or "all"'),
        ({"level": "1"}, '$.level must be one of 1, 2 or "all"'),
        ({"pair": [1, "2"]}, "$.pair[1] must be a whole number, not a string"),
        ({"names": ["a", None]}, "$.names[1] must be a string, not null"),
        ({"names": "ab"}, "$.names must be an array, not a string"),
        ({"weights": {"a": "b"}}, "$.weights.a must be a number, not a string"),
        ({"weights": {"a b\n": []}}, '$.weights["a b\\n"] must be a number, not an array'),
        ({"weights": []}, "$.weights must be an object, not an array"),
        ({"code": True}, "$.code must be a number or a string, not a boolean"),
        ({"code": 1.5}, "$.code must be a whole number"),
        ({"spend5mUsd": 0}, "$ must be positive"),
        ({"x" * 100: 0}, f'$["{"x" * 60}"] is not a known field'),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, object], complaint: str) -> None:
    """With the place, and never with the value."""
    with pytest.raises(BadValueError) as caught:
        wire_converter().structure(given, Limits)

    assert str(caught.value) == complaint


def test_what_fits_comes_back_as_it_went() -> None:
    """Names in camelCase, None left out, everything else kept, free JSON untouched."""
    given = {
        "level": "all",
        "pair": [1, 2],
        "names": ["a"],
        "weights": {"w": 0.5},
        "code": "E1",
        "spend5mUsd": 3,
        "anything": {"snake_case": [None]},
    }
    converter = wire_converter()

    assert converter.unstructure(converter.structure(given, Limits)) == given
    assert "names" not in converter.unstructure(Limits())


def test_names_keep_their_digits() -> None:
    """`5m` is a unit and no word of its own."""
    assert wire_name("cache_creation_5m_input_tokens") == "cacheCreation5mInputTokens"
    assert wire_name("id_") == "id"


def test_a_complaint_of_lsp_types_without_details_still_says_something() -> None:
    """Their validators raise many things."""
    assert str(lsp_complaint(TypeError("secret"))) == "$ is not valid (invalid type)"
