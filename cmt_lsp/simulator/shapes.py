"""The small questions validation asks of a JSON value; each raises a RefusalError that names the path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cmt_lsp.simulator.failures import invalid

JsonObject = Mapping[str, Any]


def an_object(value: Any, path: str, *, allowed: Iterable[str], required: Iterable[str] = ()) -> JsonObject:
    """A JSON object with no unknown field and every required one."""
    if not isinstance(value, dict):
        raise invalid(path, "Input should be a valid dictionary")
    known = set(allowed)
    for key in value:
        if key not in known:
            raise invalid(_join(path, key), "Extra inputs are not permitted")
    for key in required:
        if value.get(key) is None:
            raise invalid(_join(path, key), "Field required")
    return value


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def a_list(value: Any, path: str) -> list[Any]:
    """A JSON array."""
    if not isinstance(value, list):
        raise invalid(path, "Input should be a valid list")
    return value


def a_string(value: Any, path: str, *, empty: bool = False) -> str:
    """A string, not empty unless `empty`."""
    if not isinstance(value, str):
        raise invalid(path, "Input should be a valid string")
    if not value and not empty:
        raise invalid(path, "String should have at least 1 character")
    return value


def an_integer(value: Any, path: str, *, least: int) -> int:
    """A whole number of at least `least`; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(path, "Input should be a valid integer")
    if value < least:
        raise invalid(path, f"Input should be greater than or equal to {least}")
    return value


def a_flag(value: Any, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise invalid(path, "Input should be a valid boolean")
    return value


def one_of(value: Any, path: str, choices: Iterable[str]) -> str:
    """One of a few strings."""
    allowed = list(choices)
    if not isinstance(value, str) or value not in allowed:
        names = " or ".join(f"'{choice}'" for choice in allowed) or "absent"
        raise invalid(path, f"Input should be {names}")
    return value
