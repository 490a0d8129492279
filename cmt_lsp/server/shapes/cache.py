"""From the core's values about the prompt cache to the wire's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.models import display_usd
from cmt_lsp.server import wire
from cmt_lsp.server.shapes.values import moment

if TYPE_CHECKING:
    from cmt_lsp.core.cache.evidence import CachedTurn
    from cmt_lsp.core.cache.report import Report, Scope, Told
    from cmt_lsp.core.cache.stats import CacheStats
    from cmt_lsp.core.cache.suggestion import Act, Suggestion
    from cmt_lsp.core.cache.warmth import Warmth


def stats_shape(report: Report, session_id: str | None) -> wire.CacheStats:
    """What the cache did."""
    stats, spent = report.stats, report.spent
    return wire.CacheStats(
        scope=report.scope,
        session_id=session_id,
        sessions=report.sessions,
        turns=_turns(stats),
        hit_ratio=round(spent.usage.hit_ratio, 4),
        total_input_tokens=spent.usage.total_input_tokens,
        read_tokens=spent.usage.cache_read_input_tokens,
        written_5m_tokens=spent.usage.cache_creation_5m_input_tokens,
        written_1h_tokens=spent.usage.cache_creation_1h_input_tokens,
        saved_nano_usd=spent.saved_nano,
        write_premium_nano_usd=spent.write_premium_nano,
        lost_nano_usd=stats.lost_nano,
        unpriced_requests=spent.unpriced,
        causes=[
            wire.CacheCause(
                cause=cause.name,
                turns=cause.turns,
                lost_nano_usd=cause.lost_nano,
                unpriced_turns=cause.unpriced,
            )
            for cause in stats.causes
        ],
        warm=[_warmth(one, report) for one in report.warm],
        text=_text(report),
        last_miss=None if stats.last_miss is None else _miss(stats.last_miss),
    )


def advice_shape(told: Told, scope: Scope, session_id: str | None) -> wire.CacheAdvice:
    """What would have cost less."""
    return wire.CacheAdvice(
        scope=scope,
        session_id=session_id,
        turns=told.turns,
        suggestions=[_suggestion(one) for one in told.advice.suggestions],
        reason=told.advice.reason,
    )


def _turns(stats: CacheStats) -> wire.CacheTurns:
    return wire.CacheTurns(
        hit=stats.states.get("hit", 0),
        partial=stats.states.get("partial", 0),
        miss=stats.states.get("miss", 0),
        off=stats.states.get("off", 0),
        below_minimum=stats.states.get("below-minimum", 0),
    )


def _warmth(one: Warmth, report: Report) -> wire.CacheWarmth:
    return wire.CacheWarmth(
        session_id=one.session_id,
        name=report.names.get(one.session_id),
        model=one.model,
        tokens=one.tokens,
        expires_at=moment(one.expires_at),
        seconds_left=int(one.expires_at - report.at),
        cold_cost_nano_usd=one.cold_cost_nano,
    )


def _miss(turn: CachedTurn) -> wire.CacheMiss:
    return wire.CacheMiss(
        turn_id=turn.id,
        session_id=turn.session_id,
        model=turn.model,
        state="partial" if turn.cache.state == "partial" else "miss",
        started_at=moment(turn.started_at),
        cause=turn.cache.cause or "unknown",
        lost_nano_usd=turn.cache.lost_nano,
    )


def _text(report: Report) -> str:
    """All of it in one sentence."""
    stats, spent = report.stats, report.spent
    if not stats.turns:
        return "No question was answered yet."
    saved = (
        f"saved {display_usd(spent.saved_nano)}"
        if spent.saved_nano >= 0
        else f"cost {display_usd(-spent.saved_nano)} more than no caching"
    )
    lost = f"; misses cost {display_usd(stats.lost_nano)}" if stats.lost_nano else ""
    return f"{spent.usage.hit_ratio:.0%} of all prompts were read from the cache, which {saved}{lost}."


def _suggestion(one: Suggestion) -> wire.CacheSuggestion:
    act = one.act
    return wire.CacheSuggestion(
        kind=one.rule,
        value_nano_usd=one.value_nano,
        display=display_usd(one.value_nano),
        turns=one.turns,
        text=one.sentence,
        session_id=one.session_id,
        command=_command(act) if act is not None and act.operation is not None else None,
        setting=None if act is None else act.setting,
    )


def _command(act: Act) -> wire.CacheCommand:
    params = act.params
    return wire.CacheCommand(
        title=act.title,
        command=(act.operation or "").replace("/", "."),
        arguments=[
            wire.SessionUpdateParams(
                session_id=str(params["sessionId"]),
                model=params.get("model"),
                system_prompt=params.get("systemPrompt"),
                unpin=params.get("unpin"),
            )
        ],
    )
