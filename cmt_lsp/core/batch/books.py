"""BatchBooks: what is kept of batches, their text in the store and their money in the ledger.

An answer's text is durable before the ledger is told its price, and it counts as settled once the ledger has that on
disk. Whatever comes between is done again by the next look, of any window: the store takes the first answer of a
prompt only, and the ledger the first settlement of an attempt.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cmt_lsp.api.errors import StoreUnavailableError
from cmt_lsp.api.models import Cost, cost_of, find_model
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.batch import rows as batch_rows
from cmt_lsp.core.batch.batch import ANSWER_STATES, BatchAnswer, BatchInfo
from cmt_lsp.core.money.attempt import Settlement, Sums
from cmt_lsp.core.money.open_attempts import open_attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from cmt_lsp.api.batch_parts import RemoteBatch, RemoteResult
    from cmt_lsp.core.batch.batch import AnsweredPrompt, AnswerState, BatchRecord
    from cmt_lsp.core.batch.plan import BatchPlan
    from cmt_lsp.core.money.attempt import FinalState
    from cmt_lsp.core.money.ledger import Ledger
    from cmt_lsp.core.storage.store import Connection
    from cmt_lsp.core.storage.store_thread import Store

T = TypeVar("T")

AT_ONCE = 500
"""Answers in one transaction."""
FREE = Cost(0, 0, None, estimated=False)
_ENDS: dict[AnswerState, FinalState] = {
    "succeeded": "done",
    "errored": "failed",
    "canceled": "cancelled",
    "expired": "failed",
}
_NO_SUMS = Sums(0, Usage(), Cost.sum(()), 0)


class BatchBooks:
    """Reads and writes both files; every method may be called again after it was broken off."""

    def __init__(self, store: Store, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._notices: dict[str, None] = {}

    def take_notices(self) -> tuple[str, ...]:
        """What the ledger had to say since this was last asked; each sentence once."""
        notices, self._notices = tuple(self._notices), {}
        return notices

    # Coming into being

    async def open(self, record: BatchRecord, plan: BatchPlan) -> None:
        """Write a new batch with all its prompts; durable, or StoreUnavailableError and nothing waits."""
        change = partial(batch_rows.insert_batch, record=record, requests=plan.requests)
        await _shielded(self._store.write(change, keep=False))

    def forget(self, record: BatchRecord, booked: Iterable[str]) -> None:
        """Undo a batch of which nothing was sent, with what was booked for it; no await, so that nothing stops it."""
        self._ledger.settle([self._settlement(name, "cancelled") for name in booked])
        self._store.write(partial(batch_rows.delete_batch, batch_id=record.id))

    async def change(self, record: BatchRecord, *, keep: bool = True, **changes: Any) -> BatchRecord:
        """Change fields of an open batch, durably; the batch as it then stands.

        Where it must wait for the disk it holds in memory until then, unless `keep` is false: StoreUnavailableError.
        """
        change = partial(batch_rows.change_batch, batch_id=record.id, changes=changes)
        try:
            return await _shielded(self._store.write(change, keep=keep))
        except StoreUnavailableError as error:
            if not keep:
                raise
            self._notices[f"not saved: {error.message}"] = None
            return replace(record, **changes)

    async def found(self, record: BatchRecord, remote: RemoteBatch) -> BatchRecord:
        """The batch has this place at the endpoint; what was called lost is waited for again."""
        if record.state == "lost":
            await _shielded(self._store.write(partial(batch_rows.resume, batch_id=record.id)))
        state = "canceling" if remote.status == "canceling" else "in_progress"
        known = (state, remote.id, remote.expires_at, None)
        if known == (record.state, record.remote_id, record.expires_at, record.problem):
            return record
        return await self.change(
            record, state=state, remote_id=remote.id, expires_at=remote.expires_at, problem=None
        )

    # Answers

    async def keep(self, record: BatchRecord, answers: Sequence[BatchAnswer]) -> None:
        """Take answers in and settle them."""
        await _shielded(
            self._store.write(partial(batch_rows.keep_answers, batch_id=record.id, answers=answers))
        )
        await self.settle(record)

    async def settle(self, record: BatchRecord) -> None:
        """Tell the ledger of every answer that it has not confirmed; what it cannot take waits for the next look."""
        while rows := await self._read(
            partial(batch_rows.unsettled_answers, batch_id=record.id, limit=AT_ONCE)
        ):
            settled = await asyncio.wrap_future(
                self._ledger.settle([self._settlement_of(record, answer) for answer in rows])
            )
            self._notices.update(dict.fromkeys(settled.notices))
            if not settled.recorded:
                return
            indexes = [answer.index for answer in rows]
            await _shielded(
                self._store.write(partial(batch_rows.mark_settled, batch_id=record.id, indexes=indexes))
            )

    async def close_unsent(self, record: BatchRecord, problem: str) -> BatchRecord:
        """A batch that does not exist at the endpoint: what was booked for it is given back."""
        names = await asyncio.wrap_future(self._ledger.read(partial(open_attempts, turn_id=record.id)))
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            settled = self._ledger.settle([self._settlement(name, "cancelled") for name in some])
            await asyncio.wrap_future(settled)
        await _shielded(self._store.write(partial(batch_rows.call_off, batch_id=record.id, error=problem)))
        return await self.change(record, state="failed", problem=problem)

    async def give_up(self, record: BatchRecord, problem: str) -> int:
        """Call the prompts lost that have no answer. The ledger charges its own estimate when their lease ends."""
        change = partial(batch_rows.give_up, batch_id=record.id, error=problem)
        return await _shielded(self._store.write(change))

    # Reading

    async def read(self, batch_id: str) -> BatchRecord:
        """One batch; UnknownBatchError."""
        return await self._read(partial(batch_rows.read_batch, batch_id=batch_id))

    async def info(self, record: BatchRecord) -> BatchInfo:
        """A batch as it is shown."""
        return (await self.infos([record]))[0]

    async def infos(self, records: Sequence[BatchRecord]) -> list[BatchInfo]:
        """Several, with two questions in all; what their answers tell stands where the ledger cannot be read."""
        ids = [record.id for record in records]
        counts = await self._read(partial(batch_rows.counts_of, batch_ids=ids))
        try:
            sums = await self._ledger.sums_by_session(ids)
        except StoreUnavailableError:
            sums = await self._read(partial(batch_rows.sums_of_answers, batch_ids=ids))
        return [BatchInfo(record, counts[record.id], sums.get(record.id, _NO_SUMS)) for record in records]

    async def listed(
        self, window_id: str | None, workspaces: Sequence[str | None] | None
    ) -> list[BatchRecord]:
        """Batches, the newest first: of one window, or of these workspaces, or all."""
        return await self._read(partial(batch_rows.list_batches, window_id=window_id, workspaces=workspaces))

    async def unsent(self) -> list[BatchRecord]:
        """Those of which nothing had left when they were last written."""
        return await self._read(batch_rows.unsent_batches)

    async def taken(self) -> set[str]:
        """The endpoint's ids of all batches that are known."""
        return await self._read(batch_rows.taken_names)

    async def missing(self, record: BatchRecord) -> int:
        """How many prompts have no answer."""
        counts = await self._read(partial(batch_rows.counts_of, batch_ids=[record.id]))
        return counts[record.id]["processing"]

    async def models(self, record: BatchRecord) -> list[str]:
        """The model of every prompt."""
        return await self._read(partial(batch_rows.read_models, batch_id=record.id))

    async def answers(self, record: BatchRecord, start: int, limit: int) -> list[AnsweredPrompt]:
        """Prompts with their answers so far, from number `start` on."""
        return await self._read(
            partial(batch_rows.read_answers, batch_id=record.id, start=start, limit=limit)
        )

    async def _read(self, job: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._store.submit(job))

    def _settlement(self, attempt_id: str, state: FinalState) -> Settlement:
        """The end of an attempt that cost nothing."""
        return Settlement(attempt_id, state, self._clock(), Usage(), FREE)

    def _settlement_of(self, record: BatchRecord, answer: BatchAnswer) -> Settlement:
        name, state = record.custom_id(answer.index), _ENDS[answer.state]
        if answer.state != "succeeded":
            return self._settlement(name, state)
        size = len((answer.text or "").encode())
        return Settlement(name, state, self._clock(), answer.usage, answer.cost or FREE, size)


def new_info(record: BatchRecord) -> BatchInfo:
    """A batch that was sent a moment ago: nothing has been answered."""
    counts = dict.fromkeys(ANSWER_STATES, 0) | {"processing": record.requests}
    return BatchInfo(record, counts, _NO_SUMS)


def answer_of(record: BatchRecord, index: int, model: str, result: RemoteResult) -> BatchAnswer:
    """A result as it is kept, with its price at half the list, as of the moment the batch was sent."""
    message = result.message
    if message is None:
        return BatchAnswer(index, result.kind, error=result.error)
    at = datetime.fromtimestamp(record.sent_at or record.created_at, UTC)
    served = message.model if message.model and find_model(message.model) else model
    cost = cost_of(served, message.usage, at, speed=message.speed, geo=message.inference_geo, batch=True)
    return BatchAnswer(
        index=index,
        state="succeeded",
        text=message.text,
        stop_reason=message.stop_reason,
        message_id=message.id,
        usage=message.usage,
        cost=cost,
    )


async def _shielded(future: Future[T]) -> T:
    """Wait for a change; cancelling the wait leaves the change alone."""
    return await asyncio.shield(asyncio.wrap_future(future))
