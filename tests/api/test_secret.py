"""Keys: what is refused, and that none is ever shown."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from cmt_lsp.api.errors import AuthError
from cmt_lsp.api.secret import Credentials, Secret

CANARY = "sk-ant-canary-2222"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_line_end_is_dropped(end: str) -> None:
    assert Secret(CANARY + end).reveal() == CANARY


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("", "empty"),
        ("\n", "empty"),
        (f"{CANARY}\n\n", "control"),
        (f"\n{CANARY}", "control"),
        (f"{CANARY}\x00", "control"),
        (f"{CANARY}\x7f", "control"),
        (f" {CANARY}", "space"),
        (f"sk {CANARY}", "space"),
        (f'"{CANARY}"', "quote"),
        (f"'{CANARY}'", "quote"),
        (f"{CANARY}\u200b", "ASCII"),
        (f"{CANARY}ü", "ASCII"),
        (CANARY * 1000, "longer"),
    ],
)
def test_a_malformed_key_is_refused_with_the_reason_and_not_echoed(fault: str, reason: str) -> None:
    with pytest.raises(AuthError, match=reason) as caught:
        Secret(fault)

    assert CANARY not in str(caught.value) + repr(caught.value)


def test_a_key_is_masked_wherever_it_is_printed() -> None:
    secret = Secret(CANARY)
    holder = Credentials(secret, None, "test")
    shown: list[Any] = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        repr(holder),
        str([secret]),
    ]

    assert not [text for text in shown if CANARY in text]


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_key_is_neither_pickled_nor_copied(leave: Any) -> None:
    with pytest.raises(TypeError, match="secret"):
        leave(Secret(CANARY))


def test_keys_compare_by_value() -> None:
    assert Secret("a") == Secret("a\n")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1


def test_an_echoed_key_is_taken_out_of_a_message() -> None:
    assert Credentials(None, Secret(CANARY), "t").mask(f"bad key {CANARY}!") == "bad key ***!"
