"""Ledger: the attempts of this machine's user, shared by all windows: booked before they leave, closed when they end.

SQLite works on a thread of its own. What it cannot take in time goes to the spool and from there into the file, so that
neither a held lock nor a full disk stops a chat, unless a budget is in force that then could not be checked.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from cmt_lsp.api.errors import CmtError
from cmt_lsp.core.money import past
from cmt_lsp.core.money.books import Books
from cmt_lsp.core.money.budget import in_force
from cmt_lsp.core.money.budget_rows import append_limit, budget_states, read_limits
from cmt_lsp.core.money.entry import Hearing, closing_of
from cmt_lsp.core.money.holder import LEASE_SECONDS, this_holder
from cmt_lsp.core.money.keeper import Keeper
from cmt_lsp.core.money.limits_mirror import FILE_NAME as MIRROR_NAME
from cmt_lsp.core.money.limits_mirror import LimitsMirror
from cmt_lsp.core.money.reservation import Reservation
from cmt_lsp.core.money.schema import FILE_NAME, SCHEMA
from cmt_lsp.core.money.spool import Spool, spool_folders
from cmt_lsp.core.money.totals import sums_by_session, totals
from cmt_lsp.core.storage.salvage import one_moment
from cmt_lsp.core.storage.store_thread import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from cmt_lsp.api.models import Cost
    from cmt_lsp.api.usage import Usage
    from cmt_lsp.core.money.attempt import (
        Claim,
        Expected,
        Granted,
        Origin,
        Settled,
        Settlement,
        Sums,
        Totals,
    )
    from cmt_lsp.core.money.budget import BudgetScope, BudgetState, Limit
    from cmt_lsp.core.money.holder import Holder
    from cmt_lsp.core.storage.store import Connection

T = TypeVar("T")

RENEW_SECONDS = LEASE_SECONDS / 3
MEND_SECONDS = 60.0


class Ledger:
    """Books, settles and sums attempts, off the event loop."""

    def __init__(
        self,
        state_dir: Path,
        window_id: str,
        *,
        clock: Callable[[], float] = time.time,
        holder: Holder | None = None,
        zone: tzinfo | None = None,
        spool_dir: Path | None = None,
        patience: float = 1.0,
        sqlite_version: tuple[int, int, int] | None = None,
    ) -> None:
        """Nothing is opened before the first use.

        `zone` is where days begin, this machine's by default; `patience` is how many seconds a turn waits for the disk
        where no budget is in force; `sqlite_version` stands in for the library's own.
        """
        self.window_id = window_id
        holder = holder or this_holder()
        self._store = Store(
            state_dir, FILE_NAME, SCHEMA, clock=clock, sqlite_version=sqlite_version, noun="ledger"
        )
        folders = (spool_dir,) if spool_dir is not None else spool_folders(os.environ)
        self._keeper = Keeper("ledger keeper")
        self._books = Books(
            store=self._store,
            keeper=self._keeper,
            spool=Spool(folders, self._store.path, holder),
            mirror=LimitsMirror(state_dir / MIRROR_NAME),
            holder=holder,
            window_id=window_id,
            patience=patience,
            clock=clock,
            zone=zone,
        )
        self._ready: Future[None] | None = None
        self._starting = threading.Lock()

    def use_limits(self, limits: Iterable[Limit]) -> None:
        """Take the limits of the settings; of those and the person's own, the lower one of each scope is in force."""
        self._books.settings = tuple(limits)

    # One attempt after the other

    async def reserve(self, claims: Sequence[Claim]) -> tuple[Granted, ...]:
        """Book all claims or none; durable when it returns. BudgetExceededError, LedgerUnavailableError.

        Cancelled, it leaves nothing held.
        """
        if not claims:
            return ()
        begin = time.monotonic()
        if not (ready := self._begin()).done():
            # A budget must know what dead processes spooled; but a ledger that hangs is not waited for twice.
            await asyncio.wait([asyncio.wrap_future(ready)], timeout=self._books.patience)
        reservation = Reservation(self._books, tuple(claims))
        reservation.start(time.monotonic() - begin)
        try:
            return await asyncio.wrap_future(reservation.outcome)
        except asyncio.CancelledError:
            reservation.release()
            raise

    def streaming(self, attempt_id: str, usage: Usage, cost: Cost) -> None:
        """The endpoint's first word on an attempt's usage: its prompt is exact from here on."""
        self._begin()
        self._books.book([Hearing(attempt_id, usage, cost, self._books.running.get(attempt_id))])

    def settle(self, settlements: Sequence[Settlement]) -> Future[Settled]:
        """Book how attempts ended and release what they held; any thread, never an error.

        Done when it is durable, in the ledger or in the spool. The first end of an attempt stands, but one that was
        closed by estimate as an orphan is corrected.
        """
        self._begin()
        running = self._books.running
        return self._books.close([closing_of(one, running.pop(one.attempt_id, None)) for one in settlements])

    # Budgets and sums

    async def budgets(self, origin: Origin) -> tuple[BudgetState, ...]:
        """Every limit in force as it stands for this turn, session, window, workspace, day and month."""
        settings, day = self._books.settings, self.today()

        def job(connection: Connection) -> tuple[BudgetState, ...]:
            with one_moment(connection):
                limits = in_force(read_limits(connection), settings)
                return budget_states(connection, limits, origin, self.window_id, day)

        return await asyncio.wrap_future(self.read(job))

    async def set_limit(
        self, scope: BudgetScope, limit_nano: int | None, warn_at: tuple[int, ...] | None
    ) -> None:
        """Set or, with None, remove a limit of the person's; StoreUnavailableError where that cannot be kept."""
        self._begin()
        place = self._books.place()

        def change(connection: Connection) -> None:
            self._books.limits(connection, place)
            append_limit(connection, scope, limit_nano, warn_at, at=place.moment.at, window_id=self.window_id)

        await asyncio.wrap_future(self._books.write(change))
        # The copy must never be ahead of the ledger, and is written under its lock: hence a transaction of its own.
        await asyncio.wrap_future(self._books.write(lambda c: self._books.limits(c, place)))

    async def totals(self, origin: Origin) -> Totals:
        """What the turn, its session, this window and today have used."""
        job = partial(totals, origin=origin, window_id=self.window_id, day=self.today())
        return await asyncio.wrap_future(self.read(job))

    async def sums_by_session(self, session_ids: Sequence[str]) -> dict[str, Sums]:
        """What each session has used; those that used nothing are left out."""
        return await asyncio.wrap_future(self.read(partial(sums_by_session, session_ids=tuple(session_ids))))

    async def expect(self, origin: Origin, model: str, raw_input_tokens: int) -> Expected:
        """What own history says of an attempt, without booking it."""
        job = partial(past.expect, origin=origin, model=model, raw_input_tokens=raw_input_tokens)
        return await asyncio.wrap_future(self.read(job))

    def read(self, job: Callable[[Connection], T]) -> Future[T]:
        """Run a job that only reads; StoreUnavailableError.

        It keeps all windows from booking for as long as it runs, so that a long one comes in pieces.
        """
        self._begin()
        return self._store.submit(job, wait=self._books.lock_seconds)

    # Keeping it whole

    def sweep(self) -> Future[int]:
        """Close the attempts of dead processes and book what waits in spools; the result is how many were closed."""
        self._begin()
        outcome: Future[int] = Future()
        self._keeper.soon(partial(self._books.mend, outcome))
        return outcome

    def today(self) -> str:
        """The local day, YYYY-MM-DD."""
        return self._books.place().moment.day

    @property
    def zone_name(self) -> str:
        """The zone in which days begin, `Europe/Berlin` or `CET (UTC+0100)`."""
        zone = self._books.zone
        local = datetime.now(zone) if zone is not None else datetime.now().astimezone()
        named = getattr(zone, "key", None)
        return named if named is not None else f"{local.tzname()} (UTC{local:%z})"

    def take_notices(self) -> tuple[str, ...]:
        """What happened to the ledger and the person should know; each sentence once."""
        return self._books.take_notices()

    def close(self, timeout: float = 2.0) -> bool:
        """Write what waits, to the spool if need be, and close; False when that takes longer than `timeout` seconds."""
        atexit.unregister(self.close)
        deadline = time.monotonic() + timeout
        if self._books.spool.waiting:
            with suppress(CmtError, TimeoutError):
                self.sweep().result(timeout / 2)
        done = self._store.close(max(0.0, deadline - time.monotonic()))
        return self._keeper.stop(max(timeout / 4, deadline - time.monotonic())) and done

    def _begin(self) -> Future[None]:
        """Start what comes round; the future is done once what dead processes left was looked at."""
        with self._starting:
            if self._ready is None:
                ready = self._ready = Future()
                first: Future[int] = Future()
                first.add_done_callback(lambda _: ready.set_result(None))
                atexit.register(self.close)
                self._keeper.start()
                self._keeper.soon(partial(self._books.mend, first))
                self._keeper.every(RENEW_SECONDS, self._books.renew)
                self._keeper.every(MEND_SECONDS, lambda: self._books.mend(Future()))
            return self._ready
