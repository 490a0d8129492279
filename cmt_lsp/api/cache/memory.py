"""Memory: what a process remembers of its conversations to plan the next prompt, as one frozen value.

Conversations are told apart by their own words, so that nobody has to name them: one goes on where its messages begin
with those that were sent before.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import takewhile
from math import inf
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.cache.blocks import LIFETIME_1H, LIFETIME_5M
from cmt_lsp.api.cache.entries import learned
from cmt_lsp.api.cache.rhythm import Beginnings, Rhythm, Sharing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cmt_lsp.api.cache.entries import Entry
    from cmt_lsp.api.cache.layout import Layout
    from cmt_lsp.api.cache.plan import PlannedPrompt
    from cmt_lsp.api.usage import Usage

_CONVERSATIONS = 64
_BLOCKS = 50_000
"""Of all remembered conversations together, about 600 bytes each beside their texts, which are shared."""
_SHARED = 256
_WIDEST_SCALE = 4.0
"""Beyond this an answer's count is nonsense: taken for true, it would keep the next prompt from being marked."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation up to its last question."""

    layout: Layout
    rhythm: Rhythm
    steady: int | None
    """How many blocks before the conversation stayed the same when they last changed; None before that."""
    scale: float
    """True tokens for each estimated one."""
    follows: Conversation | None = field(default=None, repr=False, compare=False)
    """What was remembered of it when its last question was planned; dropped as soon as it is answered."""

    @property
    def name(self) -> str:
        """By its first message."""
        return self.layout.chat.digest_after(1)


@dataclass(frozen=True, slots=True)
class Memory:
    """All that planning rests on; conversations with the last used one first."""

    conversations: tuple[Conversation, ...] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)
    sharing: Mapping[str, Sharing] = field(default_factory=dict)
    beginnings: Beginnings = field(default_factory=Beginnings)
    paused: bool = False
    """Whether anybody was ever seen to pause for more than five minutes, as far as an hour would have bridged it."""
    hours: bool = False
    """Whether the endpoint tells entries for an hour from those for five minutes.

    One that does not may not have them, and what it charged for writing could only be guessed.
    """

    def conversation(self, messages: Sequence[Mapping[str, Any]]) -> tuple[Conversation | None, int]:
        """The one that these messages go on with, if any, and how many of them are its own."""
        begun = [known for known in self.conversations if known.layout.chat.messages[:1] == (messages[0],)]
        shared = [(known.layout.chat.agreeing(messages), known) for known in begun]
        agreed, longest = max(shared, key=lambda one: one[0], default=(0, None))
        return longest, agreed

    def pauses_seen(self, conversation: Conversation, at: float) -> bool:
        """Whether there is any pause to insure against, in this conversation or between the questions of all.

        Before, an hour would be paid for by somebody who may never pause at all, and make the prompt dearer than the
        API's automatic caching.
        """
        if self.paused or conversation.rhythm.outlasts_five_minutes:
            return True
        last = max((one.rhythm.asked[-1][0] for one in self.conversations if one.rhythm.asked), default=-inf)
        return LIFETIME_5M <= at - last < LIFETIME_1H

    def shared_by(self, key: str, at: float, conversation: str, *, needed: bool) -> Sharing | None:
        """How the prefix of this name is shared, with a use by this conversation now; None where that is the first."""
        known = self.sharing.get(key)
        return None if known is None else known.used(at, conversation, needed=needed)


def gone_on(known: Conversation | None, layout: Layout, rhythm: Rhythm | None, at: float) -> Conversation:
    """A conversation with one question more; a `rhythm` given from outside stands where nothing is known."""
    head = layout.seeds[-1]
    if known is None:
        return Conversation(layout, (rhythm or Rhythm()).with_question(at, head), None, 1.0)
    changed = known.layout.seeds[-1] != head
    steady = _agreeing_head(known.layout, layout) if changed else known.steady
    return Conversation(layout, known.rhythm.with_question(at, head), steady, known.scale, known)


def looked_at(memory: Memory, plan: PlannedPrompt, rhythm: Rhythm | None) -> Memory:
    """The memory after a plan: a conversation that was not known is known from here on, but was asked nothing yet.

    After a restart, its whole history is hashed only once, however often its next question is looked at before it is sent.
    """
    now = plan.conversation
    if now.follows is not None or len(now.layout.chat.messages) == 1:
        return memory
    unasked = replace(now, rhythm=rhythm or Rhythm())
    return replace(memory, conversations=_bounded((unasked, *memory.conversations)))


def answered(memory: Memory, plan: PlannedPrompt, usage: Usage, *, learned_before: bool = False) -> Memory:
    """The memory after an answer; unchanged where the endpoint told nothing of the prompt.

    `learned_before`: what it left in the cache is known since it began. Learning that twice would take what was written
    for what was read.
    """
    memory = memory if learned_before else begun(memory, plan, usage)
    told, at = usage.total_input_tokens, plan.planned_at
    if not told or plan.warming:
        return memory
    now = plan.conversation
    estimated = max(1, now.layout.tokens(len(now.layout) - 1))
    scale = min(_WIDEST_SCALE, max(1 / _WIDEST_SCALE, told / estimated))
    latest = replace(now, scale=scale, follows=None)
    older = (one for one in memory.conversations if one is not now.follows or not _contains(latest, one))
    sharing = {**memory.sharing}
    for key, needed in plan.shared:
        sharing.pop(key, None)
        sharing[key] = memory.shared_by(key, at, now.name, needed=needed) or Sharing((at, now.name))
    return replace(
        memory,
        conversations=_bounded((latest, *older)),
        sharing=dict(list(sharing.items())[-_SHARED:]),
        paused=memory.pauses_seen(now, at),
        beginnings=memory.beginnings.asked(now.name, at, first=len(now.layout.chat.messages) == 1),
    )


def recalled(memory: Memory, left: Iterable[tuple[str, Entry]]) -> Memory:
    """The memory with what an earlier process, or another window, is known to have left in the cache."""
    entries = dict(memory.entries)
    for key, entry in left:
        known = entries.get(key)
        if known is None or known.expires_at < entry.expires_at:
            entries[key] = entry
    return replace(memory, entries=entries)


def begun(memory: Memory, plan: PlannedPrompt, usage: Usage) -> Memory:
    """The memory once an answer begins, or after a prompt that asked nothing: what it wrote can be read from here on."""
    if not usage.total_input_tokens:
        return memory
    return replace(
        memory, entries=learned(memory.entries, plan.breakpoints, usage, plan.planned_at, plan.minimum)
    )


def _agreeing_head(before: Layout, now: Layout) -> int:
    """How many blocks before the conversation are the same."""
    both = range(min(before.before_chat, now.before_chat))
    return len(list(takewhile(lambda index: before.key(index) == now.key(index), both)))


def _contains(longer: Conversation, shorter: Conversation) -> bool:
    """Whether all of a conversation stands in another one."""
    ours, theirs = longer.layout.chat, shorter.layout.chat
    return ours.digest_after(len(theirs.messages)) == theirs.digest_after(len(theirs.messages))


def _bounded(conversations: Iterable[Conversation]) -> tuple[Conversation, ...]:
    """The last used ones, as many as may be remembered."""
    kept: list[Conversation] = []
    blocks = 0
    for one in conversations:
        blocks += len(one.layout)
        if kept and (len(kept) == _CONVERSATIONS or blocks > _BLOCKS):
            break
        kept.append(one)
    return tuple(kept)
