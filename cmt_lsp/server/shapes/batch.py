"""From the core's batches to the wire's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.server import wire
from cmt_lsp.server.shapes.values import cost_shape, moment, usage_shape

if TYPE_CHECKING:
    from cmt_lsp.core.batch.batch import AnsweredPrompt, BatchInfo, BatchPrice


def batch_shape(info: BatchInfo) -> wire.Batch:
    """A batch as lists show it."""
    record, counts = info.record, info.counts
    return wire.Batch(
        id=record.id,
        name=record.name,
        model=record.model,
        state=record.state,
        requests=record.requests,
        counts=wire.BatchCounts(
            processing=counts["processing"],
            succeeded=counts["succeeded"],
            errored=counts["errored"],
            canceled=counts["canceled"],
            expired=counts["expired"],
            lost=counts["lost"],
        ),
        created_at=moment(record.created_at),
        usage=usage_shape(info.sums.usage),
        cost=cost_shape(info.sums.cost),
        workspace=record.workspace,
        expires_at=None if record.expires_at is None else moment(record.expires_at),
        ended_at=None if record.ended_at is None else moment(record.ended_at),
        problem=record.problem,
    )


def price_shape(price: BatchPrice) -> wire.BatchPrice:
    """What a batch will cost."""
    return wire.BatchPrice(
        priced=price.worst is not None,
        display=price.display,
        requests=price.requests,
        models=list(price.models),
        input_tokens=price.input_tokens,
        max_nano_usd=price.worst,
        p50_nano_usd=price.likely,
        normal_max_nano_usd=price.worst_one_by_one,
        normal_p50_nano_usd=price.likely_one_by_one,
    )


def answer_shape(prompt: AnsweredPrompt) -> wire.BatchAnswer:
    """One prompt and what became of it."""
    answer = prompt.answer
    succeeded = answer.state == "succeeded"
    return wire.BatchAnswer(
        id=prompt.prompt_id,
        index=answer.index,
        state=answer.state,
        prompt=prompt.prompt,
        model=prompt.model,
        text=answer.text,
        stop_reason=answer.stop_reason,
        usage=usage_shape(answer.usage) if succeeded else None,
        cost=cost_shape(answer.cost) if succeeded and answer.cost else None,
        error=answer.error,
    )
