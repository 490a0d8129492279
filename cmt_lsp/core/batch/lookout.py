"""Lookout: how a batch stands at the endpoint, where it is when its receipt was lost, and its answers brought home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.errors import CmtError, NetworkError
from cmt_lsp.core.batch.books import AT_ONCE, answer_of
from cmt_lsp.core.batch.search import Listing, candidates, read_on, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.api.batch_parts import RemoteBatch
    from cmt_lsp.api.message_batches import MessageBatches
    from cmt_lsp.core.batch.batch import BatchAnswer, BatchRecord
    from cmt_lsp.core.batch.books import BatchBooks

    Tell = Callable[[int, int], None]
    """Told how many of how many answers have come home."""

SHORT_FOR = 24 * 3600.0
"""Seconds after a batch's end for which results that are fewer than its requests are taken for cut off."""
GONE_AFTER = 30 * 24 * 3600.0
"""Seconds after which the endpoint keeps no results of a batch, with a day to spare."""


class Lookout:
    """Everything here may be broken off at any moment and done again, by any window."""

    def __init__(self, books: BatchBooks, clock: Callable[[], float]) -> None:
        self._books = books
        self._clock = clock

    async def look(self, record: BatchRecord, doors: MessageBatches, tell: Tell) -> BatchRecord:
        """The batch as it now stands; CmtError for what stands between here and the endpoint."""
        if record.remote_id is None:
            record = await self.search(record, doors)
        if record.remote_id is None or record.state not in ("in_progress", "canceling"):
            return record
        if self._clock() > (record.sent_at or 0.0) + GONE_AFTER:
            return await self._lose(
                record, "Its results were never fetched, and the endpoint keeps them no longer."
            )
        remote = await doors.get(record.remote_id)
        if remote.archived:
            return await self._lose(record, "Its results were archived before they were fetched.")
        if remote.status == "ended":
            return await self._bring_home(record, remote, doors, tell)
        return await self._books.found(record, remote)

    async def search(self, record: BatchRecord, doors: MessageBatches) -> BatchRecord:
        """Look for a batch whose receipt was lost; found it has its endpoint's id."""
        listing = await self._listing(record, doors)
        undecided = 0
        for candidate in candidates(record, listing, await self._books.taken()):
            if candidate.status != "ended":
                undecided += 1
            elif await _is_ours(record, candidate, doors):
                return await self._books.found(record, candidate)
        now = self._clock()
        match verdict(record, listing, undecided, now):
            case "absent":
                return await self._books.close_unsent(
                    record, f"It never arrived at {doors.host}; nothing was charged. Submit it again."
                )
            case "lost":
                return await self._lose(
                    record, f"It is not known whether it arrived at {doors.host}; its cost is an estimate."
                )
        if undecided and record.state == "submitting":
            problem = (
                f"{doors.host} did not confirm it; it will be known once a batch of its size there has ended."
            )
            return await self._books.change(record, problem=problem)
        return record

    async def _listing(self, record: BatchRecord, doors: MessageBatches) -> Listing:
        listing, after = Listing(), None
        while not listing.complete:
            page = await doors.page(after)
            listing, after = read_on(record, listing, page), page.after
        return listing

    async def _bring_home(
        self, record: BatchRecord, remote: RemoteBatch, doors: MessageBatches, tell: Tell
    ) -> BatchRecord:
        """Fetch the answers that are missing, settle them, and close the batch once none is."""
        record = await self._books.found(record, remote)
        if await self._books.missing(record):
            unreadable = await self._fetch(record, doors, tell)
            missing = await self._books.missing(record)
            if missing > unreadable and not self._is_late(remote):
                raise NetworkError(
                    f"{missing - unreadable} of {record.requests} results did not come; ask again in a moment."
                )
            if missing:
                await self._books.give_up(record, f"{doors.host} gave no result that can be read.")
        return await self._books.change(record, state="ended", ended_at=remote.ended_at or self._clock())

    async def _fetch(self, record: BatchRecord, doors: MessageBatches, tell: Tell) -> int:
        """Keep every result as it comes, some at a time; how many lines could not be read."""
        models = await self._books.models(record)
        waiting: list[BatchAnswer] = []
        seen: set[int] = set()
        unreadable = 0
        async with doors.results(record.remote_id or "") as results:
            async for result in results:
                index = None if result is None else record.index_of(result.custom_id)
                if result is None or index is None:
                    unreadable += result is None
                    continue
                seen.add(index)
                waiting.append(answer_of(record, index, models[index], result))
                if len(waiting) >= AT_ONCE:
                    await self._books.keep(record, waiting)
                    waiting = []
                    tell(len(seen), record.requests)
        await self._books.keep(record, waiting)
        tell(len(seen), record.requests)
        return unreadable

    async def _lose(self, record: BatchRecord, problem: str) -> BatchRecord:
        await self._books.give_up(record, problem)
        return await self._books.change(record, state="lost", problem=problem)

    def _is_late(self, remote: RemoteBatch) -> bool:
        ended_at = remote.ended_at or remote.expires_at
        return ended_at is not None and self._clock() > ended_at + SHORT_FOR


async def _is_ours(record: BatchRecord, candidate: RemoteBatch, doors: MessageBatches) -> bool:
    """Whether the first readable result of a batch bears our name; one without results tells nothing."""
    try:
        async with doors.results(candidate.id) as results:
            async for result in results:
                if result is not None:
                    return record.index_of(result.custom_id) is not None
    except CmtError:
        return False
    return False
