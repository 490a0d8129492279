"""Images that are content blocks already: their size, by the first bytes of what is sent."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.vision.container import image_size
from cmt_lsp.api.vision.sizes import TOKEN_CAP, image_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.api.vision.sizes import Tier

_HEAD = 256 * 1024  # base64 characters; a JPEG may carry a colour profile before its size


def size_of_block(block: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height of an image block; None for a URL and where the bytes do not tell."""
    source = block.get("source") or {}
    head = str(source.get("data") or "")[:_HEAD]
    try:
        return image_size(base64.b64decode(head[: len(head) // 4 * 4]))
    except ValueError:
        return None


def tokens_of_block(block: Mapping[str, Any], tier: Tier) -> int:
    """Prompt tokens of an image block on a model of this tier; the most there can be where the size is not known."""
    size = size_of_block(block)
    return TOKEN_CAP[tier] if size is None else image_tokens(*size, tier)
