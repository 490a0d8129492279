"""What the demo tells: two sessions at once, a cached turn, a cancel, an overload, and the bill.

Each chapter ends in promises, and each promise is checked against what the server said, never assumed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cmt_lsp.terminal.connection import Handler
from cmt_lsp.terminal.render import dollars, one_line, seconds, summary, tokens, waiting
from cmt_lsp.terminal.sample import Sample
from cmt_lsp.terminal.stage import Board, Stage
from cmt_lsp.terminal.tables import table
from cmt_lsp.terminal.window import Window

EXPLAIN, REVIEW = "explain", "review"
FIRST_QUESTIONS = {
    EXPLAIN: "What is this file for? Answer in a few short paragraphs.",
    REVIEW: "Which part of this file would you test first, and why?",
}
SECOND_QUESTION = "And which function in it does the most work?"
LONG_QUESTION = "Now go through the whole file, line by line."
LAST_QUESTION = "Sum up this conversation in a few sentences."
TURNS = 5  # that are asked at most, for the estimate of their price
MAX_TOKENS = 1024  # of an answer
ENOUGH = 120  # characters of an answer after which it is cancelled
CANCEL_LIMIT = 2.0  # seconds that a cancel may take and still be called one


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a chapter needs. `overload` lets the next question fail with 529; None on a real endpoint."""

    stage: Stage
    window: Window
    sample: Sample
    sessions: Mapping[str, str]
    overload: Callable[[], Awaitable[None]] | None

    async def ask(self, name: str, text: str, on_event: Handler, *, files: bool = False) -> dict[str, Any]:
        """One turn in the session with this name; `files` sends the sample along."""
        params: dict[str, Any] = {"text": text, "sessionId": self.sessions[name], "maxTokens": MAX_TOKENS}
        params["effort"] = "low"
        if files:
            uris = [self.window.open_document(path, content) for path, content in self.sample.files]
            params["context"] = [{"kind": "file", "uri": uri} for uri in uris]
        return await self.window.chat(params, on_event)


async def tell(scene: Scene) -> None:
    """All chapters, in order."""
    await _two_at_once(scene)
    await _from_the_cache(scene)
    await _cancelled(scene)
    if scene.overload is not None:
        await _overloaded(scene, scene.overload)
    await _the_bill(scene)


def _to(board: Board, name: str) -> Handler:
    """Put a stream on a panel."""

    def show(event: Mapping[str, Any]) -> None:
        if event.get("kind") == "text":
            board.add(name, str(event.get("text", "")))
        elif (wait := waiting(event)) is not None:
            board.wait(name, wait)

    return show


async def _two_at_once(scene: Scene) -> None:
    scene.stage.chapter(2, "Two sessions at the same time, about the same file")
    began = time.monotonic()
    with scene.stage.board(FIRST_QUESTIONS) as board:
        asked = [
            asyncio.create_task(scene.ask(name, text, _to(board, name), files=True))
            for name, text in FIRST_QUESTIONS.items()
        ]
        results = await asyncio.gather(*asked)
    took = (time.monotonic() - began) * 1000
    alone = sum(result["timing"]["totalMs"] for result in results)
    scene.stage.promise(
        all(result["text"] for result in results) and took < alone,
        f"both answered in {seconds(took)}; one after the other it would have been {seconds(alone)}",
    )
    for name, result in zip(FIRST_QUESTIONS, results, strict=True):
        scene.stage.say(f"{name}: {summary(result)}", "dim")


async def _from_the_cache(scene: Scene) -> None:
    scene.stage.chapter(3, "A second turn reads the prompt cache")
    with scene.stage.board({EXPLAIN: SECOND_QUESTION}) as board:
        result = await scene.ask(EXPLAIN, SECOND_QUESTION, _to(board, EXPLAIN))
    cache, cost = result["cache"], result["cost"]
    saving = cost.get("savedNanoUsd", 0)
    scene.stage.promise(
        cache["readTokens"] > 0 and saving > 0,
        f"{tokens(cache['readTokens'])} of {tokens(result['usage']['totalInputTokens'])} prompt tokens were read "
        f"from the cache ({cache['hitRatio']:.0%}); this turn cost {cost['display']} and saved {dollars(saving)}",
    )


async def _cancelled(scene: Scene) -> None:
    scene.stage.chapter(4, "Cancel in the middle of an answer")
    enough = asyncio.Event()
    with scene.stage.board({REVIEW: LONG_QUESTION}) as board:
        show, seen = _to(board, REVIEW), 0

        def until_enough(event: Mapping[str, Any]) -> None:
            nonlocal seen
            show(event)
            seen += len(event.get("text", "")) if event.get("kind") == "text" else 0
            if seen >= ENOUGH:
                enough.set()

        turn = asyncio.create_task(scene.ask(REVIEW, LONG_QUESTION, until_enough))
        told = asyncio.create_task(enough.wait())
        await asyncio.wait({turn, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        began = time.monotonic()
        await scene.window.cancel(sessionId=scene.sessions[REVIEW])
        result = await turn
        took = time.monotonic() - began
    output = result["usage"]["outputTokens"]
    scene.stage.promise(
        result["stopReason"] == "cancelled" and bool(result["text"]) and took < CANCEL_LIMIT,
        f"the turn ended {seconds(took * 1000)} after the cancel; its {len(result['text'])} characters are kept and "
        f"its ~{tokens(output)} tokens are booked: {result['cost']['display']}",
    )


async def _overloaded(scene: Scene, overload: Callable[[], Awaitable[None]]) -> None:
    scene.stage.chapter(5, "The endpoint is overloaded (529)")
    waits: list[float] = []
    await overload()
    with scene.stage.board({REVIEW: LAST_QUESTION}) as board:
        show = _to(board, REVIEW)

        def count_waits(event: Mapping[str, Any]) -> None:
            show(event)
            if event.get("kind") == "retry":
                waits.append(event.get("delayMs", 0))

        result = await scene.ask(REVIEW, LAST_QUESTION, count_waits)
    retries = result["timing"]["retries"]
    scene.stage.promise(
        len(waits) == retries == 1 and bool(result["text"]),
        f"refused once, waited {seconds(sum(waits))}, asked again, and got its answer",
    )


async def _the_bill(scene: Scene) -> None:
    stage = scene.stage
    stage.chapter(6 if scene.overload else 5, "What it cost")
    found = await scene.window.ask("cmt/session/list", {"scope": "window"})
    wanted = set(scene.sessions.values())
    sessions = [session for session in found.get("sessions", []) if session["id"] in wanted]
    made = table("session", ">turns", ">tokens in", ">tokens out", ">from cache", ">cost", ">saved")
    for session in sorted(sessions, key=lambda one: str(one["name"])):
        made.add_row(*_bill_row(str(session["name"]), [session]))
    made.add_section()
    made.add_row(*_bill_row("together", sessions), style="bold")
    stage.show(made)
    stage.promise(
        len(sessions) == len(wanted) and all(session["usage"]["outputTokens"] > 0 for session in sessions),
        "every turn is in the books, the cancelled one too",
    )


def _bill_row(name: str, sessions: list[dict[str, Any]]) -> list[str]:
    def total(part: str, field: str) -> int:
        return sum(session[part].get(field, 0) for session in sessions)

    read, prompt = total("usage", "cacheReadInputTokens"), total("usage", "totalInputTokens")
    cost = ("" if all(session["cost"]["priced"] for session in sessions) else "≥") + dollars(
        total("cost", "nanoUsd")
    )
    return [
        one_line(name),
        str(sum(session["turns"] for session in sessions)),
        tokens(prompt),
        tokens(total("usage", "outputTokens")),
        f"{tokens(read)} ({read / prompt:.0%})" if prompt else "0",
        cost,
        dollars(total("cost", "savedNanoUsd")),
    ]
