"""Rows of the ledger's sums as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Sums
from cmt_lsp.core.money.schema import SUMS

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDED = ", ".join(f"coalesce(sum({name}), 0)" for name in SUMS)
"""The columns that `sums_of` takes, added up over the rows of any table of sums."""


def sums_of(row: Sequence[Any]) -> Sums:
    """The values of `SUMS`, in that order, as sums.

    The ledger keeps no word on who told the thinking tokens, so that none at all reads as not told.
    """
    requests, plain, write_5m, write_1h, read, output, thinking, nano, saved, unpriced, estimated = row
    usage = Usage(plain, write_5m, write_1h, read, output, thinking or None, estimated > 0)
    if requests and unpriced == requests:
        return Sums(requests, usage, Cost(None, None, None, estimated > 0, unpriced), estimated)
    return Sums(requests, usage, Cost(nano, saved, None, estimated > 0, unpriced), estimated)
