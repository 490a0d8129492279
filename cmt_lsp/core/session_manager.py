"""APISessionManager: many sessions side by side, one turn at a time in each."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cmt_lsp.api.cache_manager import CacheManager
from cmt_lsp.api.errors import (
    BadParamsError,
    UnknownTurnError,
)
from cmt_lsp.api.models import Cost, all_models, price_notices
from cmt_lsp.api.token_tracker import figures
from cmt_lsp.api.usage import Usage
from cmt_lsp.core import settings as settings_module
from cmt_lsp.core import transcripts
from cmt_lsp.core.batch.batches import Batches
from cmt_lsp.core.cache.report import CacheReport
from cmt_lsp.core.chatfile.folder import TranscriptFolder
from cmt_lsp.core.clients import Clients
from cmt_lsp.core.compare.comparison import drafts_of
from cmt_lsp.core.compare.runner import ComparisonRunner
from cmt_lsp.core.completion.completer import Completer
from cmt_lsp.core.conversation import ConversationManager
from cmt_lsp.core.credentials import CredentialSource
from cmt_lsp.core.draft import checked, draft_again, draft_of
from cmt_lsp.core.foresight import Foresight
from cmt_lsp.core.guard.permission import NOBODY, Permission
from cmt_lsp.core.identity import is_id, new_id
from cmt_lsp.core.images import image_sources
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.records import SessionInfo
from cmt_lsp.core.session_catalog import SessionCatalog
from cmt_lsp.core.settling import Settling
from cmt_lsp.core.shelf import SessionShelf
from cmt_lsp.core.stage import Stage
from cmt_lsp.core.storage.session_locks import SessionLocks
from cmt_lsp.core.storage.state_dir import find_state_dir
from cmt_lsp.core.storage.store_thread import Store, landed
from cmt_lsp.core.turn import AnswerText, TurnRequest
from cmt_lsp.core.turn_runner import TurnRunner
from cmt_lsp.core.usage_report import usage_by_session
from cmt_lsp.core.warming.prefix_queue import PrefixQueue
from cmt_lsp.core.warming.warming import Warming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from cmt_lsp.api.anthropic_client import AnthropicClient
    from cmt_lsp.core.compare.comparison import Comparison
    from cmt_lsp.core.context.pin_reader import PinReader
    from cmt_lsp.core.images import AnyImage
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.turn import CancelReason, Turn, TurnEvent, TurnResult
    from cmt_lsp.core.warming.keeper import Alarm

    _ServedModels = list[dict[str, Any]]

T = TypeVar("T")
Scope = Literal["window", "workspace", "all"]
ExportFormat = Literal["markdown", "json"]

_REPORT_SECONDS = 10.0
"""How long a script waits for a report of the ledger."""


class APISessionManager:
    """Runs the turns of all sessions of this process; `sessions` makes, lists, resumes, forks and deletes them.

    A script makes one, outside of any event loop if it likes, and uses it under `asyncio.run` as often as it likes.
    All methods are for one thread at a time.
    """

    def __init__(
        self,
        api_key: str | None = None,
        default_model: str | None = None,
        enable_prompt_caching: bool = True,
        *,
        settings: Settings | None = None,
        client: AnthropicClient | None = None,
        store: Store | None = None,
        ledger: Ledger | None = None,
        keys: CredentialSource | None = None,
        clock: Callable[[], float] = time.time,
        pin_reader: PinReader | None = None,
        alarm: Callable[[float, Callable[[], None]], Alarm] | None = None,
    ) -> None:
        """Settings come from the user's file and the environment where none are given; the arguments win.

        A `client` that is given serves every request with its own key; else `keys` says which key goes where.
        `clock` is the wall clock, in seconds since 1970; `alarm` calls back after so many seconds of it. `pin_reader`
        reads what is pinned to a session, else the session's own workspace is read from.
        """
        self._clock = clock
        resolved = settings_module.resolve() if settings is None else None
        self._settings = _with_arguments(
            settings or (resolved.settings if resolved else settings_module.Settings()),
            default_model,
            enable_prompt_caching,
        )
        self.keys = keys or CredentialSource()
        if api_key is not None:
            self.keys.give(api_key, self._settings)
        self._owns_store = store is None
        self._store = store or Store(find_state_dir(os.environ), transcripts.FILE_NAME, transcripts.SCHEMA)
        self._notices = list(resolved.notices) if resolved else []
        self._tables: Future[None] | None = None
        self._prices_told = False
        self._locks = SessionLocks(self._store.state_dir)
        self._owns_ledger = ledger is None
        self.ledger = ledger or Ledger(self._store.state_dir, new_id(clock()), clock=clock)
        self.ledger.use_limits(self._settings.budgets)
        self._shelf = SessionShelf(self._store, pin_reader=pin_reader)
        self._clients = Clients(self.keys, client)
        self.batches = Batches(
            self._store, self.ledger, self._clients, self._locks, lambda: self._settings, clock
        )
        self.cache = CacheManager(clock)
        self.cache_report = CacheReport(self._shelf, self.ledger, lambda: self._settings, clock)
        self._shelf.keep_while(self._locks.is_held)
        self._settling = Settling(self._shelf.trim)
        stage = Stage(
            self._shelf,
            self._locks,
            self._clients,
            self.cache,
            self.ledger,
            self._settling,
            PrefixQueue(),
            clock,
        )
        self._runner = TurnRunner(stage)
        self._comparisons = ComparisonRunner(stage)
        self.warming = Warming(stage, lambda: self._settings, alarm)
        self.sessions = SessionCatalog(
            self._shelf,
            self._locks,
            self.ledger,
            lambda: self._settings,
            clock,
            TranscriptFolder(self._store.state_dir),
            lambda session_id: self.warming.keeper.stop(session_id, "the session was deleted"),
        )
        self.foresight = Foresight(stage, lambda: self._settings, self.sessions.new_record)
        self.completions = Completer(stage, lambda: self._settings, self.sessions.new_record)

    # Scripts

    def create_session(
        self,
        name: str | None = None,
        working_dir: str | Path | None = None,
        model: str | None = None,
        system_prompt: str | None = None,
    ) -> str:
        """Make a session and return its id; the write to disk goes on by itself."""
        return self._shelf.add(self.sessions.new_record(name, model, system_prompt, working_dir))[0].record.id

    async def send_message(
        self,
        session_id: str,
        prompt: str,
        images: Iterable[AnyImage] | None = None,
        *,
        allow_secrets: bool = False,
    ) -> tuple[str, int, int, int]:
        """Ask and wait: (text, tokens of the whole prompt, output tokens, tokens read from the cache).

        BlockedFileError where something looks like a secret and that is not allowed.
        """
        result = await self._ask(session_id, prompt, images, lambda _: None, allow_secrets)
        return (result.text, *_counts(result.usage))

    async def stream_message(
        self,
        session_id: str,
        prompt: str,
        callback: Callable[[str], object],
        images: Iterable[AnyImage] | None = None,
        *,
        allow_secrets: bool = False,
    ) -> tuple[int, int, int]:
        """Ask and call `callback` with each piece of the answer as it comes; returns the three token counts.

        An error of the callback stops the turn and is raised here.
        """
        failures: list[Exception] = []

        def pass_on(text: str) -> None:
            try:
                callback(text)
            except Exception as error:  # noqa: BLE001  raised again below, once the turn is settled
                failures.append(error)
                self._stop(session_id)

        result = await self._ask(session_id, prompt, images, pass_on, allow_secrets)
        if failures:
            raise failures[0]
        return _counts(result.usage)

    def get_global_usage(self) -> dict[str, Any]:
        """Token counts and money of all booked sessions: `global_summary`, and the same by session."""
        report: dict[str, Any] = self.ledger.read(usage_by_session).result(_REPORT_SECONDS)
        return report

    def get_session_usage(self, session_id: str) -> dict[str, Any]:
        """The same counts of one session; UnknownSessionError."""
        self._shelf.at_once(session_id)
        nothing = figures(Usage(), Cost.sum(()), 0)
        told: dict[str, Any] = self.get_global_usage()["sessions"].get(session_id, nothing)
        return told

    # Turns

    def start_turn(
        self,
        session_id: str,
        request: TurnRequest,
        emit: Callable[[TurnEvent], None],
        turn_id: str | None = None,
    ) -> Turn:
        """Start a turn in the running loop; SessionBusyError, UnknownSessionError and BadParamsError at once.

        `emit` is called on the loop and must not block. A session that is not in memory costs a short wait for the
        disk: await `refresh` before.
        """
        conversation = self._shelf.at_once(session_id)
        draft = draft_of(request, conversation.record.model, self._settings, self._today())
        turn = self._runner.start(
            conversation, draft, self._settings, emit, self._turn_id(turn_id, conversation)
        )
        self.warming.follow(turn)
        return turn

    async def retry(
        self,
        session_id: str,
        turn_id: str | None,
        emit: Callable[[TurnEvent], None],
        *,
        budget_override: str | None = None,
        permission: Permission = NOBODY,
    ) -> Turn:
        """Ask the last question again; the new turn takes the place of the old one once it is settled.

        `turn_id`, where given, must name the last turn; UnknownTurnError. `permission` is for what is pinned and has
        changed, since all else was sent before.
        """
        conversation = await self._shelf.load(session_id)
        last = conversation.loaded[-1] if conversation.loaded else None
        if last is None or turn_id not in (None, last.id):
            raise UnknownTurnError(
                "Only the session's last turn can be asked again; fork it to go back further."
            )
        draft = draft_again(last, conversation.record.model, self._settings, self._today(), budget_override)
        draft = replace(draft, permission=permission)
        turn = self._runner.start(
            conversation, draft, self._settings, emit, self._turn_id(None, conversation), last
        )
        self.warming.follow(turn)
        return turn

    def start_comparison(
        self,
        session_id: str,
        request: TurnRequest,
        models: Sequence[str],
        listeners: Sequence[Callable[[TurnEvent], None]],
    ) -> Comparison:
        """Ask two to five models the same question in the running loop, with a listener for each; errors as a turn's.

        The answers are kept beside the session until `choose` makes one of them its next turn.
        """
        conversation = self._shelf.at_once(session_id)
        drafts = drafts_of(request, models, conversation.record.model, self._settings, self._today())
        ids = [new_id(self._clock()) for _ in range(len(drafts) + 1)]
        return self._comparisons.start(conversation, drafts, self._settings, listeners, ids)

    async def choose(self, session_id: str, comparison_id: str, model: str) -> SessionInfo:
        """Go on from one model's answer of a comparison; UnknownTurnError where the session has gone on meanwhile."""
        conversation = await self._shelf.load(session_id)
        await self.sessions.durable(await self._comparisons.choose(conversation, comparison_id, model))
        return await self.sessions.info(conversation)

    @property
    def running(self) -> list[Turn]:
        """The turns that are not settled, oldest first."""
        return self._settling.running

    def cancel_all(self, reason: CancelReason = "user") -> int:
        """Stop every running turn; how many were stopped. Without anybody to read, nothing is kept warm either."""
        if reason != "user":
            self.warming.keeper.stop_all("the editor is gone")
        return self._settling.cancel_all(reason)

    # The whole

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    async def served_models(self) -> _ServedModels | None:
        """What the endpoint says of its models, each with an `id`; None where it has no such list."""
        client, _ = await self._clients.for_request(self._settings)
        return await client.list_models()

    def use_settings(self, settings: Settings) -> None:
        """Take new settings from the next turn on."""
        self._settings = settings
        self.ledger.use_limits(settings.budgets)
        self.warming.keeper.review()

    def warm_up(self) -> None:
        """Load in the background what the first turn needs: the SDK, the store, the tables."""
        self._clients.warm_up(self._settings)
        self._tables = self._store.submit(_preload)

    def take_notices(self) -> tuple[str, ...]:
        """What the person should be told once: settings not taken, a store moved aside, changes not saved."""
        own, self._notices = self._notices, []
        rooms = (self.sessions, self._store, self.ledger, self.batches)
        kept = (notice for room in rooms for notice in room.take_notices())
        return (*own, *self._new_price_notices(), *kept)

    async def aclose(self, timeout: float = 2.0) -> None:  # noqa: ASYNC109  a limit for all that runs together
        """Stop what runs, write what waits, close the connections; at most about `timeout` seconds."""
        ends_at = asyncio.get_running_loop().time() + timeout
        self.cancel_all("client_gone")
        await self._settling.settled(timeout)
        self.warming.keeper.stop_all("the window closes")
        await self.batches.settled(max(0.1, ends_at - asyncio.get_running_loop().time()))
        await self._clients.aclose()
        if self._owns_ledger:
            left = max(0.1, ends_at - asyncio.get_running_loop().time())
            await asyncio.to_thread(self.ledger.close, left)
        if self._owns_store:
            left = max(0.1, ends_at - asyncio.get_running_loop().time())
            await asyncio.to_thread(self._store.close, left)
        else:
            await landed(self._store.flush())

    # Inside

    async def _ask(
        self,
        session_id: str,
        prompt: str,
        images: Iterable[AnyImage] | None,
        on_text: Callable[[str], None],
        allow_secrets: bool,
    ) -> TurnResult:
        def emit(event: TurnEvent) -> None:
            if isinstance(event, AnswerText):
                on_text(event.text)

        await self._shelf.load(session_id)
        request = TurnRequest(
            prompt, images=image_sources(images), permission=Permission(allowed=allow_secrets)
        )
        turn = self.start_turn(session_id, request, emit)
        try:
            return await turn.result()
        except asyncio.CancelledError:
            turn.cancel("user")
            raise

    def _new_price_notices(self) -> tuple[str, ...]:
        """Once, and not while the tables are being loaded elsewhere: loading them here would hold up the loop."""
        if self._prices_told or (self._tables is not None and not self._tables.done()):
            return ()
        self._prices_told = True
        return price_notices()

    def _stop(self, session_id: str) -> None:
        for turn in self.running:
            if turn.session_id == session_id:
                turn.cancel("user")

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def _turn_id(self, wanted: str | None, conversation: ConversationManager) -> str:
        if wanted is None:
            return new_id(self._clock())
        if not is_id(wanted) or any(turn.id == wanted for turn in conversation.loaded):
            raise BadParamsError("turnId must be new and of letters, digits, - and _; leave it out.")
        return wanted


def _with_arguments(settings: Settings, default_model: str | None, caching: bool) -> Settings:
    model = settings.model if default_model is None else str(checked("model", default_model, "default_model"))
    return replace(settings, model=model, prompt_caching=settings.prompt_caching and caching)


def _counts(usage: Usage) -> tuple[int, int, int]:
    return usage.total_input_tokens, usage.output_tokens, usage.cache_read_input_tokens


def _preload(_connection: object) -> None:
    """On the store's thread: what the first turn would otherwise load on the loop."""
    import filelock  # noqa: F401

    all_models()
    price_notices()
