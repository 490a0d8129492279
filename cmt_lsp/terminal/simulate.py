"""`cmt-lsp simulate`: an endpoint on this machine that costs nothing, for demos and for trying things out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Protocol

from cmt_lsp.terminal.interrupt import EXIT_CODE, on_ctrl_c
from cmt_lsp.terminal.keyboard import typed_lines
from cmt_lsp.terminal.render import say_trouble

KEY = "sk-simulated"  # any key will do; a name that nobody takes for a real one


class Endpoint(Protocol):
    """What is served: it starts on loopback, and stops."""

    async def start(self, port: int = 0) -> str:
        """The base URL."""

    async def stop(self) -> None:
        """Close the socket and what is open."""


def serve(endpoint: Endpoint, *, port: int, fail: Callable[[int], None], follow_stdin: bool) -> int:
    """Serve until Ctrl-C; the exit code.

    With `follow_stdin` a line `fail STATUS` lets the next question fail with that status and is answered by a
    line, and the end of standard input is the end: a program that started the simulator cannot leave it behind.
    """
    try:
        return asyncio.run(_serve(endpoint, port, fail, follow_stdin=follow_stdin))
    except OSError as taken:
        say_trouble(f"The simulator cannot use port {port}: {taken.strerror}.", "Choose another with --port.")
        return 1


async def _serve(endpoint: Endpoint, port: int, fail: Callable[[int], None], *, follow_stdin: bool) -> int:
    over: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(code: int) -> None:
        if not over.done():
            over.set_result(code)

    with on_ctrl_c(lambda _count: end(EXIT_CODE)):
        url = await endpoint.start(port)
        sys.stdout.write(f"export ANTHROPIC_BASE_URL={url}\nexport ANTHROPIC_API_KEY={KEY}\n")
        sys.stdout.flush()
        if follow_stdin:
            listening = asyncio.create_task(_follow(fail))
            listening.add_done_callback(lambda _task: end(0))
        else:
            sys.stderr.write(
                "Simulated answers, simulated tokens; set both in another shell. Ctrl-C ends it.\n"
            )
        code = await over
        await endpoint.stop()
        return code


async def _follow(fail: Callable[[int], None]) -> None:
    async for line in typed_lines():
        word, _, status = line.strip().partition(" ")
        if word == "fail" and status.isdigit():
            fail(int(status))
            sys.stdout.write(f"the next question fails with {status}\n")
            sys.stdout.flush()
