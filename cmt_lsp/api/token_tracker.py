"""Token counts and money per request, session and in total, for scripts that talk to the API in one process.

Here `input_tokens` is the whole prompt and `cached_tokens` the part read from the cache. The API's own field of the
first name leaves cached tokens out; `TokenUsage.from_usage` converts, and nothing is ever counted twice.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.errors import BadParamsError, StoreUnavailableError
from cmt_lsp.api.models import Cost, cost_of, display_usd
from cmt_lsp.api.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FORMAT = "cmt-token-usage"
_VERSION = 1
_NANO = 10**9


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one request, or a sum; raises BadParamsError when the cached part is larger than the prompt."""

    input_tokens: int = 0
    """The whole prompt: plain, read from the cache and written to it."""
    output_tokens: int = 0
    cached_tokens: int = 0
    """Read from the cache."""
    timestamp: float = field(default_factory=time.time)
    """Seconds since the epoch; chooses the price list."""
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    estimated: bool = False
    model: str | None = None
    booked: Cost | None = None
    """The cost as it was recorded; a later price table does not change it."""

    def __post_init__(self) -> None:
        """Refuse counts that cannot be, such as the API's own `input_tokens` beside its cache reads."""
        counts = (
            self.output_tokens,
            self.cached_tokens,
            self.cache_write_5m_tokens,
            self.cache_write_1h_tokens,
        )
        if (
            min(counts) < 0
            or self.non_cached_input_tokens < self.cache_write_5m_tokens + self.cache_write_1h_tokens
        ):
            raise BadParamsError(
                "input_tokens is the whole prompt, cache reads and writes included, and no count is negative: "
                "use TokenUsage.from_usage for the API's own figures"
            )

    @classmethod
    def from_usage(
        cls, usage: Usage, *, at: datetime, model: str | None = None, booked: Cost | None = None
    ) -> TokenUsage:
        """The same request in these terms; `at` is aware."""
        return cls(
            input_tokens=usage.total_input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cache_read_input_tokens,
            timestamp=at.timestamp(),
            cache_write_5m_tokens=usage.cache_creation_5m_input_tokens,
            cache_write_1h_tokens=usage.cache_creation_1h_input_tokens,
            estimated=usage.estimated,
            model=model,
            booked=booked,
        )

    @property
    def total_tokens(self) -> int:
        """Prompt and answer."""
        return self.input_tokens + self.output_tokens

    @property
    def non_cached_input_tokens(self) -> int:
        """The prompt without what was read from the cache."""
        return self.input_tokens - self.cached_tokens

    @property
    def usage(self) -> Usage:
        """The same counts in the API's classes."""
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return Usage(
            input_tokens=self.non_cached_input_tokens - written,
            cache_creation_5m_input_tokens=self.cache_write_5m_tokens,
            cache_creation_1h_input_tokens=self.cache_write_1h_tokens,
            cache_read_input_tokens=self.cached_tokens,
            output_tokens=self.output_tokens,
            estimated=self.estimated,
        )

    def cost(self, model: str | None = None) -> Cost:
        """What was booked, or with a model named: what this request costs with it at its own time."""
        if model is None and self.booked is not None:
            return self.booked
        return cost_of(model or self.model or "", self.usage, datetime.fromtimestamp(self.timestamp, UTC))

    def calculate_cost(self, model: str | None = None) -> float | None:
        """USD of this one request; None where the model has no known price, which is not the same as nothing."""
        nano = self.cost(model).nano_usd
        return None if nano is None else nano / _NANO


@dataclass(slots=True)
class SessionTokenUsage:
    """All requests of one session; each keeps its own model, so that a session may change models."""

    session_id: str
    model_name: str
    request_history: list[TokenUsage] = field(default_factory=list)

    @property
    def total_usage(self) -> TokenUsage:
        """The sum of all requests, with the time of the last one."""
        latest = self.request_history[-1].timestamp if self.request_history else 0.0
        total = _total(self.request_history)
        return TokenUsage.from_usage(total, at=datetime.fromtimestamp(latest, UTC))

    @property
    def total_cost(self) -> Cost:
        """The exact sum; unpriced requests are counted in it."""
        return Cost.sum(self._cost_of(request) for request in self.request_history)

    @property
    def total_cost_usd(self) -> float:
        """USD of all requests that have a price; a lower bound while `total_cost.unpriced` is not 0."""
        return (self.total_cost.nano_usd or 0) / _NANO

    @property
    def cache_hit_rate(self) -> float:
        """Share of all prompt tokens that was read from the cache, 0 to 1."""
        return _total(self.request_history).hit_ratio

    @property
    def cost_savings_from_cache(self) -> float:
        """USD saved against no caching at all, cache writes included; negative when the writes cost more."""
        return (self.total_cost.saved_nano_usd or 0) / _NANO

    def _cost_of(self, request: TokenUsage) -> Cost:
        return request.cost() if request.booked or request.model else request.cost(self.model_name)


class TokenTracker:
    """Usage of all sessions of this process, with totals, kept in memory and saved to JSON on request."""

    def __init__(self) -> None:
        """An empty tracker."""
        self._sessions: dict[str, SessionTokenUsage] = {}

    def record(
        self,
        session_id: str,
        model: str,
        usage: Usage,
        at: datetime,
        *,
        speed: str | None = None,
        geo: str | None = None,
        service_tier: str | None = None,
    ) -> TokenUsage:
        """Book one request at the price in force at `at` (aware); the modifiers are the answer's own."""
        cost = cost_of(model, usage, at, speed=speed, geo=geo, service_tier=service_tier)
        request = TokenUsage.from_usage(usage, at=at, model=model, booked=cost)
        self.add(session_id, request)
        return request

    def add(self, session_id: str, request: TokenUsage) -> None:
        """Add a request that was booked elsewhere."""
        session = self._sessions.setdefault(session_id, SessionTokenUsage(session_id, request.model or ""))
        session.model_name = request.model or session.model_name
        session.request_history.append(request)

    def session(self, session_id: str) -> SessionTokenUsage | None:
        """One session's usage; None where nothing was recorded."""
        return self._sessions.get(session_id)

    @property
    def sessions(self) -> tuple[SessionTokenUsage, ...]:
        """Every session, in the order of its first request."""
        return tuple(self._sessions.values())

    @property
    def total_cost(self) -> Cost:
        """The exact sum over every request."""
        return Cost.sum(session.total_cost for session in self._sessions.values())

    def report(self) -> dict[str, Any]:
        """Totals under `global_summary` and the same figures per session under `sessions`; money in USD."""
        requests = [request for session in self._sessions.values() for request in session.request_history]
        summary = {"session_count": len(self._sessions)} | _figures(
            _total(requests), self.total_cost, len(requests)
        )
        return {
            "global_summary": summary,
            "sessions": {
                session.session_id: {"model": session.model_name}
                | _figures(_total(session.request_history), session.total_cost, len(session.request_history))
                for session in self._sessions.values()
            },
        }

    def save(self, path: str | Path) -> None:
        """Write every request to a JSON file that only its owner may read; old content stays until the new is safe."""
        entries = [
            {"session": session.session_id, **_entry(request)}
            for session in self._sessions.values()
            for request in session.request_history
        ]
        _write_private(
            Path(path), json.dumps({"format": _FORMAT, "version": _VERSION, "requests": entries}, indent=1)
        )

    @classmethod
    def load(cls, path: str | Path) -> TokenTracker:
        """Read what `save` wrote; StoreUnavailableError for any other content, OSError where it cannot be read."""
        tracker = cls()
        try:
            for session_id, request in _requests(json.loads(Path(path).read_text(encoding="utf-8"))):
                tracker.add(session_id, request)
        except (ValueError, KeyError, TypeError, BadParamsError) as error:
            raise StoreUnavailableError(
                f"{path} is not a token usage file of version {_VERSION}: choose another file"
            ) from error
        return tracker


def format_tokens(tokens: int) -> str:
    """`950`, `15.2K`, `1.3M`."""
    if tokens < 1000:
        return str(tokens)
    return f"{tokens / 1000:.1f}K" if tokens < 999_950 else f"{tokens / 1_000_000:.1f}M"


def format_session_usage(session: SessionTokenUsage) -> str:
    """A session's usage as six lines of text."""
    return _format(
        "Session Usage:", _total(session.request_history), session.total_cost, len(session.request_history)
    )


def format_global_usage(tracker: TokenTracker) -> str:
    """The usage of all sessions as text, with their number."""
    requests = [request for session in tracker.sessions for request in session.request_history]
    text = _format("Total Usage:", _total(requests), tracker.total_cost, len(requests))
    return f"{text}\n  Sessions: {len(tracker.sessions)}"


def _format(title: str, usage: Usage, cost: Cost, requests: int) -> str:
    saved = cost.saved_nano_usd or 0
    reason = "from caching" if saved >= 0 else "cache writes cost more than reads saved"
    unpriced = f" ({cost.unpriced} unpriced)" if cost.unpriced else ""
    total, sent, answered = (
        format_tokens(n) for n in (usage.total_tokens, usage.total_input_tokens, usage.output_tokens)
    )
    return "\n".join(
        (
            title,
            f"  Total Tokens: {total} ({sent} input, {answered} output)",
            f"  Cached: {format_tokens(usage.cache_read_input_tokens)} ({usage.hit_ratio:.0%} hit rate)",
            f"  Cost: {cost.display}{' (estimated)' if cost.estimated else ''}",
            f"  Savings: {display_usd(saved)} ({reason})",
            f"  Requests: {requests}{unpriced}",
        )
    )


def _total(requests: Iterable[TokenUsage]) -> Usage:
    return sum((request.usage for request in requests), Usage())


def _figures(usage: Usage, cost: Cost, requests: int) -> dict[str, Any]:
    return {
        "requests": requests,
        "total_tokens": usage.total_tokens,
        "input_tokens": usage.total_input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cache_read_input_tokens,
        "cache_hit_rate": usage.hit_ratio,
        "total_cost_usd": (cost.nano_usd or 0) / _NANO,
        "cache_savings_usd": (cost.saved_nano_usd or 0) / _NANO,
        "cost": cost.display,
        "unpriced_requests": cost.unpriced,
        "estimated": cost.estimated,
    }


_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")


def _entry(request: TokenUsage) -> dict[str, Any]:
    """One request as JSON; the booked cost goes with it, whole nano-dollars."""
    entry: dict[str, Any] = {name: getattr(request, name) for name in _COUNTS}
    entry |= {"timestamp": request.timestamp, "estimated": request.estimated, "model": request.model}
    if request.booked is not None:
        entry["cost"] = {
            "nano_usd": request.booked.nano_usd,
            "saved_nano_usd": request.booked.saved_nano_usd,
            "price_row": request.booked.price_row,
            "estimated": request.booked.estimated,
            "unpriced": request.booked.unpriced,
        }
    return entry


def _requests(document: Mapping[str, Any]) -> list[tuple[str, TokenUsage]]:
    """Session id and request of every entry; ValueError, KeyError or TypeError for what `save` did not write."""
    if (document["format"], document["version"]) != (_FORMAT, _VERSION):
        raise ValueError("another format or version")
    return [(str(entry["session"]), _request(entry)) for entry in document["requests"]]


def _request(entry: Mapping[str, Any]) -> TokenUsage:
    return TokenUsage(
        **{name: _whole(entry[name]) for name in _COUNTS},
        timestamp=float(entry["timestamp"]),
        estimated=bool(entry["estimated"]),
        model=entry["model"],
        booked=_cost(entry["cost"]) if "cost" in entry else None,
    )


def _cost(entry: Mapping[str, Any]) -> Cost:
    priced = entry["nano_usd"] is not None
    return Cost(
        nano_usd=_whole(entry["nano_usd"]) if priced else None,
        saved_nano_usd=_whole(entry["saved_nano_usd"]) if priced else None,
        price_row=entry["price_row"],
        estimated=bool(entry["estimated"]),
        unpriced=_whole(entry["unpriced"]),
    )


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("a count is a whole number")
    return value


def _write_private(path: Path, text: str) -> None:
    """Replace a file in one step, mode 0600, durable before the name changes hands."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
