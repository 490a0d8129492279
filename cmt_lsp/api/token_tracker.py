"""Token counts and money by request, session, window, workspace, day and model, for scripts and exported ledgers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmt_lsp.api.errors import BadParamsError, StoreUnavailableError
from cmt_lsp.api.models import Cost, cost_of, display_usd
from cmt_lsp.api.token_usage import TokenUsage as TokenUsage  # one place to look for what is counted
from cmt_lsp.api.usage import Usage
from cmt_lsp.api.usage_entry import entry_of, is_running, request_of
from cmt_lsp.api.usage_file import UsageFileError, private_file, read_usage, write_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Grouping: TypeAlias = Literal["request", "session", "window", "workspace", "day", "model"]

_NANO = 10**9


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """The sum over some requests, exact."""

    requests: int
    sessions: int
    usage: Usage
    cost: Cost
    """`cost.unpriced` counts the requests without a price; `cost.display` shows the rest as a lower bound."""
    estimated: int
    """How many of the requests are estimates in tokens or money."""

    @property
    def hit_rate(self) -> float:
        """Share of all prompt tokens that was read from the cache, 0 to 1."""
        return self.usage.hit_ratio


@dataclass(slots=True)
class SessionTokenUsage:
    """All requests of one session; each keeps its own model, so that a session may change models."""

    session_id: str
    model_name: str
    request_history: list[TokenUsage] = field(default_factory=list)

    @property
    def totals(self) -> UsageTotals:
        """The sum of all requests."""
        return _totals((self, request) for request in self.request_history)

    @property
    def total_usage(self) -> TokenUsage:
        """The sum of all requests, with the time of the last one."""
        latest = self.request_history[-1].timestamp if self.request_history else 0.0
        return TokenUsage.from_usage(self.totals.usage, at=datetime.fromtimestamp(latest, UTC))

    @property
    def total_cost(self) -> Cost:
        """The exact sum; unpriced requests are counted in it."""
        return self.totals.cost

    @property
    def total_cost_usd(self) -> float:
        """USD of all requests that have a price; a lower bound while `total_cost.unpriced` is not 0."""
        return (self.total_cost.nano_usd or 0) / _NANO

    @property
    def cache_hit_rate(self) -> float:
        """Share of all prompt tokens that was read from the cache, 0 to 1."""
        return self.totals.hit_rate

    @property
    def cost_savings_from_cache(self) -> float:
        """USD saved against no caching at all, cache writes included; negative when the writes cost more."""
        return (self.total_cost.saved_nano_usd or 0) / _NANO

    def cost_of(self, request: TokenUsage) -> Cost:
        """What was booked, else the price of the request's own model, else of the session's."""
        return request.cost() if request.booked or request.model else request.cost(self.model_name)


class TokenTracker:
    """Usage of many sessions with totals of every kind, kept in memory and saved to JSON on request."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        """An empty tracker; days begin at midnight in `zone`, else in this machine's."""
        self._zone = zone
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
        turn: str | None = None,
        window: str | None = None,
        workspace: str | None = None,
    ) -> TokenUsage:
        """Book one request at the price in force at `at` (aware); the modifiers are the answer's own."""
        cost = cost_of(model, usage, at, speed=speed, geo=geo, service_tier=service_tier)
        request = TokenUsage.from_usage(
            usage, at=at, model=model, booked=cost, turn=turn, window=window, workspace=workspace
        )
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
    def zone_name(self) -> str:
        """The time zone whose days `by("day")` means."""
        return str(self._zone or datetime.now(UTC).astimezone().tzname())

    @property
    def totals(self) -> UsageTotals:
        """The sum over every request."""
        return _totals((session, request) for session, _, request in self._all())

    @property
    def total_cost(self) -> Cost:
        """The exact sum over every request."""
        return self.totals.cost

    def by(self, grouping: Grouping) -> dict[str, UsageTotals]:
        """The same totals divided; what has no window or workspace is under ''. Days are `2026-11-22`, in order.

        A request's key is its id, else the session's and its number there. BadParamsError for another grouping.
        """
        groups: dict[str, list[tuple[SessionTokenUsage, TokenUsage]]] = {}
        for session, number, request in self._all():
            key = self._key(grouping, session, number, request)
            groups.setdefault(key, []).append((session, request))
        keys = sorted(groups) if grouping == "day" else groups
        return {key: _totals(groups[key]) for key in keys}

    def report(self) -> dict[str, Any]:
        """Totals under `global_summary` and the same figures per session under `sessions`; money in USD."""
        return {
            "global_summary": {"session_count": len(self._sessions)} | _figures_of(self.totals),
            "sessions": {
                session.session_id: {"model": session.model_name} | _figures_of(session.totals)
                for session in self._sessions.values()
            },
        }

    def save(self, path: str | Path) -> None:
        """Write every request to a JSON file that only its owner may read; old content stays until the new is safe."""
        with private_file(Path(path)) as file:
            write_usage(file, (entry_of(session.session_id, request) for session, _, request in self._all()))

    @classmethod
    def load(cls, path: str | Path, zone: tzinfo | None = None) -> TokenTracker:
        """Read what `save` or `cmt-lsp ledger export` wrote, of this version or an older one.

        Requests that still ran when a ledger was exported are left out. StoreUnavailableError for any other content,
        OSError where it cannot be read.
        """
        tracker = cls(zone)
        with Path(path).open(encoding="utf-8-sig") as file:
            try:
                for session_id, request in filter(None, read_usage(file, _settled)):
                    tracker.add(session_id, request)
            except UsageFileError as error:
                raise StoreUnavailableError(
                    f"{path} is not a token usage file ({error}): choose another file"
                ) from error
        return tracker

    def _all(self) -> Iterator[tuple[SessionTokenUsage, int, TokenUsage]]:
        """Every request with its session and its number there."""
        for session in self._sessions.values():
            for number, request in enumerate(session.request_history, 1):
                yield session, number, request

    def _key(self, grouping: Grouping, session: SessionTokenUsage, number: int, request: TokenUsage) -> str:
        match grouping:
            case "request":
                return request.id or f"{session.session_id}#{number}"
            case "session":
                return session.session_id
            case "window":
                return request.window or ""
            case "workspace":
                return request.workspace or ""
            case "day":
                return (
                    datetime.fromtimestamp(request.timestamp, UTC).astimezone(self._zone).date().isoformat()
                )
            case "model":
                return request.model or session.model_name
        raise BadParamsError(
            f"{grouping} is no grouping: use request, session, window, workspace, day or model"
        )


def format_tokens(tokens: int) -> str:
    """`950`, `15.2K`, `1.3M`."""
    if tokens < 1000:
        return str(tokens)
    return f"{tokens / 1000:.1f}K" if tokens < 999_950 else f"{tokens / 1_000_000:.1f}M"


def format_session_usage(session: SessionTokenUsage) -> str:
    """A session's usage as six lines of text."""
    return format_totals("Session Usage:", session.totals)


def format_global_usage(tracker: TokenTracker) -> str:
    """The usage of all sessions as text, with their number."""
    return f"{format_totals('Total Usage:', tracker.totals)}\n  Sessions: {len(tracker.sessions)}"


def format_totals(title: str, totals: UsageTotals) -> str:
    """A title and five lines: tokens, cached, cost, savings, requests."""
    usage, cost = totals.usage, totals.cost
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
            f"  Requests: {totals.requests}{unpriced}",
        )
    )


def _settled(entry: Mapping[str, Any]) -> tuple[str, TokenUsage] | None:
    return None if is_running(entry) else request_of(entry)


def _totals(requests: Iterable[tuple[SessionTokenUsage, TokenUsage]]) -> UsageTotals:
    pairs = list(requests)
    costs = [session.cost_of(request) for session, request in pairs]
    return UsageTotals(
        requests=len(pairs),
        sessions=len({session.session_id for session, _ in pairs}),
        usage=sum((request.usage for _, request in pairs), Usage()),
        cost=Cost.sum(costs),
        estimated=sum(
            request.estimated or cost.estimated for (_, request), cost in zip(pairs, costs, strict=True)
        ),
    )


def _figures_of(totals: UsageTotals) -> dict[str, Any]:
    return figures(totals.usage, totals.cost, totals.requests)


def figures(usage: Usage, cost: Cost, requests: int) -> dict[str, Any]:
    """A sum as reports for scripts show it: tokens as whole numbers, money in US dollars."""
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
