"""The most that a request can cost, and a rule of thumb for its prompt: told from the request alone.

No tokenizer makes more tokens of a text than it has bytes, so bytes bound what nobody has counted. Hidden thinking that
is sent back is taken to be no more tokens than bytes, since its signature carries it whole. Tools that the endpoint
runs by itself have no bound, and this program offers none.
"""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.model_table import packaged_table
from cmt_lsp.api.models import find_model, limits_of, price_in_force
from cmt_lsp.api.usage_fold import estimate_tokens
from cmt_lsp.api.vision.blocks import tokens_of_block
from cmt_lsp.api.vision_handler import TOKEN_CAP
from cmt_lsp.core.money.attempt import Ceiling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from cmt_lsp.api.price_list import PriceRow
    from cmt_lsp.api.request import MessageRequest
    from cmt_lsp.api.vision_handler import Tier
    from cmt_lsp.core.money.attempt import Lifetime

_MARGIN = Fraction(11, 10)
"""The endpoint calls its own count an estimate."""
_LARGEST_WINDOW = 1_000_000
"""Tokens; for what cannot be bounded by its bytes, on a model whose window nobody told."""

# What a request, a message and a block may cost beyond their text, at most: frames, names of roles, separators.
_PER_REQUEST, _PER_MESSAGE, _PER_BLOCK = 256, 16, 8
_PER_INSTRUCTION = 1_024
"""The endpoint's own words to the model about tools, or about the form of the answer: 300 to 700 tokens today."""

# The same, as it usually is.
_USUAL_PER_MESSAGE, _USUAL_PER_BLOCK = 4, 1
_USUAL_PER_INSTRUCTION = 350

_PLAIN_TEXT = {"type", "text", "cache_control"}


def ceiling_of(
    request: MessageRequest, counted_input: int | None, at: datetime, *, batch: bool = False
) -> Ceiling | None:
    """The worst case of one attempt at this moment; None for a model with no price.

    The prompt is the endpoint's own count and a tenth, or its bound by bytes, in either case within the model's context
    window; all of it at the dearest class of tokens and the dearest tier that apply.
    """
    size = _weighed(request)
    tokens = size.bound if counted_input is None else ceil(counted_input * _MARGIN)
    window = limits_of(request.model).context_window
    if size.boundless and counted_input is None:
        tokens = window or _LARGEST_WINDOW
    elif window is not None:
        tokens = min(tokens, window)
    rows = list(_reachable(request.model, at, tokens))
    if not rows:
        return None
    factor = _factor(request, batch=batch)
    return Ceiling(
        input_nano=max(ceil(within * _dearest_input(row, size.lifetime) * factor) for within, row in rows),
        output_nano=max(ceil(row.output * factor) for _, row in rows),
    )


def prompt_estimate(request: MessageRequest) -> int:
    """The prompt in tokens by rule of thumb: 3.5 bytes a token, and images by the published formula."""
    return _weighed(request).usual


def prompt_parts(request: MessageRequest) -> tuple[int, ...]:
    """The same for each block in the order sent, the system prompt's first; a message's frame is its first block's."""
    model = find_model(request.model)
    body = request.body(stream=False)
    parts: list[int] = []
    for content in (body.get("system") or (), *(message["content"] for message in body["messages"])):
        frame = _USUAL_PER_MESSAGE if content is not body.get("system") else 0
        for block in content:
            scale = _Scale(model.vision if model else "high")
            scale.add_frame(0, frame)
            scale.add_content([block])
            parts.append(scale.usual)
            frame = 0
    return tuple(parts)


def lifetime_of(request: MessageRequest) -> Lifetime | None:
    """The longest lifetime that a cache mark of the request asks for; None where it marks nothing."""
    return _weighed(request).lifetime


def _reachable(model: str, at: datetime, tokens: int) -> Iterator[tuple[int, PriceRow]]:
    """The price of every tier that a prompt of at most so many tokens can fall into, with its longest prompt."""
    row = price_in_force(model, at, tokens)
    while row is not None:
        yield tokens, row
        if not row.above_prompt_tokens:
            return
        tokens = row.above_prompt_tokens
        row = price_in_force(model, at, tokens)


def _dearest_input(row: PriceRow, lifetime: Lifetime | None) -> int:
    """Any of the prompt may be plain or read; written is only what is marked, and at most for the longest mark."""
    written = {None: (), "5m": (row.write_5m,), "1h": (row.write_5m, row.write_1h)}
    return max(row.input, row.read, *written[lifetime])


def _factor(request: MessageRequest, *, batch: bool) -> Fraction:
    """What speed, place and batch multiply every rate by; a place that was left open is taken as the dearest."""
    table, model = packaged_table(), find_model(request.model)
    speed, geo = request.extra.get("speed"), request.extra.get("inference_geo")
    factor = Fraction(_multiplier(table.speed, speed) if speed else 1)
    if geo or model is None or model.us_inference:
        factor *= Fraction(_multiplier(table.geo, geo))
    return factor * Fraction(table.batch) if batch else factor


def _multiplier(known: Mapping[str, Decimal], name: object) -> Decimal:
    return known[name] if isinstance(name, str) and name in known else max(known.values())


def _weighed(request: MessageRequest) -> _Scale:
    body = request.body(stream=False)
    model = find_model(request.model)
    scale = _Scale(model.vision if model else "high")
    scale.add_mark(body)
    scale.add_instruction(body.get("tools"))
    scale.add_instruction((body.get("output_config") or {}).get("format"))
    for tool in body.get("tools") or ():
        scale.add_mark(tool)
    scale.add_content(body.get("system") or ())
    for message in body["messages"]:
        scale.add_frame(_PER_MESSAGE, _USUAL_PER_MESSAGE)
        scale.add_content(message["content"])
    return scale


class _Scale:
    """Adds up what a prompt weighs, block by block."""

    __slots__ = ("bound", "boundless", "lifetime", "tier", "usual")

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self.bound = _PER_REQUEST
        """Tokens at most."""
        self.usual = 0
        """Tokens by rule of thumb."""
        self.boundless = False
        """Whether a part of it tells nothing about its tokens."""
        self.lifetime: Lifetime | None = None

    def add_frame(self, bound: int, usual: int) -> None:
        self.bound += bound
        self.usual += usual

    def add_text(self, utf8_bytes: int) -> None:
        self.add_frame(utf8_bytes, estimate_tokens(utf8_bytes))

    def add_instruction(self, value: object) -> None:
        """Tools, or the form of an answer: their JSON, and what the endpoint says about them."""
        if value:
            self.add_text(_json_bytes(value))
            self.add_frame(_PER_INSTRUCTION, _USUAL_PER_INSTRUCTION)

    def add_mark(self, marked: Mapping[str, Any]) -> None:
        mark = marked.get("cache_control")
        if mark and self.lifetime != "1h":
            self.lifetime = "5m" if mark.get("ttl", "5m") == "5m" else "1h"

    def add_content(self, content: str | Sequence[Mapping[str, Any]]) -> None:
        if isinstance(content, str):
            content = ({"type": "text", "text": content},)
        for block in content:
            self.add_mark(block)
            self.add_frame(_PER_BLOCK, _USUAL_PER_BLOCK)
            self._add_block(block)

    def _add_block(self, block: Mapping[str, Any]) -> None:
        match block.get("type"):
            case "text" if block.keys() <= _PLAIN_TEXT:
                self.add_text(_bytes(str(block["text"])))
            case "image":
                tokens = tokens_of_block(block, self.tier)
                self.add_frame(tokens, tokens)
            case "document":
                self._add_document(block)
            case "tool_result":
                self.add_content(block.get("content") or ())
            case "thinking" | "redacted_thinking":
                self._add_thinking(block)
            case _:
                self.add_text(_json_bytes(block))

    def _add_document(self, block: Mapping[str, Any]) -> None:
        """Text by its bytes; the pages of a PDF cannot be told without reading it."""
        source = block.get("source") or {}
        if source.get("type") in ("text", "content"):
            self.add_text(_json_bytes(block))
            return
        self.boundless = True
        self.add_frame(0, TOKEN_CAP[self.tier])

    def _add_thinking(self, block: Mapping[str, Any]) -> None:
        """What is shown may be a summary of what the signature carries, in base64 of its encrypted bytes."""
        shown = _bytes(block.get("thinking") or "")
        sealed = _bytes(block.get("signature") or block.get("data") or "")
        self.add_frame(shown + sealed, estimate_tokens(max(shown, sealed * 3 // 4)))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _json_bytes(value: object) -> int:
    return _bytes(json.dumps(value, ensure_ascii=False, default=str))
