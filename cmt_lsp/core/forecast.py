"""What a question will use and cost, before it is sent: its plan, the ledger's experience and the endpoint's count."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import CmtError
from cmt_lsp.api.vision_handler import TOKEN_CAP
from cmt_lsp.core.money.meter import Meter
from cmt_lsp.core.money.prediction import Outlook, effects, predict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cmt_lsp.api.cache_manager import CacheManager, PlannedPrompt
    from cmt_lsp.api.request import MessageRequest
    from cmt_lsp.core.money.attempt import Expected, Origin
    from cmt_lsp.core.money.ledger import Ledger
    from cmt_lsp.core.money.prediction import Effect, Prediction
    from cmt_lsp.core.question import Question

COUNT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """A prediction with what surrounds it: the images, what it does to the budgets, and sentences for the person."""

    prediction: Prediction
    images: tuple[tuple[str, int], ...]
    """Name and tokens of each image."""
    effects: tuple[Effect, ...]
    notices: tuple[str, ...]


def outlook_of(prompt: PlannedPrompt, cache: CacheManager) -> Outlook:
    """What the prompt cache should do for a planned prompt."""
    held, readable = cache.expected(prompt)
    return Outlook(
        enabled=prompt.enabled,
        lifetime=prompt.breakpoints[-1].lifetime if prompt.breakpoints else None,
        warm_tokens=held,
        readable_tokens=readable,
    )


async def forecast(
    question: Question,
    outlook: Outlook,
    origin: Origin,
    ledger: Ledger,
    count: Callable[[MessageRequest], Awaitable[int | None]] | None,
    clock: Callable[[], float],
) -> Forecast:
    """Predict a question; `count` asks the endpoint for the prompt's exact size, None where there is no key."""
    request = question.plan.request
    counted, notices = await _counted(request, count)
    meter = Meter(ledger, origin, clock)
    meter.aim(request, None, outlook)
    claim = meter.claim(counted)
    expected = _with_count(await ledger.expect(origin, request.model, claim.raw_input_tokens), counted)
    prediction = predict(
        request.model, expected, request.max_tokens, outlook, datetime.fromtimestamp(clock(), UTC)
    )
    budgets = await ledger.budgets(origin)
    return Forecast(
        prediction,
        _image_tokens(question),
        effects(claim, prediction, budgets),
        (*question.draft.notices, *question.plan.notices, *notices),
    )


def _image_tokens(question: Question) -> tuple[tuple[str, int], ...]:
    """Name and tokens of each image; one that is only a URL is taken for the largest."""
    tier = question.plan.model.vision if question.plan.model else "high"
    return tuple((image.name, image.tokens(tier) or TOKEN_CAP[tier]) for image in question.images)


async def _counted(
    request: MessageRequest, count: Callable[[MessageRequest], Awaitable[int | None]] | None
) -> tuple[int | None, tuple[str, ...]]:
    """The endpoint's count, or None with the reason why the figure is an estimate."""
    if count is None:
        return None, ("No key is configured, so that the prompt is estimated.",)
    counted = None
    with suppress(CmtError, TimeoutError):
        async with asyncio.timeout(COUNT_SECONDS):
            counted = await count(request)
    return counted, () if counted is not None else (
        "The endpoint did not count the prompt; it is estimated.",
    )


def _with_count(expected: Expected, counted: int | None) -> Expected:
    return expected if counted is None else replace(expected, input_tokens=counted, exact=True)
