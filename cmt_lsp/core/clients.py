"""Clients: one AnthropicClient for each endpoint, so that a key reaches only the endpoint it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

    def warm_up(self, settings: Settings) -> None:
        """Load what the first request needs, in the background; opens no connection and runs no command."""
        client = self._given
        if client is None:
            access = self.keys.known(settings)
            client = self._at(access.endpoint if access is not None else self.keys.user_endpoint(settings))
        client.warm_up()

    async def for_request(self, settings: Settings) -> tuple[AnthropicClient, Access | None]:
        """The client of the endpoint whose key is in force; MissingKeyError, AuthError."""
        if self._given is not None:
            return self._given, None
        access = await self.keys.access(settings)
        self._granted[access.endpoint] = access.credentials
        return self._at(access.endpoint), access

    async def aclose(self) -> None:
        """Close this loop's connections of the clients made here; a given client is its owner's to close."""
        for client in self._made.values():
            await client.aclose()

    def _at(self, endpoint: str) -> AnthropicClient:
        if endpoint not in self._made:
            from cmt_lsp.api.anthropic_client import AnthropicClient

            self._made[endpoint] = AnthropicClient(
                base_url=endpoint, credentials=lambda: self._granted.get(endpoint)
            )
        return self._made[endpoint]
