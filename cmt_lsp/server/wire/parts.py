"""Values that several operations share: places, attachments, tokens and money."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.shape import shape


@shape
class Position:
    """A place in a document, counted in the position encoding that `initialize` agreed on."""

    line: int
    character: int


@shape
class Range:
    """A stretch of a document; `end` is exclusive."""

    start: Position
    end: Position


@shape
class SelectionItem:
    """A part of a document. `text` is what the editor shows; without it the server's synced copy is read.

    `symbol` is what encloses it, such as `Class.method`; without it the server looks by itself.
    """

    kind: Literal["selection"]
    uri: str
    range: Range
    text: str | None = None
    version: int | None = None
    language_id: str | None = None
    symbol: str | None = None


@shape
class FileItem:
    """A whole file: the synced copy where the editor has it open, else the file on disk."""

    kind: Literal["file"]
    uri: str


@shape
class DiagnosticEntry:
    """One problem that the editor shows."""

    message: str
    range: Range | None = None
    severity: int | None = None
    source: str | None = None
    code: str | int | None = None


@shape
class DiagnosticsItem:
    """Problems of one document, as the editor shows them; with `range` only those that touch it."""

    kind: Literal["diagnostics"]
    uri: str
    items: list[DiagnosticEntry]
    range: Range | None = None


@shape
class TextItem:
    """Any named text: a terminal's output, from which escape sequences are removed, a diff, a note."""

    kind: Literal["text"]
    title: str
    text: str


ContextItem = SelectionItem | FileItem | DiagnosticsItem | TextItem


@shape
class Image:
    """A picture, by path (preferred), as base64 data, or by the handle of one that the window holds; exactly one of them."""

    path: str | None = None
    data: str | None = None
    handle: str | None = None
    media_type: str | None = None
    name: str | None = None


@shape
class Usage:
    """Tokens by class. `input_tokens` excludes everything that was written to or read from the cache."""

    input_tokens: int
    cache_creation_5m_input_tokens: int
    cache_creation_1h_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    total_input_tokens: int
    estimated: bool
    thinking_tokens: int | None = None


@shape
class Cost:
    """Money in nano-dollars; an unknown price has no number. `saved_nano_usd` may be negative."""

    priced: bool
    display: str
    estimated: bool
    nano_usd: int | None = None
    saved_nano_usd: int | None = None


@shape
class CacheVerdict:
    """What the prompt cache did for one turn. `cause` says why less was read than could have been, `reason` why the
    prompt was marked so, with the break-even; `told_cause` is the endpoint's own word where it differs from `cause`.
    Money in nano-dollars: saved against no caching at all, and lost to tokens that were there and were not read.
    """

    state: Literal["hit", "partial", "miss", "off", "below-minimum"]
    read_tokens: int
    written_tokens: int
    hit_ratio: float
    cause: str | None = None
    expires_at: str | None = None
    written_5m_tokens: int | None = None
    written_1h_tokens: int | None = None
    expected_tokens: int | None = None
    saved_nano_usd: int | None = None
    lost_nano_usd: int | None = None
    told_cause: str | None = None
    reason: str | None = None


@shape
class Timing:
    """Milliseconds from the acceptance of the turn.

    `sharedWaitMs` were waited for another request to write the same prefix to the cache; absent where there was none.
    """

    total_ms: int
    retries: int
    first_token_ms: int | None = None
    shared_wait_ms: int | None = None


@shape
class ErrorData:
    """What the `data` of an error holds; `kind` is stable, `hint` says what to do next."""

    kind: str
    retryable: bool
    retry_after_ms: int | None = None
    request_id: str | None = None
    hint: str | None = None
    command: str | None = None
    error_id: str | None = None


@shape
class RpcErrorBody:
    """The same error that the reply carries."""

    code: int
    message: str
    data: ErrorData | None = None


@shape
class Empty:
    """No fields."""
