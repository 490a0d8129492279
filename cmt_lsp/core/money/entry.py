"""Entries: what the ledger is told of an attempt, as values that outlive the process in a line of a file.

An attempt is opened, perhaps heard of, and closed. Applied in any order and any number of times, the entries of an
attempt leave the same row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from cmt_lsp.api.price_list import model_of_row
from cmt_lsp.core.money.holder import LEASE_SECONDS, LONGEST_LEASE_SECONDS, at_the_endpoint
from cmt_lsp.core.money.prediction import expected_cost

if TYPE_CHECKING:
    from datetime import tzinfo

    from cmt_lsp.api.models import Cost
    from cmt_lsp.api.usage import Usage
    from cmt_lsp.core.money.attempt import Claim, FinalState, Granted, Kind, Settlement
    from cmt_lsp.core.money.holder import Holder


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment, and the local day it falls in."""

    at: float
    """Seconds since 1970 UTC."""
    utc_offset: int
    """Minutes that local time is ahead of UTC."""
    day: str


@dataclass(frozen=True, slots=True)
class Opening:
    """An attempt before it leaves; the fields are columns of `attempts`."""

    id: str
    kind: Kind
    session_id: str
    turn_id: str
    window_id: str
    workspace: str
    model: str
    number: int
    started_at: float
    utc_offset: int
    day: str
    hold_nano: int
    override: str | None
    machine: str
    pid: int
    pid_started: float
    lease_until: float
    max_tokens: int | None
    raw_input_tokens: int | None
    expected_input: int | None
    expected_exact: bool | None
    expected_p50: int | None
    expected_p90: int | None
    expected_nano: int | None


@dataclass(frozen=True, slots=True)
class Hearing:
    """The endpoint's first word on an attempt's usage: its prompt is exact from here on."""

    id: str
    usage: Usage
    cost: Cost
    opening: Opening | None = None
    """With it the entry is complete even where the row was never written."""


@dataclass(frozen=True, slots=True)
class Closing:
    """How an attempt ended; `opening` as in a `Hearing`."""

    id: str
    state: FinalState
    ended_at: float
    usage: Usage
    cost: Cost
    answer_bytes: int
    opening: Opening | None = None
    thinking_bytes: int = 0


Entry: TypeAlias = Opening | Hearing | Closing


def moment_of(at: float, zone: tzinfo | None) -> Moment:
    """Where a moment falls in a zone; None is the zone of this machine."""
    local = datetime.fromtimestamp(at, UTC).astimezone(zone)
    offset = local.utcoffset()
    minutes = 0 if offset is None else int(offset.total_seconds() // 60)
    return Moment(at, minutes, local.strftime("%Y-%m-%d"))


def opening_of(claim: Claim, granted: Granted, moment: Moment, window_id: str, holder: Holder) -> Opening:
    """The row of a claim that was granted."""
    expected = granted.expected
    held_by = holder if claim.lease is None else at_the_endpoint()
    lease = LEASE_SECONDS if claim.lease is None else min(claim.lease, LONGEST_LEASE_SECONDS)
    cost = expected_cost(claim, expected, datetime.fromtimestamp(moment.at, UTC))
    return Opening(
        id=claim.attempt_id,
        kind=claim.origin.kind,
        session_id=claim.origin.session_id,
        turn_id=claim.origin.turn_id,
        window_id=window_id,
        workspace=claim.origin.workspace,
        model=claim.model,
        number=claim.number,
        started_at=moment.at,
        utc_offset=moment.utc_offset,
        day=moment.day,
        hold_nano=granted.hold_nano,
        override=claim.override,
        machine=held_by.machine,
        pid=held_by.pid,
        pid_started=held_by.started,
        lease_until=moment.at + lease,
        max_tokens=granted.max_tokens,
        raw_input_tokens=claim.raw_input_tokens,
        expected_input=expected.input_tokens,
        expected_exact=expected.exact,
        expected_p50=expected.output_p50,
        expected_p90=expected.output_p90,
        expected_nano=cost.nano_usd,
    )


def closing_of(settlement: Settlement, opening: Opening | None) -> Closing:
    """A settlement as an entry."""
    return Closing(
        settlement.attempt_id,
        settlement.state,
        settlement.ended_at,
        settlement.usage,
        settlement.cost,
        settlement.answer_bytes,
        opening,
        settlement.thinking_bytes,
    )


def lost_opening(closing: Closing, moment: Moment) -> Opening:
    """What stands in for the opening of an attempt that nobody knows any more.

    Only a batch is closed by another process than opened it, so that is what it was. Its price row names the model.
    """
    model = model_of_row(closing.cost.price_row or "unknown")
    nobody = at_the_endpoint()
    return Opening(
        id=closing.id,
        kind="batch",
        session_id="",
        turn_id="",
        window_id="",
        workspace="",
        model=model,
        number=1,
        started_at=min(closing.ended_at, moment.at),
        utc_offset=moment.utc_offset,
        day=moment.day,
        hold_nano=0,
        override=None,
        machine=nobody.machine,
        pid=nobody.pid,
        pid_started=nobody.started,
        lease_until=moment.at,
        max_tokens=None,
        raw_input_tokens=None,
        expected_input=None,
        expected_exact=None,
        expected_p50=None,
        expected_p90=None,
        expected_nano=None,
    )
