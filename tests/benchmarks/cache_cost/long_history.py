"""A chat of many turns, two kilobytes each, that grows by the same bytes."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

_TURN_BYTES = 2_000


def long_history(turns: int) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]]]:
    """System prompt, messages and the newest question after so many turns; new dictionaries around the same texts."""
    history: list[dict[str, Any]] = []
    for number in range(turns):
        context, question, answer = _texts(number)
        history.append({"role": "user", "content": [_block(context), _block(question)]})
        history.append({"role": "assistant", "content": [_block(answer)]})
    return _texts(-1)[2], history, [_block(text) for text in _texts(turns)[:2]]


def _block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


@cache
def _texts(number: int) -> tuple[str, str, str]:
    rng = random.Random(number)
    sizes = (_TURN_BYTES * 2 // 5, _TURN_BYTES // 10, _TURN_BYTES // 2)
    context, question, answer = (
        " ".join(f"{rng.randrange(16**6):06x}" for _ in range(size // 7)) for size in sizes
    )
    return context, question, answer
