"""Which of the endpoint's batches is the one whose receipt was lost, and when to stop looking: pure decisions.

Before a batch is sent, the endpoint's newest one is noted as its anchor: whatever stands before that in the list later
came after it. The list tells sizes and times, and only the results tell the names of requests, which carry our id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.core.batch.batch import HELD_FOR

if TYPE_CHECKING:
    from collections.abc import Collection

    from cmt_lsp.api.batch_parts import BatchPage, RemoteBatch
    from cmt_lsp.core.batch.batch import BatchRecord

Verdict: TypeAlias = Literal["wait", "absent", "lost"]

ARRIVES_WITHIN = 600.0
"""Seconds after which a batch that is not in the list will not come into it any more."""
CLOCKS_DIFFER = 3600.0
"""Seconds between this machine's clock and the endpoint's, at most."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the endpoint's list holds of the time since the batch was sent."""

    batches: tuple[RemoteBatch, ...] = ()
    same_list: bool = False
    """Whether it is provably the list that the batch would be in: another key may see another one."""
    complete: bool = False
    """Whether all pages that matter have been read."""


def read_on(record: BatchRecord, listing: Listing, page: BatchPage) -> Listing:
    """The listing with one more page."""
    newer: list[RemoteBatch] = []
    for batch in page.batches:
        if batch.id == record.anchor:
            return Listing((*listing.batches, *newer), same_list=True, complete=True)
        if _is_older(record, batch):
            return Listing((*listing.batches, *newer), listing.same_list, complete=True)
        newer.append(batch)
    ours = (
        record.anchor is None and page.organization is not None and page.organization == record.organization
    )
    return Listing((*listing.batches, *newer), same_list=ours, complete=page.after is None)


def candidates(record: BatchRecord, listing: Listing, taken: Collection[str]) -> list[RemoteBatch]:
    """Those that may be the batch: of its size, and nobody else's; `taken` are the ids of all known batches."""
    return [batch for batch in listing.batches if batch.requests == record.requests and batch.id not in taken]


def verdict(record: BatchRecord, listing: Listing, undecided: int, now: float) -> Verdict:
    """What to make of a batch that was not found; `undecided` candidates have not ended, and so tell no names yet.

    It is absent only where its own list lacks it for good. Where that cannot be proven, it is waited for as long as the
    endpoint may work on it, and then lost: it may have been charged.
    """
    waited = now - (record.sent_at or 0.0)
    if waited > HELD_FOR:
        return "lost"
    if listing.same_list and listing.complete and not undecided and waited > ARRIVES_WITHIN:
        return "absent"
    return "wait"


def _is_older(record: BatchRecord, batch: RemoteBatch) -> bool:
    if batch.created_at is None or record.sent_at is None:
        return False
    return batch.created_at < record.sent_at - CLOCKS_DIFFER
