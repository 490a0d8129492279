"""Whether the service would take a request: the first thing wrong with it, named by its path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmt_lsp.simulator.content_rules import ContentCheck, check_text
from cmt_lsp.simulator.failures import RefusalError, invalid
from cmt_lsp.simulator.images import ImageFacts
from cmt_lsp.simulator.mark_rules import check_marks
from cmt_lsp.simulator.models import FIVE_LEVELS, SimulatedModel, find_model
from cmt_lsp.simulator.shapes import a_flag, a_list, a_string, an_integer, an_object, one_of

VERSIONS = ("2023-06-01", "2026-10-21")
FAST_BETA = "fast-mode-2026-02-01"
SAMPLING = ("temperature", "top_p", "top_k")
COUNTED_FIELDS = (
    "model", "messages", "system", "cache_control", "output_config", "speed", "thinking", "tool_choice", "tools",
    "user_profile_id",
)  # fmt: skip
MESSAGE_FIELDS = (
    *COUNTED_FIELDS, "max_tokens", "stream", "container", "diagnostics", "inference_geo", "metadata", "service_tier",
    "stop_sequences",
)  # fmt: skip
THINKING_FIELDS = {
    "adaptive": ("type", "display"),
    "enabled": ("type", "display", "budget_tokens"),
    "disabled": ("type",),
    "between_tools": ("type",),
}
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
MIN_BUDGET = 1024


@dataclass(frozen=True, slots=True)
class Terms:
    """What the headers of a request say about how to read its body."""

    version: str = VERSIONS[-1]
    betas: tuple[str, ...] = ()
    counting: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that may be served: its model, the facts of its inline images by path, and what is read of it."""

    model: SimulatedModel
    images: Mapping[str, ImageFacts]
    body: Mapping[str, Any]


def check(body: Any, terms: Terms) -> Checked:
    """Raise RefusalError for the first fault of a request body."""
    required = ("model", "messages") if terms.counting else ("model", "max_tokens", "messages")
    allowed = COUNTED_FIELDS if terms.counting else MESSAGE_FIELDS
    if terms.version == VERSIONS[0] and not terms.counting:
        allowed = (*allowed, *SAMPLING)
    if isinstance(body, dict):
        _refuse_sampling(body, terms)
    an_object(body, "", allowed=allowed, required=required)
    name = a_string(body["model"], "model")
    model = find_model(name)
    if model is None:
        raise RefusalError(404, f"model: {name}")
    for field, rule in _FIELD_RULES.items():
        if body.get(field) is not None:
            rule(body[field], model)
    _tools(body, model)
    content = ContentCheck(model)
    content.messages(body["messages"])
    check_marks(body)
    _thinking(body, model)
    _speed(body, model, terms)
    if not terms.counting:
        _max_tokens(body, model)
    return Checked(model, content.images, body)


def _refuse_sampling(body: Mapping[str, Any], terms: Terms) -> None:
    for name in SAMPLING:
        if name in body and terms.version != VERSIONS[0]:
            raise invalid(name, f"sampling parameters are not supported since {VERSIONS[-1]}")


def _number(name: str) -> Callable[[Any, SimulatedModel], None]:
    def rule(value: Any, _: SimulatedModel) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise invalid(name, "range: 0..1")

    return rule


def _stop_sequences(value: Any, _: SimulatedModel) -> None:
    for i, sequence in enumerate(a_list(value, "stop_sequences")):
        if not a_string(sequence, f"stop_sequences.{i}").strip():
            raise invalid(f"stop_sequences.{i}", "each stop sequence must contain non-whitespace")


def _system(value: Any, _: SimulatedModel) -> None:
    if isinstance(value, str):
        return
    for i, block in enumerate(a_list(value, "system")):
        path = f"system.{i}"
        fields = an_object(
            block, path, allowed=("type", "text", "cache_control", "citations"), required=("type",)
        )
        one_of(fields["type"], f"{path}.type", ("text",))
        if "text" not in fields:
            raise invalid(f"{path}.text", "Field required")
        check_text(fields, path, cited=False)


def _metadata(value: Any, _: SimulatedModel) -> None:
    fields = an_object(value, "metadata", allowed=("user_id",))
    if fields.get("user_id") is not None:
        a_string(fields["user_id"], "metadata.user_id", empty=True)


def _diagnostics(value: Any, _: SimulatedModel) -> None:
    fields = an_object(value, "diagnostics", allowed=("previous_message_id",))
    if fields.get("previous_message_id") is not None:
        a_string(fields["previous_message_id"], "diagnostics.previous_message_id")


def _output_config(value: Any, model: SimulatedModel) -> None:
    fields = an_object(value, "output_config", allowed=("effort", "format"))
    if fields.get("effort") is not None:
        effort = one_of(fields["effort"], "output_config.effort", FIVE_LEVELS)
        if effort not in model.efforts:
            raise invalid("output_config.effort", f"'{effort}' is not supported by {model.id}")
    if fields.get("format") is not None:
        names = ("type", "schema")
        shape = an_object(fields["format"], "output_config.format", allowed=names, required=names)
        one_of(shape["type"], "output_config.format.type", ("json_schema",))


def _inference_geo(value: Any, model: SimulatedModel) -> None:
    if one_of(value, "inference_geo", ("us", "global")) == "us" and not model.us_inference:
        raise invalid("inference_geo", f"'us' is not supported by {model.id}")


_FIELD_RULES: Mapping[str, Callable[[Any, SimulatedModel], None]] = {
    "stream": lambda value, _: void(a_flag(value, "stream")),
    "temperature": _number("temperature"),
    "top_p": _number("top_p"),
    "top_k": lambda value, _: void(an_integer(value, "top_k", least=0)),
    "stop_sequences": _stop_sequences,
    "system": _system,
    "metadata": _metadata,
    "diagnostics": _diagnostics,
    "output_config": _output_config,
    "inference_geo": _inference_geo,
    "service_tier": lambda value, _: void(one_of(value, "service_tier", ("auto", "standard_only"))),
    "user_profile_id": lambda value, _: void(a_string(value, "user_profile_id")),
}


def void(_: object) -> None:
    """Only the check was wanted, not its value."""


def _tools(body: Mapping[str, Any], model: SimulatedModel) -> None:
    names: list[str] = []
    for i, tool in enumerate(a_list(body.get("tools") or [], "tools")):
        path = f"tools.{i}"
        if not isinstance(tool, dict):
            raise invalid(path, "Input should be a valid dictionary")
        name = a_string(tool.get("name"), f"{path}.name")
        if not TOOL_NAME.fullmatch(name):
            raise invalid(f"{path}.name", f"String should match pattern '^{TOOL_NAME.pattern}$'")
        if name in names:
            raise invalid(f"{path}.name", "Tool names must be unique")
        names.append(name)
        if tool.get("type", "custom") == "custom" and not isinstance(tool.get("input_schema"), dict):
            raise invalid(f"{path}.input_schema", "Field required")
    choice = body.get("tool_choice")
    if choice is not None:
        _tool_choice(choice, names, body, model)


def _tool_choice(choice: Any, names: Sequence[str], body: Mapping[str, Any], model: SimulatedModel) -> None:
    fields = an_object(
        choice, "tool_choice", allowed=("type", "name", "disable_parallel_tool_use"), required=("type",)
    )
    kind = one_of(fields["type"], "tool_choice.type", ("auto", "any", "tool", "none"))
    if not names:
        raise invalid("tool_choice", "tool_choice may only be specified while providing tools")
    if kind == "tool" and fields.get("name") not in names:
        raise invalid("tool_choice.name", f"Tool '{fields.get('name')}' not found in provided tools")
    if kind in ("any", "tool"):
        thinking = body.get("thinking")
        asked = isinstance(thinking, dict) and thinking.get("type") in ("adaptive", "enabled")
        if asked or not model.forced_tools:
            raise invalid(
                "tool_choice", f"'{kind}' forces tool use, which {model.id} does not allow while thinking"
            )


def _thinking(body: Mapping[str, Any], model: SimulatedModel) -> None:
    value = body.get("thinking")
    if value is None:
        return
    kind = one_of(value.get("type") if isinstance(value, dict) else None, "thinking.type", THINKING_FIELDS)
    fields = an_object(value, f"thinking.{kind}", allowed=THINKING_FIELDS[kind])
    if kind not in model.thinking:
        raise invalid("thinking.type", f"'{kind}' is not supported by {model.id}")
    if fields.get("display") is not None:
        one_of(fields["display"], f"thinking.{kind}.display", ("summarized", "omitted"))
    effort = (body.get("output_config") or {}).get("effort")
    most = model.unthinking_effort
    if kind == "disabled" and most is not None and effort in FIVE_LEVELS[FIVE_LEVELS.index(most) + 1 :]:
        raise invalid("thinking.type", f"'disabled' needs an effort of at most '{most}' on {model.id}")
    if kind == "enabled":
        budget = an_integer(fields.get("budget_tokens"), "thinking.enabled.budget_tokens", least=MIN_BUDGET)
        limit = body.get("max_tokens")
        if isinstance(limit, int) and budget >= limit:
            raise invalid("max_tokens", "`max_tokens` must be greater than `thinking.budget_tokens`")


def _speed(body: Mapping[str, Any], model: SimulatedModel, terms: Terms) -> None:
    if body.get("speed") is None:
        return
    speed = one_of(body["speed"], "speed", ("standard", "fast"))
    if model.fast == "beta" and FAST_BETA not in terms.betas:
        raise invalid("speed", f"{model.id} needs the anthropic-beta header {FAST_BETA}")
    if speed == "fast" and model.fast == "no":
        raise invalid("speed", f"'fast' is not supported by {model.id}")


def _max_tokens(body: Mapping[str, Any], model: SimulatedModel) -> None:
    limit = an_integer(body["max_tokens"], "max_tokens", least=0)
    if limit > model.max_output:
        raise invalid(
            "max_tokens",
            f"{limit} > {model.max_output}, which is the maximum allowed number of output tokens for {model.id}",
        )
    if limit > 0:
        return
    forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
    shaped = (body.get("output_config") or {}).get("format") is not None
    for clash, name in (
        (body.get("stream"), "stream"),
        (forced, "tool_choice"),
        (shaped, "output_config.format"),
    ):
        if clash:
            raise invalid("max_tokens", f"0 cannot be combined with {name}")
