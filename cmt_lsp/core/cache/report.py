"""CacheReport: brings together what stats and advice about the prompt cache rest on; the only IO of this room."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.api.usage import Usage
from cmt_lsp.core import transcripts
from cmt_lsp.core.cache.advice import advise
from cmt_lsp.core.cache.evidence import by_session, seen
from cmt_lsp.core.cache.stats import stats_of
from cmt_lsp.core.cache.suggestion import Case, PinnedFiles
from cmt_lsp.core.cache.switch import Prefix
from cmt_lsp.core.cache.warmth import warmth_of
from cmt_lsp.core.context.pins import Pinned
from cmt_lsp.core.history import prefix_digest
from cmt_lsp.core.money.report import UsageQuery, usage_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cmt_lsp.core.cache.advice import Advice
    from cmt_lsp.core.cache.evidence import CachedTurn
    from cmt_lsp.core.cache.stats import CacheStats
    from cmt_lsp.core.cache.warmth import Warmth
    from cmt_lsp.core.conversation import ConversationManager
    from cmt_lsp.core.money.ledger import Ledger
    from cmt_lsp.core.money.report import Part
    from cmt_lsp.core.records import SessionRecord
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.shelf import SessionShelf

Scope: TypeAlias = Literal["session", "window", "all"]
COUNTED, JUDGED = 20_000, 2_000
"""The newest turns, which stats and advice over all sessions look at; pricing one again takes half a millisecond."""
_RECENT = 32
"""Turns of a session among which its last cached one is sought for the status line."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What the ledger holds of some sessions; money in nano-dollars."""

    usage: Usage
    saved_nano: int
    write_premium_nano: int
    unpriced: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the cache did in a scope, and what it holds now."""

    scope: Scope
    sessions: int
    stats: CacheStats
    spent: Spent
    warm: tuple[Warmth, ...]
    """What is warm, the first to go cold first."""
    names: dict[str, str]
    """Of the sessions that are warm."""
    at: float


@dataclass(frozen=True, slots=True)
class Told:
    """Advice, and by how many turns."""

    advice: Advice
    turns: int


class CacheReport:
    """Reads turns, ledger and settings, and lets plain functions judge them."""

    def __init__(
        self,
        shelf: SessionShelf,
        ledger: Ledger,
        settings: Callable[[], Settings],
        clock: Callable[[], float],
    ) -> None:
        self._shelf = shelf
        self._ledger = ledger
        self._settings = settings
        self._clock = clock

    async def stats(self, scope: Scope, session_id: str | None = None) -> Report:
        """What the cache did; `session_id` for the scope of one session, UnknownSessionError."""
        turns = await self._turns(scope, session_id)
        sessions, now = by_session(turns), self._clock()
        spent = await self._spent(scope, session_id)
        recent = [key for key, some in sessions.items() if any(_reaches(turn, now) for turn in some)]
        records = await self._records({*recent, *([session_id] if session_id else [])})
        warm = [
            one for key, record in records.items() if (one := self._warmth(record, sessions.get(key, ())))
        ]
        return Report(
            scope=scope,
            sessions=len(sessions),
            stats=stats_of(turns),
            spent=spent,
            warm=tuple(sorted((one for one in warm if one.is_warm(now)), key=lambda one: one.expires_at)),
            names={key: record.name for key, record in records.items()},
            at=now,
        )

    async def advice(self, scope: Scope, session_id: str | None = None) -> Told:
        """What would make the cache cheaper in a scope."""
        turns = await self._turns(scope, session_id, JUDGED)
        records = await self._records({turn.session_id for turn in turns})
        prompts = {key: record.system_prompt for key, record in records.items() if record.system_prompt}
        settings = self._settings()
        case = Case(
            turns,
            settings.prompt_caching,
            settings.prompt_cache,
            settings.keep_warm,
            system_prompts=prompts,
            pinned=self._pinned_files(records),
        )
        return Told(await asyncio.to_thread(advise, case), len(turns))

    def _pinned_files(self, session_ids: Iterable[str]) -> dict[str, PinnedFiles]:
        held = [known for key in session_ids if (known := self._shelf.in_memory(key)) is not None]
        files = {
            known.record.id: [one for one in known.pinned.states if one.kind == "file"] for known in held
        }
        return {
            key: PinnedFiles(tuple(one.id for one in some), sum(one.tokens for one in some))
            for key, some in files.items()
        }

    async def warmth(self, session_id: str) -> Warmth | None:
        """What of a session the cache held last for its own model, warm or gone cold; None where nothing was cached."""
        conversation = self._shelf.in_memory(session_id) or await self._shelf.load(session_id)
        return self._warmth(conversation.record, [seen(turn) for turn in conversation.loaded[-_RECENT:]])

    async def prefix(self, session_id: str) -> Prefix | None:
        """What the next question carries of a session, and in which models that is warm; None before the first turn."""
        turns = await self._turns("session", session_id)
        if not turns:
            return None
        record = (await self._records([session_id]))[session_id]
        now = self._clock()
        models = {turn.model for turn in turns}
        warm = [self._warmth(replace(record, model=model), turns) for model in models]
        return Prefix(
            model=record.model,
            tokens=turns[-1].context_tokens,
            warm={one.model: one for one in warm if one is not None and one.is_warm(now)},
            caching=self._settings().prompt_caching and self._settings().prompt_cache != "off",
            at=now,
        )

    def _warmth(self, record: SessionRecord, turns: Sequence[CachedTurn]) -> Warmth | None:
        known = self._shelf.in_memory(record.id)
        pins = _pins_digest(record, known)
        prefix = prefix_digest(record.model, record.system_prompt, record.history_from, pins)
        sent = known.last_sent if known else None
        return warmth_of(record.id, turns, record.model, prefix, self._clock(), sent)

    async def _turns(
        self, scope: Scope, session_id: str | None, limit: int = COUNTED
    ) -> tuple[CachedTurn, ...]:
        if scope == "session":
            if session_id is None:
                return ()
            conversation = await self._shelf.load(session_id)
            return tuple(seen(turn) for turn in conversation.loaded[-limit:])
        chosen = None if scope == "all" else tuple(self._shelf.window)
        return await self._shelf.read(partial(transcripts.read_cached_turns, session_ids=chosen, limit=limit))

    async def _records(self, session_ids: Iterable[str]) -> dict[str, SessionRecord]:
        """The sessions that are still kept."""
        wanted = set(session_ids)
        held = [known for key in wanted if (known := self._shelf.in_memory(key)) is not None]
        records = {known.record.id: known.record for known in held}
        if missing := tuple(wanted - records.keys()):
            found = await self._shelf.read(partial(transcripts.read_sessions, session_ids=missing))
            records |= {record.id: record for record in found}
        return records

    async def _spent(self, scope: Scope, session_id: str | None) -> Spent:
        if scope == "all":
            return _spent_in([await self._booked(UsageQuery("all", ""))])
        keys = [session_id or ""] if scope == "session" else list(self._shelf.window)
        return _spent_in([await self._booked(UsageQuery("session", key)) for key in keys])

    async def _booked(self, query: UsageQuery) -> Part:
        report = await asyncio.wrap_future(self._ledger.read(partial(usage_report, query=query)))
        return report.total


def _reaches(turn: CachedTurn, now: float) -> bool:
    """Whether what a turn left in the cache can still be there."""
    return turn.cache.expires_at is not None and now < turn.cache.expires_at


def _pins_digest(record: SessionRecord, known: ConversationManager | None) -> str:
    """Names what is pinned, as it was last read, else as it was last sent."""
    if not record.pins:
        return ""
    if known is not None and known.pinned.pins:
        return known.pinned.digest
    return Pinned(sent=record.pins_sent).digest


def _spent_in(parts: Sequence[Part]) -> Spent:
    return Spent(
        usage=sum((part.sums.usage for part in parts), Usage()),
        saved_nano=sum(part.saved_nano for part in parts),
        write_premium_nano=sum(part.write_premium_nano for part in parts),
        unpriced=sum(part.sums.cost.unpriced for part in parts),
    )
