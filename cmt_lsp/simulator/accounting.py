"""What one answer is charged: the usage objects of the stream, and the exact account kept for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cmt_lsp.simulator.answers import Answer, Spoken
from cmt_lsp.simulator.dialects import Dialect
from cmt_lsp.simulator.prompt_cache import CacheUse


def charge(
    use: CacheUse, output: int, thinking: int, body: Mapping[str, Any], tier: str = "standard"
) -> dict[str, Any]:
    """The full usage object of the service; counts in tokens."""
    return {
        "input_tokens": use.plain,
        "cache_creation_input_tokens": use.written,
        "cache_read_input_tokens": use.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": use.write_5m,
            "ephemeral_1h_input_tokens": use.write_1h,
        },
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": thinking},
        "service_tier": tier,
        "speed": body.get("speed") or "standard",
        "inference_geo": body.get("inference_geo") or "global",
    }


_START_ONLY = ("cache_creation", "service_tier", "speed", "inference_geo")
_DETAILS = ("output_tokens_details", "service_tier", "speed", "inference_geo")
_CACHE = ("cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation")


def final_usage(charged: Mapping[str, Any], answer: Answer, dialect: Dialect) -> dict[str, Any] | None:
    """The usage of a whole answer as this server reports it."""
    if answer.usage_null:
        return None
    kept = dialect.cache_fields if answer.cache_fields else ()
    usage = {
        key: value
        for key, value in charged.items()
        if (key not in _CACHE or key in kept) and (key not in _DETAILS or dialect.usage_details)
    }
    return {key: value for key, value in {**usage, **answer.usage}.items() if value is not None}


def start_usage(usage: Mapping[str, Any] | None, answer: Answer, dialect: Dialect) -> dict[str, Any] | None:
    """The usage of `message_start`: the input side is final, one output token has been made."""
    style = "zeros" if answer.usage_late else dialect.start_usage
    if usage is None or style == "null":
        return None
    if style == "zeros":
        return {"input_tokens": 0, "output_tokens": 0}
    started = {key: value for key, value in usage.items() if key != "output_tokens_details"}
    return {**started, "output_tokens": 0 if style == "no_output" else min(1, usage.get("output_tokens", 1))}


def end_usage(usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The usage of `message_delta`: all counts so far, but none of what only the start carries."""
    if usage is None:
        return None
    return {key: value for key, value in usage.items() if key not in _START_ONLY}


def partial(charged: Mapping[str, Any], spoken: Spoken, output: int) -> dict[str, Any]:
    """The charge of an answer that broke off after `output` tokens."""
    thinking = min(spoken.thinking_tokens, output)
    return {**charged, "output_tokens": output, "output_tokens_details": {"thinking_tokens": thinking}}
