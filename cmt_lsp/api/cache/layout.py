"""Layout: a prompt in the order the cache reads it, each block with a key that names all up to it.

System prompt, pinned blocks, history, newest message: what changes most comes last. A key holds whatever keeps the
endpoint from reading an entry: the model, the settings, whether there is any image, and every block before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cmt_lsp.api.cache.blocks import digest, is_markable, marked
from cmt_lsp.api.cache.chain import Chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cmt_lsp.api.cache.blocks import Block, Lifetime

LOOKBACK_BLOCKS = 20
"""Blocks at which a mark looks for an entry, its own being the first."""
Segment = Literal["system", "pinned", "history", "newest"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The three parts of a prompt as chains; blocks count from the first one of the system prompt."""

    system: Chain
    pinned: Chain
    chat: Chain
    seeds: tuple[str, str, str]
    """What the keys of each part begin with."""
    pinned_apart: bool
    """Whether the pinned blocks stand in a message of their own, since the history starts with the assistant."""
    before_pinned: int
    before_chat: int
    """How many blocks stand before each part."""

    def __len__(self) -> int:
        return self.before_chat + len(self.chat)

    @property
    def newest(self) -> int:
        """The first block of the newest message."""
        return self.before_chat + self.chat.starts[-1]

    def segment(self, index: int) -> Segment:
        """Where a block belongs."""
        if index < self.before_pinned:
            return "system"
        if index < self.before_chat:
            return "pinned"
        return "newest" if index >= self.newest else "history"

    def key(self, index: int) -> str:
        """Names the prompt up to and with a block."""
        chain, own, seed = self._part(index)
        return seed + chain.digests[own]

    def holds(self, index: int, key: str) -> bool:
        """Whether a key names this prompt up to a block."""
        return index < len(self) and self.key(index) == key

    def tokens(self, index: int) -> int:
        """Estimated, up to and with a block; 0 for -1."""
        if index < 0:
            return 0
        chain, own, _ = self._part(index)
        return self._tokens_before(index) + chain.tokens[own]

    def _tokens_before(self, index: int) -> int:
        """Of the parts before that of a block."""
        system = self.system.tokens[-1] if index >= self.before_pinned > 0 else 0
        pinned = self.pinned.tokens[-1] if index >= self.before_chat > self.before_pinned else 0
        return system + pinned

    def last_markable(self, first: int, end: int) -> int | None:
        """The last block in a range that takes a mark."""
        return next((i for i in range(end - 1, first - 1, -1) if self._takes_mark(i)), None)

    def first_markable(self, first: int, end: int) -> int | None:
        """The first one."""
        return next((i for i in range(first, end) if self._takes_mark(i)), None)

    def last_question(self) -> int | None:
        """The last block of the history's last user message that takes a mark."""
        for message in range(len(self.chat.messages) - 2, -1, -1):
            if self.chat.messages[message]["role"] == "user":
                first = self.before_chat + self.chat.starts[message]
                found = self.last_markable(first, first + len(self.chat.messages[message]["content"]))
                if found is not None:
                    return found
        return None

    def place(self, index: int) -> tuple[int, int]:
        """Message and block as they are sent; the system prompt is message -1."""
        if index < self.before_pinned:
            return -1, index
        if index < self.before_chat:
            return 0, index - self.before_pinned
        message, block = self.chat.place(index - self.before_chat)
        if self.pinned_apart:
            return message + 1, block
        return message, block + (len(self.pinned) if message == 0 else 0)

    def nearby(self, index: int) -> tuple[str, ...]:
        """The keys that a mark looks for, its own first."""
        return tuple(self.key(i) for i in range(index, max(-1, index - LOOKBACK_BLOCKS), -1))

    def sent(
        self, marks: Iterable[tuple[int, Lifetime]]
    ) -> tuple[tuple[Block, ...] | None, tuple[dict[str, Any], ...]]:
        """System prompt and messages with these marks; what bears none is shared with the chains."""
        system: list[Block] = [block for message in self.system.messages for block in message["content"]]
        messages = self._messages()
        copied: set[int] = set()
        for index, lifetime in marks:
            message, block = self.place(index)
            if message == -1:
                system[block] = marked(system[block], lifetime)
                continue
            if message not in copied:
                copied.add(message)
                messages[message] = {**messages[message], "content": [*messages[message]["content"]]}
            content = messages[message]["content"]
            content[block] = marked(content[block], lifetime)
        return tuple(system) or None, tuple(messages)

    def _messages(self) -> list[dict[str, Any]]:
        """Pinned blocks at the very front, in the first message where that is the user's, since roles alternate."""
        messages = list(self.chat.messages)
        pinned = [block for message in self.pinned.messages for block in message["content"]]
        if not pinned:
            return messages
        if self.pinned_apart:
            return [{"role": "user", "content": pinned}, *messages]
        return [{**messages[0], "content": [*pinned, *messages[0]["content"]]}, *messages[1:]]

    def _takes_mark(self, index: int) -> bool:
        chain, own, _ = self._part(index)
        return is_markable(chain.block(own))

    def _part(self, index: int) -> tuple[Chain, int, str]:
        if index < self.before_pinned:
            return self.system, index, self.seeds[0]
        if index < self.before_chat:
            return self.pinned, index - self.before_pinned, self.seeds[1]
        return self.chat, index - self.before_chat, self.seeds[2]


def layout_of(system: Chain, pinned: Chain, chat: Chain, before: str, settings: str) -> Layout:
    """Put the parts together; `before` names model and tools, `settings` what else keeps entries of messages apart."""
    pictures = chat.first_picture is not None or pinned.first_picture is not None
    first = digest(before)
    second = digest(first, _end(system), settings, pictures)
    third = digest(second, _end(pinned))
    apart = bool(len(pinned)) and chat.messages[0]["role"] != "user"
    starts = len(system), len(system) + len(pinned)
    return Layout(system, pinned, chat, (first, second, third), apart, *starts)


def message_of(role: str, content: object) -> Mapping[str, Any]:
    """A message as the chains take it."""
    return {"role": role, "content": content}


def _end(chain: Chain) -> str:
    return chain.digests[-1] if chain.digests else ""
