"""Submission: a batch on its way out, in the order that a kill at any moment leaves something to go by."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import CmtError
from cmt_lsp.core.batch.batch import BatchRecord
from cmt_lsp.core.batch.plan import body_of, claims_of, refuse_unserved
from cmt_lsp.core.births import real_path
from cmt_lsp.core.identity import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.api.anthropic_client import AnthropicClient
    from cmt_lsp.core.batch.batch import BatchOrder
    from cmt_lsp.core.batch.books import BatchBooks
    from cmt_lsp.core.batch.plan import BatchPlan
    from cmt_lsp.core.money.ledger import Ledger
    from cmt_lsp.core.storage.session_locks import SessionLocks


class Submission:
    """Sends batches: the prompts are durable first, then the money is reserved, then one request leaves, once.

    While a batch is on its way its lock is held, so that no other window takes it for left behind.
    """

    def __init__(
        self, books: BatchBooks, ledger: Ledger, locks: SessionLocks, clock: Callable[[], float]
    ) -> None:
        self._books = books
        self._ledger = ledger
        self._locks = locks
        self._clock = clock
        self._sending: set[asyncio.Task[BatchRecord]] = set()

    async def submit(
        self, plan: BatchPlan, order: BatchOrder, client: AnthropicClient
    ) -> tuple[BatchRecord, tuple[str, ...]]:
        """The batch as it stands after the request, and notices; `submitting` where the endpoint did not confirm it.

        After any error nothing of it is left. Cancelling stops it up to the moment it leaves, and not after that.
        """
        notices = list(await _unserved(plan, client))
        now = self._clock()
        record = BatchRecord(
            id=new_id(now),
            name=plan.name,
            model=plan.model,
            workspace=real_path(order.workspace),
            window_id=self._ledger.window_id,
            created_at=now,
            requests=len(plan.requests),
        )
        release = self._locks.hold(record.id)
        try:
            sending = await self._prepare(record, plan, order.override, client, notices)
        except BaseException:
            self._free(record, release)
            raise
        sending.add_done_callback(lambda _: self._free(record, release))
        return await asyncio.shield(sending), tuple(notices)

    async def settled(self, timeout: float) -> None:  # noqa: ASYNC109  a limit for all that runs together
        """Give what is on its way a little time to be confirmed; the rest is found again later."""
        if self._sending:
            _, left = await asyncio.wait(self._sending, timeout=timeout)
            for task in left:
                task.cancel()

    async def _prepare(
        self,
        record: BatchRecord,
        plan: BatchPlan,
        override: str | None,
        client: AnthropicClient,
        notices: list[str],
    ) -> asyncio.Task[BatchRecord]:
        """Everything that can be undone; then the task of the request itself."""
        at = datetime.fromtimestamp(record.created_at, UTC)
        claims = await asyncio.to_thread(claims_of, record, plan, at, override)
        await self._books.open(record, plan)
        booked: list[str] = []
        try:
            granted = await self._ledger.reserve(claims)
            booked += [grant.attempt_id for grant in granted]
            notices += dict.fromkeys(notice for grant in granted for notice in grant.notices)
            limits = [grant.max_tokens for grant in granted]
            body = await asyncio.to_thread(body_of, record, plan, limits)
            before = await client.batches.page(limit=1)
            record = await self._books.change(
                record,
                keep=False,
                sent_at=self._clock(),
                endpoint=client.endpoint,
                anchor=before.batches[0].id if before.batches else None,
                organization=before.organization,
            )
        except BaseException:
            self._books.forget(record, booked)
            raise
        task = asyncio.get_running_loop().create_task(self._send(record, booked, client, body))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task

    async def _send(
        self, record: BatchRecord, booked: list[str], client: AnthropicClient, body: bytes
    ) -> BatchRecord:
        try:
            remote = await client.batches.create(body)
        except CmtError as error:
            if error.billed == "nothing":
                self._books.forget(record, booked)
                raise
            why = error.message.rstrip(".")
            problem = f"{client.host} did not confirm the batch ({why}); ask for its status to find out whether it arrived."
            return await self._books.change(record, problem=problem)
        return await self._books.found(record, remote)

    def _free(self, record: BatchRecord, release: Callable[[], None]) -> None:
        release()
        self._locks.forget(record.id)


async def _unserved(plan: BatchPlan, client: AnthropicClient) -> tuple[str, ...]:
    """Ask the endpoint for its models only where the tables know one of them not."""
    if not plan.strangers:
        return ()
    listed = await client.list_models()
    return refuse_unserved(
        plan, None if listed is None else {str(entry["id"]) for entry in listed}, client.host
    )
