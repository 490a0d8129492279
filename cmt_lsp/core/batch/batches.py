"""Batches: many prompts answered together within a day, at half the price."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias
from weakref import WeakValueDictionary

from cmt_lsp.api.endpoint import host_of
from cmt_lsp.api.errors import BadParamsError, CmtError, InvalidRequestError
from cmt_lsp.core.batch.batch import OPEN_STATES
from cmt_lsp.core.batch.books import BatchBooks, new_info
from cmt_lsp.core.batch.lookout import Lookout
from cmt_lsp.core.batch.plan import average_prompts, plan_batch, price_of
from cmt_lsp.core.batch.submission import Submission
from cmt_lsp.core.births import real_path
from cmt_lsp.core.guard.permission import held_notice, look, pass_guard
from cmt_lsp.core.money.attempt import Origin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from cmt_lsp.api.message_batches import MessageBatches
    from cmt_lsp.core.batch.batch import AnsweredPrompt, BatchInfo, BatchOrder, BatchPrice, BatchRecord
    from cmt_lsp.core.batch.lookout import Tell
    from cmt_lsp.core.batch.plan import BatchPlan
    from cmt_lsp.core.clients import Clients
    from cmt_lsp.core.money.ledger import Ledger
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.storage.session_locks import SessionLocks
    from cmt_lsp.core.storage.store_thread import Store

BatchScope: TypeAlias = Literal["window", "workspace", "all"]

LOOKS = (30.0, 60.0)
"""Seconds between two looks at a batch that is followed: at first, and once it takes longer."""
_LONGEST_PAUSE = 600.0
"""Seconds between two looks while the endpoint cannot be reached."""


def _tell_nobody(_done: int, _all: int) -> None:
    """Nobody asked."""


class Batches:
    """All batches of this machine's user: those of other windows can be looked at and brought home too.

    Nothing is sent by itself: every request follows an act of the person, and only `follow` repeats one.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        clients: Clients,
        locks: SessionLocks,
        settings: Callable[[], Settings],
        clock: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._clients = clients
        self._locks = locks
        self._settings = settings
        self._clock = clock
        self._books = BatchBooks(store, ledger, clock)
        self._submission = Submission(self._books, ledger, locks, clock)
        self._lookout = Lookout(self._books, clock)
        self._one_at_a_time: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def price(self, order: BatchOrder) -> tuple[BatchPrice, tuple[str, ...]]:
        """What an order would cost, and notices on it; sends nothing. BadParamsError."""
        plan = await self._plan(order)
        held = await look(order.pieces, order.permission, scan=self._settings().scans)
        return await self._price(plan), (*plan.notices, *map(held_notice, held))

    async def submit(self, order: BatchOrder) -> tuple[BatchInfo, BatchPrice, tuple[str, ...]]:
        """Send a batch, and say what it will cost; BadParamsError, BudgetExceededError, or what the endpoint says.

        After an error nothing of it is left. A batch that is `submitting` was sent and not confirmed.
        """
        plan = await self._plan(order)
        await pass_guard(order.pieces, order.permission, scan=self._settings().scans)
        price = await self._price(plan)
        client, access = await self._clients.for_request(self._settings())
        with self._clients.answering(access):
            record, notices = await self._submission.submit(plan, order, client)
        told = (*plan.notices, *notices, *((record.problem,) if record.problem else ()))
        return new_info(record), price, tuple(dict.fromkeys(told))

    async def listed(
        self, scope: BatchScope = "workspace", workspace: str | Path | None = None
    ) -> list[BatchInfo]:
        """Batches as they were last seen, the newest first; asks nobody."""
        if scope not in ("window", "workspace", "all"):
            raise BadParamsError("scope must be one of window, workspace, all.")
        window = self._ledger.window_id if scope == "window" else None
        workspaces = [real_path(workspace)] if scope == "workspace" else None
        return await self._books.infos(await self._books.listed(window, workspaces))

    async def status(self, batch_id: str, tell: Tell = _tell_nobody) -> BatchInfo:
        """Look how a batch stands, and bring its answers home once it has ended; `tell` hears of each part of them.

        May be broken off at any moment and done again, here or in another window. UnknownBatchError, and whatever
        stands between here and the endpoint.
        """
        lock = self._one_at_a_time.setdefault(batch_id, asyncio.Lock())
        async with lock:
            record = await self._books.read(batch_id)
            if record.state == "submitting" and self._is_on_its_way(record):
                return await self._books.info(record)
            if record.state == "submitting" and record.sent_at is None:
                record = await self._close_unsent(record)
            elif record.state in (*OPEN_STATES, "lost") and record.sent_at is not None:
                async with self._doors(record) as doors:
                    record = await self._lookout.look(record, doors, tell)
            await self._books.settle(record)
            return await self._books.info(record)

    async def results(
        self, batch_id: str, start: int = 0, limit: int = 100
    ) -> tuple[BatchInfo, list[AnsweredPrompt]]:
        """Prompts with their answers as far as they are here, in order, from number `start` on; asks nobody."""
        record = await self._books.read(batch_id)
        return await self._books.info(record), await self._books.answers(record, start, limit)

    async def cancel(self, batch_id: str) -> BatchInfo:
        """Ask for an early end. What is under way is still answered and charged; the rest costs nothing.

        A batch that has ended meanwhile is no error.
        """
        info = await self.status(batch_id)
        record = info.record
        if record.state == "submitting":
            raise InvalidRequestError(
                "The endpoint has not confirmed this batch, so it cannot be named there yet.",
                hint="Ask for its status again later.",
            )
        if record.state != "in_progress" or record.remote_id is None:
            return info
        try:
            async with self._doors(record) as doors:
                remote = await doors.cancel(record.remote_id)
        except InvalidRequestError:
            return await self.status(batch_id)  # it has ended a moment ago
        return await self._books.info(await self._books.found(record, remote))

    async def follow(
        self, batch_id: str, changed: Callable[[BatchInfo], None], looks: tuple[float, float] = LOOKS
    ) -> BatchInfo:
        """Look again and again until the batch has ended, and tell of each look; the batch as it then stands.

        An endpoint that cannot be reached is asked less and less often; any other error ends it.
        """
        pause, longest = looks
        while True:
            await asyncio.sleep(pause)
            try:
                info = await self.status(batch_id)
            except CmtError as error:
                if not error.retryable:
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            changed(info)
            if info.record.state not in OPEN_STATES:
                return info
            pause = min(1.25 * pause, longest)

    async def tidy(self) -> None:
        """Give back what batches hold that a killed window never sent; asks nobody."""
        for record in await self._books.unsent():
            if not self._is_on_its_way(record):
                await self._close_unsent(record)

    def take_notices(self) -> tuple[str, ...]:
        """What the ledger had to say of settled answers; each sentence once."""
        return self._books.take_notices()

    async def settled(self, timeout: float) -> None:  # noqa: ASYNC109  a limit for all that runs together
        """Give a batch that is on its way a little time to be confirmed."""
        await self._submission.settled(timeout)

    async def _plan(self, order: BatchOrder) -> BatchPlan:
        return await asyncio.to_thread(plan_batch, order, self._settings(), self._moment().date())

    async def _price(self, plan: BatchPlan) -> BatchPrice:
        nobody = Origin("batch", "", "", "")
        averages = await asyncio.to_thread(average_prompts, plan)
        expected = {
            model: await self._ledger.expect(nobody, model, length) for model, length in averages.items()
        }
        return await asyncio.to_thread(price_of, plan, expected, self._moment())

    def _is_on_its_way(self, record: BatchRecord) -> bool:
        """Whether a window, this one or another, is about to send it."""
        return self._locks.is_held(record.id) or bool(self._locks.held_elsewhere([record.id]))

    async def _close_unsent(self, record: BatchRecord) -> BatchRecord:
        return await self._books.close_unsent(
            record, "cmt-lsp ended before the batch was sent, so nothing was charged; submit it again."
        )

    @asynccontextmanager
    async def _doors(self, record: BatchRecord) -> AsyncIterator[MessageBatches]:
        """The API of the endpoint that has the batch; a key of one endpoint is never tried at another."""
        client, access = await self._clients.for_request(self._settings())
        if record.endpoint != client.endpoint:
            raise InvalidRequestError(
                f"The batch runs at {host_of(record.endpoint or '')}, and {client.host} is set now.",
                hint="Set the base URL and the key that it was submitted with.",
            )
        with self._clients.answering(access):
            yield client.batches

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
