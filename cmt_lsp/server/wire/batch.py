"""Many prompts at once at half the price, answered within a day. All money is whole nano-dollars."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.parts import Cost, Usage
from cmt_lsp.server.wire.shape import Token, shape


@shape
class BatchPrompt:
    """One prompt; `id` is the caller's own name for it, unique in the batch. What is absent is the batch's."""

    id: str
    text: str
    system: str | None = None
    model: str | None = None
    max_tokens: int | None = None


@shape
class BatchSubmitParams:
    """Prompts to be answered together. `dryRun` says what they would cost and sends nothing."""

    prompts: list[BatchPrompt]
    name: str | None = None
    model: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    budget_override: bool | str | None = None
    allow_secrets: bool = False
    dry_run: bool = False
    work_done_token: Token | None = None


@shape
class BatchPrice:
    """What a batch will cost; no figure where a model has no known price.

    `max_nano_usd` is the worst case: every prompt at its bound, every answer at its limit. `p50_nano_usd` is an
    estimate: prompts by rule of thumb, answers as long as earlier ones. The two of `normal` are what the same prompts
    would cost one by one.
    """

    priced: bool
    display: str
    requests: int
    models: list[str]
    input_tokens: int
    max_nano_usd: int | None = None
    p50_nano_usd: int | None = None
    normal_max_nano_usd: int | None = None
    normal_p50_nano_usd: int | None = None


@shape
class BatchCounts:
    """How many requests are in which state; together all of them. `lost` ones have no result and never will."""

    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int
    lost: int


@shape
class Batch:
    """One batch. `usage` and `cost` are the sums over the answers so far.

    `submitting`: on its way, or sent and not yet confirmed; `failed`: refused, nothing was charged; `lost`: nobody
    knows whether it arrived, so it is booked as an estimate.
    """

    id: str
    name: str
    model: str
    state: Literal["submitting", "in_progress", "canceling", "ended", "failed", "lost"]
    requests: int
    counts: BatchCounts
    created_at: str
    usage: Usage
    cost: Cost
    workspace: str | None = None
    expires_at: str | None = None
    ended_at: str | None = None
    problem: str | None = None


@shape
class BatchSubmitResult:
    """The price, and the batch unless it was a dry run."""

    price: BatchPrice
    batch: Batch | None = None
    notices: list[str] | None = None


@shape
class BatchListParams:
    """Whose batches: of this window, of its workspace, or all."""

    scope: Literal["window", "workspace", "all"] = "workspace"


@shape
class BatchListResult:
    """Batches as they were last seen, the newest first."""

    batches: list[Batch]


@shape
class BatchParams:
    """One batch."""

    batch_id: str
    work_done_token: Token | None = None


@shape
class BatchResultsParams:
    """Results from number `from` (the first is 0) on, at most `limit` (1 to 1000) of them."""

    batch_id: str
    from_: int = 0
    limit: int = 100


@shape
class BatchAnswer:
    """One prompt and what became of it; `id` is the caller's, `index` its place in the batch."""

    id: str
    index: int
    state: Literal["processing", "succeeded", "errored", "canceled", "expired", "lost"]
    prompt: str
    model: str
    text: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    cost: Cost | None = None
    error: str | None = None


@shape
class BatchResultsResult:
    """Some of the results in the order of the prompts; `next` is where to go on, absent at the end."""

    batch: Batch
    results: list[BatchAnswer]
    next: int | None = None
