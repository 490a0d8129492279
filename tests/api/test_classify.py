"""Every failure of the upstream is exactly one typed error, whatever it is."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.api import errors
from cmt_lsp.api.classify import (
    RefusedError,
    clean,
    error_from_event,
    error_from_exception,
    error_from_status,
)
from cmt_lsp.api.errors import CmtError

NOW = 1_800_000_000.0


def refused(status: int, body: Any = None, **headers: str) -> CmtError:
    """The error of one refusal; header names with underscores for dashes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_from_status(RefusedError(status, told, raw), "host", NOW)


def told(kind: str, message: str = "some words", code: str | None = None) -> dict[str, Any]:
    """A refusal in the API's shape."""
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kind, "message": message, **details}}


@pytest.mark.parametrize(
    ("status", "kind", "expected", "retryable"),
    [
        (400, "invalid_request_error", errors.InvalidRequestError, False),
        (401, "authentication_error", errors.AuthError, False),
        (402, "billing_error", errors.PaymentError, False),
        (403, "permission_error", errors.PermissionDeniedError, False),
        (404, "not_found_error", errors.ModelNotFoundError, False),
        (408, "timeout_error", errors.NetworkError, True),
        (409, "conflict_error", errors.NetworkError, True),
        (413, "request_too_large", errors.InvalidRequestError, False),
        (418, "teapot", errors.InvalidRequestError, False),
        (422, "invalid_request_error", errors.InvalidRequestError, False),
        (429, "rate_limit_error", errors.RateLimitedError, True),
        (500, "api_error", errors.NetworkError, True),
        (502, "bad_gateway", errors.NetworkError, True),
        (503, "anything", errors.OverloadedError, True),
        (504, "timeout_error", errors.NetworkError, True),
        (529, "overloaded_error", errors.OverloadedError, True),
    ],
)
def test_each_status_is_its_kind_with_and_without_a_body(
    status: int, kind: str, expected: type[CmtError], retryable: bool
) -> None:
    error = refused(status, told(kind), request_id="req_9")

    assert type(error) is expected
    assert error.retryable is retryable
    assert error.request_id == "req_9"
    assert "some words" in error.message
    for body in (b"", b"<html>", b"\xff", b"[[[["):
        bare = refused(status, body)
        assert type(bare) is (errors.NetworkError if status == 404 else expected)
        assert bare.retryable is retryable


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413])
def test_what_a_second_try_cannot_change_is_never_tried_again(status: int) -> None:
    assert not refused(status, told("api_error"), x_should_retry="true").retryable


def test_the_endpoints_word_on_retrying_counts_elsewhere() -> None:
    assert not refused(529, None, x_should_retry="false").retryable
    assert refused(422, None, x_should_retry="true").retryable
    assert refused(529, None, x_should_retry="perhaps").retryable


@pytest.mark.parametrize("code", ["contract_spend_limit_reached", "enforced_spend_limit_reached"])
def test_a_spend_limit_is_a_matter_of_payment(code: str) -> None:
    error = refused(429, told("rate_limit_error", code=code), x_should_retry="true", retry_after="2")

    assert type(error) is errors.PaymentError
    assert not error.retryable


def test_a_wait_that_is_asked_for_is_kept_and_said() -> None:
    error = refused(429, told("rate_limit_error"), retry_after="86400")

    assert error.retry_after == 86400
    assert "24 hours" in str(error)


@pytest.mark.parametrize(
    ("message", "code", "expected"),
    [
        ("prompt is too long: 210000 tokens > 200000 maximum", None, errors.ContextTooLargeError),
        ("messages.0.content.1.image.source: image exceeds 5 MB maximum", None, errors.BadImageError),
        ("no", "image_dimensions_too_large", errors.BadImageError),
        ("max_tokens: must be positive", None, errors.InvalidRequestError),
    ],
)
def test_a_bad_request_is_told_apart_by_its_words(
    message: str, code: str | None, expected: type[CmtError]
) -> None:
    assert type(refused(400, told("invalid_request_error", message, code))) is expected


@pytest.mark.parametrize("kind", [None, 5, [], {}, ["api_error"]])
def test_a_type_that_is_no_text_counts_as_none(kind: Any) -> None:
    assert type(refused(500, {"error": {"type": kind}})) is errors.NetworkError


@pytest.mark.parametrize("body", [{"error": "words"}, {"detail": "words"}, {"error": {"message": "words"}}])
def test_other_shapes_of_error_bodies_are_understood(body: Any) -> None:
    assert "words" in refused(500, body).message


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://evil.example/v1", "evil.example"),
        ("/login", "host"),
        ("", "host"),
        ("http://[", "cannot be read"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_names_its_target_and_is_not_tried_again(status: int, location: str, target: str) -> None:
    error = refused(status, b"", location=location)

    assert type(error) is errors.NetworkError
    assert target in error.message
    assert not error.retryable


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", errors.OverloadedError),
        ("rate_limit_error", errors.RateLimitedError),
        ("api_error", errors.NetworkError),
        ("invalid_request_error", errors.InvalidRequestError),
        ("authentication_error", errors.AuthError),
        ("something_new", errors.NetworkError),
    ],
)
def test_an_error_event_is_its_type(kind: str, expected: type[CmtError]) -> None:
    assert type(error_from_event(told(kind), "host")) is expected


def test_words_of_the_endpoint_are_made_fit_for_a_line() -> None:
    assert clean("a\x1b[31m\r\nb\u202ec\x00 d") == "a [31m b c d"
    assert len(clean("x" * 5000)) < 310


def chained(*chain: BaseException) -> BaseException:
    """An exception whose causes are the following ones."""
    for outer, inner in itertools.pairwise(chain):
        outer.__cause__ = inner
    return chain[0]


def sdk_errors() -> list[tuple[BaseException, type[CmtError], str]]:
    import anthropic
    import httpcore2
    import httpx2

    request = httpx2.Request("POST", "http://h/")
    untrusted = ssl.SSLCertVerificationError(1, "bad")
    untrusted.verify_message = "self-signed certificate"
    expired = ssl.SSLCertVerificationError(1, "bad")
    expired.verify_message = "certificate has expired"
    wrapped = lambda *inner: chained(anthropic.APIConnectionError(request=request), *inner)  # noqa: E731
    return [
        (wrapped(httpx2.ConnectError("x"), OSError("all"), ConnectionRefusedError(111, "x")), errors.NetworkError, "Nothing listens"),
        (wrapped(httpx2.ConnectError("x"), socket.gaierror(-2, "x")), errors.NetworkError, "cannot be resolved"),
        (wrapped(httpx2.ConnectError("x"), untrusted), errors.NetworkError, "not trusted"),
        (wrapped(httpx2.ConnectError("x"), expired), errors.NetworkError, "not valid today"),
        (wrapped(httpx2.ConnectError("x"), ssl.SSLError(1, "x")), errors.NetworkError, "secure"),
        (wrapped(httpx2.ConnectTimeout("x"), httpcore2.ConnectTimeout(), TimeoutError()), errors.UpstreamTimeoutError, "No connection"),
        (wrapped(httpx2.PoolTimeout("x"), TimeoutError()), errors.UpstreamTimeoutError, "busy"),
        (wrapped(httpx2.ProxyError("407 Proxy Authentication Required")), errors.NetworkError, "proxy"),
        (httpx2.RemoteProtocolError("x"), errors.NetworkError, "lost"),
        (httpx2.ReadError("x"), errors.NetworkError, "lost"),
        (httpx2.DecodingError("x"), errors.BadAnswerError, "cannot be read"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "x"), errors.BadAnswerError, "cannot be read"),
        (json.JSONDecodeError("x", "y", 0), errors.BadAnswerError, "cannot be read"),
        (ExceptionGroup("g", [ValueError(), ConnectionRefusedError()]), errors.NetworkError, "Nothing listens"),
        (ImportError("anthropic"), errors.InternalError, "install"),
        (MemoryError(), errors.InternalError, "Memory"),
        (KeyError("secret words"), errors.InternalError, "KeyError"),
    ]  # fmt: skip


@pytest.mark.parametrize("index", range(17))
def test_exceptions_are_told_by_their_innermost_cause(index: int) -> None:
    exc, expected, words = sdk_errors()[index]
    error = error_from_exception(exc, "host", NOW)

    assert type(error) is expected
    assert words in error.message


def test_every_exception_of_the_installed_libraries_has_a_rule() -> None:
    """A new class in a new version of the libraries must not fall through to an internal error."""
    import httpcore2
    import httpx2

    usage_errors = {
        "CookieConflict",
        "InvalidURL",
        "HTTPStatusError",
        "UnsupportedProtocol",
        "LocalProtocolError",
    }
    for module in (httpx2, httpcore2):
        for name in dir(module):
            cls = getattr(module, name)
            if not (isinstance(cls, type) and issubclass(cls, Exception)) or name in usage_errors:
                continue
            if name in ("HTTPError", "RequestError"):  # abstract, never raised themselves
                continue
            error = error_from_exception(cls.__new__(cls), "host", NOW)
            assert "please report" not in error.message, name


LEAVES = st.sampled_from(
    [
        OSError,
        TimeoutError,
        ssl.SSLError,
        ValueError,
        KeyError,
        RecursionError,
        EOFError,
        socket.gaierror,
        ZeroDivisionError,
    ]
).map(lambda cls: cls())
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map(lambda chain: chained(*chain)),
        st.lists(inner, min_size=1, max_size=3).map(lambda members: ExceptionGroup("g", members)),
    ),
    max_leaves=8,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "error", "message", "details", "error_code", "detail"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(TREES)
def test_any_tree_of_exceptions_is_one_typed_error(exc: BaseException) -> None:
    assert isinstance(error_from_exception(exc, "host", NOW), CmtError)


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert isinstance(error_from_exception(first, "host", NOW), CmtError)


@given(
    st.integers(100, 999),
    st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(["location", "retry-after", "x-should-retry", "request-id"]), st.text()),
)
def test_any_refusal_is_one_typed_error(status: int, body: bytes, headers: dict[str, str]) -> None:
    error = error_from_status(RefusedError(status, headers, body), "host", NOW)

    assert isinstance(error, CmtError)
    assert error.message == str(error)
    assert "\n" not in error.message


@given(st.dictionaries(st.sampled_from(["type", "error", "request_id"]), JSON))
def test_any_error_event_is_one_typed_error(event: dict[str, Any]) -> None:
    assert isinstance(error_from_event(event, "host"), CmtError)
