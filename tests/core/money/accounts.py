"""The endpoint's own account beside the ledger's rows, attempt by attempt and in every sum."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cmt_lsp.api.models import Cost, cost_of, price_in_force
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.schema import FILE_NAME
from cmt_lsp.simulator import RecordedRequest
from cmt_lsp.simulator.models import find_model
from cmt_lsp.simulator.tokens import count_text

NOTHING = (Usage(), Cost(0, 0, None, estimated=False))
SLACK = 10
"""Tokens of an answer that an estimate may be off by, whatever their share: a text is counted in whole tokens."""


@contextmanager
def ledger_rows(state_dir: Path) -> Iterator[sqlite3.Connection]:
    """The ledger's file, as anybody may read it."""
    with closing(sqlite3.connect(state_dir / FILE_NAME)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def rows_by_turn(state_dir: Path) -> dict[str, list[dict[str, Any]]]:
    """All attempts, by turn and in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    with ledger_rows(state_dir) as connection:
        for row in connection.execute("SELECT * FROM attempts ORDER BY number, seq"):
            found.setdefault(row["turn_id"], []).append(dict(row))
    return found


@dataclass
class Attempt:
    """One attempt as the ledger has it, beside the request that the endpoint saw; None where it saw none."""

    stream: int
    """The number of the stream that it belongs to."""
    row: dict[str, Any]
    request: RecordedRequest | None
    served: str | None = None
    """The model that answered, where it is another one."""
    silent: bool = False
    """Whether the endpoint tells no usage."""
    thinking_shown: str | None = None
    """What was shown of the thinking in which it broke off."""

    @cached_property
    def booked(self) -> tuple[Usage, int | None]:
        """What the ledger says."""
        row = self.row
        values = [row[field.name] for field in fields(Usage) if field.name != "estimated"]
        return Usage(*values, estimated=bool(row["usage_estimated"])), row["nano_usd"]

    @cached_property
    def charged(self) -> tuple[Usage, Cost]:
        """What the endpoint charged, and the price of that by the list."""
        told = self.request.usage if self.request is not None else None
        if told is None:
            return NOTHING
        usage = Usage(
            told["input_tokens"],
            told["cache_creation"]["ephemeral_5m_input_tokens"],
            told["cache_creation"]["ephemeral_1h_input_tokens"],
            told["cache_read_input_tokens"],
            told["output_tokens"],
            told["output_tokens_details"]["thinking_tokens"],
        )
        return usage, self.price(usage)

    def price(self, usage: Usage) -> Cost:
        """By the list, with the endpoint's own word on speed, place and tier."""
        told = self.request.usage if self.request is not None else None
        labels = {"speed": told["speed"], "geo": told["inference_geo"]} if told else {}
        at = datetime.fromtimestamp(self.row["started_at"], UTC)
        return cost_of(self.served or self.row["model"], usage, at, **labels)

    @property
    def is_charged(self) -> bool:
        return self.booked[0].total_tokens > 0

    @property
    def is_exact(self) -> bool:
        return not (self.row["usage_estimated"] or self.row["cost_estimated"])

    @property
    def must_be_exact(self) -> bool:
        """Whether there is nothing to estimate: it cost nothing, or the endpoint's last word on it was heard."""
        request = self.request
        if request is None or request.usage is None:
            return True
        return request.outcome == "complete" and self.row["state"] == "done" and not self.silent

    @property
    def true(self) -> tuple[Usage, int | None]:
        """The endpoint's account where it told it, else what the ledger estimated: for sums that must be exact."""
        if not self.is_exact:
            return self.booked
        usage, cost = self.charged
        return usage, cost.nano_usd

    def faults(self) -> list[str]:
        """What is wrong with a row that has the endpoint's own word, or needs none."""
        usage, nano = self.booked
        true, cost = self.charged
        thinking = true.thinking_tokens if usage.thinking_tokens is not None else None
        if (usage, nano) == (replace(true, thinking_tokens=thinking), cost.nano_usd):
            return []
        return [f"{self.row['id']} is booked as {usage} for {nano}, and was {true} for {cost.nano_usd}"]

    def is_near(self) -> bool:
        """Whether an estimate is within a tenth of the truth, in tokens and in money."""
        usage, nano = self.booked
        true, cost = self.knowable()
        at = datetime.fromtimestamp(self.row["started_at"], UTC)
        price = price_in_force(self.served or self.row["model"], at, true.total_input_tokens)
        slack = SLACK * price.output if price else 0
        near = abs(usage.total_tokens - true.total_tokens) <= max(SLACK, true.total_tokens // 10)
        if nano is None or cost.nano_usd is None:
            return near and nano is cost.nano_usd
        return near and abs(nano - cost.nano_usd) <= max(slack, cost.nano_usd // 10)

    def knowable(self) -> tuple[Usage, Cost]:
        """The account as far as anybody outside can know it.

        Of an answer that broke off in its thinking, what was shown of that: how far the model had thought ahead is
        never told.
        """
        usage, cost = self.charged
        model = find_model(self.served or self.row["model"])
        if self.thinking_shown is None or model is None:
            return usage, cost
        shown = count_text(self.thinking_shown, model)
        usage = replace(usage, output_tokens=min(usage.output_tokens, max(1, shown)))
        return usage, self.price(usage)

    def told(self) -> str:
        """Both accounts in a line, for a person."""
        usage, nano = self.booked
        true, cost = self.charged
        state = f"{self.row['state']} after {self.request.outcome if self.request else 'nothing'}"
        return f"{self.row['id']} ({state}): {_short(usage)} {nano}, truly {_short(true)} {cost.nano_usd}"


def _short(usage: Usage) -> tuple[int, ...]:
    return tuple(getattr(usage, field.name) or 0 for field in fields(Usage)[:6])


@dataclass(frozen=True)
class Sum:
    """Tokens by class, money and requests that the endpoint saw, added up by plain addition."""

    tokens: tuple[int, ...]
    nano_usd: int
    requests: int

    @classmethod
    def of(cls, attempts: Iterable[Attempt]) -> Sum:
        """The sum of the endpoint's accounts, with the ledger's word where there is no other."""
        among = list(attempts)
        usages, nanos = [attempt.true[0] for attempt in among], [attempt.true[1] or 0 for attempt in among]
        return cls(_added(usages), sum(nanos), sum(attempt.request is not None for attempt in among))


def _added(usages: Sequence[Usage]) -> tuple[int, ...]:
    names = [field.name for field in fields(Usage)[:5]]
    return tuple(sum(getattr(usage, name) for usage in usages) for name in names)


def classes(usage: Usage) -> tuple[int, ...]:
    """The five classes of tokens."""
    return _added([usage])
