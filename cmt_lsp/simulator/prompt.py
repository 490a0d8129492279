"""A request's prompt as the cache and the meter see it: blocks in order, each with its prefix and its tokens.

Order is tools, system, messages. Two running digests go over the blocks, neither sees a cache mark:
`prefix` also takes in what invalidates the cache (model, speed, thinking mode, tool choice, ...), `history`
is the bare content, to which replayed thinking is bound.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cmt_lsp.simulator import signatures
from cmt_lsp.simulator.failures import invalid
from cmt_lsp.simulator.images import ImageFacts
from cmt_lsp.simulator.models import SimulatedModel
from cmt_lsp.simulator.tokens import ROLE_TOKENS, TIERS, count_image, count_text

Section = Literal["tools", "system", "messages"]
Seals = Literal["bound", "issued"]
"""What a replayed thinking block must prove: that it was issued here after the same words, or only issued."""

THINKING = ("thinking", "redacted_thinking")


@dataclass(frozen=True, slots=True)
class PromptBlock:
    """One block: `total` counts all tokens up to its end, `mark` is the lifetime of a cache mark on it."""

    section: Section
    own: str
    prefix: str
    tokens: int
    total: int
    mark: str | None
    cacheable: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """The whole prompt; `history` is the digest a new thinking block will be bound to."""

    model: SimulatedModel
    blocks: tuple[PromptBlock, ...]
    history: str
    settings: str
    speed: str

    @property
    def tokens(self) -> int:
        """All input tokens, cached or not."""
        return self.blocks[-1].total if self.blocks else 0


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A block as it stands in the request, with its place."""

    section: Section
    role: str
    path: str
    content: Mapping[str, Any]


def raw_blocks(body: Mapping[str, Any]) -> Iterator[RawBlock]:
    """All blocks of a request in cache order; a plain string is one text block."""
    for i, tool in enumerate(body.get("tools") or ()):
        yield RawBlock("tools", "", f"tools.{i}", tool)
    for path, block in content_blocks(body.get("system") or (), "system"):
        yield RawBlock("system", "", path, block)
    for i, message in enumerate(body["messages"]):
        for path, block in content_blocks(message["content"], f"messages.{i}.content"):
            yield RawBlock("messages", message["role"], path, block)


def content_blocks(
    content: str | Sequence[Mapping[str, Any]], path: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The blocks of one content field, each with its path."""
    if isinstance(content, str):
        yield path, {"type": "text", "text": content}
        return
    for i, block in enumerate(content):
        yield f"{path}.{i}", block


def build_prompt(
    body: Mapping[str, Any],
    model: SimulatedModel,
    images: Mapping[str, ImageFacts],
    seals: Seals = "bound",
) -> Prompt:
    """Read a validated request; raises RefusalError when a replayed thinking block is not what was issued.

    `images` holds the facts of every inline image by its path.
    """
    settings = _settings(body, model)
    speed = body.get("speed") or "standard"
    prefix, history = _mix("", model.id), ""
    section: Section = "tools"
    blocks: list[PromptBlock] = []
    total, role = 0, ""
    for raw in raw_blocks(body):
        if raw.section != section:
            prefix = _enter(section, raw.section, prefix, speed, settings)
            section = raw.section
        if raw.content.get("type") in THINKING:
            tokens = _thinking_tokens(raw, model, history, seals)
        else:
            tokens = _tokens(raw, model, images)
        canonical = _canonical(raw.content)
        history = _mix(history, raw.section, raw.role, canonical)
        if tokens is None:
            continue
        tokens += ROLE_TOKENS if raw.role != role else 0
        role = raw.role
        total += tokens
        prefix = _mix(prefix, raw.role, canonical)
        own = _mix("", raw.role, canonical)
        blocks.append(
            PromptBlock(raw.section, own, prefix, tokens, total, mark_of(raw.content), _cacheable(raw))
        )
    return Prompt(model, _with_automatic_mark(blocks, body), history, settings, speed)


def mark_of(block: Mapping[str, Any]) -> str | None:
    """The lifetime a block's cache mark asks for: `5m`, `1h`, or None without a mark."""
    mark = block.get("cache_control")
    return None if mark is None else mark.get("ttl", "5m")


def _with_automatic_mark(blocks: list[PromptBlock], body: Mapping[str, Any]) -> tuple[PromptBlock, ...]:
    """The top-level mark goes to the last block that can bear one."""
    ttl = mark_of(body)
    if ttl is None:
        return tuple(blocks)
    last = max((i for i, block in enumerate(blocks) if block.cacheable), default=None)
    if last is not None and blocks[last].mark is None:
        old = blocks[last]
        blocks[last] = PromptBlock(
            old.section, old.own, old.prefix, old.tokens, old.total, ttl, old.cacheable
        )
    return tuple(blocks)


def _cacheable(raw: RawBlock) -> bool:
    return raw.content.get("type") not in THINKING


def _enter(old: Section, new: Section, prefix: str, speed: str, settings: str) -> str:
    """Mix in what invalidates from this section on: speed from system, the settings from messages."""
    if old == "tools":
        prefix = _mix(prefix, "system", speed)
    return _mix(prefix, "messages", settings) if new == "messages" else prefix


def _settings(body: Mapping[str, Any], model: SimulatedModel) -> str:
    """What changes how messages are read: tool choice, thinking, images at all, on older models effort."""
    thinking = body.get("thinking") or {}
    output = body.get("output_config") or {}
    effort = None if model.thinks_unasked else output.get("effort")
    has_images = any(raw.content.get("type") == "image" for raw in raw_blocks(body))
    return json.dumps(
        [
            body.get("tool_choice"), thinking.get("type"), thinking.get("budget_tokens"),
            effort, output.get("format"), has_images,
        ],
        sort_keys=True,
    )  # fmt: skip


def _mix(*parts: str) -> str:
    joined = "\x00".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(joined, digest_size=16).hexdigest()


def _canonical(block: Mapping[str, Any]) -> str:
    """A block's bytes without its mark. Field order is not content, but order inside a schema is."""
    fields = sorted((k, v) for k, v in block.items() if k != "cache_control" and v is not None)
    return json.dumps(fields, separators=(",", ":"))


def _tokens(raw: RawBlock, model: SimulatedModel, images: Mapping[str, ImageFacts]) -> int:
    if raw.section == "tools":
        return count_text(_canonical(raw.content), model)
    return _content_tokens(raw.content, raw.path, model, images)


def _content_tokens(
    block: Mapping[str, Any], path: str, model: SimulatedModel, images: Mapping[str, ImageFacts]
) -> int:
    kind = block.get("type")
    if kind == "text":
        return count_text(block["text"], model)
    if kind == "image":
        facts = images.get(path)
        return (
            TIERS[model.vision].tokens
            if facts is None
            else count_image(facts.width, facts.height, model.vision)
        )
    if kind == "document":
        return _document_tokens(block["source"], model)
    if kind == "tool_result":
        inner = content_blocks(block.get("content") or (), f"{path}.content")
        return ROLE_TOKENS + sum(_content_tokens(part, where, model, images) for where, part in inner)
    return ROLE_TOKENS + count_text(_canonical(block), model)


def _document_tokens(source: Mapping[str, Any], model: SimulatedModel) -> int:
    """A text by its words; a PDF by its pages, at the size of a full page image."""
    if source.get("type") == "base64":
        pages = base64.b64decode(source["data"]).count(b"/Type /Page\n") or 1
        return pages * TIERS[model.vision].tokens
    return count_text(source.get("data") or "", model)


def _thinking_tokens(raw: RawBlock, model: SimulatedModel, history: str, seals: Seals) -> int | None:
    """Check a replayed thinking block against its seal; None for another model's, which is dropped silently."""
    block, kind = raw.content, raw.content["type"]
    name = "signature" if kind == "thinking" else "data"
    seal = signatures.read(block[name])
    if seal is None:
        raise invalid(raw.path, f"Invalid `{name}` in `{kind}` block")
    if seal.text != signatures.text_digest(block.get("thinking", "")):
        raise invalid(
            raw.path, "`thinking` blocks cannot be modified: send them back exactly as they were received"
        )
    if seal.model != model.id:
        return None
    if seals == "bound" and model.preserves_thinking and seal.prefix != history:
        raise invalid(
            raw.path,
            "the content before this `thinking` block (system, tools or earlier messages) is not what it was when the "
            "block was made; send it unchanged, or remove all `thinking` blocks",
        )
    return seal.tokens
