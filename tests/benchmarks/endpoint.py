"""The simulator in a process of its own, whose answer to a question is as long as the question says.

Run as a program it prints its address and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Mapping
from typing import Any

from cmt_lsp.simulator import Answer, Simulator
from cmt_lsp.simulator.prompt import Prompt

PIECE = "abcdefg "
"""One delta of an answer; about what a model sends at once."""
_QUESTION = re.compile(r"answer in (\d+) pieces, one every ([\d.]+) s(?:, called (\w+))?")


def question(pieces: int, every: float = 0.0) -> str:
    """What to ask for an answer of so many deltas, `every` seconds one."""
    return f"answer in {pieces} pieces, one every {every} s"


def lines(pieces: int, every: float, name: str) -> str:
    """What to ask for an answer of code in a fence; each line is a delta, has a number and bears the name."""
    return f"{question(pieces, every)}, called {name}"


def line(name: str, number: int) -> str:
    """What a line of such an answer begins with, and no other one."""
    return f"local {name}_{number} ="


class ToldEndpoint(Simulator):
    """Answers as the newest question tells it."""

    def take_answer(self, body: Mapping[str, Any], prompt: Prompt) -> Answer:
        """The answer in pieces; `end_turn` keeps the request's own limit out of it."""
        pieces, every, name = _QUESTION.findall(str(body["messages"][-1]["content"]))[-1]
        chunks: tuple[str, ...] = (PIECE,) * int(pieces)
        if name:
            first, *others = (f"{line(name, n)} [[ {PIECE}\n" for n in range(int(pieces)))
            chunks = (
                f"```lua\n{first}",
                *others,
                "```\n",
            )  # so that the first text is one that can be told apart
        return Answer(chunks=chunks, chunk_delay=float(every), stop_reason="end_turn")


async def serve() -> None:
    """Serve until standard input ends."""
    endpoint = ToldEndpoint(keep_bodies=False)
    sys.stdout.write(f"{await endpoint.start()}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await endpoint.stop()


if __name__ == "__main__":
    asyncio.run(serve())
