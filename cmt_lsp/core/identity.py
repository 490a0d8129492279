"""Names for sessions and turns: opaque, sortable by birth, not to be guessed."""

from __future__ import annotations

import re
import secrets

_SHAPE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_id(now: float) -> str:
    """An id of a moment (seconds since 1970): 11 hex digits of milliseconds, then 64 random bits."""
    return f"{max(0, int(now * 1000)):011x}-{secrets.token_hex(8)}"


def is_id(text: str) -> bool:
    """Whether `text` may serve as an id, and so as a part of a file name."""
    return _SHAPE.fullmatch(text) is not None
