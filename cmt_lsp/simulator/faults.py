"""What can go wrong on the way, as plain values that a test scripts one per request.

Faults combine: `Fault.drip() | Fault.reset(after_events=3)`. Places are counted in the plain body, before
compression and chunk framing: `after_bytes=0` or `after_events=0` is "headers sent, nothing else yet", and a
fault given no place strikes before the headers. A place beyond the end of the answer never strikes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

Act = Literal["reset", "cut", "hang_up", "stall", "error_event", "pings", "endless"]
JunkKind = Literal[
    "bad_json", "bad_utf8", "unknown_event", "unknown_block", "unknown_delta", "missing_index", "two_starts",
    "no_start", "no_stop", "no_usage", "negative_usage", "huge_usage", "done", "no_event_lines", "carriage_returns",
    "comments", "huge_line",
]  # fmt: skip
BodyKind = Literal["html", "json_body", "empty", "not_http"]


@dataclass(frozen=True, slots=True)
class Strike:
    """One act at one place of the answer; `after_bytes` and `after_events` both None mean before the headers."""

    act: Act
    after_bytes: int | None = None
    after_events: int | None = None
    error_type: str = "overloaded_error"
    message: str = "Overloaded"
    seconds: float | None = None
    every: float = 0.05

    @property
    def before_headers(self) -> bool:
        """Whether it strikes before anything was sent."""
        return self.after_bytes is None and self.after_events is None


@dataclass(frozen=True, slots=True)
class Substitute:
    """A whole response in place of the answer; `body` None means the service's own error body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    error_type: str | None = None
    message: str | None = None
    error_code: str | None = None
    body: bytes | None = None
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Drip:
    """Send in pieces of `size` bytes with `delay` seconds between them."""

    delay: float
    size: int = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """A bundle of things that go wrong with one request; make it with the constructors below."""

    substitute: Substitute | None = None
    strikes: tuple[Strike, ...] = ()
    drip_body: Drip | None = None
    drip_head: Drip | None = None
    junk: tuple[JunkKind, ...] = ()
    junk_size: int = 0
    json_body: bool = False
    compress: Literal["gzip", "false_gzip"] | None = None

    def __or__(self, other: Fault) -> Fault:
        """Both: strikes and junk add up, of single things the right one wins."""
        merged = {
            f.name: getattr(self, f.name) if getattr(other, f.name) == f.default else getattr(other, f.name)
            for f in fields(Fault)
        }
        merged["strikes"] = self.strikes + other.strikes
        merged["junk"] = self.junk + other.junk
        return Fault(**merged)

    @property
    def shows_answer(self) -> bool:
        """Whether any of the answer is sent: only then does the request use up a scripted answer."""
        ends = any(s.before_headers and s.act in ("reset", "hang_up") for s in self.strikes)
        return self.substitute is None and not ends

    @staticmethod
    def status(
        code: int,
        kind: str | None = None,
        *,
        message: str | None = None,
        retry_after: float | str | None = None,
        error_code: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Fault:
        """An error status; `kind` is the error type (by the status if None), `retry_after` any header text."""
        extra = tuple((headers or {}).items())
        if retry_after is not None:
            extra = (("retry-after", str(retry_after)), *extra)
        return Fault(substitute=Substitute(code, extra, kind, message, error_code, body))

    @staticmethod
    def redirect(code: int, location: str) -> Fault:
        """Point the client elsewhere (301, 302, 303, 307, 308)."""
        return Fault(substitute=Substitute(code, (("location", location),), body=b""))

    @staticmethod
    def reset(*, after_bytes: int | None = None, after_events: int | None = None) -> Fault:
        """A real RST."""
        return Fault(strikes=(Strike("reset", after_bytes, after_events),))

    @staticmethod
    def cut(*, after_bytes: int | None = None, after_events: int | None = None) -> Fault:
        """A body that ends in good order, only too early. With no place: right after the headers."""
        if after_bytes is None and after_events is None:
            after_bytes = 0
        return Fault(strikes=(Strike("cut", after_bytes, after_events),))

    @staticmethod
    def hang_up(*, after_bytes: int | None = None, after_events: int | None = None) -> Fault:
        """A FIN in the middle of the body, without the last chunk."""
        return Fault(strikes=(Strike("hang_up", after_bytes, after_events),))

    @staticmethod
    def stall(*, after_bytes: int | None = None, after_events: int | None = None) -> Fault:
        """Silence on an open socket until `Simulator.release()`, then go on; or until the peer closes."""
        return Fault(strikes=(Strike("stall", after_bytes, after_events),))

    @staticmethod
    def error_event(
        kind: str = "overloaded_error", *, after_events: int = 0, message: str = "Overloaded"
    ) -> Fault:
        """An `error` event inside the 200, then the end of the body."""
        return Fault(strikes=(Strike("error_event", None, after_events, kind, message),))

    @staticmethod
    def ping_only(seconds: float | None = None, *, every: float = 0.05, after_events: int = 1) -> Fault:
        """Nothing but pings for some seconds (None: until released), then the rest of the answer."""
        return Fault(strikes=(Strike("pings", None, after_events, seconds=seconds, every=every),))

    @staticmethod
    def endless(*, after_events: int = 3, text: str = "and so on ", every: float = 0.0) -> Fault:
        """Text deltas without end, until the peer closes."""
        return Fault(strikes=(Strike("endless", None, after_events, message=text, every=every),))

    @staticmethod
    def drip(delay: float = 0.001, *, size: int = 1) -> Fault:
        """The body in small pieces, chunk framing included."""
        return Fault(drip_body=Drip(delay, size))

    @staticmethod
    def drip_headers(delay: float = 0.001, *, size: int = 1) -> Fault:
        """The status line and headers in small pieces."""
        return Fault(drip_head=Drip(delay, size))

    @staticmethod
    def junk_stream(*kinds: JunkKind, megabytes: float = 8.0) -> Fault:
        """A stream with something foul in it; `megabytes` is the size of a `huge_line`."""
        return Fault(junk=kinds, junk_size=int(megabytes * 1024 * 1024))

    @staticmethod
    def junk_body(kind: BodyKind) -> Fault:
        """A 200 that is no stream: a page of HTML, one JSON message, nothing, or not even HTTP."""
        if kind == "json_body":
            return Fault(json_body=True)
        if kind == "not_http":
            return Fault(substitute=Substitute(200, body=b"SSH-2.0-OpenSSH_9.9\r\n", raw=True))
        page = b"<!doctype html><html><body><h1>Please log in to the hotel network</h1></body></html>"
        media = "text/html; charset=utf-8" if kind == "html" else "text/event-stream"
        return Fault(
            substitute=Substitute(200, (("content-type", media),), body=page if kind == "html" else b"")
        )

    @staticmethod
    def gzip(*, false: bool = False) -> Fault:
        """A compressed body nobody asked for; `false`: only the header says so."""
        return Fault(compress="false_gzip" if false else "gzip")


NO_FAULT = Fault()
"""Nothing goes wrong."""
