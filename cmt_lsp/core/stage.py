"""Stage: what every request of a process leans on, made once and handed on together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.api.cache_manager import CacheManager
    from cmt_lsp.core.clients import Clients
    from cmt_lsp.core.money.ledger import Ledger
    from cmt_lsp.core.settling import Settling
    from cmt_lsp.core.shelf import SessionShelf
    from cmt_lsp.core.storage.session_locks import SessionLocks
    from cmt_lsp.core.warming.prefix_queue import PrefixQueue


@dataclass(frozen=True, slots=True)
class Stage:
    """Where turns, comparisons and warmings find histories, locks, clients, cache and money."""

    shelf: SessionShelf
    locks: SessionLocks
    clients: Clients
    cache: CacheManager
    ledger: Ledger
    settling: Settling
    queue: PrefixQueue
    clock: Callable[[], float]
    """The wall clock, in seconds since 1970."""
