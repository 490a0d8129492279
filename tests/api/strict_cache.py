"""The cache's published rules over whole prompts, in as few lines as they take: for blocks the service would look into."""

from __future__ import annotations

import json
from hashlib import blake2b
from itertools import pairwise
from typing import Any

from cmt_lsp.api.usage import Usage

TAKES_MARKS = {"text", "image", "tool_use", "tool_result", "document"}
SECONDS = {"5m": 300.0, "1h": 3600.0}
LOOKS_BACK = 20


class StrictCache:
    """Entries by their prefix; a token is four bytes."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, float]] = {}

    def serve(self, prefix: str, blocks: list[tuple[str, dict[str, Any]]], now: float) -> tuple[Usage, int]:
        """The usage of a prompt given as roles and blocks, and the most that any marks could have read.

        AssertionError for marks that are refused.
        """
        keys, sizes, marks = _laid_out(prefix, blocks)
        check_marks([block for _, block in blocks])
        live = [index for index, key in enumerate(keys) if self._entries.get(key, (0, 0))[1] > now]
        found = {max((i for i in live if mark - LOOKS_BACK < i <= mark), default=-1) for mark in marks} - {-1}
        hit = max(found, default=-1)
        for index in found:
            self._note(keys[index], self._entries[keys[index]][0], now)
        for index, lifetime in marks.items():
            if index > hit:
                self._note(keys[index], SECONDS[lifetime], now)
        read = sizes[hit] if hit >= 0 else 0
        hours = max((sizes[i] for i, lifetime in marks.items() if i > hit and lifetime == "1h"), default=read)
        end = max((sizes[i] for i in marks if i > hit), default=read)
        usage = Usage(sizes[-1] - end, end - hours, hours - read, read, 50)
        return usage, sizes[max(live)] if live else 0

    def _note(self, key: str, lifetime: float, now: float) -> None:
        self._entries[key] = (lifetime, now + lifetime)


def check_marks(blocks: list[dict[str, Any]]) -> None:
    """At most four, never inside a block, none on thinking or blank text, an hour before five minutes."""
    marks = [block["cache_control"] for block in blocks if "cache_control" in block]
    assert json.dumps(blocks).count('"cache_control"') == len(marks) <= 4
    for block in blocks:
        if "cache_control" in block:
            assert block["type"] in TAKES_MARKS
            assert block["type"] != "text" or block["text"].strip()
    lives = [SECONDS[mark.get("ttl", "5m")] for mark in marks]
    assert all(early >= late for early, late in pairwise(lives))


def _laid_out(
    prefix: str, blocks: list[tuple[str, dict[str, Any]]]
) -> tuple[list[str], list[int], dict[int, str]]:
    """Of each block what names all bytes up to its end, and their tokens; of the marks, block and lifetime."""
    keys, sizes, marks = [], [], {}
    size = 0
    for index, (role, block) in enumerate(blocks):
        bare = {name: value for name, value in block.items() if name != "cache_control"}
        piece = json.dumps([role, bare])
        prefix, size = blake2b((prefix + piece).encode()).hexdigest(), size + len(piece) // 4
        keys.append(prefix)
        sizes.append(size)
        if "cache_control" in block:
            marks[index] = block["cache_control"].get("ttl", "5m")
    return keys, sizes, marks
