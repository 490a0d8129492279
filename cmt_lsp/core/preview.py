"""What a turn would send, piece by piece, for a person to look at before spending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmt_lsp.api.vision.blocks import tokens_of_block
from cmt_lsp.core.context.items import Block
from cmt_lsp.core.history import content_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cmt_lsp.api.vision.sizes import Tier
    from cmt_lsp.core.context.items import BlockKind
    from cmt_lsp.core.conversation import PlannedTurn
    from cmt_lsp.core.draft import Draft


def preview_blocks(plan: PlannedTurn, draft: Draft, image_names: Sequence[str]) -> list[Block]:
    """Every block of the request in order; `cached` where it lies before the last cache breakpoint."""
    last_mark = max(((mark.message, mark.block) for mark in plan.prompt.breakpoints), default=(-2, 0))
    tier = plan.model.vision if plan.model else "high"
    return [
        _piece(origin, kind, block, tier, cached=place <= last_mark)
        for place, origin, kind, block in _places(plan, draft, image_names)
    ]


def _places(
    plan: PlannedTurn, draft: Draft, image_names: Sequence[str]
) -> Iterator[tuple[tuple[int, int], str, BlockKind, Mapping[str, Any]]]:
    for index, block in enumerate(plan.prompt.system or ()):
        yield (-1, index), "system prompt", "system", block
    *history, newest = plan.prompt.messages
    for number, message in enumerate(history):
        for index, block in enumerate(message["content"]):
            yield (number, index), f"turn {number // 2 + 1}, {message['role']}", "history", block
    for index, (block, (origin, kind)) in enumerate(
        zip(newest["content"], _labels(draft, image_names), strict=False)
    ):
        yield (len(history), index), origin, kind, block


def _labels(draft: Draft, image_names: Sequence[str]) -> Iterator[tuple[str, BlockKind]]:
    for name in image_names:
        yield name, "image"
    for block in draft.context:
        yield block.origin, block.kind
    yield "question", "prompt"


def _piece(origin: str, kind: BlockKind, block: Mapping[str, Any], tier: Tier, *, cached: bool) -> Block:
    content = {name: value for name, value in block.items() if name != "cache_control"}
    text = str(content.get("text") or content.get("thinking") or "")
    tokens = tokens_of_block(block, tier) if block.get("type") == "image" else content_tokens([content])
    return Block(origin, kind, text, content, tokens, cached=cached)
