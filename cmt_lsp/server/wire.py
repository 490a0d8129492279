"""Every type of the wire contract: what editors send and what they get, version 1.

Names are snake_case here and camelCase on the wire. A field that is absent on the wire is `None` here; results
leave such fields out. Token counts, milliseconds and money (nano-dollars) are integers, times are RFC 3339 in UTC.
The JSON Schema beside this file is generated from these classes.
"""

from __future__ import annotations

from typing import Literal, TypeVar, dataclass_transform

import attrs

Token = int | str
T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def shape(cls: type[T]) -> type[T]:
    """A frozen class with fields by name only. Without `repr`, since a prompt must not reach a log by accident, and
    without `==`: each generated method costs the start 0.1 ms a class."""
    return attrs.frozen(cls, kw_only=True, repr=False, eq=False)


# --- parts -----------------------------------------------------------------------------------------------


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
    """A part of a document. `text` is what the editor shows; without it the server's synced copy is read."""

    kind: Literal["selection"]
    uri: str
    range: Range
    text: str | None = None
    version: int | None = None
    language_id: str | None = None


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
    """Problems of one document, as the editor shows them."""

    kind: Literal["diagnostics"]
    uri: str
    items: list[DiagnosticEntry]


@shape
class TextItem:
    """Any named text: terminal output, a diff, a note."""

    kind: Literal["text"]
    title: str
    text: str


ContextItem = SelectionItem | FileItem | DiagnosticsItem | TextItem


@shape
class Image:
    """A picture, by path (preferred) or as base64 data; exactly one of the two."""

    path: str | None = None
    data: str | None = None
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
    """What the prompt cache did for one turn."""

    state: Literal["hit", "partial", "miss", "off", "below-minimum"]
    read_tokens: int
    written_tokens: int
    hit_ratio: float
    cause: str | None = None
    expires_at: str | None = None


@shape
class Timing:
    """Milliseconds from the acceptance of the turn."""

    total_ms: int
    retries: int
    first_token_ms: int | None = None


@shape
class Session:
    """A named conversation. `elsewhere`: a turn of it runs in another window."""

    id: str
    name: str
    model: str
    created_at: str
    updated_at: str
    turns: int
    state: Literal["idle", "busy", "elsewhere"]
    usage: Usage
    cost: Cost
    system_prompt: str | None = None
    workspace: str | None = None


@shape
class TurnResult:
    """How a turn ended. `stop_reason` is the API's, or `cancelled`, or `truncated`."""

    turn_id: str
    session_id: str
    model: str
    stop_reason: str
    text: str
    usage: Usage
    cost: Cost
    cache: CacheVerdict
    timing: Timing
    notices: list[str] | None = None


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


# --- chat ------------------------------------------------------------------------------------------------


@shape
class ChatParams:
    """A question. Without `session_id` the window's current session is used, made on first use.

    `wait` matters through the command door only: true asks for the whole answer as the command's result.
    """

    text: str
    session_id: str | None = None
    context: list[ContextItem] | None = None
    images: list[Image] | None = None
    model: str | None = None
    max_tokens: int | None = None
    effort: str | None = None
    wait: bool | None = None
    partial_result_token: Token | None = None
    work_done_token: Token | None = None


@shape
class TurnAccepted:
    """What a chat-like command answers at once; the turn goes on out of band."""

    turn_id: str
    session_id: str


@shape
class CancelParams:
    """Which turns to stop; nothing given stops all turns of the window."""

    turn_id: str | None = None
    session_id: str | None = None


@shape
class CancelResult:
    """How many running turns were told to stop."""

    cancelled: int


@shape
class RetryParams:
    """Ask the last question of a session again; its old answer leaves the history."""

    session_id: str
    turn_id: str | None = None
    wait: bool | None = None
    partial_result_token: Token | None = None
    work_done_token: Token | None = None


@shape
class PreviewBlock:
    """One block of the request that would be sent. `tokens` is an estimate."""

    origin: str
    kind: Literal["system", "history", "image", "file", "text", "selection", "diagnostics", "prompt"]
    tokens: int
    cached: bool
    text: str | None = None
    media_type: str | None = None


@shape
class PreviewResult:
    """Exactly the blocks that would leave, in order; nothing was sent."""

    model: str
    blocks: list[PreviewBlock]
    tokens: int
    exact: bool
    session_id: str | None = None
    notices: list[str] | None = None


# --- sessions --------------------------------------------------------------------------------------------


@shape
class SessionCreateParams:
    """A new session; it becomes the window's current one."""

    name: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    workspace_folder: str | None = None


@shape
class SessionListParams:
    """Which sessions: those of this window, of this workspace, or all; `query` searches names and texts."""

    scope: Literal["window", "workspace", "all"] = "workspace"
    query: str | None = None


@shape
class SessionListResult:
    """Sessions, the last used first."""

    sessions: list[Session]


@shape
class SessionGetParams:
    """A session with its turns; `from_turn` is a turn id, and only the turns after it are answered."""

    session_id: str
    from_turn: str | None = None


@shape
class TurnRecord:
    """One settled turn of the history."""

    turn_id: str
    index: int
    prompt: str
    text: str
    model: str
    stop_reason: str
    started_at: str
    usage: Usage
    cost: Cost
    timing: Timing
    attachments: list[str] | None = None
    thinking: str | None = None
    notices: list[str] | None = None


@shape
class SessionGetResult:
    """A session and its turns in order."""

    session: Session
    turns: list[TurnRecord]


@shape
class SessionUpdateParams:
    """What to change in a session; absent fields stay."""

    session_id: str
    name: str | None = None
    model: str | None = None
    system_prompt: str | None = None


@shape
class SessionForkParams:
    """A new session with the history up to and including `turn_id` (all of it when absent)."""

    session_id: str
    turn_id: str | None = None


@shape
class SessionParams:
    """The session an operation is about."""

    session_id: str


@shape
class SessionExportParams:
    """Which session to write out, and how."""

    session_id: str
    format: Literal["markdown", "json"] = "markdown"


@shape
class SessionExportResult:
    """The document and a file name for it; the editor saves it."""

    text: str
    suggested_name: str


# --- models, auth, doctor --------------------------------------------------------------------------------


@shape
class ModelsParams:
    """`refresh` asks the endpoint which models it serves (one request, free)."""

    refresh: bool = False


@shape
class ModelPrice:
    """Nano-dollars per token, for prompts longer than `above_prompt_tokens`."""

    above_prompt_tokens: int
    input: int
    output: int
    write_5m: int
    write_1h: int
    read: int
    valid_from: str


@shape
class Model:
    """A model with its price in force, limits and lifecycle; `prices` is empty where the price is unknown."""

    id: str
    display_name: str
    prices: list[ModelPrice]
    lifecycle: Literal["active", "deprecated", "retired", "unknown"]
    default: bool
    context_window: int | None = None
    max_output: int | None = None
    cache_minimum: int | None = None
    vision: str | None = None
    retires_at: str | None = None
    successor: str | None = None
    served: bool | None = None


@shape
class ModelsResult:
    """Models, current ones first. `served` is known only after a refresh."""

    models: list[Model]
    notices: list[str] | None = None


@shape
class AuthSetParams:
    """A key for this window, kept in memory only; an empty string forgets it."""

    api_key: str


@shape
class Empty:
    """No fields."""


@shape
class AuthStatusResult:
    """Where the key comes from and where requests go; never the key. `valid` is absent until a request told."""

    source: str
    origin: str
    valid: bool | None = None


@shape
class DoctorCheck:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    advice: str | None = None


@shape
class DoctorResult:
    """All checks; none of them sends anything to the endpoint."""

    checks: list[DoctorCheck]


# --- notifications ---------------------------------------------------------------------------------------


@shape
class TurnNotification:
    """`cmt/turn`: a turn's life in phases; the final one comes for every turn however it ends."""

    turn_id: str
    session_id: str
    phase: Literal["started", "streaming", "retrying", "ended", "failed"]
    result: TurnResult | None = None
    error: RpcErrorBody | None = None


@shape
class RpcErrorBody:
    """The same error that the reply carries."""

    code: int
    message: str
    data: ErrorData | None = None


@shape
class StatusUsage:
    """Usage at the scopes that the status shows."""

    session: Usage
    window: Usage
    turn: Usage | None = None


@shape
class StatusCost:
    """Cost at the scopes that the status shows."""

    session: Cost
    window: Cost
    turn: Cost | None = None


@shape
class StatusText:
    """Ready texts for a status line, by room."""

    short: str
    medium: str
    long: str


@shape
class RunningTurn:
    """A turn that is under way."""

    turn_id: str
    session_id: str
    model: str
    phase: str
    elapsed_ms: int
    output_characters: int


@shape
class Status:
    """`cmt/status`: the full state of the window, at most four times a second; the newest one wins."""

    version: int
    busy: bool
    turns: list[RunningTurn]
    usage: StatusUsage
    cost: StatusCost
    text: StatusText
    session: Session | None = None
    cache: CacheVerdict | None = None
    context_fill: float | None = None
    message: str | None = None


# --- stream values (the `value` of `$/progress` on the partial-result token) -----------------------------


@shape
class StreamStarted:
    """The turn was accepted; `seq` 0."""

    kind: Literal["started"]
    turn_id: str
    seq: int
    model: str
    session_id: str


@shape
class StreamWaiting:
    """Nothing to show yet, and why; sent again as time passes."""

    kind: Literal["waiting"]
    turn_id: str
    seq: int
    phase: Literal["warming_up", "sending", "thinking"]
    elapsed_ms: int


@shape
class StreamThinking:
    """A piece of the model's thinking, where it shows it."""

    kind: Literal["thinking"]
    turn_id: str
    seq: int
    text: str


@shape
class StreamText:
    """A piece of the answer; `offset` counts Unicode characters of the answer before it."""

    kind: Literal["text"]
    turn_id: str
    seq: int
    text: str
    offset: int


@shape
class StreamRetry:
    """Attempt number `attempt` (1 is the first) failed before any text; the next one follows after `delay_ms`."""

    kind: Literal["retry"]
    turn_id: str
    seq: int
    attempt: int
    max_attempts: int
    delay_ms: int
    reason: str


@shape
class StreamUsage:
    """Usage as soon as the input side is known."""

    kind: Literal["usage"]
    turn_id: str
    seq: int
    usage: Usage


@shape
class StreamEnd:
    """The last value of every stream; `stop_reason` is `error` where the reply is an error."""

    kind: Literal["end"]
    turn_id: str
    seq: int
    stop_reason: str
    usage: Usage | None = None
    cost: Cost | None = None
    cache: CacheVerdict | None = None
    error: RpcErrorBody | None = None


StreamValue = (
    StreamStarted | StreamWaiting | StreamThinking | StreamText | StreamRetry | StreamUsage | StreamEnd
)
