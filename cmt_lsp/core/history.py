"""What of a session is sent again with the next question: plain functions over settled turns.

History is append-only, byte for byte: what was sent once is sent the same way until a turn is pruned. Thinking is
replayed only while all that stood before it is unchanged, since newer models refuse it otherwise.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.usage_fold import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cmt_lsp.core.records import TurnRecord

IMAGE_TOKENS = 4784
"""The most one image costs on any model; its size is not read out of the base64 again."""
PRUNE_TO = 0.75
"""Share of the room that is filled after pruning: room for some turns, since each pruning loses the cache."""

_THINKING = ("thinking", "redacted_thinking")


@dataclass(frozen=True, slots=True)
class Fit:
    """From which turn on the history is sent, how many turns that newly leaves out, and the estimated prompt."""

    history_from: int
    dropped: int
    tokens: int


def prompt_content(
    images: Iterable[Mapping[str, Any]], context: Iterable[Mapping[str, Any]], text: str
) -> tuple[Mapping[str, Any], ...]:
    """The user message's blocks: images, then context, then what the person typed."""
    typed = ({"type": "text", "text": text},) if text.strip() else ()
    return (*images, *context, *typed)


def prefix_digest(model: str, system_prompt: str | None, history_from: int, pinned: str = "") -> str:
    """Names what stands before the turns; turns under one digest may replay their thinking together.

    `pinned` names what is pinned, where anything is.
    """
    named = (model, system_prompt, history_from, *([pinned] if pinned else []))
    return hashlib.sha256(repr(named).encode()).hexdigest()[:16]


def sent_turns(turns: Iterable[TurnRecord], history_from: int) -> list[TurnRecord]:
    """The turns that later requests carry."""
    return [turn for turn in turns if turn.in_history and turn.seq >= history_from]


def history_messages(turns: Sequence[TurnRecord], history_from: int, prefix: str) -> list[dict[str, Any]]:
    """User and assistant messages in turn, the user first.

    Thinking of turns before the last change of prefix is left out: there the model would see it after other words
    than those it was thought after.
    """
    sent = sent_turns(turns, history_from)
    steady = len(sent)
    while steady and sent[steady - 1].prefix == prefix:
        steady -= 1
    messages: list[dict[str, Any]] = []
    for index, turn in enumerate(sent):
        messages.append({"role": "user", "content": [dict(block) for block in turn.prompt]})
        messages.append({"role": "assistant", "content": _replay(turn.answer, thinking=index >= steady)})
    return messages


def has_replay(answer: Iterable[Mapping[str, Any]]) -> bool:
    """Whether an answer leaves something to send again: a message without text fits no history."""
    return any(block.get("type") == "text" and str(block.get("text", "")).strip() for block in answer)


def fit_history(
    turns: Sequence[TurnRecord],
    history_from: int,
    system_prompt: str | None,
    new_content: Iterable[Mapping[str, Any]],
    room: int | None,
    prefix: str,
    pinned: Iterable[Mapping[str, Any]] = (),
) -> Fit:
    """Leave out whole turns from the oldest on where the prompt would exceed `room` tokens (None: no limit).

    The last turn's measured usage is taken where it stood under the same prefix; the rest is estimated from sizes.
    """
    sent = sent_turns(turns, history_from)
    fresh = content_tokens(new_content)
    measured = _measured(sent, prefix)
    if measured is not None and (room is None or fresh + measured <= room):
        return Fit(history_from, 0, fresh + measured)  # the usual case, without a look at all the texts
    sizes = [_turn_tokens(turn) for turn in sent]
    guess = sum(sizes) + _text_tokens(system_prompt or "") + content_tokens(pinned)
    scale = measured / guess if measured is not None and guess else 1.0
    total = fresh + (measured if measured is not None else guess)
    if room is None or total <= room:
        return Fit(history_from, 0, total)
    dropped = 0
    while dropped < len(sent) and total > room * PRUNE_TO:
        total -= int(sizes[dropped] * scale)
        dropped += 1
    first = sent[dropped].seq if dropped < len(sent) else max((t.seq for t in turns), default=-1) + 1
    return Fit(first if dropped else history_from, dropped, max(total, fresh))


def content_tokens(content: Iterable[Mapping[str, Any]]) -> int:
    """Estimated tokens of content blocks."""
    return sum(_block_tokens(block) for block in content)


def _replay(answer: Iterable[Mapping[str, Any]], *, thinking: bool) -> list[dict[str, Any]]:
    """The blocks the endpoint takes back: nothing empty, no tool call without its result."""
    return [
        dict(block)
        for block in answer
        if (block.get("type") == "text" and str(block.get("text", "")).strip())
        or (thinking and block.get("type") in _THINKING)
    ]


def _measured(sent: Sequence[TurnRecord], prefix: str) -> int | None:
    if not sent or sent[-1].prefix != prefix or sent[-1].usage.estimated:
        return None
    return sent[-1].usage.total_tokens


def _turn_tokens(turn: TurnRecord) -> int:
    return content_tokens(turn.prompt) + content_tokens(turn.answer)


def _block_tokens(block: Mapping[str, Any]) -> int:
    if block.get("type") == "image":
        return IMAGE_TOKENS
    return sum(_text_tokens(value) for value in block.values() if isinstance(value, str))


def _text_tokens(text: str) -> int:
    return estimate_tokens(len(text) if text.isascii() else len(text.encode()))
