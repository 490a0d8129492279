"""Pins: what stays with a session and goes along with each of its questions; plain functions over frozen values.

A pinned file is a reference: its content is read anew for every question. A pinned selection, text or set of
diagnostics keeps its text as it was when it was pinned: lines move under edits, and what somebody chose should not
turn into something else unseen.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.core.context.blocks import CONTEXT_LIMIT, block_of, cut_notice, shares, text_of
from cmt_lsp.core.context.fences import one_line
from cmt_lsp.core.context.items import (
    Block,
    ContextItem,
    Diagnostic,
    Diagnostics,
    NamedText,
    Selection,
    WholeFile,
    kind_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

PIN_LIMIT = 32
"""Pins of one session."""
AS_PINNED = "as it was pinned"

PinCondition: TypeAlias = Literal["fresh", "changed", "missing"]


@dataclass(frozen=True, slots=True)
class FileReference:
    """A file by name; `path` as for a selection."""

    uri: str
    path: str | None = None
    language: str | None = None


Pin: TypeAlias = FileReference | Selection | Diagnostics | NamedText


@dataclass(frozen=True, slots=True)
class PinState:
    """One pin as it is now. `changed`: a file since it was last sent, a selection since it was pinned."""

    id: str
    kind: Literal["file", "text", "selection", "diagnostics"]
    title: str
    uri: str | None
    tokens: int
    state: PinCondition
    reason: str | None = None
    """Why it is missing."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """What is pinned as it stood at one moment: the blocks that go along, in the order of the pins, and their states."""

    pins: tuple[Pin, ...] = ()
    unsent: tuple[ContextItem, ...] = ()
    """What of them was never sent as it is now, for whoever looks at what leaves."""
    blocks: tuple[Block, ...] = ()
    states: tuple[PinState, ...] = ()
    sent: tuple[tuple[str, str], ...] = ()
    """Id and digest of each block, as they are to be remembered once they were sent."""

    @property
    def content(self) -> list[dict[str, object]]:
        """The content blocks."""
        return [block.content_block for block in self.blocks]

    @property
    def digest(self) -> str:
        """Names the content; '' where there is none."""
        return _digest("".join(digest for _, digest in self.sent)) if self.sent else ""

    @property
    def changed(self) -> tuple[str, ...]:
        """The files whose content is not what was last sent."""
        return tuple(one.title for one in self.states if one.kind == "file" and one.state == "changed")

    @property
    def notices(self) -> tuple[str, ...]:
        """What was left out, and what to do about it."""
        missing = (
            f"{one.title} is pinned but was left out, since {one.reason} Put it back or unpin it."
            for one in self.states
            if one.state == "missing"
        )
        return (*missing, *(cut_notice(block) for block in self.blocks if block.cut_lines))


NOTHING_PINNED = Pinned()


def pin_of(item: ContextItem) -> Pin:
    """What is kept of an item that is pinned."""
    match item:
        case WholeFile():
            return FileReference(item.uri, item.path, item.language)
        case Selection():
            return replace(item, remark=item.remark or AS_PINNED)
        case _:
            return item


def pin_id(pin: Pin) -> str:
    """The same for the same pin in every session; for a file it is told by its name alone."""
    named: object = pin.uri if isinstance(pin, FileReference) else pin_to_json(pin)
    return _digest(json.dumps([type(pin).__name__, named], sort_keys=True))


def changed_pins(
    before: Sequence[Pin],
    pinned: Sequence[Pin] | None = None,
    added: Sequence[Pin] = (),
    removed: Sequence[str] = (),
) -> tuple[Pin, ...]:
    """The pins after a change: `pinned` replaces all, then some are added at the end, then some are taken away.

    What is removed is named by its id, URI or title. BadParamsError says what there is, or what is too much.
    """
    found = {pin_id(pin): pin for pin in (*(before if pinned is None else pinned), *added)}
    for name in removed:
        meant = [key for key, pin in found.items() if name in (key, *_names(pin))]
        if not meant:
            there = ", ".join(title_of(pin) for pin in found.values()) or "nothing"
            raise BadParamsError(f"unpin names {one_line(name)!r}, which is not pinned; pinned are: {there}.")
        for key in meant:
            del found[key]
    if len(found) > PIN_LIMIT:
        raise BadParamsError(f"A session holds at most {PIN_LIMIT} pins; unpin some first.")
    kept = sum(len(text_of(pin)) for pin in found.values() if not isinstance(pin, FileReference))
    if kept > CONTEXT_LIMIT:
        raise BadParamsError(
            f"What is pinned may have {CONTEXT_LIMIT} characters; pin less, or the file itself."
        )
    return tuple(found.values())


def pinned_now(
    pins: Sequence[Pin],
    read: Callable[[str], str | Exception | None],
    sent: Mapping[str, str],
) -> Pinned:
    """The pins as they are: `read` gives a document's text, why it cannot be read, or None where nobody looked.

    What exceeds its share of the limit is cut at a line's end.
    """
    items = [_item(pin, read) for pin in pins]
    there = [(pin, item) for pin, item in zip(pins, items, strict=True) if not isinstance(item, str)]
    limits = shares([len(text_of(item)) for _, item in there], CONTEXT_LIMIT)
    blocks = {pin_id(pin): block_of(item, limit) for (pin, item), limit in zip(there, limits, strict=True)}
    digests = tuple((key, _digest(block.text)) for key, block in blocks.items())
    states = tuple(
        _state(pin, item, blocks.get(pin_id(pin)), read, dict(digests), sent)
        for pin, item in zip(pins, items, strict=True)
    )
    known = dict(digests)
    unsent = tuple(item for pin, item in there if sent.get(pin_id(pin)) != known[pin_id(pin)])
    return Pinned(tuple(pins), unsent, tuple(blocks.values()), states, digests)


def beside_pinned(blocks: Sequence[Block], pinned: Pinned) -> tuple[tuple[Block, ...], tuple[str, ...]]:
    """What of the attached blocks is not pinned just as it is, and a sentence for each that is."""
    there = {_inside(block) for block in pinned.blocks}
    twice = [block for block in blocks if _inside(block) in there]
    return (
        tuple(block for block in blocks if _inside(block) not in there),
        tuple(f"{one_line(block.origin)} is pinned and goes along anyway: sent once." for block in twice),
    )


def _inside(block: Block) -> tuple[str, str]:
    """Where a block is from and what stands in its fence; the title may know more of an open document."""
    return block.origin, block.text.partition("\n")[2]


def title_of(pin: Pin) -> str:
    """A pin on one line, for a person."""
    match pin:
        case NamedText():
            return one_line(pin.title)
        case Selection():
            return one_line(f"{pin.path or pin.uri}, lines {pin.start_line} to {pin.end_line}")
        case Diagnostics():
            return one_line(f"diagnostics of {pin.path or pin.uri}")
        case _:
            return one_line(pin.path or pin.uri)


def pin_to_json(pin: Pin) -> dict[str, Any]:
    """A pin as JSON, its kind beside its fields."""
    kind = "file" if isinstance(pin, FileReference) else kind_of(pin)
    return {"kind": kind, **asdict(pin)}


def pins_from_json(text: str) -> tuple[Pin, ...]:
    """What `pin_to_json` made of pins; none where that was damaged, since a question must not fail for it."""
    try:
        return tuple(_from_json(entry) for entry in json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return ()


def _from_json(entry: dict[str, Any]) -> Pin:
    fields = dict(entry)
    match fields.pop("kind"):
        case "file":
            return FileReference(**fields)
        case "selection":
            return Selection(**fields)
        case "text":
            return NamedText(**fields)
        case "diagnostics":
            found = tuple(
                Diagnostic(**one | {"code_lines": tuple(one["code_lines"])}) for one in fields.pop("items")
            )
            within = fields.pop("within")
            return Diagnostics(**fields, items=found, within=tuple(within) if within else None)
    raise ValueError("no such kind")


def _names(pin: Pin) -> Iterable[str]:
    yield title_of(pin)
    if not isinstance(pin, NamedText):
        yield pin.uri


def _item(pin: Pin, read: Callable[[str], str | Exception | None]) -> ContextItem | str:
    """What is sent of a pin, or why nothing is."""
    if not isinstance(pin, FileReference):
        return pin
    text = read(pin.uri)
    if isinstance(text, str):
        return WholeFile(pin.uri, text, pin.language, pin.path)
    return str(text) if text is not None else "it cannot be read."


def _state(
    pin: Pin,
    item: ContextItem | str,
    block: Block | None,
    read: Callable[[str], str | Exception | None],
    digests: Mapping[str, str],
    sent: Mapping[str, str],
) -> PinState:
    key = pin_id(pin)
    state: PinCondition = "fresh"
    if isinstance(item, str):
        state = "missing"
    elif isinstance(pin, FileReference):
        state = "changed" if sent.get(key, digests[key]) != digests[key] else "fresh"
    elif isinstance(pin, Selection):
        text = read(pin.uri)
        state = "changed" if isinstance(text, str) and pin.text not in text else "fresh"
    return PinState(
        id=key,
        kind="file" if isinstance(pin, FileReference) else kind_of(pin),
        title=title_of(pin),
        uri=None if isinstance(pin, NamedText) else pin.uri,
        tokens=block.estimated_tokens if block else 0,
        state=state,
        reason=item if isinstance(item, str) else None,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
