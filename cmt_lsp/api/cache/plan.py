"""Where the breakpoints of the prompt cache go: a prompt laid out and marked, with all that its verdict will need.

The endpoint caches everything before a mark, byte for byte. It takes at most four marks, a mark finds older entries at
most 20 blocks back, and below a model's minimum nothing is cached.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from cmt_lsp.api.cache.blocks import DIGITS, LIFETIME_5M, digest
from cmt_lsp.api.cache.chain import Chain, chain_of
from cmt_lsp.api.cache.choice import (
    Choice,
    Live,
    Situation,
    choose,
    choose_as_asked,
    choose_to_warm,
    rates_of,
)
from cmt_lsp.api.cache.entries import Breakpoint, readable
from cmt_lsp.api.cache.fingerprint import Fingerprint
from cmt_lsp.api.cache.layout import layout_of, message_of
from cmt_lsp.api.cache.memory import Conversation, Memory, gone_on
from cmt_lsp.api.cache.rhythm import Odds
from cmt_lsp.api.models import price_in_force

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cmt_lsp.api.cache.blocks import Block, Lifetime
    from cmt_lsp.api.cache.choice import Wish
    from cmt_lsp.api.cache.entries import Entry
    from cmt_lsp.api.cache.layout import Layout
    from cmt_lsp.api.cache.rhythm import Rhythm
    from cmt_lsp.api.models import Model

_USUAL_GROWTH, _USUAL_ANSWER = 1200, 550
"""Tokens of a turn and of its answer, before a chat has shown its own; each counts as two turns."""
_RECENT = 16
_UNKNOWN = Odds(0.0, 0.0)
"""Of what nobody has used before: marked only where the rest is marked too."""


@dataclass(frozen=True, slots=True)
class PlannedPrompt:
    """A prompt ready to be sent: every content is a list of blocks, whether it is marked or not.

    Messages are shared with the plans before and after: they are read, never changed.
    """

    system: tuple[Block, ...] | None
    messages: tuple[dict[str, Any], ...]
    breakpoints: tuple[Breakpoint, ...]
    enabled: bool
    fingerprint: Fingerprint
    planned_at: float
    """Seconds since the epoch; taken as the time of the cache look-up."""
    lifetime: Lifetime | None
    """The longest lifetime of any mark; None where nothing is marked."""
    reason: str
    """Why these marks, with the break-even, in one sentence."""
    expected_read: int
    """Tokens that should be read from what this process left in the cache."""
    minimum: int
    """The model's shortest prefix that is cached, in tokens."""
    shared: tuple[tuple[str, bool], ...] = field(repr=False)
    """Names of the prefixes that other conversations may read too, each with whether this one had nothing longer."""
    conversation: Conversation = field(repr=False)
    """What will be remembered of it once it is answered."""
    warming: bool = False
    """Whether it asks nothing: its newest message only stands in for a question."""

    def history_after(self, messages: int) -> str:
        """Names the first so many messages; '' where there are fewer."""
        return self.conversation.layout.chat.digest_after(messages)


def plan_prompt(
    system: str | None,
    history: Sequence[Mapping[str, Any]],
    new_content: Sequence[Mapping[str, Any]],
    model: Model | None,
    *,
    enabled: bool,
    planned_at: float,
    pinned: Sequence[Mapping[str, Any]] = (),
    wish: Wish = "auto",
    memory: Memory | None = None,
    rhythm: Rhythm | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
    settings: str = "",
    warming: bool = False,
) -> PlannedPrompt:
    """Lay out a prompt and mark it where that pays.

    Pinned blocks open the first user message. Marks that the input carries are dropped, and a content given as a string
    becomes one text block, so that what is sent does not depend on where the marks are. `rhythm` tells when a
    conversation's earlier questions came, where `memory` does not know it. `tools` and `settings` (thinking, effort and
    what else the request says) are not sent; they only keep apart what the endpoint keeps apart. `warming`: the new content
    stands in for a question that is not asked yet, and what stands before it is to be written.
    """
    memory = memory or Memory()
    messages = (*history, {"role": "user", "content": list(new_content)})
    known, agreed = memory.conversation(messages)
    chat = (known.layout.chat if known else Chain()).followed_by(messages, agreed)
    layout = layout_of(
        chain_of(_system_messages(system), _known(memory, known, "system")),
        chain_of([message_of("user", pinned)] if pinned else [], _known(memory, known, "pinned")),
        chat,
        digest(model.id if model else "", tools),
        settings,
    )
    conversation = gone_on(known, layout, rhythm, planned_at)
    situation = _situation(conversation, model, memory, planned_at)
    choice = _choice(situation, wish if enabled else "off", warming=warming)
    breakpoints = tuple(_breakpoints(situation, choice))
    sent_system, sent_messages = layout.sent(choice.marks)
    return PlannedPrompt(
        system=sent_system,
        messages=sent_messages,
        breakpoints=breakpoints,
        enabled=enabled and wish != "off",
        fingerprint=_fingerprint(layout, model, tools, settings),
        planned_at=planned_at,
        lifetime=_longest(breakpoints),
        reason=choice.reason,
        expected_read=readable(breakpoints, memory.entries, planned_at),
        minimum=situation.minimum,
        shared=tuple((layout.key(index), situation.hit <= index) for index, _ in situation.shared),
        conversation=conversation,
        warming=warming,
    )


def expected_read(plan: PlannedPrompt, known: Mapping[str, Entry], *, expired: bool = False) -> int:
    """Tokens of a prompt that should be read at its moment; with `expired`, were nothing ever forgotten."""
    return readable(plan.breakpoints, known, -inf if expired else plan.planned_at)


def _system_messages(system: str | None) -> list[Mapping[str, Any]]:
    """The system prompt as the one message of its chain; none for blank text, which the endpoint refuses."""
    return [message_of("system", system)] if system and system.strip() else []


def _known(memory: Memory, known: Conversation | None, part: Literal["system", "pinned"]) -> Iterator[Chain]:
    """The chains of a part that a new one may grow from, the likeliest first."""
    for conversation in (*([known] if known else ()), *memory.conversations):
        yield conversation.layout.system if part == "system" else conversation.layout.pinned


def _situation(conversation: Conversation, model: Model | None, memory: Memory, at: float) -> Situation:
    layout, scale = conversation.layout, conversation.scale
    row = price_in_force(model.id, datetime.fromtimestamp(at, UTC), _size(conversation)) if model else None
    growth, answer = _usual_sizes(layout.chat)
    live = _live(layout, memory.entries, at)
    first = len(layout.chat.messages) == 1
    return Situation(
        layout=layout,
        rates=rates_of(row),
        minimum=model.cache_minimum if model else 0,
        odds=memory.beginnings.odds(at) if first else conversation.rhythm.odds(),
        shared=tuple(_shared(conversation, memory, at, live[-1].index if live else -1)),
        live=live,
        scale=scale,
        growth=growth * scale,
        answer=answer * scale,
        hours=memory.hours and memory.pauses_seen(conversation, at),
    )


def _size(conversation: Conversation) -> int:
    """The whole prompt in tokens, by its estimate."""
    return round(conversation.layout.tokens(len(conversation.layout) - 1) * conversation.scale)


def _shared(conversation: Conversation, memory: Memory, at: float, hit: int) -> Iterator[tuple[int, Odds]]:
    """The ends of what stands before the conversation, longest first: all of it, what stays the same, the system prompt."""
    layout = conversation.layout
    steady = conversation.steady or 0
    for end in sorted({layout.before_chat, steady, len(layout.system)}, reverse=True):
        index = layout.last_markable(0, end)
        if index is not None and index == end - 1:
            sharing = memory.shared_by(layout.key(index), at, conversation.name, needed=hit <= index)
            yield index, sharing.odds() if sharing else _UNKNOWN


def _live(layout: Layout, entries: Mapping[str, Entry], at: float) -> tuple[Live, ...]:
    """The entries that this prompt could read, in the order of their blocks."""
    seeds = frozenset(layout.seeds)
    live = [
        Live(entry.index, entry.tokens, entry.lifetime > LIFETIME_5M)
        for key, entry in entries.items()
        if at < entry.expires_at and key[:DIGITS] in seeds and layout.holds(entry.index, key)
    ]
    return tuple(sorted(live, key=lambda one: one.index))


def _usual_sizes(chat: Chain) -> tuple[float, float]:
    """Estimated tokens of a turn and of its answer: the mean of the last ones, mixed with the usual figures."""
    recent = range(max(0, len(chat.messages) - 2 * _RECENT), len(chat.messages))
    answers = [chat.tokens_of(i) for i in recent if chat.messages[i]["role"] == "assistant"]
    turns = len(answers) + 2
    total = sum(chat.tokens_of(i) for i in recent)
    return (total + 2 * _USUAL_GROWTH) / turns, (sum(answers) + 2 * _USUAL_ANSWER) / turns


def _choice(situation: Situation, wish: Wish, *, warming: bool) -> Choice:
    if wish == "off":
        return Choice((), "caching is off")
    if warming:
        return choose_to_warm(situation, None if wish == "auto" else wish)
    if wish == "auto":
        return choose(situation)
    return choose_as_asked(situation, wish)


def _breakpoints(situation: Situation, choice: Choice) -> Iterator[Breakpoint]:
    layout = situation.layout
    for index, lifetime in choice.marks:
        message, block = layout.place(index)
        yield Breakpoint(
            layout.segment(index),
            message,
            block,
            lifetime,
            index,
            round(situation.tokens(index)),
            layout.nearby(index),
        )


def _longest(breakpoints: Sequence[Breakpoint]) -> Lifetime | None:
    return breakpoints[0].lifetime if breakpoints else None  # an hour comes first


def _fingerprint(
    layout: Layout, model: Model | None, tools: Sequence[Mapping[str, Any]], settings: str
) -> Fingerprint:
    chat = layout.chat
    return Fingerprint(
        model=model.id if model else "",
        tools=digest(tools) if tools else "",
        system=layout.system.digest_after(1),
        settings=digest(settings) if settings else "",
        pinned=layout.pinned.digest_after(1),
        pictures=chat.first_picture is not None or layout.pinned.first_picture is not None,
        history=chat.digest_after(len(chat.messages)),
        messages=len(chat.messages),
    )
