"""SessionLocks: one turn at a time in a session, across all processes that share the state folder.

The locks are the operating system's own, so a killed process frees them by its death.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.errors import SessionBusyError, StoreUnavailableError
from cmt_lsp.core.storage.state_dir import secure_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from filelock import FileLock

_PATIENCE = 0.02
"""Seconds to wait for a lock: another window that only looks holds it for some microseconds."""


class SessionLocks:
    """The folder of lock files, `locks/<session>.lock` of the state folder."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._dir = state_dir / "locks"
        self._held: set[str] = set()

    def is_held(self, session_id: str) -> bool:
        """Whether this process has the session."""
        return session_id in self._held

    def hold(self, session_id: str) -> Callable[[], None]:
        """Take the session and return what frees it, on any thread; SessionBusyError where somebody has it.

        With no usable state folder there is nothing to share, and so nothing to lock against other processes.
        """
        if session_id in self._held:
            raise SessionBusyError(
                "A turn is running in this session; wait for it, stop it or fork the session."
            )
        unlock = self._acquire(session_id)
        self._held.add(session_id)

        def release() -> None:
            self._held.discard(session_id)
            unlock()

        return release

    def held_elsewhere(self, session_ids: Iterable[str]) -> set[str]:
        """Which of the sessions another process holds right now; the caller's own must not be asked for."""
        return {session_id for session_id in session_ids if self._is_held(session_id)}

    def forget(self, session_id: str) -> None:
        """Remove the lock file of a session that is gone."""
        (self._dir / f"{session_id}.lock").unlink(missing_ok=True)

    def _acquire(self, session_id: str) -> Callable[[], None]:
        """Take the lock that other processes see, and return what frees it."""
        from filelock import Timeout

        try:
            lock = self._lock(session_id)
            lock.acquire(timeout=_PATIENCE, poll_interval=_PATIENCE / 4)
        except Timeout as error:
            raise SessionBusyError(
                "A turn is running in this session in another window; wait for it or fork the session."
            ) from error
        except (OSError, StoreUnavailableError):
            return lambda: None
        return lock.release

    def _is_held(self, session_id: str) -> bool:
        if not (self._dir / f"{session_id}.lock").exists():
            return False
        try:
            self._acquire(session_id)()
        except SessionBusyError:
            return True
        return False

    def _lock(self, session_id: str) -> FileLock:
        from filelock import FileLock

        secure_dir(self._state_dir)
        secure_dir(self._dir)
        return FileLock(self._dir / f"{session_id}.lock", mode=0o600, thread_local=False)
