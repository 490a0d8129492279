"""How the other servers that speak this protocol differ from the service itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from cmt_lsp.simulator.faults import Fault, Strike

StartUsage = Literal["full", "no_output", "zeros", "null"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of server; the defaults are the service's own ways."""

    name: str
    strict: bool = True
    service_headers: bool = True
    start_usage: StartUsage = "full"
    caching: Literal["service", "kv", "none"] = "service"
    cache_fields: tuple[str, ...] = (
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "cache_creation",
    )
    usage_details: bool = True
    count_tokens: bool = True
    batches: bool = True
    diagnostics: Literal["known", "ignored", "refused"] = "known"
    """`refused`: it passes on answers that have the field, and takes no request with it."""
    models: Literal["service", "openai"] = "service"
    error_bodies: bool = True
    statuses: Mapping[int, int] | None = None
    cut_is_error_event: bool = False

    def adapt(self, fault: Fault) -> Fault:
        """A fault as it looks from behind this server: other statuses, a broken stream told as an event."""
        substitute, strikes = fault.substitute, fault.strikes
        if substitute is not None and self.statuses is not None:
            substitute = replace(substitute, status=self.statuses.get(substitute.status, substitute.status))
        if self.cut_is_error_event:
            strikes = tuple(self._as_event(strike) for strike in strikes)
        return replace(fault, substitute=substitute, strikes=strikes)

    @staticmethod
    def _as_event(strike: Strike) -> Strike:
        if strike.before_headers or strike.act not in ("reset", "cut", "hang_up"):
            return strike
        return replace(
            strike, act="error_event", error_type="api_error", message="upstream connection was lost"
        )


DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect("anthropic"),
        Dialect("ollama", strict=False, service_headers=False, caching="none", cache_fields=(), usage_details=False,
                count_tokens=False, batches=False, models="openai", error_bodies=False, diagnostics="ignored"),
        Dialect("llamacpp", strict=False, service_headers=False, start_usage="no_output", caching="kv",
                cache_fields=("cache_read_input_tokens",), usage_details=False, batches=False, models="openai",
                diagnostics="ignored"),
        Dialect("vllm", strict=False, service_headers=False, start_usage="null", caching="none", cache_fields=(),
                usage_details=False, batches=False, models="openai",
                diagnostics="ignored"),
        Dialect("litellm", service_headers=False, start_usage="zeros", usage_details=False, batches=False,
                statuses={529: 500}, cut_is_error_event=True, diagnostics="ignored"),
    )
}  # fmt: skip
