"""CredentialSource: which key goes to which endpoint.

A key is sent only to the endpoint it was configured for:

- A key the editor pushed wins. It goes to the user file's `baseUrl` as it was when the key was pushed, else to
  Anthropic; after a change of `baseUrl` it must be pushed again.
- A key in the environment (`ANTHROPIC_API_KEY`, else `ANTHROPIC_AUTH_TOKEN`) goes to `ANTHROPIC_BASE_URL`, else to
  Anthropic; never to the file's `baseUrl`.
- The key that the file's `apiKeyCommand` prints goes to the file's `baseUrl`, else to Anthropic.

`ANTHROPIC_BASE_URL` without a key in the environment moves no request. A key given to a constructor counts as
pushed, unless it is the environment's own key: then it goes where that one goes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cmt_lsp.api.endpoint import DEFAULT_ENDPOINT, check_endpoint
from cmt_lsp.api.errors import AuthError, MissingKeyError
from cmt_lsp.api.secret import Credentials, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.core.settings import Settings

COMMAND_SECONDS = 20.0
"""Some password managers ask the person first."""
_OUTPUT_LIMIT = 8192


@dataclass(frozen=True, slots=True)
class Access:
    """A key together with the one endpoint that may see it."""

    credentials: Credentials
    endpoint: str


class CredentialSource:
    """The keys this process may use; nothing of them is ever written anywhere."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._pushed: Access | None = None
        self._printed: tuple[tuple[str, ...], Access] | None = None
        self._asking = threading.Lock()

    def push(self, key: str, settings: Settings) -> None:
        """Take a key from the editor, for this process only; AuthError where it can be no key."""
        self._pushed = Access(
            Credentials(Secret(key), None, "pushed by the editor"), self.user_endpoint(settings)
        )

    def give(self, key: str, settings: Settings) -> None:
        """Take a key from a program's own call."""
        environment = self._environment_access() if self._environ.get("ANTHROPIC_API_KEY") else None
        secret = Secret(key)
        same = environment is not None and environment.credentials.api_key == secret
        endpoint = environment.endpoint if environment and same else self.user_endpoint(settings)
        self._pushed = Access(Credentials(secret, None, "given by the program"), endpoint)

    def forget_pushed(self) -> None:
        """Drop the key that the editor pushed."""
        self._pushed = None

    def known(self, settings: Settings) -> Access | None:
        """The key and endpoint in force without running anything; None where a command would have to be asked."""
        pushed = self._pushed
        if pushed is not None and pushed.credentials.source == "given by the program":
            return pushed
        if pushed is not None and pushed.endpoint == self.user_endpoint(settings):
            return pushed
        return self._environment_access() or self._printed_access(settings)

    @staticmethod
    def user_endpoint(settings: Settings) -> str:
        """Where a pushed key and that of `apiKeyCommand` go."""
        return settings.base_url or DEFAULT_ENDPOINT

    async def access(self, settings: Settings) -> Access:
        """The key and endpoint in force, asking `apiKeyCommand` off the loop where nothing else has a key.

        MissingKeyError where there is none, AuthError where one is malformed or the command fails.
        """
        found = self.known(settings)
        if found is not None:
            return found
        if not settings.api_key_command:
            raise MissingKeyError(
                "No API key is set: set ANTHROPIC_API_KEY, or apiKeyCommand in config.toml, or give the editor a key.",
                command="cmt.auth.set",
            )
        return await asyncio.to_thread(self._ask, settings)

    def refused(self, access: Access) -> None:
        """The endpoint refused this key: the command is asked anew at the next turn."""
        if self._printed is not None and self._printed[1] == access:
            self._printed = None

    def _ask(self, settings: Settings) -> Access:
        """On a thread: turns that start together ask once, also when they run in different loops."""
        with self._asking:
            known = self.known(settings)
            if known is not None:
                return known
            key = _output_of(settings.api_key_command)
            access = Access(Credentials(Secret(key), None, "apiKeyCommand"), self.user_endpoint(settings))
            self._printed = (settings.api_key_command, access)
            return access

    def _environment_access(self) -> Access | None:
        key, token = self._environ.get("ANTHROPIC_API_KEY"), self._environ.get("ANTHROPIC_AUTH_TOKEN")
        if not key and not token:
            return None
        endpoint = check_endpoint(self._environ.get("ANTHROPIC_BASE_URL") or DEFAULT_ENDPOINT)
        if key:
            return Access(Credentials(Secret(key), None, "environment"), endpoint)
        return Access(Credentials(None, Secret(token or ""), "environment"), endpoint)

    def _printed_access(self, settings: Settings) -> Access | None:
        """What the command printed, as long as command and endpoint are the ones it was asked for."""
        if self._printed is None:
            return None
        command, access = self._printed
        right = command == settings.api_key_command and access.endpoint == self.user_endpoint(settings)
        return access if right else None


def _output_of(command: tuple[str, ...]) -> str:
    """The first line a command prints. Neither its output nor its errors reach a log; it runs in the home folder."""
    try:
        done = subprocess.run(  # noqa: S603  the person's own command from the person's own file, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            cwd=Path.home(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AuthError(
            f"apiKeyCommand gave no key within {COMMAND_SECONDS:.0f} s; run it once in a terminal."
        ) from None
    except OSError as error:
        raise AuthError(f"apiKeyCommand cannot be run ({error.strerror}); check it in config.toml.") from None
    lines = done.stdout[:_OUTPUT_LIMIT].decode("utf-8", "replace").strip().splitlines()
    if done.returncode != 0 or not lines:
        raise AuthError(
            f"apiKeyCommand gave no key (exit code {done.returncode}); run it once in a terminal."
        )
    return lines[0].strip()
