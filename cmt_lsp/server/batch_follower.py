"""Following a batch: look now and then until it has ended, show how it stands, and say how it ended."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lsprotocol import types

from cmt_lsp.api.errors import CmtError

if TYPE_CHECKING:
    from cmt_lsp.core.batch import BatchInfo
    from cmt_lsp.core.batches import Batches
    from cmt_lsp.server.peer import Peer

logger = logging.getLogger(__name__)

TITLE = "Claude, batch"


async def follow_batch(batches: Batches, batch_id: str, peer: Peer) -> None:
    """Until the batch has ended, or cannot be looked at any more; shows a progress where the editor has one."""
    work = await peer.create_progress(TITLE, cancellable=False)

    def changed(info: BatchInfo) -> None:
        if work is not None:
            work.report(f"{info.record.name}: {standing(info)}")

    last = "not looked at any more"
    try:
        info = await batches.follow(batch_id, changed)
        last = f"{info.record.name}: {standing(info)}"
        message = types.ShowMessageParams(types.MessageType.Info, f"cmt-lsp: batch {last}")
        peer.notify(types.WINDOW_SHOW_MESSAGE, message)
    except CmtError as error:
        logger.info("A batch is not followed any more: %s", error.kind)
        last = error.message
    finally:
        if work is not None:
            work.end(last)


def standing(info: BatchInfo) -> str:
    """How a batch stands, in one line: `97 answered, 3 errored, $0.1234`."""
    record, counts = info.record, info.counts
    if counts["processing"] == record.requests:
        return f"{record.state.replace('_', ' ')}, {record.requests} prompts"
    words = (("answered", "succeeded"), ("errored",) * 2, ("canceled",) * 2, ("expired",) * 2, ("lost",) * 2)
    parts = [f"{counts[state]} {word}" for word, state in words if counts[state]]  # type: ignore[index]
    return ", ".join([*parts, info.sums.cost.display])
