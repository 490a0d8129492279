"""How large an image a model sees, and how many tokens that is; the limits of one request.

Imported by the decoder too, so that nothing but the standard library may stand here.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Tier: TypeAlias = Literal["standard", "high"]

LONG_EDGE: dict[Tier, int] = {"standard": 1568, "high": 2576}
"""Longest side in pixels that a model of the tier sees; the endpoint shrinks what is longer."""
TOKEN_CAP: dict[Tier, int] = {"standard": 1568, "high": 4784}
MAX_BASE64_BYTES = 5_000_000
MAX_IMAGE_BYTES = MAX_BASE64_BYTES // 4 * 3
MAX_IMAGES = 100
"""In one request to a model that nobody knows; see `Model.max_images`."""
MAX_PIXELS = 40_000_000
"""Pixels that are decoded at all."""
MAX_SIDE = 8000
"""Longest side that the endpoint takes before it shrinks."""
MANY_IMAGES, EDGE_OF_MANY = 20, 2000
"""In a request with more images than this, each may have at most so many pixels on its long side."""
MAX_MESSAGE_BYTES = 30_000_000
"""Base64 of all images; the endpoint refuses bodies over 32 MB, and text needs room too."""

_PATCH = 28


def scaled_size(width: int, height: int, tier: Tier, longest_edge: int = MAX_SIDE) -> tuple[int, int]:
    """The size a model of the tier sees: within its long edge and its token cap, same proportions.

    `longest_edge` is a further limit in pixels.
    """
    longest = max(width, height)
    edge = min(longest, LONG_EDGE[tier], longest_edge)
    while True:
        size = max(1, round(width * edge / longest)), max(1, round(height * edge / longest))
        if _patches(*size) <= TOKEN_CAP[tier]:
            return size
        edge -= 1


def image_tokens(width: int, height: int, tier: Tier) -> int:
    """Prompt tokens of an image: one for each patch of 28 by 28 pixels after scaling."""
    return _patches(*scaled_size(width, height, tier))


def _patches(width: int, height: int) -> int:
    return -(-width // _PATCH) * -(-height // _PATCH)
