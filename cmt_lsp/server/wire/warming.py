"""Writing a session's cache before its question comes, and keeping it. Money is whole nano-dollars."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.money import Prediction
from cmt_lsp.server.wire.parts import Cost, Usage
from cmt_lsp.server.wire.shape import Token, shape


@shape
class CacheWarmParams:
    """Warm a session's next prompt; without an id, that of the window's current session.

    `dryRun` says what that would cost and sends nothing. `keep` says that the person types a question now, every some
    seconds: nothing is sent at once, but what is warm is refreshed before it ends, where the setting keepWarm allows it.
    """

    session_id: str | None = None
    keep: bool = False
    dry_run: bool = False
    budget_override: bool | str | None = None
    work_done_token: Token | None = None


@shape
class CacheWarmResult:
    """What warming did, with the sums over all attempts; `reason` is one sentence.

    `warmed`: written; `refreshed`: read, so that it lives on; `already-warm`, `nothing-to-warm`: nothing was sent;
    `not-cached`: the endpoint took it and tells of no caching; `refused`: it takes no such request; `priced`: a dry run;
    `kept`: it will be refreshed while somebody types; `off`: keepWarm is not set.
    """

    session_id: str
    model: str
    state: Literal[
        "warmed",
        "refreshed",
        "already-warm",
        "kept",
        "nothing-to-warm",
        "not-cached",
        "refused",
        "cancelled",
        "off",
        "priced",
    ]
    reason: str
    read_tokens: int
    written_tokens: int
    usage: Usage
    cost: Cost
    expires_at: str | None = None
    prediction: Prediction | None = None
    notices: list[str] | None = None


@shape
class StatusKept:
    """A session that is kept warm, or was until now; what was spent counts from its last question on."""

    session_id: str
    state: Literal["waiting", "refreshing", "stopped"]
    until: str
    refreshes: int
    spent_nano_usd: int
    text: str
    next_at: str | None = None
    next_cost_nano_usd: int | None = None
    reason: str | None = None
