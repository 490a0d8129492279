"""Reservation: one set of claims on its way through budgets and disk to a grant or a refusal."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import LedgerUnavailableError, StoreUnavailableError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money import booking
from cmt_lsp.core.money.attempt import Expected, Granted
from cmt_lsp.core.money.booking import Booking
from cmt_lsp.core.money.budget import Refusal
from cmt_lsp.core.money.entry import Closing, opening_of
from cmt_lsp.core.money.orphans import close_orphans
from cmt_lsp.core.money.past import BYTES_PER_TOKEN, FIRST_GUESS_P50, FIRST_GUESS_P90

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmt_lsp.core.money.attempt import Claim
    from cmt_lsp.core.money.books import Books
    from cmt_lsp.core.money.entry import Opening
    from cmt_lsp.core.storage.store import Connection

FREE = Cost(0, 0, None, estimated=False)
"""Of an attempt that was never sent."""


class Reservation:
    """Claims handed to the ledger; `outcome` is done when they may leave, or may not.

    Whatever lands after that decision is put right: nothing stays held for claims that nobody sends.
    """

    def __init__(self, books: Books, claims: Sequence[Claim]) -> None:
        self.outcome: Future[tuple[Granted, ...]] = Future()
        self.outcome.set_running_or_notify_cancel()  # a caller that goes away must not leave it undecided
        self._books = books
        self._claims = claims
        self._place = books.place()
        self._deciding = threading.Lock()
        self._openings: tuple[Opening, ...] = ()

    def start(self, waited: float) -> None:
        """Hand the claims in, after `waited` seconds; a turn without a budget goes on by the spool before long."""
        landed = self._books.write(self._reserve)
        landed.add_done_callback(self._when_landed)
        patience = self._books.patience_for(len(self._claims))
        self._books.keeper.watch(landed, max(0.0, patience - waited), self._rescue)
        self._books.keeper.watch(landed, self._books.lock_seconds + patience, self._give_up)

    def release(self) -> None:
        """Nobody waits any more: close what was granted, or will be; nothing was sent."""
        self.outcome.add_done_callback(self._release)

    def _reserve(self, connection: Connection) -> Booking | Refusal:
        limits = self._books.limits(connection, self._place)
        found = booking.reserve(connection, self._claims, limits, self._place)
        if isinstance(found, Refusal) and (count := close_orphans(connection, self._place.moment.at)):
            self._books.tell_orphans(count)
            found = booking.reserve(connection, self._claims, limits, self._place)
        return found

    def _when_landed(self, landed: Future[Booking | Refusal]) -> None:
        """On the ledger's thread, at once."""
        error = landed.exception()
        if error is not None:
            if not isinstance(error, StoreUnavailableError):
                self._refuse(error)
            return
        found = landed.result()
        if isinstance(found, Refusal):
            self._refuse(found.error())
        else:
            self._grant(found)

    def _grant(self, found: Booking) -> None:
        with self._deciding:
            decided = self.outcome.done()
            if not decided:
                self._openings = found.openings
                self._books.opened(found.openings)
                self.outcome.set_result(found.granted)
        if decided and self.outcome.exception() is not None:
            self._close_unsent(found.openings)

    def _refuse(self, error: BaseException) -> None:
        with self._deciding:
            if not self.outcome.done():
                self.outcome.set_exception(error)

    def _close_unsent(self, openings: Iterable[Opening]) -> None:
        now = self._books.clock()
        self._books.close(
            [Closing(opening.id, "cancelled", now, Usage(), FREE, 0, opening) for opening in openings]
        )

    def _release(self, outcome: Future[tuple[Granted, ...]]) -> None:
        if outcome.exception() is None:
            for opening in self._openings:
                self._books.running.pop(opening.id, None)
            self._close_unsent(self._openings)

    def _rescue(self, error: BaseException | None) -> None:
        """On the keeper's thread: the ledger failed, or is late."""
        if self.outcome.done():
            return
        try:
            budgeted = self._books.is_budgeted(self._claims)
        except StoreUnavailableError as unknown:
            budgeted, error = True, error and unknown
        if not budgeted:
            self._grant(self._spooled(error))
        elif error is not None:
            self._give_up(error)

    def _give_up(self, error: BaseException | None) -> None:
        reason = str(error) if error is not None else "The ledger does not answer."
        self._refuse(
            LedgerUnavailableError(
                "Nothing was sent: a budget is in force and cannot be checked, since "
                f"{reason[:1].lower()}{reason[1:]}",
                hint="Mend the ledger, or allow this turn once.",
            )
        )

    def _spooled(self, error: BaseException | None) -> Booking:
        """The claims as the spool holds them, without a look at history or budgets."""
        place = self._place
        granted = [_unchecked(claim) for claim in self._claims]
        openings = tuple(
            opening_of(claim, grant, place.moment, place.window_id, place.holder)
            for claim, grant in zip(self._claims, granted, strict=True)
        )
        notice = self._books.keep(openings, error)
        return Booking(tuple(replace(grant, notices=(notice,)) for grant in granted), openings)


def _unchecked(claim: Claim) -> Granted:
    hold = claim.ceiling.of(claim.max_tokens) if claim.ceiling is not None else 0
    counted = claim.counted_input_tokens
    expected = Expected(
        input_tokens=claim.raw_input_tokens if counted is None else counted,
        exact=counted is not None,
        output_p50=min(FIRST_GUESS_P50, claim.max_tokens),
        output_p90=min(FIRST_GUESS_P90, claim.max_tokens),
        basis="a first guess",
        bytes_per_token=BYTES_PER_TOKEN,
    )
    return Granted(claim.attempt_id, claim.max_tokens, hold, expected)
