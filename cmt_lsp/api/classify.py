"""Every failure of the upstream as one typed error: statuses, error events, and exceptions of any library.

Total: whatever goes in, exactly one CmtError comes out. Exceptions are told apart by the names of their classes,
so that nothing heavy is imported and no library version is trusted to keep its tree; a test holds the table
against the trees of the installed versions.
"""

from __future__ import annotations

import json
import re
import ssl
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from cmt_lsp.api.errors import (
    AuthError,
    BadAnswerError,
    BadImageError,
    BadParamsError,
    CmtError,
    ContextTooLargeError,
    InternalError,
    InvalidRequestError,
    ModelNotFoundError,
    NetworkError,
    OverloadedError,
    PaymentError,
    PermissionDeniedError,
    RateLimitedError,
    UpstreamTimeoutError,
)
from cmt_lsp.api.retry import come_back_in, retry_after
from cmt_lsp.api.secret import Credentials

REFUSAL_LIMIT = 64 * 1024
"""Bytes read of the body of a refused request."""
_LONGEST_TEXT = 300
_TYPES_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    407: "proxy_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TELLING = frozenset({"ConnectTimeout", "PoolTimeout", "ProxyError"})
"""Exceptions that say more than their causes, which are a bare TimeoutError or a status line."""
_NEVER_AGAIN = frozenset({400, 401, 402, 403, 404, 407, 413})
_TOO_LONG = re.compile(
    r"prompt is too long|context (window|length)|too many tokens|maximum context", re.IGNORECASE
)


class RefusedError(Exception):
    """A response that is no success, as read from the wire; it never reaches a caller."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """`headers` by lower-case name; `body` is cut at REFUSAL_LIMIT."""
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


def error_from_status(refusal: RefusedError, host: str, now: float) -> CmtError:
    """The error of a response that is no success; `now` in seconds since the epoch, for `retry-after` dates."""
    status, headers = refusal.status, refusal.headers
    if 300 <= status < 400:
        error: CmtError = _redirected(headers.get("location", ""), host)
    else:
        error = _refused(status, _error_of(refusal.body), refusal.body, host)
    error.request_id = request_id_of(headers)
    error.retry_after = retry_after(headers, now)
    error.retryable = _may_retry(status, headers.get("x-should-retry"), error)
    if error.retryable and error.retry_after is not None:
        error.message = (
            f"{error.message.rstrip('.')}. It asks to come back in {come_back_in(error.retry_after)}."
        )
        error.args = (error.message,)
    return error


def error_from_event(event: Mapping[str, Any], host: str) -> CmtError:
    """The error of an `error` event or body under status 200; its type decides, for the status says nothing."""
    told = event.get("error")
    error = _by_type(told if isinstance(told, dict) else {}, host)
    request_id = event.get("request_id")
    error.request_id = clean(request_id) if isinstance(request_id, str) else None
    return error


def error_from_exception(exc: BaseException, host: str, now: float) -> CmtError:
    """The error of any exception: the first one in its tree of causes that a rule knows decides."""
    for found in _tree(exc):
        if isinstance(found, CmtError):
            return found
        if isinstance(found, RefusedError):
            return error_from_status(found, host, now)
    causes = list(_tree(exc))
    telling = [found for found in causes if type(found).__name__ in _TELLING]
    for found in telling + causes[::-1]:  # but for those, the innermost cause says most
        error = _by_class(found, host)
        if error is not None:
            return error
    name = type(exc).__name__
    return InternalError(
        f"The request failed inside this program ({name}); please report it with what you did."
    )


def refusal_in(exc: BaseException) -> RefusedError | None:
    """The refused response behind an exception, if there is one."""
    return next((found for found in _tree(exc) if isinstance(found, RefusedError)), None)


def alone(failure: CmtError, credentials: Credentials, request_id: str | None = None) -> CmtError:
    """The failure fit to leave: the key taken out of its words, should the endpoint have echoed it, and no chain of
    causes, whose frames hold the key, the prompt and megabytes of images."""
    failure.message = credentials.mask(failure.message)
    failure.args = (failure.message,)
    told = failure.request_id or request_id
    failure.request_id = credentials.mask(told) if told else None
    failure.__cause__ = failure.__context__ = failure.__traceback__ = None
    return failure


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The endpoint's id of the request, fit to be shown."""
    told = headers.get("request-id") or headers.get("x-request-id")
    return clean(told)[:100] if told else None


def clean(text: str) -> str:
    """Text of the endpoint fit for one line of a message: no control or format characters, at most 300 long."""
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * _LONGEST_TEXT])
    plain = " ".join(plain.split())
    return plain if len(plain) <= _LONGEST_TEXT else plain[:_LONGEST_TEXT] + "..."


def _tree(exc: BaseException) -> Iterator[BaseException]:
    """The exception and all its causes, contexts and members, outer ones first, each once."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [exc]
    while queue:
        found = queue.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        queue += [found.__cause__, found.__context__]
        if isinstance(found, BaseExceptionGroup):
            queue += found.exceptions


def _may_retry(status: int, told: str | None, error: CmtError) -> bool:
    """The endpoint's own word counts, but never for what a second try cannot change."""
    if status in _NEVER_AGAIN or 300 <= status < 400 or isinstance(error, PaymentError):
        return False
    if told in ("true", "false"):
        return told == "true"
    return error.retryable


def _error_of(body: bytes) -> dict[str, Any]:
    """The error object of a body in any of the usual shapes, or {}."""
    try:
        decoded = json.loads(body.decode())
    except (ValueError, RecursionError):
        return {}
    if not isinstance(decoded, dict):
        return {}
    told = decoded.get("error", decoded.get("detail", decoded.get("message")))
    if isinstance(told, dict):
        return told
    return {"message": told} if isinstance(told, str) else {}


def _refused(status: int, told: dict[str, Any], body: bytes, host: str) -> CmtError:
    if status == 404 and not told:
        return NetworkError(
            f"{host} has no Messages API at this address (404).",
            hint="Check the base URL; it ends before /v1.",
            retryable=False,
        )
    if status < 400:
        return not_an_answer(body, host)
    usual = _TYPES_BY_STATUS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    named = told.get("type")
    known = isinstance(named, str) and named in _BY_TYPE
    # Gateways label a 429 or 5xx as they like, so there the status decides; a 4xx type says more than its status.
    kind = named if known and status < 500 and status != 429 else usual
    return _by_type({**told, "type": kind}, host, status)


def not_an_answer(body: bytes, host: str) -> CmtError:
    """The error of a success whose body is no answer: a web page, a sign-in form, another API."""
    looks = "a web page" if body.lstrip()[:1] == b"<" else "something"
    return BadAnswerError(
        f"{host} answered with {looks} that is no Messages API answer.",
        hint="Check the base URL, and whether a proxy or a sign-in page stands in between.",
    )


def _redirected(location: str, host: str) -> CmtError:
    try:
        target = clean(urlsplit(location).hostname or "") or host
    except ValueError:
        target = "an address that cannot be read"
    return NetworkError(
        f"{host} redirects to {target}, and redirects are not followed, because the prompt would go with them.",
        hint="If you trust the new address, set it as the base URL.",
        retryable=False,
    )


def _by_type(told: Mapping[str, Any], host: str, status: int | None = None) -> CmtError:
    """The error by the API's own error type; unknown types are a fault of the server."""
    kind = told.get("type")
    message = told.get("message")
    words = clean(message) if isinstance(message, str) else ""
    detail = f": {words}" if words else "."
    if "spend_limit" in _code_of(told):
        return PaymentError(
            f"A spend limit is reached{detail}", hint="Raise it in the console, or wait for its reset."
        )
    make = _BY_TYPE.get(kind) if isinstance(kind, str) else None
    if make is not None:
        error = make(host, detail, _code_of(told))
        if isinstance(error, BadImageError):
            error.hint = _image_hint(told.get("details"))
        return error
    at = f" ({status})" if status else ""
    return NetworkError(f"{host} failed{at}{detail}")


def _code_of(told: Mapping[str, Any]) -> str:
    details = told.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    return code if isinstance(code, str) else ""


def _invalid(host: str, detail: str, code: str) -> CmtError:
    if code.startswith("image") or re.search(r"\bimages?\b", detail):
        return BadImageError(f"{host} refused an image{detail}")
    if _TOO_LONG.search(detail):
        return ContextTooLargeError(
            f"The prompt is longer than the model takes{detail}", hint="Attach less, or start a new session."
        )
    return InvalidRequestError(f"{host} refused the request{detail}")


def _image_hint(details: object) -> str:
    """What to do, with the size that the endpoint takes and the images it minds, where it says so."""
    told = details if isinstance(details, dict) else {}
    side, paths = told.get("max_side_length_pixels"), told.get("paths")
    which = clean(", ".join(map(str, paths))) if isinstance(paths, list) and paths else ""
    if not isinstance(side, int):
        return "Remove the image or make it smaller."
    return f"Send it with at most {side} pixels on a side{f' ({which})' if which else ''}, or leave it out."


def _not_found(host: str, detail: str, _code: str) -> CmtError:
    return ModelNotFoundError(
        f"{host} does not know what was asked for, most likely the model{detail}",
        hint="Choose another model.",
    )


_BY_TYPE: dict[str, Callable[[str, str, str], CmtError]] = {
    "invalid_request_error": _invalid,
    "authentication_error": lambda host, detail, _code: AuthError(
        f"{host} refused the API key{detail}",
        hint="Give another key, or name the endpoint that this one is for.",
        command="cmt.auth.set",
    ),
    "billing_error": lambda host, detail, _code: PaymentError(
        f"Billing stands in the way at {host}{detail}", hint="Look at the plan and the credit in the console."
    ),
    "permission_error": lambda host, detail, _code: PermissionDeniedError(
        f"The key may not do this at {host}{detail}", hint="Choose another model or another key."
    ),
    "not_found_error": _not_found,
    "proxy_error": lambda host, detail, _code: NetworkError(
        f"The proxy before {host} wants a sign-in{detail}", hint="Put it into HTTPS_PROXY.", retryable=False
    ),
    "request_too_large": lambda host, detail, _code: InvalidRequestError(
        f"The request is too large for {host}{detail}", hint="Attach fewer or smaller images."
    ),
    "rate_limit_error": lambda host, detail, _code: RateLimitedError(
        f"{host} limits the rate of requests{detail}"
    ),
    "timeout_error": lambda host, detail, _code: NetworkError(f"{host} ran out of time{detail}"),
    "conflict_error": lambda host, detail, _code: NetworkError(f"{host} reports a conflict{detail}"),
    "api_error": lambda host, detail, _code: NetworkError(f"{host} failed{detail}"),
    "overloaded_error": lambda host, detail, _code: OverloadedError(f"{host} is overloaded{detail}"),
}


def _by_class(exc: BaseException, host: str) -> CmtError | None:
    """The error of one exception by the most special of its classes that has a rule."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _untrusted(exc, host)
    for cls in type(exc).__mro__:
        make = _BY_CLASS.get(cls.__name__)
        if make is not None:
            return make(host)
    return None


def _untrusted(exc: ssl.SSLCertVerificationError, host: str) -> CmtError:
    if "expired" in exc.verify_message or "not yet valid" in exc.verify_message:
        why, hint = "is not valid today", "Check the clock of this machine."
    else:
        why, hint = f"is not trusted ({clean(exc.verify_message)})", "For a company CA set SSL_CERT_FILE."
    return NetworkError(f"The certificate of {host} {why}.", hint=hint, retryable=False)


def _timeout(host: str) -> CmtError:
    return UpstreamTimeoutError(f"{host} did not answer in time; try again.")


def _lost(host: str) -> CmtError:
    return NetworkError(f"The connection to {host} was lost; try again.")


def _unreachable(host: str) -> CmtError:
    return NetworkError(f"{host} cannot be reached.", hint="Check the network, the proxy and the base URL.")


def _unreadable(host: str) -> CmtError:
    return BadAnswerError(f"The answer of {host} cannot be read; try again.")


def _bad_address(host: str) -> CmtError:
    return BadParamsError(f"The base URL with host {host} cannot be used.", hint="Check the base URL.")


_BY_CLASS: dict[str, Callable[[str], CmtError]] = {
    "ConnectTimeout": lambda host: UpstreamTimeoutError(
        f"No connection to {host} in time.", hint="Check the network, the proxy and the base URL."
    ),
    "PoolTimeout": lambda host: UpstreamTimeoutError(
        f"All connections to {host} are busy; wait for a turn to end."
    ),
    "TimeoutException": _timeout,
    "TimeoutError": _timeout,
    "gaierror": lambda host: NetworkError(
        f"The name {host} cannot be resolved; this machine may be offline.",
        hint="Check the network and the base URL.",
    ),
    "ConnectionRefusedError": lambda host: NetworkError(
        f"Nothing listens at {host}.", hint="Start the server, or check the base URL."
    ),
    "ConnectionNotAvailable": _lost,
    "ConnectError": _unreachable,
    "NetworkError": _lost,
    "ProtocolError": _lost,
    "ConnectionError": _lost,
    "EndOfStream": _lost,
    "BrokenResourceError": _lost,
    "ClosedResourceError": _lost,
    "StreamError": _lost,
    "SSLError": lambda host: NetworkError(
        f"No secure connection to {host} could be made.", hint="Check the proxy."
    ),
    "ProxyError": lambda host: NetworkError(
        f"The proxy did not let the request through to {host}.", hint="Check HTTPS_PROXY.", retryable=False
    ),
    "UnsupportedProtocol": _bad_address,
    "InvalidURL": _bad_address,
    "DecodingError": _unreadable,
    "UnicodeError": _unreadable,
    "JSONDecodeError": _unreadable,
    "RecursionError": _unreadable,
    "TooManyRedirects": lambda host: NetworkError(f"{host} redirects without end.", retryable=False),
    "TransportError": _lost,
    "OSError": _unreachable,
    "ImportError": lambda _host: InternalError(
        "The anthropic package cannot be imported; install cmt-lsp again.",
        hint="pip install --force-reinstall cmt-lsp",
    ),
    "MemoryError": lambda _host: InternalError("Memory ran out; close sessions or attach less."),
}
