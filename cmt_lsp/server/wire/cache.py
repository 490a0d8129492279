"""The prompt cache: what it did, what is warm, and what would make it cheaper. Money is whole nano-dollars."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.sessions import SessionUpdateParams
from cmt_lsp.server.wire.shape import shape


@shape
class CacheParams:
    """Which turns: those of one session, of the sessions that this window opened, or all; without both the window's
    current session."""

    session_id: str | None = None
    scope: Literal["session", "window", "all"] | None = None


@shape
class CacheTurns:
    """Turns by what the cache did for them."""

    hit: int
    partial: int
    miss: int
    off: int
    below_minimum: int


@shape
class CacheCause:
    """One cause of misses, with what they cost more than hits; `unpricedTurns` are missing from it."""

    cause: str
    turns: int
    lost_nano_usd: int
    unpriced_turns: int


@shape
class CacheMiss:
    """A turn that lost something, and what that cost."""

    turn_id: str
    session_id: str
    model: str
    state: Literal["partial", "miss"]
    started_at: str
    cause: str
    lost_nano_usd: int | None = None


@shape
class CacheWarmth:
    """A session's prefix that is in the cache now. `secondsLeft` is as of the answer, and at least that.

    `coldCostNanoUsd` is what the next question costs more once it is gone.
    """

    session_id: str
    model: str
    tokens: int
    expires_at: str
    seconds_left: int
    cold_cost_nano_usd: int | None = None
    name: str | None = None


@shape
class CacheStats:
    """What the cache did. `savedNanoUsd` is against no caching at all, with the writing premium taken off already."""

    scope: Literal["session", "window", "all"]
    sessions: int
    turns: CacheTurns
    hit_ratio: float
    total_input_tokens: int
    read_tokens: int
    written_5m_tokens: int
    written_1h_tokens: int
    saved_nano_usd: int
    write_premium_nano_usd: int
    lost_nano_usd: int
    unpriced_requests: int
    causes: list[CacheCause]
    warm: list[CacheWarmth]
    text: str
    session_id: str | None = None
    last_miss: CacheMiss | None = None


@shape
class CacheCommand:
    """What applies a suggestion, for `workspace/executeCommand`."""

    title: str
    command: str
    arguments: list[SessionUpdateParams]


@shape
class CacheSuggestion:
    """What would have cost `valueNanoUsd` less, by `turns` turns. At most one of `command` and `setting` applies it.

    `setting` is a line for the user's config.toml.
    """

    kind: str
    value_nano_usd: int
    display: str
    turns: int
    text: str
    session_id: str | None = None
    command: CacheCommand | None = None
    setting: str | None = None


@shape
class CacheAdvice:
    """Suggestions worth a cent or more, the most valuable first; `reason` says why there are none."""

    scope: Literal["session", "window", "all"]
    turns: int
    suggestions: list[CacheSuggestion]
    reason: str | None = None
    session_id: str | None = None
