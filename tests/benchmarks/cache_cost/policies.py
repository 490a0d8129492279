"""Ways to mark a prompt: ours, none, the API's automatic caching, and marks on system prompt and last message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cmt_lsp.api.cache_manager import CacheManager
from cmt_lsp.api.models import find_model
from cmt_lsp.api.usage import Usage

from .prompt import flat_index, last_markable, sent_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmt_lsp.api.cache.choice import Wish
    from cmt_lsp.api.cache.plan import PlannedPrompt

    from .endpoint import Marks, Split
    from .prompt import Prompt, Turn


class Policy(Protocol):
    """Marks each prompt before it is sent, and hears what became of it."""

    def ask(self, turn: Turn, prompt: Prompt) -> Marks:
        """The marks of a prompt; `prompt` only tells where its blocks are."""

    def hear(self, split: Split, output_tokens: int) -> None:
        """The endpoint's usage."""

    @property
    def foreseen(self) -> int | None:
        """Tokens that the last prompt was expected to read; None where nothing is expected."""


@dataclass(slots=True)
class Fixed:
    """A rule without memory."""

    rule: Callable[[Turn, Prompt], Marks]
    foreseen: int | None = None

    def ask(self, turn: Turn, prompt: Prompt) -> Marks:
        return self.rule(turn, prompt)

    def hear(self, split: Split, output_tokens: int) -> None:
        """It learns nothing."""


class Ours:
    """The product's own CacheManager; it sees blocks and usage, never a token count before it is told."""

    def __init__(self, wish: Wish = "auto") -> None:
        self._now = 0.0
        self._wish: Wish = wish
        self._manager = CacheManager(lambda: self._now, hours=True)
        self._plan: PlannedPrompt | None = None

    @property
    def foreseen(self) -> int | None:
        return self._plan.expected_read if self._plan else None

    def ask(self, turn: Turn, prompt: Prompt) -> Marks:
        self._now = turn.at
        plan = self._plan = self._manager.plan(
            turn.system,
            turn.history,
            turn.new,
            find_model(turn.model),
            True,
            pinned=turn.pinned,
            wish=self._wish,
        )
        index = flat_index(prompt)
        return tuple((index[mark.message, mark.block], mark.lifetime) for mark in plan.breakpoints)

    def hear(self, split: Split, output_tokens: int) -> None:
        if self._plan is not None:
            usage = Usage(split.plain, split.write_5m, split.write_1h, split.read, output_tokens)
            self._manager.remember(self._plan, usage)


def nothing(_turn: Turn, _prompt: Prompt) -> Marks:
    """No marks."""
    return ()


def automatic(_turn: Turn, prompt: Prompt) -> Marks:
    """What the API does when it is asked to cache by itself: one mark on the last block, for five minutes."""
    last = last_markable(prompt, 0, len(prompt.spots))
    return () if last is None else ((last, "5m"),)


def system_and_last(turn: Turn, prompt: Prompt) -> Marks:
    """`build_cached_system_prompt` and `build_cached_messages` as they come: system prompt and last message."""
    manager, index = CacheManager(), flat_index(prompt)
    marked = [(-1, manager.build_cached_system_prompt(turn.system))]
    marked += [
        (number, message["content"])
        for number, message in enumerate(manager.build_cached_messages(sent_messages(turn)))
    ]
    return tuple(
        (index[number, place], "5m")
        for number, blocks in marked
        for place, block in enumerate(blocks)
        if "cache_control" in block
    )


POLICIES: Mapping[str, Callable[[], Policy]] = {
    "no caching": lambda: Fixed(nothing),
    "automatic": lambda: Fixed(automatic),
    "system + last message": lambda: Fixed(system_and_last),
    "ours": Ours,
}
