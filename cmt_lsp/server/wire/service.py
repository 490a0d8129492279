"""The service behind the server: models, key, checks."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.shape import shape


@shape
class ModelsParams:
    """`refresh` asks the endpoint which models it serves (one request, free).

    With `sessionId` each model says what going on with that session there would cost.
    """

    refresh: bool = False
    session_id: str | None = None


@shape
class ModelPrice:
    """Nano-dollars per token, for prompts longer than `above_prompt_tokens`; `own` where the person's list says so."""

    above_prompt_tokens: int
    input: int
    output: int
    write_5m: int
    write_1h: int
    read: int
    valid_from: str
    own: bool = False


@shape
class ModelSwitch:
    """The next question of a session in this model: the price of all before its own words, in nano-dollars.

    Cold: with nothing of it cached there. Stay: in the session's own model, as its cache is now. The difference is what
    the question costs more here than there; tokens are as the session's model counted them.
    """

    prefix_tokens: int
    note: str
    cold_nano_usd: int | None = None
    stay_nano_usd: int | None = None
    difference_nano_usd: int | None = None


@shape
class Model:
    """A model with its price in force, limits and lifecycle; `prices` is empty where the price is unknown.

    `retiresAt` is its last day, `retiresNotBefore` the earliest one that was announced while that is not known.
    """

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
    retires_not_before: str | None = None
    successor: str | None = None
    served: bool | None = None
    switch: ModelSwitch | None = None


@shape
class ModelsResult:
    """Models, current ones first. `served` is known only after a refresh; `notices` say what is wrong with prices."""

    models: list[Model]
    notices: list[str] | None = None


@shape
class AuthSetParams:
    """A key for this window, kept in memory only; an empty string forgets it."""

    api_key: str


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
