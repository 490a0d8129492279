"""Diagnosis: whether an endpoint is asked why its cache was missed. One for each endpoint of a process."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cmt_lsp.api.errors import InvalidRequestError
    from cmt_lsp.api.request import MessageRequest

_UNKNOWN_FIELD = re.compile(
    r"diagnostics|unknown|unrecogni|unexpected|unsupported|not (permitted|allowed|supported)|extra|additional",
    re.I,
)
"""How servers refuse a field that they do not know; nearly all of them name it."""


class Diagnosis:
    """Asks where the endpoint is the API's own or has shown the field in an answer, and never again after a refusal."""

    def __init__(self, *, own: bool) -> None:
        """`own`: the endpoint is the API's own."""
        self._known = own
        self._taken = False
        self._doubted = False
        self._refused = False

    def added_to(self, request: MessageRequest, previous: str | None) -> MessageRequest:
        """The request with the question, or the same one where nothing is asked.

        `previous` is the id of the session's earlier answer; None asks too, since the endpoint compares only with requests
        that asked.
        """
        if self._refused or not self._known:
            return request
        return replace(request, extra={**request.extra, "diagnostics": {"previous_message_id": previous}})

    def answered(self, told: Mapping[str, Any] | None, *, asked: bool) -> None:
        """An answer began; `told` is its field, empty where it says nothing, None where there is no such field."""
        self._known = self._known or told is not None
        self._taken = self._taken or asked
        self._refused = self._refused or (self._doubted and not asked)
        self._doubted = False

    def to_blame(self, error: InvalidRequestError) -> bool:
        """Whether a request that asked may have been refused for that: then it goes out once more without.

        If that is answered, this endpoint is not asked again.
        """
        self._doubted = not self._taken and _UNKNOWN_FIELD.search(error.message) is not None
        return self._doubted
