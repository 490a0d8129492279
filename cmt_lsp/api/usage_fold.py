"""The usage reports of one answer, folded into one Usage that is never negative and never silent.

Reports are cumulative: a figure that is present replaces the one before, an absent one leaves it. The split of
cache writes by lifetime comes with the first report only. Lesser servers send nulls, zeros, late or absurd
figures; whatever is not the endpoint's plain word marks the result as estimated.
"""

from __future__ import annotations

from typing import Any

from cmt_lsp.api.usage import Usage

_ABSURD = 1_000_000_000
"""Tokens; a thousand times the largest context window of any model."""
_BYTES_A_TOKEN = 3.5
"""UTF-8 bytes a token: between code (about 3) and English prose (about 4.3)."""


def estimate_tokens(utf8_bytes: int) -> int:
    """Tokens of text of this many UTF-8 bytes, by rule of thumb; 0 only for no text."""
    return -int(-utf8_bytes // _BYTES_A_TOKEN)


class UsageFold:
    """Accumulates usage reports; `result` may be asked at any time."""

    __slots__ = (
        "_doubtful",
        "_long_lived",
        "_output",
        "_read",
        "_thinking",
        "_written",
        "input_tokens",
        "labels",
        "lifetimes_told",
    )

    def __init__(self, *, long_lived_writes: bool = False) -> None:
        """`long_lived_writes`: the request asked for a cache entry of one hour."""
        self._long_lived = long_lived_writes
        self.input_tokens = 0
        self._written = (0, 0)  # five minutes, one hour
        self._read = 0
        self._output: int | None = None
        self._thinking: int | None = None
        self._doubtful = False
        self.lifetimes_told: bool | None = None
        """Whether cache writes for five minutes are told from those for an hour; None where no report shows it."""
        self.labels: dict[str, str] = {}
        """`service_tier`, `speed` and `inference_geo` where the endpoint tells them."""

    @property
    def input_side(self) -> tuple[int, tuple[int, int], int]:
        """Plain input, writes by lifetime, reads: what a later report may correct."""
        return self.input_tokens, self._written, self._read

    def report(self, report: object) -> bool:
        """Take one usage object; True where it told a credible output count."""
        if not isinstance(report, dict):
            return False
        self.input_tokens = self._replaced(self.input_tokens, report.get("input_tokens"))
        self._read = self._replaced(self._read, report.get("cache_read_input_tokens"))
        self._take_writes(report)
        output = self._count(report.get("output_tokens"))
        if output is not None:
            self._output = output
        details = report.get("output_tokens_details")
        if isinstance(details, dict):
            thinking = self._count(details.get("thinking_tokens"))
            self._thinking = self._thinking if thinking is None else thinking
        for name in ("service_tier", "speed", "inference_geo"):
            if isinstance(label := report.get(name), str):
                self.labels[name] = label
        return output is not None

    def result(self, received_bytes: int, *, final: bool) -> Usage:
        """The usage so far; `received_bytes` is the UTF-8 size of the answer, `final` that the count was the last."""
        output = self._output or 0
        estimated = self._doubtful or not (self.input_tokens or self._read or any(self._written))
        if not final or (output == 0 and received_bytes):
            output = max(output, estimate_tokens(received_bytes))
            estimated = True
        five_minutes, one_hour = self._written
        return Usage(
            self.input_tokens, five_minutes, one_hour, self._read, output, self._thinking, estimated=estimated
        )

    def _take_writes(self, report: dict[str, Any]) -> None:
        total = self._count(report.get("cache_creation_input_tokens"))
        split = report.get("cache_creation")
        if isinstance(split, dict):
            told = (
                self._count(split.get("ephemeral_5m_input_tokens")) or 0,
                self._count(split.get("ephemeral_1h_input_tokens")) or 0,
            )
            if total in (None, sum(told)):
                self._written = told
                self.lifetimes_told = True
                return
        if total is None or total == sum(self._written):
            return
        self._written = (0, total) if self._long_lived else (total, 0)
        self.lifetimes_told = False
        self._doubtful = self._doubtful or self._long_lived or isinstance(split, dict)

    def _replaced(self, old: int, told: object) -> int:
        count = self._count(told)
        return old if count is None else count

    def _count(self, told: object) -> int | None:
        """A token count, or None where nothing usable was told."""
        if told is None:
            return None
        if isinstance(told, float) and told.is_integer():
            told = int(told)
        if isinstance(told, bool) or not isinstance(told, int) or told > _ABSURD:
            self._doubtful = True
            return None
        if told < 0:
            self._doubtful = True
            return 0
        return told
