"""The progress line of a turn, for editors that show nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from cmt_lsp.api.cache_manager import CacheVerdict
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.turn import AnswerText, Retry, Timing, TurnResult, Waiting
from cmt_lsp.server.window.turn_progress import TurnProgress, summary

RESULT = TurnResult(
    turn_id="t",
    session_id="s",
    model="claude-sonnet-5-5",
    stop_reason="end_turn",
    text="Yes.",
    usage=Usage(input_tokens=400, cache_read_input_tokens=1200, output_tokens=85),
    cost=Cost(2_100_000, 0, None, estimated=False),
    cache=CacheVerdict("hit", 1200, 0, 0.75, None, None),
    timing=Timing(first_token_ms=300, total_ms=4210, retries=0),
)


class Lines:
    """A progress that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ends: list[str] = []

    def report(self, message: str, percentage: int | None = None) -> None:
        self.lines.append(message)

    def end(self, message: str) -> None:
        self.ends.append(message)

    async def next(self) -> str:
        """The next line that is reported."""
        seen = len(self.lines)
        async with asyncio.timeout(5):
            while len(self.lines) == seen:
                await asyncio.sleep(0.01)
        return self.lines[-1]


async def test_a_retry_is_counted_down_and_names_the_attempt_that_follows() -> None:
    lines = Lines()
    progress = TurnProgress(lines)
    progress.event(Retry(1, 3, 1.5, "The service is overloaded."))
    assert await lines.next() == "The service is overloaded; attempt 2 of 3 in 2 s"
    assert await lines.next() == "The service is overloaded; attempt 2 of 3 in 1 s"
    progress.close("gone")


async def test_waiting_is_shown_in_words_and_text_as_tokens() -> None:
    lines = Lines()
    progress = TurnProgress(lines)
    progress.event(Waiting("warming_up", 0.0))
    assert await lines.next() == "warming up, 0 s"
    progress.event(AnswerText("x" * 400))
    assert (await lines.next()).startswith("100 tok, ")
    progress.event(Waiting("silent", 1.0))
    assert (await lines.next()).startswith("nothing comes, ")
    progress.finish(RESULT)


async def test_it_ends_once_with_the_bill() -> None:
    lines = Lines()
    progress = TurnProgress(lines)
    progress.finish(RESULT)
    progress.close("too late")
    assert lines.ends == ["1.6K in, 85 out · 75% cached · $0.0021 · 4.2 s"]


def test_a_turn_that_did_not_end_by_itself_says_why() -> None:
    assert summary(replace(RESULT, stop_reason="max_tokens")).startswith("max tokens · 1.6K in")
