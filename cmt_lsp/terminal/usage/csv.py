"""A usage report as CSV: one row for each group, plain numbers, a head that stays the same from version to version."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, TextIO

from cmt_lsp.terminal.render import one_line

HEAD = (
    "key",
    "label",
    "requests",
    "sessions",
    "input_tokens",
    "cache_creation_5m_input_tokens",
    "cache_creation_1h_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "total_input_tokens",
    "hit_ratio",
    "cost_nano_usd",
    "cost_usd",
    "saved_nano_usd",
    "saved_usd",
    "cache_write_premium_nano_usd",
    "unpriced_requests",
    "estimated_requests",
)
REST = "(others)"
"""The key of what a limit left out."""


def write_csv(report: Mapping[str, Any], out: TextIO) -> None:
    """Every group of a report, and what was left out of it, so that the rows add up to the report."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    for group in report.get("groups") or []:
        writer.writerow(_row(str(group["key"]), group))
    if report.get("rest"):
        writer.writerow(_row(REST, report["rest"]))


def _row(key: str, group: Mapping[str, Any]) -> list[str | int | float]:
    usage, cost = group["totals"]["usage"], group["totals"]["cost"]
    nano = cost.get("nanoUsd")
    return [
        _text(key),
        _text(str(group.get("label") or "")),
        group["requests"],
        group["sessions"],
        usage["inputTokens"],
        usage["cacheCreation5mInputTokens"],
        usage["cacheCreation1hInputTokens"],
        usage["cacheReadInputTokens"],
        usage["outputTokens"],
        usage["totalInputTokens"],
        group["hitRatio"],
        "" if nano is None else nano,
        "" if nano is None else _usd(nano),
        group["savedNanoUsd"],
        _usd(group["savedNanoUsd"]),
        group["cacheWritePremiumNanoUsd"],
        group["unpricedRequests"],
        group["estimatedRequests"],
    ]


def _text(foreign: str) -> str:
    """Foreign text that no spreadsheet takes for a formula."""
    text = one_line(foreign)
    return f"'{text}" if text[:1] in tuple("=+-@") else text


def _usd(nano: int) -> str:
    """Dollars to the nano-dollar, without an exponent."""
    sign, size = ("-", -nano) if nano < 0 else ("", nano)
    return f"{sign}{size // 10**9}.{size % 10**9:09d}"
