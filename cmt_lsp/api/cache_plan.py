"""Where the breakpoints of the prompt cache go.

The endpoint caches everything before a mark, byte for byte. It takes at most four marks, a mark finds older entries at
most 20 blocks back, and below a model's minimum nothing is cached.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cmt_lsp.api.models import Model

MAX_BREAKPOINTS = 4
LOOKBACK_BLOCKS = 20

# Marks on thinking, empty text or blocks inside other blocks are refused with a 400.
_MARKABLE_TYPES = frozenset({"text", "image", "document", "tool_use", "tool_result"})
# Two tokens for five bytes is what dense code reaches; prose stays under it. A mark too many costs nothing.
_TOKENS_PER_5_BYTES = 2
# The cap of the larger image tier; the true size is not known from base64 alone.
_TOKENS_PER_IMAGE = 4784

Block: TypeAlias = "dict[str, Any]"
Lifetime: TypeAlias = Literal["5m", "1h"]
Wish: TypeAlias = Literal["auto", "5m", "1h", "off"]
"""What the person wants of the cache: our choice, one lifetime for every mark, or no marks."""


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """One mark: the segment it ends, and its place; `message` is -1 for the system prompt."""

    segment: Literal["system", "pinned", "history", "newest"]
    message: int
    block: int
    lifetime: Lifetime = "5m"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a prompt consists of, for telling which part changed; comparable within one process only."""

    model: str
    system: int
    pinned: int
    messages: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlannedPrompt:
    """A prompt ready to be sent: every content is a list of blocks, whether it is marked or not."""

    system: tuple[Block, ...] | None
    messages: tuple[dict[str, Any], ...]
    breakpoints: tuple[Breakpoint, ...]
    enabled: bool
    fingerprint: Fingerprint
    planned_at: float
    """Seconds since the epoch; taken as the time of the cache look-up."""
    lifetime: Lifetime | None = None
    """The longest lifetime of any mark; None where nothing is marked."""
    reason: str = ""
    """Why these marks, with the break-even, in one sentence."""


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
) -> PlannedPrompt:
    """Lay out a prompt and mark it: end of system, of pinned context, of the previous turn, and the newest block.

    Pinned blocks open the first user message. The input is copied; marks it carries are dropped, and a content given as
    a string becomes one text block, so that what is sent does not depend on where the marks are. A prefix that is too
    short for the model is not marked; for an unknown model all are.
    """
    system_blocks: list[Block] = [{"type": "text", "text": system}] if system and system.strip() else []
    earlier = [as_blocks(message) for message in history]
    newest = {"role": "user", "content": [_unmarked(block) for block in new_content]}
    pinned_blocks = [_unmarked(block) for block in pinned]
    fingerprint = Fingerprint(
        model.id if model else "",
        _digest(system_blocks),
        _digest(pinned_blocks),
        tuple(_digest(message) for message in (*earlier, newest)),
    )
    messages = _with_pinned([*earlier, newest], pinned_blocks)
    enabled = enabled and wish != "off"
    lifetime: Lifetime = "1h" if wish == "1h" else "5m"
    chosen = _breakpoints(system_blocks, messages, len(pinned_blocks), model, lifetime) if enabled else ()
    for mark in chosen:
        blocks = system_blocks if mark.segment == "system" else messages[mark.message]["content"]
        blocks[mark.block] = marked(blocks[mark.block], mark.lifetime)
    return PlannedPrompt(
        tuple(system_blocks) or None,
        tuple(messages),
        chosen,
        enabled,
        fingerprint,
        planned_at,
        lifetime if chosen else None,
        _reason(wish, chosen, enabled=enabled),
    )


def _reason(wish: Wish, chosen: Sequence[Breakpoint], *, enabled: bool) -> str:
    if not enabled:
        return "caching is off"
    if not chosen:
        return "the prompt is too short to be cached"
    return f"{chosen[0].lifetime} as asked" if wish != "auto" else "5m"


def _breakpoints(
    system: Sequence[Block],
    messages: Sequence[Mapping[str, Any]],
    pinned: int,
    model: Model | None,
    lifetime: Lifetime,
) -> tuple[Breakpoint, ...]:
    minimum = model.cache_minimum if model else 0
    marks: dict[tuple[int, int], Breakpoint] = {}
    for mark in _candidates(system, messages, pinned):
        marks.setdefault((mark.message, mark.block), replace(mark, lifetime=lifetime))
    return tuple(mark for mark in marks.values() if _is_long_enough(system, messages, mark, minimum))


def _candidates(
    system: Sequence[Block], messages: Sequence[Mapping[str, Any]], pinned: int
) -> Iterator[Breakpoint]:
    """At most one mark per segment, in prompt order, on blocks that take one."""
    if system:
        yield Breakpoint("system", -1, len(system) - 1)
    if (place := last_markable(messages[0]["content"][:pinned])) is not None:
        yield Breakpoint("pinned", 0, place)
    if (turn := _end_of_previous_turn(messages[:-1])) is not None:
        yield Breakpoint("history", *turn)
    last = len(messages) - 1
    first_new = pinned if last == 0 else 0
    if (place := last_markable(messages[last]["content"][first_new:])) is not None:
        yield Breakpoint("newest", last, first_new + place)


def _end_of_previous_turn(messages: Sequence[Mapping[str, Any]]) -> tuple[int, int] | None:
    """The last markable block of the history, or that of its last user message when the answer is very long.

    The last request left its entry at the end of its user message. A mark further than the look-back from there would
    not find it.
    """
    end = _last_place(messages, {"user", "assistant"})
    asked = _last_place(messages, {"user"})
    if end is None or asked is None or end == asked:
        return end
    between = sum(len(message["content"]) for message in messages[asked[0] : end[0]]) - asked[1] + end[1]
    return end if between < LOOKBACK_BLOCKS else asked


def _last_place(messages: Sequence[Mapping[str, Any]], roles: set[str]) -> tuple[int, int] | None:
    for index in range(len(messages) - 1, -1, -1):
        if (
            messages[index]["role"] in roles
            and (block := last_markable(messages[index]["content"])) is not None
        ):
            return index, block
    return None


def last_markable(blocks: Sequence[Mapping[str, Any]]) -> int | None:
    return next((i for i in range(len(blocks) - 1, -1, -1) if _is_markable(blocks[i])), None)


def _is_markable(block: Mapping[str, Any]) -> bool:
    kind = block.get("type")
    return kind in _MARKABLE_TYPES and (kind != "text" or bool(block.get("text", "").strip()))


def _with_pinned(messages: list[dict[str, Any]], pinned: list[Block]) -> list[dict[str, Any]]:
    """Pinned blocks at the very front, in the first message where that is the user's, since roles alternate."""
    if not pinned:
        return messages
    first = messages[0]
    if first["role"] != "user":
        return [{"role": "user", "content": pinned}, *messages]
    return [{**first, "content": [*pinned, *first["content"]]}, *messages[1:]]


def _is_long_enough(
    system: Sequence[Block], messages: Sequence[Mapping[str, Any]], mark: Breakpoint, minimum: int
) -> bool:
    """Whether the estimated tokens up to and with the mark reach the minimum; a long history is not read to its end."""
    tokens = 0
    for block in _prefix(system, messages, mark):
        tokens += _estimated_tokens(block)
        if tokens >= minimum:
            return True
    return tokens >= minimum


def _prefix(
    system: Sequence[Block], messages: Sequence[Mapping[str, Any]], mark: Breakpoint
) -> Iterator[Block]:
    """The blocks up to and with the mark, in prompt order."""
    yield from system
    for message in messages[: max(mark.message, 0)]:
        yield from message["content"]
    if mark.message >= 0:
        yield from messages[mark.message]["content"][: mark.block + 1]


def _estimated_tokens(block: Mapping[str, Any]) -> int:
    if block.get("type") == "image":
        return _TOKENS_PER_IMAGE
    return sum(_text_bytes(value) for value in _strings(block)) * _TOKENS_PER_5_BYTES // 5


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def as_blocks(message: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without marks, its content a list of blocks."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {**message, "content": _all_unmarked(blocks)}


def _all_unmarked(blocks: Iterable[Mapping[str, Any]]) -> list[Block]:
    return [_unmarked(block) for block in blocks]


def _unmarked(block: Mapping[str, Any]) -> Block:
    copy = {name: value for name, value in block.items() if name != "cache_control"}
    if isinstance(inner := copy.get("content"), (list, tuple)):
        copy["content"] = _all_unmarked(inner)
    return copy


def marked(block: Mapping[str, Any], lifetime: Lifetime = "5m") -> Block:
    """A copy with a mark; five minutes are the endpoint's default and not spelled out."""
    ttl = {} if lifetime == "5m" else {"ttl": lifetime}
    return {**block, "cache_control": {"type": "ephemeral", **ttl}}


def _digest(value: object) -> int:
    """A hash of a JSON value; Python keeps a string's hash with it, so that large images cost once.

    Strings come first: nearly everything is one, and each turn hashes the whole history.
    """
    if isinstance(value, str):
        return hash(value)
    if isinstance(value, dict):
        return hash(frozenset([(name, _digest(inner)) for name, inner in value.items()]))
    if isinstance(value, (list, tuple)):
        return hash(tuple([_digest(inner) for inner in value]))
    return hash(value)
