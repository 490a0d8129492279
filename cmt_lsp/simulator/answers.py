"""Answers: scripted ones, and how either kind becomes blocks, a stop reason and counted tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cmt_lsp.simulator import signatures
from cmt_lsp.simulator.events import Block
from cmt_lsp.simulator.faults import NO_FAULT, Fault
from cmt_lsp.simulator.models import SimulatedModel
from cmt_lsp.simulator.prompt import Prompt
from cmt_lsp.simulator.tokens import count_text, fitting_prefix


@dataclass(frozen=True, slots=True)
class Answer:
    """What the simulator is to say to one request.

    `chunks` are the exact text deltas (then `text` is their sum), else the text is cut every `chunk_chars`.
    `thinking` None or empty sends no thinking block; its text is shown only to requests that ask for it.
    Delays are in seconds; `chunk_delay` None takes the simulator's own. `stop_reason` given means the text is
    sent whole, otherwise `max_tokens` and stop sequences end it as they do at the service.
    `usage` overrides single counts of the final usage, None taking a field away. `miss_reason` is what a request that
    asks why the cache was missed is told, whatever the prompts say.
    """

    text: str = ""
    thinking: str | None = None
    redacted: bool = False
    chunks: tuple[str, ...] | None = None
    chunk_chars: int = 24
    first_delay: float = 0.0
    chunk_delay: float | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    usage_late: bool = False
    usage_null: bool = False
    cache_fields: bool = True
    miss_reason: str | None = None
    model: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault = NO_FAULT

    @property
    def whole_text(self) -> str:
        """The text, however it was given."""
        return self.text if self.chunks is None else "".join(self.chunks)


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer after the limits of its request: the blocks to send and why it ended; counts in tokens."""

    blocks: tuple[Block, ...]
    text: str
    stop_reason: str
    stop_sequence: str | None
    thinking_tokens: int
    output_tokens: int


def speak(answer: Answer, body: Mapping[str, Any], prompt: Prompt) -> Spoken:
    """Cut an answer to what its request allows, and make the blocks."""
    model, limit, at_limit = prompt.model, body["max_tokens"], "max_tokens"
    if prompt.tokens + limit > model.context_window:
        limit, at_limit = max(1, model.context_window - prompt.tokens), "model_context_window_exceeded"
    thinking, text = answer.thinking or "", answer.whole_text
    reason, sequence = answer.stop_reason or "end_turn", answer.stop_sequence
    if answer.stop_reason is None:
        text, sequence = _until_stop_sequence(text, body.get("stop_sequences") or ())
        reason = "end_turn" if sequence is None else "stop_sequence"
        kept_thinking = fitting_prefix(thinking, limit, model)
        kept = fitting_prefix(text, limit - count_text(kept_thinking, model), model)
        if (kept_thinking, kept) != (thinking, text):
            thinking, text, reason, sequence = kept_thinking, kept, at_limit, None
    thinking_tokens = count_text(thinking, model)
    blocks = [_thinking_block(answer, thinking, thinking_tokens, body, prompt)] if thinking else []
    if text:
        blocks.append(_text_block(answer, text))
    output = max(1, thinking_tokens + count_text(text, model))
    return Spoken(tuple(blocks), text, reason, sequence, thinking_tokens, output)


def _until_stop_sequence(text: str, sequences: tuple[str, ...] | list[str]) -> tuple[str, str | None]:
    found = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
    if not found:
        return text, None
    at, sequence = min(found)
    return text[:at], sequence


def pieces(text: str, answer: Answer) -> Iterator[str]:
    """The text in the answer's own chunks, as far as it was kept."""
    if answer.chunks is None:
        for start in range(0, len(text), answer.chunk_chars):
            yield text[start : start + answer.chunk_chars]
        return
    left = len(text)
    for piece in answer.chunks:
        if left <= 0:
            return
        yield piece[:left]
        left -= len(piece)


def _text_block(answer: Answer, text: str) -> Block:
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces(text, answer)]
    return Block({"type": "text", "text": ""}, deltas, {"type": "text", "text": text})


def _thinking_block(
    answer: Answer, thinking: str, tokens: int, body: Mapping[str, Any], prompt: Prompt
) -> Block:
    """A sealed thinking block; redacted ones carry nothing but the seal."""
    shown = thinking if _shows_thinking(body, prompt.model) and not answer.redacted else ""
    seal = signatures.Seal(prompt.model.id, prompt.history, signatures.text_digest(shown), tokens)
    signature = signatures.issue(seal)
    if answer.redacted:
        block = {"type": "redacted_thinking", "data": signature}
        return Block(block, (), block)
    starts = range(0, len(shown), answer.chunk_chars)
    deltas = [{"type": "thinking_delta", "thinking": shown[at : at + answer.chunk_chars]} for at in starts]
    return Block(
        {"type": "thinking", "thinking": "", "signature": ""},
        [*deltas, {"type": "signature_delta", "signature": signature}],
        {"type": "thinking", "thinking": shown, "signature": signature},
    )


def _shows_thinking(body: Mapping[str, Any], model: SimulatedModel) -> bool:
    """The newer models keep their thinking to themselves unless asked for a summary."""
    display = (body.get("thinking") or {}).get("display")
    return display == "summarized" or (display is None and not model.dense_tokenizer)


def thinks(body: Mapping[str, Any], model: SimulatedModel) -> bool:
    """Whether a request lets the model think."""
    kind = (body.get("thinking") or {}).get("type")
    return model.thinks_unasked if kind is None else kind in ("adaptive", "enabled")
