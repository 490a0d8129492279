"""A question in its place, as a turn would send it, for whoever wants to look at it before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cmt_lsp.core.context.pins import beside_pinned
from cmt_lsp.core.draft import draft_of
from cmt_lsp.core.history import prompt_content
from cmt_lsp.core.images import load_images

if TYPE_CHECKING:
    from datetime import date

    from cmt_lsp.api.cache_manager import CacheManager
    from cmt_lsp.api.vision_handler import ImageContent
    from cmt_lsp.core.conversation import ConversationManager, PlannedTurn
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.turn import TurnRequest


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, checked and completed, its images, and the request it makes."""

    draft: Draft
    images: tuple[ImageContent, ...]
    plan: PlannedTurn
    notices: tuple[str, ...] = ()
    """What was done to its images, and which of its attachments are pinned already."""


async def place_question(
    conversation: ConversationManager,
    request: TurnRequest,
    settings: Settings,
    cache: CacheManager,
    today: date,
) -> Question:
    """Plan a question behind a session's history; BadParamsError, BadImageError."""
    draft = draft_of(request, conversation.record.model, settings, today)
    images = await load_images(draft.images, draft.model, conversation.held_images)
    context, told = beside_pinned(draft.context, conversation.pinned)
    content = prompt_content(
        [image.to_dict() for image in images], [block.content_block for block in context], draft.text
    )
    changes = tuple(f"{image.name}: {change}" for image in images for change in image.changes)
    plan = conversation.plan(draft, content, cache)
    return Question(replace(draft, context=context), tuple(images), plan, (*changes, *told))
