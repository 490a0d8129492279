"""The models the simulator plays: one row each, with the rules that differ between them.

The room has a table of its own because it stands for the service and shares no code with the client it
tests: two tables that agree are evidence, one table used twice is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Vision = Literal["standard", "high"]
ThinkingType = Literal["adaptive", "between_tools", "disabled", "enabled"]

ALWAYS: tuple[ThinkingType, ...] = ("adaptive",)
NOT_BETWEEN_TOOLS: tuple[ThinkingType, ...] = ("adaptive", "between_tools")
ADAPTIVE: tuple[ThinkingType, ...] = ("adaptive", "disabled")
BOTH: tuple[ThinkingType, ...] = ("adaptive", "disabled", "enabled")
BUDGET: tuple[ThinkingType, ...] = ("disabled", "enabled")

FIVE_LEVELS = ("low", "medium", "high", "xhigh", "max")
FOUR_LEVELS = ("low", "medium", "high", "max")
THREE_LEVELS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """One model as the simulator plays it; sizes are in tokens.

    `unthinking_effort` is the highest effort at which thinking may be turned off. `fast` "beta" needs a header.
    """

    id: str
    display_name: str
    released: str
    cache_minimum: int
    thinking: tuple[ThinkingType, ...]
    thinks_unasked: bool = True
    preserves_thinking: bool = False
    efforts: tuple[str, ...] = FIVE_LEVELS
    context_window: int = 1_000_000
    max_output: int = 128_000
    vision: Vision = "high"
    dense_tokenizer: bool = True
    prefill: bool = False
    unthinking_effort: str | None = None
    system_turns: bool = True
    fast: Literal["no", "beta", "yes"] = "no"
    us_inference: bool = True
    forced_tools: bool = True
    lifecycle: Literal["active", "deprecated", "retired"] = "active"
    retires: str | None = None
    alias: str | None = None

    @property
    def line(self) -> str:
        """The family name, the second part of the id."""
        return self.id.split("-")[1]

    @property
    def max_images(self) -> int:
        """Images allowed in one request: fewer in the small windows."""
        return 100 if self.context_window <= 200_000 else 600


def _fable(version: str, released: str, **more: Any) -> tuple[SimulatedModel, ...]:
    """Fable and its restricted twin Mythos, which differ in name only."""
    dotted = version.replace("-", ".")
    return tuple(
        SimulatedModel(
            f"claude-{line}-{version}", f"Claude {line.title()} {dotted}", released, 512, ALWAYS, **more
        )
        for line in ("fable", "mythos")
    )


_OLD: dict[str, Any] = {
    "thinks_unasked": False,
    "system_turns": False,
    "vision": "standard",
    "dense_tokenizer": False,
}
_SMALL: dict[str, Any] = {
    **_OLD, "context_window": 200_000, "max_output": 64_000, "prefill": True, "us_inference": False,
}  # fmt: skip
_NEWEST: dict[str, Any] = {"preserves_thinking": True, "forced_tools": False}

MODELS: tuple[SimulatedModel, ...] = (
    *_fable("5-2", "2026-11-09", fast="yes", **_NEWEST),
    SimulatedModel("claude-haiku-5-5", "Claude Haiku 5.5", "2026-10-07", 512, ADAPTIVE, preserves_thinking=True),
    SimulatedModel("claude-sonnet-5-5", "Claude Sonnet 5.5", "2026-09-28", 512, NOT_BETWEEN_TOOLS, **_NEWEST),
    SimulatedModel("claude-opus-5-5", "Claude Opus 5.5", "2026-09-22", 512, ALWAYS, fast="yes", **_NEWEST),
    *_fable("5-1", "2026-09-01", **_NEWEST),
    SimulatedModel("claude-opus-5", "Claude Opus 5", "2026-07-24", 512, ADAPTIVE, fast="beta",
                   unthinking_effort="high"),
    SimulatedModel("claude-sonnet-5", "Claude Sonnet 5", "2026-06-30", 1024, ADAPTIVE),
    *_fable("5", "2026-06-09"),
    SimulatedModel("claude-opus-4-8", "Claude Opus 4.8", "2026-05-28", 1024, ADAPTIVE, thinks_unasked=False, fast="beta"),
    SimulatedModel("claude-opus-4-7", "Claude Opus 4.7", "2026-04-16", 2048, ADAPTIVE, thinks_unasked=False,
                   system_turns=False),
    SimulatedModel("claude-sonnet-4-6", "Claude Sonnet 4.6", "2026-02-17", 1024, BOTH, efforts=FOUR_LEVELS, **_OLD),
    SimulatedModel("claude-opus-4-6", "Claude Opus 4.6", "2026-02-05", 4096, BOTH, efforts=FOUR_LEVELS, **_OLD),
    SimulatedModel("claude-opus-4-5-20251101", "Claude Opus 4.5", "2025-11-24", 4096, BUDGET, efforts=THREE_LEVELS,
                   alias="claude-opus-4-5", **_SMALL),
    SimulatedModel("claude-haiku-4-5-20251001", "Claude Haiku 4.5", "2025-10-15", 4096, BUDGET, efforts=(),
                   alias="claude-haiku-4-5", **_SMALL),
    SimulatedModel("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", "2025-09-29", 1024, BUDGET, efforts=(),
                   alias="claude-sonnet-4-5", lifecycle="deprecated", retires="2026-11-30", **_SMALL),
    SimulatedModel("claude-opus-4-1-20250805", "Claude Opus 4.1", "2025-08-05", 1024, BUDGET, efforts=(),
                   alias="claude-opus-4-1", lifecycle="retired", retires="2026-08-05",
                   **{**_SMALL, "max_output": 32_000}),
)  # fmt: skip

BY_NAME: Mapping[str, SimulatedModel] = {
    name: model for model in MODELS for name in (model.id, model.alias) if name is not None
}


def find_model(name: str) -> SimulatedModel | None:
    """The model that answers to an id or alias, unless it is unknown or retired."""
    model = BY_NAME.get(name)
    return None if model is None or model.lifecycle == "retired" else model


def lenient_model(name: str) -> SimulatedModel:
    """What a local server makes of any model name: a plain text model with a 128k window."""
    return SimulatedModel(
        name, name, "2026-01-01", 0, BOTH, thinks_unasked=False, context_window=131_072,
        max_output=131_072, vision="standard", dense_tokenizer=False, prefill=True,
    )  # fmt: skip


def describe(model: SimulatedModel) -> dict[str, Any]:
    """One model as `GET /v1/models/{id}` answers it."""
    return {
        "type": "model", "id": model.id, "display_name": model.display_name,
        "created_at": f"{model.released}T00:00:00Z", "line": model.line, "lifecycle": model.lifecycle,
        "deprecated_at": None,
        "retires_at": None if model.retires is None else f"{model.retires}T00:00:00Z",
        "max_input_tokens": model.context_window, "max_tokens": model.max_output,
        "capabilities": _capabilities(model),
    }  # fmt: skip


def _capabilities(model: SimulatedModel) -> dict[str, Any]:
    def supported(flag: bool) -> dict[str, bool]:
        return {"supported": flag}

    types = ("adaptive", "between_tools", "disabled", "enabled")
    return {
        "batch": supported(True),
        "citations": supported(False),
        "code_execution": supported(False),
        "context_management": supported(False),
        "effort": {
            **supported(bool(model.efforts)),
            **{e: supported(e in model.efforts) for e in FIVE_LEVELS},
        },
        "image_input": supported(True),
        "pdf_input": supported(True),
        "server_tools": {
            **supported(False),
            "code_execution": supported(False),
            "web_search": supported(False),
        },
        "structured_outputs": supported(False),
        "thinking": {**supported(True), "types": {t: supported(t in model.thinking) for t in types}},
    }


def listed(lifecycle: frozenset[str]) -> list[SimulatedModel]:
    """The models in these stages of life, newest first."""
    return [model for model in MODELS if model.lifecycle in lifecycle]


def openai_page(names: tuple[str, ...]) -> dict[str, Any]:
    """The list as servers with an OpenAI habit answer it."""
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 0, "owned_by": "simulator"} for name in names],
    }
