"""When a process started: together with its id, that tells it from a later one with the same id."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

UNKNOWN: Final = 0.0
"""The process lives, and the platform does not tell since when."""
_STARTTIME_AFTER_COMM: Final = 19
"""`starttime` is field 22 of /proc/PID/stat; the fields behind the name in parentheses begin with field 3."""


def process_start(process_id: int) -> float | None:
    """A moment that stays the same while a process lives; None when it does not live or cannot be seen.

    On a scale of the platform's own: clock ticks since boot on Linux, seconds since 1601 on Windows, `UNKNOWN` elsewhere.
    """
    if process_id <= 0:
        return None
    if sys.platform == "win32":
        return _windows_start(process_id)
    if Path("/proc/self/stat").exists():
        return _proc_start(process_id)
    return _signal_start(process_id)


def _proc_start(process_id: int) -> float | None:
    try:
        stat = Path(f"/proc/{process_id}/stat").read_bytes()
    except OSError:
        return None
    state, *fields = stat[stat.rindex(b")") + 2 :].split()
    if state in (b"Z", b"X"):  # dead, and only not yet reaped
        return None
    return float(fields[_STARTTIME_AFTER_COMM - 1])


def _signal_start(process_id: int) -> float | None:
    """Without /proc the start time is not to be had without running a program; alive must do."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return None
    except (PermissionError, OverflowError):
        return UNKNOWN
    return UNKNOWN


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _QUERY_LIMITED_INFORMATION: Final = 0x1000
    _STILL_ACTIVE: Final = 259

    def _windows_start(process_id: int) -> float | None:
        """The creation time; `os.kill` would end the process here."""
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = wintypes.HANDLE
        handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, process_id)
        if not handle:
            return None
        times = [wintypes.FILETIME() for _ in range(4)]
        code = wintypes.DWORD()
        try:
            kernel.GetExitCodeProcess(wintypes.HANDLE(handle), ctypes.byref(code))
            kernel.GetProcessTimes(wintypes.HANDLE(handle), *map(ctypes.byref, times))
        finally:
            kernel.CloseHandle(wintypes.HANDLE(handle))
        if code.value != _STILL_ACTIVE:
            return None
        return (times[0].dwHighDateTime * 2**32 + times[0].dwLowDateTime) / 10_000_000
