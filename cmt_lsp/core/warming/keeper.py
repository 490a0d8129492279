"""Keeper: refreshes the prefixes of sessions whose person is typing, shortly before they end; off unless set.

It never writes a prefix that is gone, and it stops by itself; `decision.next_step` says when.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

from cmt_lsp.api.errors import CmtError, SessionBusyError
from cmt_lsp.core.warming.decision import Watch, next_step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cmt_lsp.core.warming.decision import Prefix
    from cmt_lsp.core.warming.warmer import WarmResult

logger = logging.getLogger(__name__)


class Alarm(Protocol):
    """A timer that can be stopped."""

    def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class KeepState:
    """How a session is kept warm; money in nano-dollars, times in seconds since 1970."""

    session_id: str
    state: Literal["waiting", "refreshing", "stopped"]
    until: float
    """When it ends without a further sign of the person."""
    next_at: float | None = None
    refresh_nano: int | None = None
    """What the next refresh will cost."""
    refreshes: int = 0
    """Since the last question."""
    spent_nano: int = 0
    reason: str | None = None
    """Why it was stopped."""


class Keeper:
    """The sessions of this process that are kept warm."""

    def __init__(
        self,
        look: Callable[[str], Prefix | None],
        refresh: Callable[[str], Awaitable[WarmResult]],
        minutes: Callable[[], int],
        clock: Callable[[], float],
        alarm: Callable[[float, Callable[[], None]], Alarm] | None = None,
    ) -> None:
        """`look` tells what the cache holds for a session; `refresh` reads it, so that it lives on.

        `minutes` is the setting, 0 for off; `alarm` calls back after so many seconds, by the running loop if not given.
        """
        self._look = look
        self._refresh = refresh
        self._minutes = minutes
        self._clock = clock
        self._alarm = alarm or (lambda seconds, then: asyncio.get_running_loop().call_later(seconds, then))
        self._watches: dict[str, Watch] = {}
        self._alarms: dict[str, Alarm] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unable: dict[str, str] = {}
        """Models that cannot be kept warm, with the reason."""
        self.tell: Callable[[KeepState], None] = lambda _: None
        """Hears of every change; set by whoever shows it."""

    def typed(self, session_id: str) -> str | None:
        """The person types a question; why the session is not kept warm, or None where it is."""
        return self._sign(session_id, asked=False)

    def asked(self, session_id: str) -> str | None:
        """A question began or was answered: what was spent on waiting for it has paid, and is counted anew."""
        return self._sign(session_id, asked=True)

    def stop(self, session_id: str, reason: str) -> None:
        """Keep a session warm no more; a refresh that is on its way is stopped."""
        watch = self._watches.pop(session_id, None)
        if alarm := self._alarms.pop(session_id, None):
            alarm.cancel()
        if task := self._tasks.pop(session_id, None):
            task.cancel()
        if watch is not None:
            self._tell(session_id, watch, KeepState(session_id, "stopped", self._clock(), reason=reason))

    def stop_all(self, reason: str) -> None:
        """Keep nothing warm any more."""
        for session_id in list(self._watches):
            self.stop(session_id, reason)

    def review(self) -> None:
        """The settings changed."""
        for session_id in list(self._watches):
            self._step(session_id)

    def _sign(self, session_id: str, *, asked: bool) -> str | None:
        if self._minutes() <= 0:
            self.stop(session_id, "keepWarm is off")
            return "keepWarm is off; set it to some minutes in config.toml to keep prefixes warm."
        prefix = self._look(session_id)
        if prefix is None:
            return "The cache holds nothing of this session; its next question writes it."
        if told := self._unable.get(prefix.model):
            return told
        known = self._watches.get(session_id)
        if known is None or asked:
            known = Watch(prefix.head, self._clock())
        self._watches[session_id] = replace(known, active_at=self._clock())
        self._step(session_id)
        return None if session_id in self._watches else "There is nothing to keep warm now."

    def _step(self, session_id: str) -> None:
        """Do what comes next; nothing while a refresh is on its way."""
        watch = self._watches.get(session_id)
        if watch is None or session_id in self._tasks:
            return
        if alarm := self._alarms.pop(session_id, None):
            alarm.cancel()
        now, prefix = self._clock(), self._look(session_id)
        step = next_step(watch, prefix, self._minutes(), now)
        cost = None if prefix is None else prefix.refresh_nano
        state = KeepState(session_id, "waiting", watch.active_at + self._minutes() * 60, step.at, cost)
        if step.kind == "stop":
            self.stop(session_id, step.reason)
        elif step.kind == "wait":
            self._alarms[session_id] = self._alarm(step.at - now, partial(self._step, session_id))
            self._tell(session_id, watch, state)
        else:
            self._tell(session_id, watch, replace(state, state="refreshing", next_at=None))
            ends_at = prefix.expires_at if prefix is not None and prefix.expires_at is not None else now
            task = asyncio.get_running_loop().create_task(self._keep(session_id, ends_at))
            self._tasks[session_id] = task
            # Tried again after that, it would pay for writing all of it.
            too_late = partial(self.stop, session_id, "the endpoint did not take the refresh in time")
            self._alarms[session_id] = self._alarm(ends_at - now, too_late)

    async def _keep(self, session_id: str, ends_at: float) -> None:
        """One refresh, and then the next step; `ends_at` is when the entry would have ended without it."""
        reason: str | None = None
        try:
            result = await self._refresh(session_id)
        except SessionBusyError:
            reason = "a question is under way"  # whose end is a sign of its own
        except CmtError as error:
            logger.info("A prefix is not kept warm any more: %s", error.kind)
            reason = error.message
        else:
            reason = self._taken(session_id, result)
        finally:
            self._tasks.pop(session_id, None)
        after = self._look(session_id)
        if reason is None and after is not None and (after.expires_at or 0.0) <= ends_at:
            reason = "the refresh did not prolong it"  # or it would be refreshed without end
        if reason is not None:
            self.stop(session_id, reason)
        else:
            self._step(session_id)

    def _taken(self, session_id: str, result: WarmResult) -> str | None:
        """Count a refresh; why it was the last one, where it was."""
        watch = self._watches.get(session_id)
        if watch is not None:
            spent = watch.spent_nano + (result.cost.nano_usd or 0)
            self._watches[session_id] = replace(watch, refreshes=watch.refreshes + 1, spent_nano=spent)
        if result.state in ("refused", "not-cached"):
            self._unable[result.model] = result.reason
        if result.state == "warmed" and not result.usage.cache_read_input_tokens:
            return "the endpoint had dropped it before its time"  # or each refresh might pay for writing all of it
        return None if result.state in ("refreshed", "warmed", "already-warm") else result.reason

    def _tell(self, session_id: str, watch: Watch, state: KeepState) -> None:
        self.tell(replace(state, refreshes=watch.refreshes, spent_nano=watch.spent_nano))
