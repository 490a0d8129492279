"""Content blocks as the prompt cache sees them: copies without marks, what takes a mark, sizes and lasting digests."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmt_lsp.api.vision.container import image_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Block: TypeAlias = "dict[str, Any]"
Lifetime: TypeAlias = Literal["5m", "1h"]

LIFETIME_5M = 300.0
LIFETIME_1H = 3600.0
SECONDS: dict[Lifetime, float] = {"5m": LIFETIME_5M, "1h": LIFETIME_1H}

DIGITS = 32
"""Of a digest."""

# Marks on thinking, empty text or blocks inside other blocks are refused with a 400.
_MARKABLE_TYPES = frozenset({"text", "image", "document", "tool_use", "tool_result"})
# Two tokens for five bytes is what dense code reaches; prose stays under it. A mark too many costs nothing.
_TOKENS_PER_5_BYTES = 2
# The cap of the larger image tier, for a picture whose header does not tell its size.
_TOKENS_PER_IMAGE = 4784
_PATCH = 28
_HEAD = 64 * 1024
_PLAIN_TEXT = ("type", "text")


def as_blocks(message: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without marks, its content a list of blocks; strings are shared, all else is new."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {**message, "content": [unmarked(block) for block in blocks]}


def unmarked(block: Mapping[str, Any]) -> Block:
    """A copy without marks, inside neither."""
    return {name: _copy(value) for name, value in block.items() if name != "cache_control"}


def marked(block: Mapping[str, Any], lifetime: Lifetime = "5m") -> Block:
    """A copy with a mark; five minutes are the endpoint's default and not spelled out."""
    ttl = {} if lifetime == "5m" else {"ttl": lifetime}
    return {**block, "cache_control": {"type": "ephemeral", **ttl}}


def last_markable(blocks: Sequence[Mapping[str, Any]]) -> int | None:
    """The place of the last block that takes a mark."""
    return next((i for i in range(len(blocks) - 1, -1, -1) if is_markable(blocks[i])), None)


def is_markable(block: Mapping[str, Any]) -> bool:
    """Whether the endpoint takes a mark on this block."""
    kind = block.get("type")
    return kind in _MARKABLE_TYPES and (kind != "text" or bool(block.get("text", "").strip()))


def estimated_tokens(block: Mapping[str, Any]) -> int:
    """About how many tokens, rather too many than too few."""
    kind = block.get("type")
    if kind == "image":
        return _image_tokens(block.get("source") or {})
    if kind == "text" and len(block) == len(_PLAIN_TEXT):  # nearly every block
        return _text_bytes(block["text"]) * _TOKENS_PER_5_BYTES // 5
    return sum(_text_bytes(value) for value in _strings(block)) * _TOKENS_PER_5_BYTES // 5


def digest(*parts: object) -> str:
    """32 hexadecimal digits that name JSON values, the same in every process and version."""
    pieces: list[bytes] = []
    for part in parts:
        _spell(part, pieces)
    return hashlib.blake2b(b"".join(pieces), digest_size=DIGITS // 2).hexdigest()


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return unmarked(value)
    return [_copy(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _image_tokens(source: Mapping[str, Any]) -> int:
    data = source.get("data")
    if not isinstance(data, str):
        return _TOKENS_PER_IMAGE
    head = data[:_HEAD]
    try:
        size = image_size(base64.b64decode(head[: len(head) // 4 * 4]))
    except ValueError:
        size = None
    if size is None:
        return _TOKENS_PER_IMAGE
    return min(_TOKENS_PER_IMAGE, -(-size[0] // _PATCH) * -(-size[1] // _PATCH))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _all_strings(value.values())
    elif isinstance(value, (list, tuple)):
        yield from _all_strings(value)


def _all_strings(values: Iterable[object]) -> Iterator[str]:
    for inner in values:
        yield from _strings(inner)


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _spell(value: object, pieces: list[bytes]) -> None:
    """Every value with its kind and its length before it, so that no two values are spelt alike."""
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        pieces += (b"s%d:" % len(data), data)
    elif isinstance(value, dict):
        pieces.append(b"d%d:" % len(value))
        for name in sorted(value):
            _spell(name, pieces)
            _spell(value[name], pieces)
    elif isinstance(value, (list, tuple)):
        pieces.append(b"l%d:" % len(value))
        for inner in value:
            _spell(inner, pieces)
    else:
        pieces.append(b"v%r:" % (value,))
