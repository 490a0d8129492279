"""What a turn would send, piece by piece and with its price, for a person to look at before spending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmt_lsp.api.models import price_in_force
from cmt_lsp.core.money.ceiling import prompt_parts
from cmt_lsp.core.money.prediction import marked_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cmt_lsp.core.context.items import BlockKind
    from cmt_lsp.core.conversation import PlannedTurn
    from cmt_lsp.core.money.prediction import Outlook, Prediction
    from cmt_lsp.core.question import Question

CacheUse: TypeAlias = Literal["read", "written", "none"]


@dataclass(frozen=True, slots=True)
class PreviewPiece:
    """One block of the request as it would be sent, its share of the prompt, and what that costs; nano-dollars.

    `cold` is the price with nothing in the cache and `warm` with what the cache should hold now; None where the model has
    no price.
    """

    origin: str
    kind: BlockKind
    content_block: Mapping[str, Any]
    """Without its cache mark."""
    tokens: int
    cache: CacheUse
    cold_nano: int | None
    warm_nano: int | None
    pinned: bool = False
    cut_lines: int = 0

    @property
    def text(self) -> str:
        """What the model reads; '' for an image."""
        return str(self.content_block.get("text") or self.content_block.get("thinking") or "")

    @property
    def cached(self) -> bool:
        """Whether it is read from the cache or written to it."""
        return self.cache != "none"


@dataclass(frozen=True, slots=True)
class Preview:
    """Every block of the request in order; their tokens and prices add up to those of the prediction's prompt."""

    pieces: tuple[PreviewPiece, ...]
    prediction: Prediction
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Label:
    origin: str
    kind: BlockKind
    pinned: bool = False
    cut_lines: int = 0


def preview_of(
    question: Question, prediction: Prediction, outlook: Outlook, read_up_to: int | None, at: float
) -> Preview:
    """The request of a question, block by block; `read_up_to` is the last block that the cache should hold.

    The prediction's tokens are shared out among the blocks by their estimated sizes, those that are read among the
    blocks that are read.
    """
    plan = question.plan
    blocks = list(_blocks(plan))
    labels = list(_labels(question))
    sizes = prompt_parts(plan.request)
    lifetime = marked_for(plan.request.model, prediction.input_tokens, outlook.lifetime)
    read = 0 if read_up_to is None or not lifetime or not prediction.warm_tokens else read_up_to + 1
    warm = prediction.warm_tokens if read else 0
    warm = prediction.input_tokens if read == len(sizes) else warm
    tokens = [*shared_out(warm, sizes[:read]), *shared_out(prediction.input_tokens - warm, sizes[read:])]
    last_mark = max((mark.index for mark in plan.prompt.breakpoints), default=-1) if lifetime else -1
    row = price_in_force(plan.request.model, datetime.fromtimestamp(at, UTC), prediction.input_tokens)
    writing = None if row is None else {None: row.input, "5m": row.write_5m, "1h": row.write_1h}[lifetime]
    pieces = []
    for index, (label, block, size) in enumerate(zip(labels, blocks, tokens, strict=True)):
        use: CacheUse = "read" if index < read else "written" if index <= last_mark else "none"
        cold = None if writing is None else size * writing
        warm_nano = cold if row is None or use != "read" else size * row.read
        pieces.append(
            PreviewPiece(
                label.origin, label.kind, block, size, use, cold, warm_nano, label.pinned, label.cut_lines
            )
        )
    told = (*question.draft.notices, *question.notices, *plan.notices)
    return Preview(tuple(pieces), prediction, told)


def shared_out(total: int, sizes: Sequence[int]) -> list[int]:
    """Whole numbers in proportion to the sizes that add up to the total."""
    whole = sum(sizes)
    if not whole:
        return [total if index == 0 else 0 for index in range(len(sizes))]
    ends = [0, *(total * upto // whole for upto in accumulate(sizes))]
    return [after - before for before, after in pairwise(ends)]


def _blocks(plan: PlannedTurn) -> Iterator[Mapping[str, Any]]:
    for block in plan.prompt.system or ():
        yield _unmarked(block)
    for message in plan.prompt.messages:
        yield from map(_unmarked, message["content"])


def _unmarked(block: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in block.items() if name != "cache_control"}


def _labels(question: Question) -> Iterator[_Label]:
    """What each block is, in the order of the request: system prompt, pins, history, images, context, question."""
    plan = question.plan
    for _ in plan.prompt.system or ():
        yield _Label("system prompt", "system")
    pinned = plan.pinned.blocks
    for block in pinned:
        yield _Label(block.origin, block.kind, pinned=True, cut_lines=block.cut_lines)
    skipped = len(pinned)
    for number, message in enumerate(plan.prompt.messages[:-1]):
        for _ in message["content"][skipped:]:
            yield _Label(f"turn {number // 2 + 1}, {message['role']}", "history")
        skipped = 0
    for image in question.images:
        yield _Label(image.name, "image")
    for block in question.draft.context:
        yield _Label(block.origin, block.kind, cut_lines=block.cut_lines)
    if question.draft.text.strip():
        yield _Label("question", "prompt")
