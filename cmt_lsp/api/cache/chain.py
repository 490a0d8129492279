"""Chain: messages with a digest and a size of all up to each block, grown instead of made anew.

A conversation is sent whole with each question, and nearly all of it was sent before. Comparing it with what is known
takes a fifth of a millisecond for a thousand messages; hashing and counting it again would take twenty times as long.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.cache.blocks import as_blocks, digest, estimated_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cmt_lsp.api.cache.blocks import Block


@dataclass(frozen=True, slots=True)
class Chain:
    """Messages without marks, and what is known of each of their blocks; shared between plans, never to be changed."""

    messages: tuple[dict[str, Any], ...] = ()
    starts: tuple[int, ...] = ()
    """Each message's first block, counted over all messages."""
    digests: tuple[str, ...] = ()
    """Of all blocks up to and with each one, roles included."""
    tokens: tuple[int, ...] = ()
    """Estimated, of all blocks up to and with each one."""
    first_picture: int | None = None
    """The first block that is an image."""

    def __len__(self) -> int:
        return len(self.digests)

    def place(self, index: int) -> tuple[int, int]:
        """Message and block of a block counted over all messages."""
        message = bisect_right(self.starts, index) - 1
        return message, index - self.starts[message]

    def block(self, index: int) -> Block:
        """A block counted over all messages."""
        message, block = self.place(index)
        found: Block = self.messages[message]["content"][block]
        return found

    def digest_after(self, count: int) -> str:
        """Names the first `count` messages; '' where there are fewer."""
        if count > len(self.messages):
            return ""
        end = len(self) if count == len(self.messages) else self.starts[count]
        return self.digests[end - 1] if end else digest()

    def tokens_of(self, message: int) -> int:
        """Estimated, of one message."""
        end = self.starts[message + 1] if message + 1 < len(self.starts) else len(self)
        start = self.starts[message]
        if end == start:
            return 0
        return self.tokens[end - 1] - (self.tokens[start - 1] if start else 0)

    def agreeing(self, messages: Sequence[Mapping[str, Any]]) -> int:
        """How many messages from the first on are the same here and there."""
        shorter = min(len(messages), len(self.messages))
        if tuple(messages[:shorter]) == self.messages[:shorter]:
            return shorter
        return next(i for i in range(shorter) if messages[i] != self.messages[i])

    def followed_by(self, messages: Sequence[Mapping[str, Any]], agreed: int) -> Chain:
        """The chain of these messages, of which the first `agreed` are ours; the others are copied."""
        kept = self if agreed == len(self.messages) else self._cut(agreed)
        added = [as_blocks(message) for message in messages[agreed:]]
        return _grown(kept, added) if added else kept

    def _cut(self, count: int) -> Chain:
        end = self.starts[count]
        picture = self.first_picture
        return Chain(
            self.messages[:count],
            self.starts[:count],
            self.digests[:end],
            self.tokens[:end],
            picture if picture is not None and picture < end else None,
        )


def chain_of(messages: Sequence[Mapping[str, Any]], known: Iterable[Chain] = ()) -> Chain:
    """The chain of these messages, grown from the known one that shares the most of them."""
    agreed, longest = 0, Chain()
    for chain in known:
        shared = chain.agreeing(messages)
        if shared > agreed:
            agreed, longest = shared, chain
        if agreed == len(messages):
            break
    return longest.followed_by(messages, agreed)


def _grown(chain: Chain, added: Sequence[dict[str, Any]]) -> Chain:
    starts: list[int] = []
    digests: list[str] = []
    tokens: list[int] = []
    running, total = (chain.digests[-1], chain.tokens[-1]) if chain.digests else (digest(), 0)
    picture, first = chain.first_picture, len(chain)
    for message in added:
        starts.append(first + len(digests))
        for block in message["content"]:
            if picture is None and block.get("type") == "image":
                picture = first + len(digests)
            running = digest(running, message["role"], block)
            total += estimated_tokens(block)
            digests.append(running)
            tokens.append(total)
    return Chain(
        (*chain.messages, *added),
        (*chain.starts, *starts),
        (*chain.digests, *digests),
        (*chain.tokens, *tokens),
        picture,
    )
