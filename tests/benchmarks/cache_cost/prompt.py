"""A turn of a workload, and its prompt as the endpoint's cache sees it: blocks in order, each with a key and tokens."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from cmt_lsp.simulator.models import BY_NAME
from cmt_lsp.simulator.prompt import THINKING
from cmt_lsp.simulator.tokens import ROLE_TOKENS, TIERS, count_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.simulator.models import SimulatedModel

Message = dict[str, Any]
SIZE_DIGITS = 6
"""A generated picture's base64 starts with its size in tokens, which no policy looks at."""


_UNTOLD = 10_000
"""More than any model looks at: an image that is only an address is counted as the largest."""


class Pauses(Protocol):
    """How long somebody reads, thinks or is away before the next question, as a distribution."""

    def within(self, seconds: float) -> float:
        """The odds that a pause is shorter."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of a session: what is sent at a moment, and how long the answer is.

    How it was drawn stands behind, for what is computed in hindsight; no policy looks at it.
    """

    at: float
    session: str
    model: str
    system: str
    pinned: tuple[Mapping[str, Any], ...]
    history: tuple[Message, ...]
    new: tuple[Mapping[str, Any], ...]
    output_tokens: int
    takes: float = 0.0
    """Seconds until the pause begins."""
    pauses: Pauses | None = None
    """None where the next question of the session does not wait for a pause that was drawn."""
    edited: float = 0.0
    """Probability that the last pinned block changes before the next question."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One block: `key` names everything up to its end, `total` counts the tokens up to there."""

    key: bytes
    total: int
    markable: bool
    message: int
    """-1 for the system prompt."""
    block: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt in cache order, with the places that a policy may want to mark."""

    spots: tuple[Spot, ...]
    minimum: int
    system_end: int
    """Index of the last spot of the system prompt; -1 without one."""
    pinned_end: int
    """Index of the last spot of the pinned blocks; `system_end` without any."""
    newest: int
    """Index of the first spot of the newest message, pinned blocks not counted."""

    @property
    def tokens(self) -> int:
        """All of it."""
        return self.spots[-1].total


def prompt_of(turn: Turn) -> Prompt:
    """Count a turn's blocks and name their prefixes."""
    model = BY_NAME[turn.model]
    messages = sent_messages(turn)
    pictures = any(block["type"] == "image" for message in messages for block in message["content"])
    key, total, role = _mix(b"", model.id.encode()), 0, ""
    spots: list[Spot] = []
    if turn.system:
        key = _mix(key, _digest({"type": "text", "text": turn.system}))
        total = _tokens({"type": "text", "text": turn.system}, model)
        spots.append(Spot(key, total, True, -1, 0))
    system_end = len(spots) - 1
    key = _mix(key, b"messages" + bytes([pictures]))
    newest = 0
    for number, message in enumerate(messages):
        if number == len(messages) - 1:
            newest = len(spots) + (len(turn.pinned) if number == 0 else 0)
        for place, block in enumerate(message["content"]):
            key = _mix(key, message["role"].encode() + _digest(block))
            total += _tokens(block, model) + (ROLE_TOKENS if message["role"] != role else 0)
            role = message["role"]
            spots.append(Spot(key, total, block["type"] not in THINKING, number, place))
    return Prompt(tuple(spots), model.cache_minimum, system_end, system_end + len(turn.pinned), newest)


def sent_messages(turn: Turn) -> list[Message]:
    """All messages of a turn's request; pinned blocks open the first one, which is the user's."""
    first, *rest = [*turn.history, {"role": "user", "content": list(turn.new)}]
    return [{**first, "content": [*turn.pinned, *first["content"]]}, *rest]


def _tokens(block: Mapping[str, Any], model: SimulatedModel) -> int:
    if block["type"] == "image":
        told = block["source"].get("data", "")[:SIZE_DIGITS]
        return min(int(told) if told else _UNTOLD, TIERS[model.vision].tokens)
    if block["type"] in THINKING:
        return len(block["signature"])
    return _count(block["text"], model)


@lru_cache(maxsize=200_000)
def _count(text: str, model: SimulatedModel) -> int:
    return count_text(text, model)


def _digest(block: Mapping[str, Any]) -> bytes:
    if block["type"] == "text":
        return _text_digest(block["text"])
    return _text_digest(json.dumps(block, sort_keys=True))


@lru_cache(maxsize=200_000)
def _text_digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _mix(key: bytes, part: bytes) -> bytes:
    return hashlib.blake2b(key + part, digest_size=16).digest()


def last_markable(prompt: Prompt, first: int, end: int) -> int | None:
    """The last markable spot in a range."""
    return next((i for i in range(end - 1, first - 1, -1) if prompt.spots[i].markable), None)


def flat_index(prompt: Prompt) -> Mapping[tuple[int, int], int]:
    """Index of each spot by message and block."""
    return {(spot.message, spot.block): index for index, spot in enumerate(prompt.spots)}
