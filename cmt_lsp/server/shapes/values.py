"""From the core's values to the wire's shapes; the only place that knows both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.server import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmt_lsp.api.cache_manager import CacheVerdict
    from cmt_lsp.api.errors import CmtError
    from cmt_lsp.api.models import Cost
    from cmt_lsp.api.usage import Usage
    from cmt_lsp.core.context.pins import PinState
    from cmt_lsp.core.records import SessionInfo
    from cmt_lsp.core.turn import Timing

INVALID_PARAMS = -32602
REQUEST_FAILED = -32803


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def usage_shape(usage: Usage) -> wire.Usage:
    """Tokens by class."""
    return wire.Usage(
        input_tokens=usage.input_tokens,
        cache_creation_5m_input_tokens=usage.cache_creation_5m_input_tokens,
        cache_creation_1h_input_tokens=usage.cache_creation_1h_input_tokens,
        cache_read_input_tokens=usage.cache_read_input_tokens,
        output_tokens=usage.output_tokens,
        total_input_tokens=usage.total_input_tokens,
        thinking_tokens=usage.thinking_tokens,
        estimated=usage.estimated,
    )


def cost_shape(cost: Cost) -> wire.Cost:
    """Money; no number where no part has a price."""
    return wire.Cost(
        priced=cost.nano_usd is not None,
        display=cost.display,
        estimated=cost.estimated,
        nano_usd=cost.nano_usd,
        saved_nano_usd=cost.saved_nano_usd,
    )


def cache_shape(verdict: CacheVerdict) -> wire.CacheVerdict:
    """What the prompt cache did."""
    return wire.CacheVerdict(
        state=verdict.state,
        read_tokens=verdict.read_tokens,
        written_tokens=verdict.written_tokens,
        hit_ratio=round(verdict.hit_ratio, 4),
        cause=verdict.cause,
        expires_at=None if verdict.expires_at is None else moment(verdict.expires_at),
        written_5m_tokens=verdict.written_tokens - verdict.written_1h_tokens,
        written_1h_tokens=verdict.written_1h_tokens,
        expected_tokens=verdict.expected_tokens,
        saved_nano_usd=verdict.saved_nano,
        lost_nano_usd=verdict.lost_nano,
        told_cause=verdict.told_cause,
        reason=verdict.reason or None,
    )


def timing_shape(timing: Timing) -> wire.Timing:
    """Milliseconds."""
    return wire.Timing(
        total_ms=timing.total_ms,
        retries=timing.retries,
        first_token_ms=timing.first_token_ms,
        shared_wait_ms=timing.shared_wait_ms or None,
    )


def session_shape(info: SessionInfo, notices: Sequence[str] = ()) -> wire.Session:
    """A session as lists show it."""
    return wire.Session(
        id=info.id,
        name=info.name,
        model=info.model,
        system_prompt=info.system_prompt,
        workspace=info.workspace,
        created_at=moment(info.created_at),
        updated_at=moment(info.updated_at),
        turns=info.turns,
        state=info.state,
        usage=usage_shape(info.usage),
        cost=cost_shape(info.cost),
        notices=list(notices) or None,
        pinned=[_pinned_shape(pin) for pin in info.pinned] or None,
    )


def _pinned_shape(pin: PinState) -> wire.PinnedItem:
    return wire.PinnedItem(
        id=pin.id,
        kind=pin.kind,
        title=pin.title,
        tokens=pin.tokens,
        state=pin.state,
        uri=pin.uri,
        reason=pin.reason,
    )


def error_data(error: CmtError) -> wire.ErrorData:
    """What a program may act on, and the hint for the person."""
    return wire.ErrorData(
        kind=error.kind,
        retryable=error.retryable,
        retry_after_ms=None if error.retry_after is None else round(error.retry_after * 1000),
        request_id=error.request_id,
        hint=error.hint,
        command=error.command,
    )


def error_code(error: CmtError) -> int:
    """-32602 for a bad parameter, -32803 for all that failed on the way."""
    return INVALID_PARAMS if error.kind == "bad_params" else REQUEST_FAILED


def error_shape(error: CmtError) -> wire.RpcErrorBody:
    """The body that both the reply and the notification carry."""
    return wire.RpcErrorBody(code=error_code(error), message=error.message, data=error_data(error))
