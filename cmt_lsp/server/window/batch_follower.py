"""Following a batch: look now and then until it has ended, show how it stands, and say how it ended."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lsprotocol import types

from cmt_lsp.api.errors import CmtError
from cmt_lsp.core.batch.batches import LOOKS

if TYPE_CHECKING:
    from cmt_lsp.core.batch.batch import AnswerState, BatchInfo
    from cmt_lsp.core.batch.batches import Batches
    from cmt_lsp.server.rpc.peer import Peer

logger = logging.getLogger(__name__)

TITLE = "Claude, batch"
_WORDS: dict[AnswerState, str] = {
    "processing": "waiting",
    "succeeded": "answered",
    "errored": "refused",
    "canceled": "canceled",
    "expired": "expired",
    "lost": "lost",
}


async def follow_batch(
    batches: Batches, batch_id: str, peer: Peer, looks: tuple[float, float] = LOOKS
) -> None:
    """Until the batch has ended, or cannot be looked at any more; shows a progress where the editor has one.

    `looks` are the seconds between two looks, at first and later on.
    """
    work = await peer.create_progress(TITLE, cancellable=False)
    last: str | None = None

    def changed(info: BatchInfo) -> None:
        nonlocal last
        last = f"{info.record.name}: {standing(info)}"
        if work is not None:
            work.report(last)

    try:
        await batches.follow(batch_id, changed, looks)
        message = types.ShowMessageParams(types.MessageType.Info, f"cmt-lsp: batch {last}")
        peer.notify(types.WINDOW_SHOW_MESSAGE, message)
    except CmtError as error:
        logger.info("A batch is not followed any more: %s", error.kind)
        last = error.message
    finally:
        if work is not None:
            work.end(last)


def standing(info: BatchInfo) -> str:
    """How a batch stands, in one line: `97 answered, 3 refused, $0.1234`."""
    record, counts = info.record, info.counts
    if counts["processing"] == record.requests:
        return f"{record.state.replace('_', ' ')}, {record.requests} prompts"
    told = [f"{count} {_WORDS[state]}" for state, count in counts.items() if count]
    return ", ".join([*told, info.sums.cost.display])
