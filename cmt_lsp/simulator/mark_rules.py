"""The rules of cache marks: how many, how long, in which order, on which blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cmt_lsp.simulator.failures import invalid
from cmt_lsp.simulator.prompt import THINKING, content_blocks, raw_blocks
from cmt_lsp.simulator.shapes import an_object, one_of

MAX_MARKS = 4


def check_marks(body: Mapping[str, Any]) -> None:
    """All marks of a request whose blocks are already known to be sound."""
    explicit = [
        (path, _lifetime(block["cache_control"], f"{path}.cache_control")) for path, block in _marked(body)
    ]
    automatic = body.get("cache_control")
    ttl = None if automatic is None else _lifetime(automatic, "cache_control")
    count = len(explicit) + (0 if ttl is None or _absorbed(body, explicit, ttl) else 1)
    if count > MAX_MARKS:
        raise invalid(
            "cache_control",
            f"A maximum of {MAX_MARKS} blocks with cache_control may be provided. Found {count}.",
        )
    lifetimes = explicit if ttl is None else [*explicit, ("cache_control", ttl)]
    short = False
    for path, lifetime in lifetimes:
        if lifetime == "1h" and short:
            raise invalid(
                path,
                "a ttl='1h' cache_control block must not come after a ttl='5m' one; blocks are processed in the "
                "order tools, system, messages",
            )
        short = lifetime == "5m"


def _marked(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for raw in raw_blocks(body):
        if raw.content.get("type") == "tool_result":
            inner = content_blocks(raw.content.get("content") or (), f"{raw.path}.content")
            yield from (pair for pair in inner if pair[1].get("cache_control") is not None)
        if raw.content.get("cache_control") is not None:
            yield raw.path, raw.content


def _lifetime(mark: Any, path: str) -> str:
    fields = an_object(mark, path, allowed=("type", "ttl"), required=("type",))
    one_of(fields["type"], f"{path}.type", ("ephemeral",))
    return one_of(fields["ttl"], f"{path}.ttl", ("5m", "1h")) if fields.get("ttl") is not None else "5m"


def _absorbed(body: Mapping[str, Any], explicit: list[tuple[str, str]], ttl: str) -> bool:
    """Whether the automatic mark falls on a block that is marked already; the two lifetimes must agree then."""
    cacheable = [raw.path for raw in raw_blocks(body) if raw.content.get("type") not in THINKING]
    on_last = [lifetime for path, lifetime in explicit if cacheable and path == cacheable[-1]]
    if on_last and on_last[0] != ttl:
        raise invalid("cache_control", "the last block already has a cache_control with another ttl")
    return bool(on_last)
