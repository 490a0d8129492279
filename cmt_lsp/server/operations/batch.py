"""Batches: submit, list, status, results, cancel."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.core.batch.batch import OPEN_STATES, BatchOrder, BatchPrompt
from cmt_lsp.server import wire
from cmt_lsp.server.operations.chat import override_of
from cmt_lsp.server.shapes.batch import answer_shape, batch_shape, price_shape
from cmt_lsp.server.window.batch_follower import TITLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmt_lsp.core.batch.batch import BatchInfo
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window

MOST_RESULTS = 1000
MOST_TEXT = 16 * 1024 * 1024
"""Characters in one page of results; a message to an editor is at most 64 MB."""


async def submit(window: Window, caller: Caller, params: wire.BatchSubmitParams) -> wire.BatchSubmitResult:
    """Send prompts to be answered within a day at half the price, or only say what that would cost."""
    order = _order(window, caller, params)
    batches = window.manager.batches
    if params.dry_run:
        price, notices = await batches.price(order)
        return wire.BatchSubmitResult(price=price_shape(price), notices=list(notices) or None)
    with _progress(caller) as report:
        report(f"sending {len(order.prompts)} prompts")
        info, price, notices = await batches.submit(order)
    window.follow_batch(info.record.id, caller.peer)
    await window.refresh_status()
    return wire.BatchSubmitResult(
        price=price_shape(price), batch=batch_shape(info), notices=list(notices) or None
    )


async def list_batches(window: Window, caller: Caller, params: wire.BatchListParams) -> wire.BatchListResult:
    """Batches as they were last seen; asks nobody."""
    found = await window.manager.batches.listed(params.scope, window.workspace)
    return wire.BatchListResult(batches=[batch_shape(info) for info in found])


async def status(window: Window, caller: Caller, params: wire.BatchParams) -> wire.Batch:
    """Look how a batch stands, and bring its answers home once it has ended."""
    with _progress(caller) as report:
        info = await window.manager.batches.status(
            params.batch_id, lambda done, all_of_them: report(f"{done} of {all_of_them} answers")
        )
    return await _seen(window, caller, info)


async def results(window: Window, caller: Caller, params: wire.BatchResultsParams) -> wire.BatchResultsResult:
    """A page of the answers that are here; asks nobody."""
    if not 1 <= params.limit <= MOST_RESULTS:
        raise BadParamsError(f"$.limit must be from 1 to {MOST_RESULTS}.")
    if params.from_ < 0:
        raise BadParamsError("$.from must be at least 0.")
    info, answers = await window.manager.batches.results(params.batch_id, params.from_, params.limit)
    shown: list[wire.BatchAnswer] = []
    size = 0
    for answer in answers:
        size += len(answer.prompt) + len(answer.answer.text or "")
        if shown and size > MOST_TEXT:
            break
        shown.append(answer_shape(answer))
    end = params.from_ + len(shown)
    return wire.BatchResultsResult(
        batch=batch_shape(info), results=shown, next=end if end < info.record.requests else None
    )


async def cancel(window: Window, caller: Caller, params: wire.BatchParams) -> wire.Batch:
    """Ask the endpoint to end a batch early; what is under way is still answered and charged."""
    with _progress(caller):
        info = await window.manager.batches.cancel(params.batch_id)
    return await _seen(window, caller, info)


async def _seen(window: Window, caller: Caller, info: BatchInfo) -> wire.Batch:
    """A batch that somebody asked about is followed from then on, until it has ended."""
    if info.record.state in OPEN_STATES:
        window.follow_batch(info.record.id, caller.peer)
    else:
        window.unfollow_batch(info.record.id)
    await window.refresh_status()
    return batch_shape(info)


def _order(window: Window, caller: Caller, params: wire.BatchSubmitParams) -> BatchOrder:
    prompts = [
        BatchPrompt(prompt.id, prompt.text, prompt.system, prompt.model, prompt.max_tokens)
        for prompt in params.prompts
    ]
    return BatchOrder(
        prompts=prompts,
        name=params.name,
        model=params.model,
        system=params.system,
        max_tokens=params.max_tokens,
        workspace=None if window.workspace is None else str(window.workspace),
        override=override_of(params.budget_override),
        permission=window.permission(caller, allowed=params.allow_secrets),
    )


@contextlib.contextmanager
def _progress(caller: Caller) -> Iterator[Callable[[str], None]]:
    """A line of progress on the token that came with the request; without one, nobody is told."""
    if caller.work_done_token is None:
        yield lambda _line: None
        return
    work = caller.peer.adopt_progress(caller.work_done_token, TITLE, cancellable=False)
    try:
        yield work.report
    finally:
        work.end()
