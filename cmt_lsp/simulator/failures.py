"""How the service says no: a status, a type, a sentence that names the field, in its own JSON shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPE_OF_STATUS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class RefusalError(Exception):
    """A request the simulated service will not serve."""

    def __init__(self, status: int, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        """`status` is the HTTP status; the error type follows from it."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details


def invalid(path: str, message: str, *, details: Mapping[str, Any] | None = None) -> RefusalError:
    """A 400 whose message starts with the path of the field, such as `messages.0.content.1.text`."""
    return RefusalError(400, f"{path}: {message}", details=details)


def error_body(
    status: int,
    message: str,
    *,
    kind: str | None = None,
    details: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> dict[str, Any]:
    """The JSON body of an error answer, also the data of an `error` event."""
    error: dict[str, Any] = {"type": kind or TYPE_OF_STATUS.get(status, "api_error"), "message": message}
    if details is not None:
        error["details"] = dict(details)
    body: dict[str, Any] = {"type": "error", "error": error}
    if request_id is not None:
        body["request_id"] = request_id
    return body
