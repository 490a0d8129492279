"""From the core's values of money to the wire's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.server import wire
from cmt_lsp.server.shapes import cost_shape, usage_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.core.money.report import Part


def totals_shape(part: Part) -> wire.UsageTotals:
    """Tokens by class and what they cost."""
    return wire.UsageTotals(usage=usage_shape(part.sums.usage), cost=cost_shape(part.sums.cost))


def group_shape(part: Part, labels: Mapping[str, str]) -> wire.UsageGroup:
    """One group with the groups inside it; `labels` are names for keys."""
    inner = None if part.parts is None else [group_shape(one, labels) for one in part.parts]
    return wire.UsageGroup(
        key=part.key,
        totals=totals_shape(part),
        requests=part.sums.requests,
        sessions=part.sessions,
        hit_ratio=round(part.hit_ratio, 4),
        saved_nano_usd=part.saved_nano,
        unpriced_requests=part.sums.cost.unpriced,
        estimated_requests=part.sums.estimated,
        cache_write_premium_nano_usd=part.write_premium_nano,
        label=labels.get(part.key),
        groups=inner,
    )
