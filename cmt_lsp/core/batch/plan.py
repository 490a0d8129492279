"""From what a person asks of a batch to what is sent, claimed and predicted: plain functions over frozen values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.message_batches import MOST_BYTES, MOST_REQUESTS
from cmt_lsp.api.models import cost_of, find_model
from cmt_lsp.api.request import MessageRequest, encode
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.batch.batch import HELD_FOR, BatchPrice
from cmt_lsp.core.births import checked_name, checked_prompt
from cmt_lsp.core.conversation import name_from
from cmt_lsp.core.draft import draft_of
from cmt_lsp.core.money.attempt import Claim, Origin
from cmt_lsp.core.money.ceiling import ceiling_of, prompt_estimate
from cmt_lsp.core.turn import TurnRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime

    from cmt_lsp.core.batch.batch import BatchOrder, BatchPrompt, BatchRecord
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.money.attempt import Expected
    from cmt_lsp.core.settings import Settings

_FRAME = b'{"requests":[]}'
ID_LIMIT = 200
"""Characters of a prompt's id."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One prompt as it goes out."""

    prompt_id: str
    prompt: str
    request: MessageRequest


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A checked order, complete in every part."""

    name: str
    model: str
    requests: tuple[PlannedRequest, ...]
    notices: tuple[str, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that is asked, each once."""
        return tuple(dict.fromkeys(planned.request.model for planned in self.requests))

    @property
    def strangers(self) -> tuple[str, ...]:
        """Those that no table knows."""
        return tuple(name for name in self.models if find_model(name) is None)


def plan_batch(order: BatchOrder, settings: Settings, today: date) -> BatchPlan:
    """Check an order and complete it; BadParamsError names the prompt and the way out, and nothing has happened."""
    if not order.prompts:
        raise BadParamsError("prompts is empty; a batch needs at least one prompt.")
    if len(order.prompts) > MOST_REQUESTS:
        raise BadParamsError(
            f"prompts has {len(order.prompts)} entries and a batch takes at most {MOST_REQUESTS}; split it."
        )
    _check_ids(order.prompts)
    system = settings.system_prompt if order.system is None else checked_prompt(order.system)
    notices: dict[str, None] = {}
    requests = []
    for number, prompt in enumerate(order.prompts, 1):
        try:
            draft = _draft(prompt, order, settings, today)
            own = system if prompt.system is None else checked_prompt(prompt.system)
        except BadParamsError as error:
            raise BadParamsError(f"Prompt {number} ({_short(prompt.id)}): {error.message}") from None
        notices.update(dict.fromkeys(draft.notices))
        requests.append(PlannedRequest(prompt.id, draft.text, _request(draft, own)))
    return BatchPlan(
        name=checked_name(order.name) if order.name is not None else _name_of(requests),
        model=_most_used(requests),
        requests=tuple(requests),
        notices=tuple(notices),
    )


def refuse_unserved(plan: BatchPlan, served: Collection[str] | None, host: str) -> tuple[str, ...]:
    """Notices on the models that no table knows; BadParamsError for one that the endpoint does not serve.

    A batch tells of a wrong model only at its end, hours later. `served` are the endpoint's own models, None where it
    does not list them.
    """
    if served is None:
        return tuple(
            f"{name} is not known here, and {host} does not list its models." for name in plan.strangers
        )
    for name in plan.strangers:
        if name not in served:
            raise BadParamsError(f"{name} is no model of {host}; `cmt-lsp models --refresh` lists them.")
    return ()


def claims_of(record: BatchRecord, plan: BatchPlan, at: datetime, override: str | None) -> list[Claim]:
    """A claim for each request, at half the price, held until the endpoint must have ended the batch."""
    origin = origin_of(record)
    return [
        Claim(
            attempt_id=record.custom_id(index),
            origin=origin,
            model=planned.request.model,
            number=index + 1,
            max_tokens=planned.request.max_tokens,
            ceiling=ceiling_of(planned.request, None, at, batch=True),
            raw_input_tokens=prompt_estimate(planned.request),
            override=override,
            lease=HELD_FOR,
        )
        for index, planned in enumerate(plan.requests)
    ]


def origin_of(record: BatchRecord) -> Origin:
    """To the budgets a batch is one turn in a session of its own: one act of the person, whatever its size."""
    return Origin("batch", record.id, record.id, record.workspace or "")


def body_of(record: BatchRecord, plan: BatchPlan, limits: Sequence[int]) -> bytes:
    """What is posted, each answer with its limit; BadParamsError over the size that the endpoint takes."""
    parts: list[bytes] = []
    size = len(_FRAME) - 1
    for index, (planned, limit) in enumerate(zip(plan.requests, limits, strict=True)):
        request = replace(planned.request, max_tokens=limit)
        parts.append(encode({"custom_id": record.custom_id(index), "params": request.body(stream=False)}))
        size += len(parts[-1]) + 1
        if size > MOST_BYTES:
            raise BadParamsError(
                f"The batch is larger than {MOST_BYTES // 2**20} MB from prompt {index + 1} on; split it."
            )
    return _FRAME.replace(b"[]", b"[" + b",".join(parts) + b"]")


def average_prompts(plan: BatchPlan) -> dict[str, int]:
    """How long a prompt is on average, by model, in tokens by rule of thumb; at least 1."""
    lengths: dict[str, list[int]] = {}
    for planned in plan.requests:
        lengths.setdefault(planned.request.model, []).append(prompt_estimate(planned.request))
    return {name: max(1, round(sum(own) / len(own))) for name, own in lengths.items()}


def price_of(plan: BatchPlan, expected: Mapping[str, Expected], at: datetime) -> BatchPrice:
    """What the batch will cost, and what its prompts would cost one by one.

    `expected` holds what own history says of one prompt of average length, by model.
    """
    averages = average_prompts(plan)
    usages = [
        _likely_usage(p.request, expected[p.request.model], averages[p.request.model]) for p in plan.requests
    ]
    worst, alone = (
        [_worst_nano(planned.request, at, batch=batch) for planned in plan.requests]
        for batch in (True, False)
    )
    likely, likely_alone = (
        [
            cost_of(planned.request.model, usage, at, batch=batch).nano_usd
            for planned, usage in zip(plan.requests, usages, strict=True)
        ]
        for batch in (True, False)
    )
    return BatchPrice(
        requests=len(plan.requests),
        models=plan.models,
        input_tokens=sum(usage.input_tokens for usage in usages),
        worst=_sum(worst),
        likely=_sum(likely),
        worst_one_by_one=_sum(alone),
        likely_one_by_one=_sum(likely_alone),
    )


def _likely_usage(request: MessageRequest, expected: Expected, average: int) -> Usage:
    prompt = round(prompt_estimate(request) * expected.input_tokens / average)
    return Usage(prompt, output_tokens=min(expected.output_p50, request.max_tokens), estimated=True)


def _worst_nano(request: MessageRequest, at: datetime, *, batch: bool) -> int | None:
    ceiling = ceiling_of(request, None, at, batch=batch)
    return None if ceiling is None else ceiling.of(request.max_tokens)


def _sum(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _draft(prompt: BatchPrompt, order: BatchOrder, settings: Settings, today: date) -> Draft:
    model = prompt.model if prompt.model is not None else order.model
    max_tokens = prompt.max_tokens if prompt.max_tokens is not None else order.max_tokens
    request = TurnRequest(prompt.text, model=model, max_tokens=max_tokens)
    draft = draft_of(request, settings.model, settings, today)
    known = find_model(draft.model)
    if known is not None and known.is_retired(today):
        raise BadParamsError(draft.notices[0])
    return draft


def _request(draft: Draft, system: str | None) -> MessageRequest:
    messages = [{"role": "user", "content": draft.text}]
    return MessageRequest(draft.model, draft.max_tokens, messages, system, effort=draft.effort)


def _check_ids(prompts: Sequence[BatchPrompt]) -> None:
    first: dict[str, int] = {}
    for number, prompt in enumerate(prompts, 1):
        if not prompt.id.strip() or len(prompt.id) > ID_LIMIT or not prompt.id.isprintable():
            raise BadParamsError(
                f"Prompt {number} has no usable id: it must be a text of 1 to {ID_LIMIT} printable characters."
            )
        if (before := first.setdefault(prompt.id, number)) != number:
            raise BadParamsError(
                f"Prompts {before} and {number} have the same id, {_short(prompt.id)}; give each its own."
            )


def _name_of(requests: Sequence[PlannedRequest]) -> str:
    count = "1 prompt" if len(requests) == 1 else f"{len(requests)} prompts"
    return f"{count}: {name_from(requests[0].prompt)}"


def _most_used(requests: Sequence[PlannedRequest]) -> str:
    models = [planned.request.model for planned in requests]
    return max(dict.fromkeys(models), key=models.count)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
