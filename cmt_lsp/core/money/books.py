"""Books: what every booking has at hand, and the way of an entry: into the ledger's file, or into the spool until then."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from cmt_lsp.core.money import booking
from cmt_lsp.core.money.attempt import Settled
from cmt_lsp.core.money.booking import Place
from cmt_lsp.core.money.budget import in_force, keys_of
from cmt_lsp.core.money.entry import Closing, moment_of
from cmt_lsp.core.money.holder import AT_THE_ENDPOINT, LEASE_SECONDS
from cmt_lsp.core.money.orphans import close_orphans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo

    from cmt_lsp.core.money.attempt import Claim
    from cmt_lsp.core.money.budget import Limit
    from cmt_lsp.core.money.entry import Entry, Opening
    from cmt_lsp.core.money.holder import Holder
    from cmt_lsp.core.money.keeper import Keeper
    from cmt_lsp.core.money.limits_mirror import LimitsMirror
    from cmt_lsp.core.money.spool import Batch, Spool
    from cmt_lsp.core.storage.store import Connection
    from cmt_lsp.core.storage.store_thread import Store

T = TypeVar("T")

_AT_LEAST_PER_SECOND = 2000
"""Entries that even a slow disk books in one transaction; a batch has up to 100,000."""


def resolve(future: Future[T], result: T) -> bool:
    """Give a future its result; False where it had one already."""
    with suppress(InvalidStateError):
        future.set_result(result)
        return True
    return False


def refuse(future: Future[T], error: BaseException) -> bool:
    """Give a future its error; False where it was done already."""
    with suppress(InvalidStateError):
        future.set_exception(error)
        return True
    return False


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of looking after what others left."""

    orphans: int
    refused: int
    """Entries that no ledger can hold."""


@dataclass(slots=True)
class Books:
    """The file, the spool and the copy of the limits, with the threads that work on them."""

    store: Store
    keeper: Keeper
    spool: Spool
    mirror: LimitsMirror
    holder: Holder
    window_id: str
    patience: float
    clock: Callable[[], float]
    zone: tzinfo | None
    lock_seconds: float = 5.0
    """How long a lock of another process is waited for, from the moment a job was handed in."""
    settings: tuple[Limit, ...] = ()
    """The limits of the settings; only they and those of the person can be in force."""
    running: dict[str, Opening] = field(default_factory=dict)
    """The openings of this process's attempts, until they are closed."""
    _notices: deque[str] = field(default_factory=deque)
    _told: set[str] = field(default_factory=set)

    def place(self) -> Place:
        """Who books, where and now."""
        return Place(self.window_id, self.holder, moment_of(self.clock(), self.zone))

    def limits(self, connection: Connection, place: Place) -> tuple[Limit, ...]:
        """The limits in force; part of an immediate transaction."""
        user = self.mirror.agreed(connection, at=place.moment.at, window_id=self.window_id)
        return in_force(user, self.settings)

    def is_budgeted(self, claims: Sequence[Claim]) -> bool:
        """Whether any claim may leave only after a look at its budgets, by what is known without the ledger.

        StoreUnavailableError where not even that is known.
        """
        bound = [claim for claim in claims if claim.override is None]
        if not bound:
            return False
        day = self.place().moment.day
        scopes = {limit.scope for limit in in_force(self.mirror.last_known(), self.settings)}
        return any(scopes & keys_of(claim.origin, self.window_id, day).keys() for claim in bound)

    def opened(self, openings: Iterable[Opening]) -> None:
        """Remember what this process answers for until it is closed."""
        self.running.update({opening.id: opening for opening in openings if opening.pid != AT_THE_ENDPOINT})

    def patience_for(self, entries: int) -> float:
        """How long so many entries may take before the disk counts as late."""
        return self.patience + entries / _AT_LEAST_PER_SECOND

    def write(self, change: Callable[[Connection], T]) -> Future[T]:
        """Run `change` in a transaction of its own; nothing is kept of it where that fails."""
        landed = self.store.write(change, keep=False, wait=self.lock_seconds)
        landed.add_done_callback(self._when_written)
        return landed

    # The way of an entry

    def close(self, closings: Sequence[Closing]) -> Future[Settled]:
        """Book how attempts ended; done once that is durable in one place or the other."""
        outcome: Future[Settled] = Future()
        place = self.place()

        def change(connection: Connection) -> tuple[str, ...]:
            booking.apply(connection, closings, place.moment)
            limits = self.limits(connection, place)
            return booking.warnings_after(connection, [c.id for c in closings], limits, place.moment)

        def when_landed(landed: Future[tuple[str, ...]]) -> None:
            if landed.exception() is None and not resolve(outcome, Settled(True, landed.result())):
                self._notices.extend(landed.result())

        def rescue(error: BaseException | None) -> None:
            if not outcome.done():
                resolve(outcome, Settled(False, (self.keep(closings, error),)))

        landed = self.write(change)
        landed.add_done_callback(when_landed)
        self.keeper.watch(landed, self.patience_for(len(closings)), rescue)
        return outcome

    def book(self, entries: Sequence[Entry]) -> None:
        """Book entries that nobody waits for."""
        moment = self.place().moment
        landed = self.write(partial(booking.apply, entries=entries, moment=moment))
        self.keeper.watch(landed, self.patience, lambda error: self.tell(self.keep(entries, error)))

    def keep(self, entries: Sequence[Entry], error: BaseException | None) -> str:
        """Spool entries and say so; on the keeper's thread. No error: the ledger is late."""
        path = self.spool.append(entries)
        reason = str(error) if error is not None else "The ledger does not answer in time."
        if path is None:
            return f"{reason} What this costs is kept in memory only: leave this window open until that is mended."
        return f"{reason} What this costs is kept in {path} and is booked as soon as the ledger works."

    # What comes round

    def mend(self, outcome: Future[int]) -> None:
        """Take over what dead processes left, and book all that waits; on the keeper's thread.

        The outcome is how many attempts of dead processes were closed.
        """
        try:
            place = self.place()
            self.spool.adopt()
            batch = self.spool.take()
        except Exception as error:
            refuse(outcome, error)
            raise

        def change(connection: Connection) -> Mended:
            refused = booking.apply_each(connection, batch.entries, place.moment)
            self.limits(connection, place)
            return Mended(close_orphans(connection, place.moment.at), refused)

        landed = self.store.write(change, keep=False, wait=self.lock_seconds)
        landed.add_done_callback(lambda done: self.keeper.soon(partial(self._mended, outcome, batch, done)))

    def renew(self) -> None:
        """Renew the lease of what runs."""
        if self.running:
            until = self.clock() + LEASE_SECONDS
            self.write(partial(booking.renew, holder=self.holder, lease_until=until))
        self.spool.touch()

    def tell_orphans(self, count: int) -> None:
        """Say that attempts of dead processes were charged."""
        if count:
            requests, were = ("request", "was") if count == 1 else ("requests", "were")
            self._notices.append(
                f"{count} {requests} of a window that ended early {were} booked by estimate."
            )

    def tell(self, notice: str) -> None:
        """Say something once, until the ledger works again."""
        if notice not in self._told:
            self._told.add(notice)
            self._notices.append(notice)

    def take_notices(self) -> tuple[str, ...]:
        """What the person should know; each sentence once."""
        own = [queue.popleft() for queue in (self._notices, self.mirror.notices) for _ in range(len(queue))]
        return (*own, *self.store.take_notices())

    def _mended(self, outcome: Future[int], batch: Batch, landed: Future[Mended]) -> None:
        error = landed.exception()
        if error is not None:
            self.spool.keep(batch)
            refuse(outcome, error)
            return
        mended = landed.result()
        damaged = self.spool.discard(batch, all_read=not mended.refused)
        if batch.entries:
            self._notices.append("What had to wait for the ledger is booked.")
        if damaged:
            names = ", ".join(map(str, damaged))
            self._notices.append(f"Not all that waited for the ledger could be read; it is kept as {names}.")
        self.tell_orphans(mended.orphans)
        resolve(outcome, mended.orphans)

    def _when_written(self, landed: Future[T]) -> None:
        """The ledger works: it can take what waits."""
        if landed.exception() is None:
            self._told.clear()
            if self.spool.waiting:
                self.keeper.soon(lambda: self.mend(Future()) if self.spool.waiting else None)
