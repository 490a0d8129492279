"""What is written down of a fault of our own: where it happened, and never what was in it."""

from __future__ import annotations

import logging
import secrets
import traceback

logger = logging.getLogger(__name__)

DEEPEST_FRAMES = -12
"""Frames of the trace that are kept, counted from where it was raised; a recursion has a thousand."""


def log_fault(where: str, error: BaseException) -> str:
    """Log the type and the place of an error under an id, which is returned.

    The text of the exception is left out, since it may hold a prompt, a path or a key.
    """
    error_id = secrets.token_hex(4)
    frames = "".join(traceback.format_tb(error.__traceback__, limit=DEEPEST_FRAMES))
    logger.error("fault %s in %s: %s\n%s", error_id, where, type(error).__name__, frames)
    return error_id
