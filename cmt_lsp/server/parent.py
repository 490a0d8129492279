"""Whether the editor is still there.

A pipe that a second process has inherited stays open after the editor died, so the end of input is not enough.
The process id that the editor gave is watched together with its start time, since ids are used again.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_STARTTIME_AFTER_COMM: Final = 19
"""`starttime` is field 22 of /proc/PID/stat; the fields behind the name in parentheses begin with field 3."""


class ParentWatch:
    """Tells when the editor, or whatever process started us, is gone."""

    def __init__(self) -> None:
        self._parent_id = os.getppid()
        self._editor: int | None = None
        self._identity: str | None = None

    def watch(self, process_id: int) -> None:
        """Watch this process too, unless it cannot be seen from here (another container's id, for one)."""
        identity = process_identity(process_id)
        if identity is not None:
            self._editor, self._identity = process_id, identity

    def gone(self) -> str | None:
        """Why the editor must be taken for dead, or None."""
        if os.getppid() != self._parent_id:
            return "the process that started the server is gone"
        if self._editor is not None and process_identity(self._editor) != self._identity:
            return "the editor's process is gone"
        return None


def process_identity(process_id: int) -> str | None:
    """Something that stays the same while a process lives, None when it does not live or cannot be seen."""
    if process_id <= 0:
        return None
    if sys.platform == "win32":
        return _windows_identity(process_id)
    if Path("/proc/self/stat").exists():
        return _proc_identity(process_id)
    return _signal_identity(process_id)


def _proc_identity(process_id: int) -> str | None:
    try:
        stat = Path(f"/proc/{process_id}/stat").read_bytes()
    except OSError:
        return None
    state, *fields = stat[stat.rindex(b")") + 2 :].split()
    if state in (b"Z", b"X"):  # dead, and only not yet reaped
        return None
    return fields[_STARTTIME_AFTER_COMM - 1].decode()


def _signal_identity(process_id: int) -> str | None:
    """Without /proc the start time is not to be had without running a program; alive must do."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return None
    except (PermissionError, OverflowError):
        return "alive"
    return "alive"


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _QUERY_LIMITED_INFORMATION: Final = 0x1000
    _STILL_ACTIVE: Final = 259

    def _windows_identity(process_id: int) -> str | None:
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
        return f"{times[0].dwHighDateTime}:{times[0].dwLowDateTime}"
