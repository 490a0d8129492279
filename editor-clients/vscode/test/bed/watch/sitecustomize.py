"""Loaded by every Python process of the workbench: writes down each host that is named or connected to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

WATCHED = {"socket.connect": 1, "socket.getaddrinfo": 0}


def note(event: str, arguments: tuple[Any, ...]) -> None:
    """Append the host of a connection or a look-up."""
    if event in WATCHED:
        target = arguments[WATCHED[event]]
        host = target[0] if isinstance(target, tuple) else target
        with Path(os.environ["CMT_WATCH_FILE"]).open("a") as file:
            file.write(f"python {host}\n")


sys.addaudithook(note)
