"""Pictures that wait in memory for the question they belong to.

The bytes stay here and the editor gets a handle, so that megabytes do not cross its pipe twice, and no file is needed.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from cmt_lsp.api.errors import BadImageError

KEPT_SECONDS = 600.0
KEPT_PICTURES = 20
KEPT_CHARACTERS = 80_000_000
"""Base64 of all pictures; two of the largest fit."""


@dataclass(frozen=True, slots=True)
class Held:
    """One picture; `data` is base64."""

    data: str = field(repr=False)
    media_type: str
    name: str


class HeldPictures:
    """What one window holds; each picture is forgotten when it was used, in time, or when newer ones need its room."""

    def __init__(self, seconds: float = KEPT_SECONDS) -> None:
        """Must be used in the running event loop."""
        self._seconds = seconds
        self._held: dict[str, Held] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, picture: Held) -> str:
        """Keep a picture; its handle."""
        handle = f"picture-{secrets.token_hex(8)}"
        self._held[handle] = picture
        self._timers[handle] = asyncio.get_running_loop().call_later(self._seconds, self.forget, handle)
        while len(self._held) > 1 and self._too_many():
            self.forget(next(iter(self._held)))
        return handle

    def get(self, handle: str) -> Held:
        """The picture; BadImageError where it is not kept any more."""
        held = self._held.get(handle)
        if held is None:
            raise BadImageError("the picture is no longer kept: take it again")
        return held

    def forget(self, handle: str) -> None:
        """Let go of a picture, if it is still here."""
        self._held.pop(handle, None)
        if timer := self._timers.pop(handle, None):
            timer.cancel()

    def _too_many(self) -> bool:
        size = sum(len(held.data) for held in self._held.values())
        return len(self._held) > KEPT_PICTURES or size > KEPT_CHARACTERS
