"""A batch: many prompts that the endpoint answers together within a day, at half the price, as frozen values.

Times are seconds since 1970 UTC, money is whole nano-dollars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from cmt_lsp.api.models import display_usd
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.guard.concern import Piece
from cmt_lsp.core.guard.permission import NOBODY, Permission

if TYPE_CHECKING:
    from cmt_lsp.api.models import Cost
    from cmt_lsp.core.money.attempt import Sums

BatchState: TypeAlias = Literal["submitting", "in_progress", "canceling", "ended", "failed", "lost"]
AnswerState: TypeAlias = Literal["processing", "succeeded", "errored", "canceled", "expired", "lost"]

ANSWER_STATES: tuple[AnswerState, ...] = get_args(AnswerState)
OPEN_STATES: tuple[BatchState, ...] = ("submitting", "in_progress", "canceling")
"""The states in which the endpoint may still have something to tell."""
HELD_FOR = 48 * 3600.0
"""Seconds for which the worst case of a batch is held against the budgets: the endpoint ends it within 24 hours, and a
day is left for somebody to fetch what it cost. After that the ledger charges its estimate until that is known."""


@dataclass(frozen=True, slots=True)
class BatchPrompt:
    """One prompt; what is None is the batch's own."""

    id: str
    """The person's name for it, unique in the batch."""
    text: str
    system: str | None = None
    model: str | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """What the person asks for; None stands for the settings' value."""

    prompts: Sequence[BatchPrompt]
    name: str | None = None
    model: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    workspace: str | None = None
    override: str | None = None
    """The person's reason to let this batch pass the budgets."""
    permission: Permission = NOBODY
    """Who may let secrets pass."""

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Every text of it, for the guard; one question is asked about all of them."""
        own = (("", self.system or ""),)
        texts = ((f"prompt {p.id[:60]}, ", text) for p in self.prompts for text in (p.text, p.system or ""))
        return tuple(Piece("batch", "the batch", text, where=where) for where, text in (*own, *texts) if text)


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One batch as it is kept."""

    id: str
    name: str
    model: str
    """That of most prompts."""
    workspace: str | None
    window_id: str
    created_at: float
    requests: int
    state: BatchState = "submitting"
    """`submitting` without `sent_at`: nothing has left; with it: sent, and its receipt is not in. `failed`: it does not
    exist at the endpoint. `lost`: nobody can tell any more what became of it."""
    endpoint: str | None = None
    anchor: str | None = None
    """The endpoint's newest batch before this one was sent."""
    organization: str | None = None
    """Whose batches those were."""
    sent_at: float | None = None
    remote_id: str | None = None
    expires_at: float | None = None
    ended_at: float | None = None
    problem: str | None = None
    """A sentence on why it stands as it stands, where that needs one."""

    def custom_id(self, index: int) -> str:
        """The name of a request at the endpoint and in the ledger; it carries the batch's own id."""
        return f"{self.id}-{index}"

    def index_of(self, custom_id: str) -> int | None:
        """Which request a name means; None for one of another batch."""
        head, dash, number = custom_id.rpartition("-")
        if head != self.id or not dash or not number.isdecimal():
            return None
        index = int(number)
        return index if index < self.requests and custom_id == self.custom_id(index) else None


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What became of one prompt; usage and cost only of those that succeeded."""

    index: int
    state: AnswerState
    text: str | None = None
    stop_reason: str | None = None
    error: str | None = None
    message_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class AnsweredPrompt:
    """One prompt of a batch with its answer so far."""

    prompt_id: str
    prompt: str
    model: str
    answer: BatchAnswer


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """A batch as it is shown: its record, how many of its prompts are in which state, and what the ledger says."""

    record: BatchRecord
    counts: Mapping[AnswerState, int]
    sums: Sums


@dataclass(frozen=True, slots=True)
class BatchPrice:
    """What a batch will cost. The prompts are counted by rule of thumb; money is None where a price is not known."""

    requests: int
    models: tuple[str, ...]
    input_tokens: int
    worst: int | None
    """Every answer at its limit, every prompt at its bound."""
    likely: int | None
    """Every answer of the usual length."""
    worst_one_by_one: int | None
    likely_one_by_one: int | None

    @property
    def display(self) -> str:
        """`$0.0401, at most $0.8811`, or `unpriced`."""
        if self.likely is None or self.worst is None:
            return "unpriced"
        return f"{display_usd(self.likely)}, at most {display_usd(self.worst)}"
