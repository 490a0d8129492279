"""Everything that can go wrong, as one tree of typed errors.

Each class names one `kind` of the wire contract. `message` is a sentence for a person and says what to do
next; it never holds a key, a prompt or a path of the server's own code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from cmt_lsp.api.stream import Message

Billed: TypeAlias = Literal["nothing", "unknown", "begun", "told"]
"""What a failed attempt may have cost: provably nothing, since it never left or was refused before an answer; what
the endpoint told as the answer began; or nobody knows, since the request left and no word of its answer came, or none
but that there would be one."""


class CmtError(Exception):
    """A failure with a stable kind and one sentence that says what to do next."""

    kind: ClassVar[str] = "internal"
    retryable: bool = False
    billed: Billed = "nothing"
    """Of the attempt that ended with this error; "told": see the usage of `partial`."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        command: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        """`retry_after` is in seconds; `command` is a command of this server that mends the cause.

        `retryable` overrides the answer of the class, where this one failure differs from its kind.
        """
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.command = command
        self.retry_after = retry_after
        self.request_id = request_id
        if retryable is not None:
            self.retryable = retryable
        self.partial: Message | None = None
        """What had arrived of an answer that failed midway, its usage included; None before it began."""


class InternalError(CmtError):
    """A fault of this program, or an answer of the endpoint that fits no rule."""


class BadAnswerError(InternalError):
    """The endpoint's answer cannot be read: no Messages API, broken JSON or UTF-8, or over a limit."""


class MissingKeyError(CmtError):
    """No credential is configured."""

    kind = "missing_key"


class AuthError(CmtError):
    """The credential is malformed, or the endpoint refused it (401)."""

    kind = "auth"


class PermissionDeniedError(CmtError):
    """The credential may not do this (403)."""

    kind = "permission"


class PaymentError(CmtError):
    """Billing stands in the way (402, or a spend limit reached)."""

    kind = "payment"


class ModelNotFoundError(CmtError):
    """The endpoint does not know the model (404)."""

    kind = "model_not_found"


class RateLimitedError(CmtError):
    """Too many requests (429)."""

    kind = "rate_limited"
    retryable = True


class OverloadedError(CmtError):
    """The endpoint has no capacity now (529, 503, or an `overloaded_error` event)."""

    kind = "overloaded"
    retryable = True


class NetworkError(CmtError):
    """The connection failed, was reset, was redirected, or the server itself failed (408, 409, 5xx)."""

    kind = "network"
    retryable = True


class UpstreamTimeoutError(CmtError):
    """No connection or no first byte within its limit, or the whole turn over its limit."""

    kind = "timeout"
    retryable = True


class StalledError(CmtError):
    """The stream went silent for longer than its limit."""

    kind = "stalled"
    retryable = True


class InvalidRequestError(CmtError):
    """The endpoint refused the request (400, 413, 422)."""

    kind = "invalid_request"


class ContextTooLargeError(InvalidRequestError):
    """The prompt does not fit the model's context window."""

    kind = "context_too_large"


class BadImageError(CmtError):
    """An image cannot be sent."""

    kind = "bad_image"


class NoPictureError(CmtError):
    """The screen or the clipboard gave no picture: no tool, nothing chosen, nothing copied, or the tool failed."""

    kind = "no_picture"


class BadParamsError(CmtError):
    """A parameter is wrong; the message names the field."""

    kind = "bad_params"


class UnknownSessionError(CmtError):
    """No session has this id."""

    kind = "unknown_session"


class UnknownTurnError(CmtError):
    """The session has no such turn."""

    kind = "unknown_turn"


class UnknownBatchError(CmtError):
    """No batch has this id, here or at the endpoint."""

    kind = "unknown_batch"


class SessionBusyError(CmtError):
    """A turn is running in this session, here or in another window."""

    kind = "session_busy"
    retryable = True


class BlockedFileError(CmtError):
    """A file may not be read or sent."""

    kind = "blocked_file"


class StoreUnavailableError(CmtError):
    """The session store cannot be read or written."""

    kind = "ledger_unavailable"
    retryable = True


class LedgerUnavailableError(StoreUnavailableError):
    """The ledger cannot be used while a budget is in force, so nothing was sent."""


class BudgetExceededError(CmtError):
    """What a turn may cost at most does not fit what a budget has left, so nothing was sent."""

    kind = "budget_exceeded"
    prompt_may_fit: bool = True
    """False where not even an empty prompt would fit, so that counting the real one is of no use."""
