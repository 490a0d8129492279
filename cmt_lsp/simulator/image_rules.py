"""The service's limits on pictures: type, weight, size, number."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from cmt_lsp.simulator.failures import RefusalError, invalid
from cmt_lsp.simulator.images import MEDIA_TYPES, ImageFacts, inspect
from cmt_lsp.simulator.models import SimulatedModel
from cmt_lsp.simulator.shapes import a_string, an_object, one_of
from cmt_lsp.simulator.tokens import TIERS, tiles

MAX_BASE64 = 5 * 1024 * 1024
MAX_SIDE = 8000
MANY = 20
MAX_SIDE_OF_MANY = 2000


def check_source(block: Mapping[str, Any], path: str) -> ImageFacts | None:
    """The facts of one image block; None when the picture is somewhere else."""
    source = block.get("source")
    kind = source.get("type") if isinstance(source, dict) else None
    where = f"{path}.source"
    match kind:
        case "base64":
            return _inline(
                an_object(source, where, allowed=(names := ("type", "media_type", "data")), required=names),
                where,
            )
        case "url":
            fields = an_object(source, where, allowed=("type", "url"), required=("url",))
            if not a_string(fields["url"], f"{where}.url").startswith("https://"):
                raise invalid(f"{where}.url", "Only HTTPS URLs are supported")
        case "file":
            fields = an_object(source, where, allowed=("type", "file_id"), required=("file_id",))
            raise RefusalError(404, f"File not found: {a_string(fields['file_id'], where)}")
        case _:
            raise invalid(f"{where}.type", "Input should be 'base64', 'url' or 'file'")
    return None


def _inline(source: Mapping[str, Any], path: str) -> ImageFacts:
    claimed = one_of(source["media_type"], f"{path}.media_type", MEDIA_TYPES)
    data = a_string(source["data"], f"{path}.data")
    if len(data) > MAX_BASE64:
        raise invalid(f"{path}.data", f"image exceeds 5 MB maximum: {len(data)} bytes > {MAX_BASE64} bytes")
    try:
        facts = inspect(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        raise invalid(f"{path}.data", "Invalid base64 data") from None
    if facts is None or 0 in (facts.width, facts.height):
        raise invalid(f"{path}.data", "Could not process image")
    if facts.media_type != claimed:
        raise invalid(
            f"{path}.media_type",
            f"The image was specified using the {claimed} media type, but it appears to be {facts.media_type}",
        )
    return facts


def check_all(images: Mapping[str, ImageFacts], count: int, model: SimulatedModel) -> None:
    """The limits that hold over the whole request; `count` includes pictures that are not inline."""
    if count > model.max_images:
        raise invalid("messages", f"Too many images: {count} > {model.max_images}")
    limit = MAX_SIDE if count <= MANY else MAX_SIDE_OF_MANY
    too_large = [path for path, facts in images.items() if max(facts.width, facts.height) > limit]
    if too_large:
        many = " for requests with more than 20 images" if count > MANY else ""
        raise invalid(
            too_large[0],
            f"At least one of the image dimensions exceeds the maximum size{many}: {limit} pixels",
            details={
                "error_code": "image_dimensions_too_large",
                "max_side_length_pixels": limit,
                "paths": too_large,
            },
        )


def check_fit(block: Mapping[str, Any], path: str, facts: ImageFacts | None, model: SimulatedModel) -> None:
    """`transformations.oversized_image: "error"` turns silent scaling into a refusal."""
    wishes = block.get("transformations")
    if wishes is None:
        return
    fields = an_object(wishes, f"{path}.transformations", allowed=("oversized_image",))
    if "oversized_image" not in fields:
        return
    wish = one_of(fields["oversized_image"], f"{path}.transformations.oversized_image", ("downsize", "error"))
    tier = TIERS[model.vision]
    if wish == "error" and facts is not None:
        fits = max(facts.width, facts.height) <= tier.edge and tiles(facts.width, facts.height) <= tier.tokens
        if not fits:
            raise invalid(path, f"image of {facts.width}x{facts.height} pixels would be scaled down")
