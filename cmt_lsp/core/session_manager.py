"""APISessionManager: many sessions side by side, one turn at a time in each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from cmt_lsp.api.anthropic_client import AnthropicClient
    from cmt_lsp.api.vision_handler import ImageContent
    from cmt_lsp.core.context import Block
    from cmt_lsp.core.records import SessionInfo, TurnRecord
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.store import Store
    from cmt_lsp.core.turn import CancelReason, Turn, TurnEvent, TurnRequest

Scope = Literal["window", "workspace", "all"]
ExportFormat = Literal["markdown", "json"]


class APISessionManager:
    """Owns all sessions of this process: creates, lists, resumes, forks and deletes them, and runs their turns."""

    def __init__(
        self,
        api_key: str | None = None,
        default_model: str | None = None,
        enable_prompt_caching: bool | None = None,
        *,
        settings: Settings | None = None,
        client: AnthropicClient | None = None,
        store: Store | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None: ...

    # Scripts

    def create_session(
        self,
        name: str | None = None,
        working_dir: str | Path | None = None,
        model: str | None = None,
        system_prompt: str | None = None,
    ) -> str: ...

    async def send_message(
        self,
        session_id: str,
        prompt: str,
        images: Iterable[ImageContent | str | Path | Mapping[str, Any]] | None = None,
    ) -> tuple[str, int, int, int]: ...

    async def stream_message(
        self,
        session_id: str,
        prompt: str,
        callback: Callable[[str], object],
        images: Iterable[ImageContent | str | Path | Mapping[str, Any]] | None = None,
    ) -> tuple[int, int, int]: ...

    def get_global_usage(self) -> dict[str, Any]: ...

    def get_session_usage(self, session_id: str) -> dict[str, Any]: ...

    # Turns

    def start_turn(
        self,
        session_id: str,
        request: TurnRequest,
        emit: Callable[[TurnEvent], None],
        turn_id: str | None = None,
    ) -> Turn:
        """Start a turn in the running loop; SessionBusyError, UnknownSessionError and BadParamsError at once."""

    async def load(self, session_id: str) -> SessionInfo:
        """Bring a session into memory, so that `start_turn` needs no disk; UnknownSessionError."""

    async def retry(
        self, session_id: str, turn_id: str | None, emit: Callable[[TurnEvent], None]
    ) -> Turn: ...

    async def preview(self, session_id: str | None, request: TurnRequest) -> list[Block]: ...

    @property
    def running(self) -> list[Turn]: ...

    def cancel_all(self, reason: CancelReason = "user") -> int: ...

    # Sessions

    async def create(
        self,
        name: str | None = None,
        model: str | None = None,
        system_prompt: str | None = None,
        workspace: str | Path | None = None,
    ) -> SessionInfo: ...

    async def list(
        self, scope: Scope = "window", workspace: str | Path | None = None, query: str | None = None
    ) -> list[SessionInfo]: ...

    async def get(
        self, session_id: str, from_turn: str | None = None
    ) -> tuple[SessionInfo, tuple[TurnRecord, ...]]:
        """The session and its turns after `from_turn` (all when None)."""

    async def update(
        self,
        session_id: str,
        *,
        name: str | None = None,
        model: str | None = None,
        system_prompt: str | None = None,
    ) -> SessionInfo:
        """Change what is not None; an empty `system_prompt` removes it."""

    async def fork(self, session_id: str, turn_id: str | None = None) -> SessionInfo: ...

    async def clear(self, session_id: str) -> SessionInfo: ...

    async def delete(self, session_id: str) -> None: ...

    async def export(self, session_id: str, format: ExportFormat) -> tuple[str, str]: ...

    def use_settings(self, settings: Settings) -> None:
        """Take new settings from the next turn on."""

    def take_notices(self) -> tuple[str, ...]:
        """What the person should be told once: a store moved aside, turns not saved; each is returned one time."""

    async def aclose(self, timeout: float = 2.0) -> None: ...
