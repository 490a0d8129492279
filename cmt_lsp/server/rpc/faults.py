"""A failure of a request: what the editor is told, and what is written down."""

from __future__ import annotations

import logging
import secrets
import traceback
from typing import TYPE_CHECKING

from pygls.exceptions import JsonRpcException

from cmt_lsp.server.rpc.convert import BadValueError
from cmt_lsp.server.rpc.messages import INTERNAL_ERROR, INVALID_PARAMS, RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

DEEPEST_FRAMES = -12
"""Frames of the trace that are kept, counted from where it was raised; a recursion has a thousand."""


def rpc_error(error: BaseException, error_of: Callable[[BaseException], RpcError | None]) -> RpcError:
    """What the editor is told: `error_of` knows the errors that are meant for it; of others only an id leaves."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, BadValueError):
        return RpcError(INVALID_PARAMS, f"{error}.", {"kind": "bad_params", "retryable": False})
    if isinstance(error, JsonRpcException):
        return RpcError(error.code, error.message, error.data)
    try:
        told = error_of(error)
    except Exception as fault:  # noqa: BLE001 - the answer is owed all the same
        error, told = fault, None
    return told or _internal_error(error)


def _internal_error(error: BaseException) -> RpcError:
    error_id = log_fault("a handler", error)
    data = {"kind": "internal", "retryable": False, "errorId": error_id}
    return RpcError(INTERNAL_ERROR, f"Internal error {error_id}; the log of the server says more.", data)


def log_fault(where: str, error: BaseException) -> str:
    """Log the type and the place of an error under an id, which is returned.

    The text of the exception is left out, since it may hold a prompt, a path or a key.
    """
    error_id = secrets.token_hex(4)
    frames = "".join(traceback.format_tb(error.__traceback__, limit=DEEPEST_FRAMES))
    logger.error("fault %s in %s: %s\n%s", error_id, where, type(error).__name__, frames)
    return error_id
