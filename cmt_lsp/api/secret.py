"""Keys that cannot be shown by accident, and the credentials of one request."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import NoReturn

from cmt_lsp.api.errors import AuthError

_LONGEST_KEY = 4096
_MASK = "***"


class Secret:
    """A key whose repr, str and format are masked; `reveal` is the only way to its value."""

    __slots__ = ("_value",)

    def __init__(self, text: str) -> None:
        """Take a key as a person or a file gives it: one line end at its end is dropped.

        Raises AuthError, which names what is wrong and never the key, for a text that no key can be.
        """
        value = text.removesuffix("\n").removesuffix("\r")
        if fault := _fault_of(value):
            raise AuthError(
                f"The API key {fault}; set it again, copied whole and without quotes.", command="cmt.auth.set"
            )
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the request header only."""
        return self._value

    def mask(self, text: str) -> str:
        """`text` with every occurrence of the key replaced."""
        return text.replace(self._value, _MASK)

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, _spec: str) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied to another process")


def _fault_of(value: str) -> str | None:
    """What is wrong with a key, as the end of a sentence, or None."""
    if not value:
        return "is empty"
    if len(value) > _LONGEST_KEY:
        return f"is longer than {_LONGEST_KEY} characters"
    if not value.isascii():
        return "holds a character that is not ASCII"
    if any(c < " " or c == "\x7f" for c in value):
        return "holds a control character"
    if " " in value:
        return "holds a space"
    if '"' in value or "'" in value:
        return "holds a quote"
    return None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What authenticates a request: an API key (`x-api-key`) or a token (`Authorization: Bearer`)."""

    api_key: Secret | None
    auth_token: Secret | None
    source: str
    """Where it came from, in words a person knows: "environment", "settings", "pushed by the editor"."""

    def headers(self) -> dict[str, str]:
        """The request header; the value is the key itself, so keep it out of frames that outlive the request."""
        if self.api_key is not None:
            return {"x-api-key": self.api_key.reveal()}
        if self.auth_token is not None:
            return {"authorization": f"Bearer {self.auth_token.reveal()}"}
        return {}

    def mask(self, text: str) -> str:
        """`text` without the key, should an endpoint echo it."""
        for secret in (self.api_key, self.auth_token):
            if secret is not None:
                text = secret.mask(text)
        return text
