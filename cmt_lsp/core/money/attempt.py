"""One attempt at the endpoint as the ledger books it: claimed before it leaves, settled when it has ended.

Money is whole nano-dollars, times are seconds since 1970 UTC. Nothing here is text of a person or of a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from cmt_lsp.api.models import Cost
    from cmt_lsp.api.usage import Usage

Kind: TypeAlias = Literal["turn", "compare", "batch", "warm", "complete", "import"]
LiveState: TypeAlias = Literal["reserved", "streaming"]
FinalState: TypeAlias = Literal["done", "cancelled", "failed", "truncated", "client_gone", "orphan"]
State: TypeAlias = LiveState | FinalState
Lifetime: TypeAlias = Literal["5m", "1h"]
"""How long the endpoint's cache keeps what a request marks."""

LIVE_STATES: tuple[LiveState, ...] = ("reserved", "streaming")
FLOOR_TOKENS = 256
"""The shortest limit of an answer that a budget may shrink a turn to; below it the turn is refused."""


@dataclass(frozen=True, slots=True)
class Origin:
    """For whom an attempt is made; every budget that applies follows from it. An absent workspace is ''."""

    kind: Kind
    session_id: str
    turn_id: str
    workspace: str


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that one attempt can cost: its prompt at the dearest class that applies, and a rate for the answer."""

    input_nano: int
    output_nano: int
    """Per token of the answer, thinking included."""

    def of(self, max_tokens: int) -> int:
        """The worst case with this limit of the answer."""
        return self.input_nano + self.output_nano * max_tokens


@dataclass(frozen=True, slots=True)
class Claim:
    """What is asked of the ledger before an attempt leaves."""

    attempt_id: str
    origin: Origin
    model: str
    number: int
    """Which attempt of its turn, from 1."""
    max_tokens: int
    ceiling: Ceiling | None
    """None where the model has no known price: such an attempt passes only where no budget applies."""
    raw_input_tokens: int
    """The prompt by rule of thumb, before the ledger's own experience with the model corrects it."""
    counted_input_tokens: int | None = None
    """The prompt by the endpoint's own count, where it was asked."""
    warm_tokens: int = 0
    """How much of the prompt the cache is expected to hold; 0 for a cold one."""
    override: str | None = None
    """The person's reason to pass the budgets with this turn; None where there is no such act."""
    lifetime: Lifetime | None = None
    """The lifetime of the cache marks in the prompt: what is not read is written at its price. None without marks."""
    lease: float | None = None
    """Seconds that the hold lasts without any process behind it (holder with pid 0), for what runs at the endpoint and
    outlives the window; None: this process holds it for as long as it lives."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What own history says of an attempt before it leaves, in tokens."""

    input_tokens: int
    exact: bool
    output_p50: int
    output_p90: int
    basis: Literal["this session", "this model", "all models", "a first guess"]
    bytes_per_token: float
    """UTF-8 bytes of text in one token of this model's answers, for counting an answer that breaks off."""
    thinking_bytes_per_token: float | None = None
    """The same for the thinking that it shows, few where that is a summary; None: as for text."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The claim was booked and is durable, or spooled: the attempt may leave with this limit of its answer."""

    attempt_id: str
    max_tokens: int
    hold_nano: int
    expected: Expected
    notices: tuple[str, ...] = ()
    """Sentences for the person: a limit that was shrunk, a record that is not on disk yet."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended; the last word on it. `cost.nano_usd` None books an unpriced attempt."""

    attempt_id: str
    state: FinalState
    ended_at: float
    usage: Usage
    cost: Cost
    answer_bytes: int = 0
    """UTF-8 bytes of answer text (without thinking) that arrived."""
    thinking_bytes: int = 0
    """UTF-8 bytes of thinking that was shown, which may be a summary of what was thought."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of settling: warnings that are due now, once each, and whether the rows are on disk."""

    recorded: bool
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sums:
    """The sum over attempts in a final state."""

    requests: int
    usage: Usage
    cost: Cost
    """`cost.unpriced` counts the attempts without a price."""
    estimated: int
    """How many of the attempts are estimates in tokens or money."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums that a status shows, as of one moment."""

    turn: Sums
    session: Sums
    window: Sums
    today: Sums
