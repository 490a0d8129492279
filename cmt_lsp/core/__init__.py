"""What the product is: sessions, turns, transcripts and settings; it knows no editor and no HTTP.

The exports load on first use, since `import cmt_lsp.core` is part of every start.
"""

from __future__ import annotations

TYPE_CHECKING = (
    False  # type checkers take this name as true; importing typing is most of what this file would cost
)
if TYPE_CHECKING:
    from cmt_lsp.core.conversation import ConversationManager
    from cmt_lsp.core.session_manager import APISessionManager
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.storage.store_thread import Store
    from cmt_lsp.core.turn import Turn, TurnRequest, TurnResult

__all__ = [
    "APISessionManager",
    "ConversationManager",
    "Settings",
    "Store",
    "Turn",
    "TurnRequest",
    "TurnResult",
]

_HOMES = {
    "APISessionManager": "session_manager",
    "ConversationManager": "conversation",
    "Settings": "settings",
    "Store": "store_thread",
    "Turn": "turn",
    "TurnRequest": "turn",
    "TurnResult": "turn",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
