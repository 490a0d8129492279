"""JSON-RPC messages as values: bytes to one of four shapes, and a reply back to bytes.

Only the top level of a message is looked at: `jsonrpc`, `method` and `id` deeper down are somebody's data.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from cmt_lsp.api.surrogates import mend

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
NOT_INITIALIZED: Final = -32002
REQUEST_CANCELLED: Final = -32800
REQUEST_FAILED: Final = -32803

MessageId = str | int

# One escape of a JSON string: a whole surrogate pair, a lone half (group 1), or any other escape.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class RpcError(Exception):
    """A request failed; `code`, `message` and `data` are sent as they are."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


@dataclass(frozen=True, slots=True)
class Request:
    """A question that gets exactly one answer."""

    id: MessageId
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Notification:
    """A message that gets no answer."""

    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Response:
    """The other side's answer; `bare` when it holds neither a result nor an error."""

    id: MessageId
    result: Any
    error: Any
    bare: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is none of the three; `id` is None where it could not be read."""

    id: MessageId | None
    error: RpcError


def classify(message: object) -> Request | Notification | Response | Refused:
    """Which of the four shapes a decoded message has; never fails."""
    if isinstance(message, list):
        return Refused(
            None, RpcError(INVALID_REQUEST, "Batches are not part of the protocol; send one message.")
        )
    if not isinstance(message, dict):
        return Refused(None, RpcError(INVALID_REQUEST, "A message must be a JSON object."))
    given = message.get("id")
    readable = given if isinstance(given, (str, int)) and not isinstance(given, bool) else None
    if message.get("jsonrpc") != "2.0":
        return Refused(readable, RpcError(INVALID_REQUEST, 'The member "jsonrpc" must be "2.0".'))
    if "id" in message and readable is None:
        return Refused(None, RpcError(INVALID_REQUEST, "An id must be a string or an integer."))
    if "method" in message:
        return _call(message, readable)
    if readable is None:
        return Refused(None, RpcError(INVALID_REQUEST, "A message needs a method or an id."))
    bare = "result" not in message and "error" not in message
    return Response(readable, message.get("result"), message.get("error"), bare)


def _call(message: dict[str, Any], readable: MessageId | None) -> Request | Notification | Refused:
    method = message["method"]
    if not isinstance(method, str):
        return Refused(readable, RpcError(INVALID_REQUEST, "A method must be a string."))
    if readable is None:
        return Notification(method, message.get("params"))
    return Request(readable, method, message.get("params"))


def decode_body(body: bytes) -> object:
    """The JSON value of one frame, lone surrogates replaced; raises `RpcError` where it is not strict JSON."""
    if b"\\ud" in body or b"\\uD" in body:
        body = _ESCAPE.sub(_without_lone_half, body)
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise RpcError(PARSE_ERROR, "The message is not UTF-8.") from None
    except RecursionError:
        raise RpcError(PARSE_ERROR, "The message is nested too deeply.") from None
    except ValueError:  # the decoder's own text may quote the message, so it is not repeated
        raise RpcError(PARSE_ERROR, "The message is not valid JSON.") from None


def _without_lone_half(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match[1] else match[0]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def encode_body(message: dict[str, Any]) -> bytes:
    """UTF-8 JSON; raises ValueError for NaN, infinity and cycles, TypeError for what JSON cannot hold."""
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return mend(text).encode()


def result_message(request_id: MessageId, result: object) -> dict[str, Any]:
    """A reply that carries a result; null is a result."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def error_message(request_id: MessageId | None, error: RpcError) -> dict[str, Any]:
    """A reply that carries an error; `data` is left out where there is none."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return {"jsonrpc": "2.0", "id": request_id, "error": body}
