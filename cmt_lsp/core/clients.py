"""Clients: one AnthropicClient for each endpoint, so that a key reaches only the endpoint it belongs to."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import AuthError, CmtError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmt_lsp.api.anthropic_client import AnthropicClient
    from cmt_lsp.api.secret import Credentials
    from cmt_lsp.core.credentials import Access, CredentialSource
    from cmt_lsp.core.settings import Settings


class Clients:
    """Makes clients at first use; a client that was given serves all requests with its own key."""

    def __init__(self, keys: CredentialSource, given: AnthropicClient | None = None) -> None:
        self.keys = keys
        self._given = given
        self._made: dict[str, AnthropicClient] = {}
        self._granted: dict[str, Credentials] = {}
        self._making = threading.Lock()

    def warm_up(self, settings: Settings) -> None:
        """Load what the first request needs, in the background; opens no connection and runs no command."""
        if self._given is not None:
            self._given.warm_up()
            return
        try:
            access = self.keys.known(settings)
        except CmtError:
            access = None  # a malformed key is told to whoever asks the first question
        endpoint = access.endpoint if access is not None else self.keys.user_endpoint(settings)
        threading.Thread(target=lambda: self._at(endpoint).warm_up(), name="cmt-clients", daemon=True).start()

    async def for_request(self, settings: Settings) -> tuple[AnthropicClient, Access | None]:
        """The client of the endpoint whose key is in force; MissingKeyError, AuthError."""
        if self._given is not None:
            return self._given, None
        access = await self.keys.access(settings)
        self._granted[access.endpoint] = access.credentials
        if access.endpoint in self._made:
            return self._made[access.endpoint], access
        return await asyncio.to_thread(self._at, access.endpoint), access

    @contextmanager
    def answering(self, access: Access | None) -> Iterator[None]:
        """Around a request: a key that the endpoint refuses is not used again."""
        try:
            yield
        except AuthError:
            if access is not None:
                self.keys.refused(access)
            raise

    async def aclose(self) -> None:
        """Close this loop's connections of the clients made here; a given client is its owner's to close."""
        for client in list(self._made.values()):
            await client.aclose()

    def _at(self, endpoint: str) -> AnthropicClient:
        """The endpoint's client; on a thread, for the import alone takes a tenth of a second."""
        with self._making:
            if endpoint not in self._made:
                from cmt_lsp.api.anthropic_client import AnthropicClient

                self._made[endpoint] = AnthropicClient(
                    base_url=endpoint, credentials=lambda: self._granted.get(endpoint)
                )
            return self._made[endpoint]
