"""Draft: a turn's request checked and completed, before anything is read, loaded or sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import limits_of, resolve_model
from cmt_lsp.api.surrogates import is_whole, mend
from cmt_lsp.core.context.blocks import context_blocks, cut_notice
from cmt_lsp.core.guard.concern import pieces_of
from cmt_lsp.core.guard.permission import NOBODY
from cmt_lsp.core.settings import OPTIONS

if TYPE_CHECKING:
    from datetime import date

    from cmt_lsp.api.cache.choice import Wish
    from cmt_lsp.api.models import Model, ResolvedModel
    from cmt_lsp.core.context.items import Block
    from cmt_lsp.core.guard.concern import Piece
    from cmt_lsp.core.guard.permission import Permission
    from cmt_lsp.core.records import TurnRecord
    from cmt_lsp.core.settings import Settings
    from cmt_lsp.core.turn import ImageSource, TurnRequest

TEXT_LIMIT = 10_000_000
"""Characters of one question; more than any model's context window holds."""

_CHECKS = {option.field: option for option in OPTIONS}


@dataclass(frozen=True, slots=True)
class Draft:
    """One question with everything decided that depends neither on the history nor on a file."""

    model: str
    max_tokens: int
    effort: str | None
    text: str
    context: tuple[Block, ...]
    images: tuple[ImageSource, ...]
    caching: Wish
    budget_override: str | None
    notices: tuple[str, ...]
    pieces: tuple[Piece, ...] = ()
    """What the guard looks at before anything leaves; nothing where all of it was sent before."""
    permission: Permission = NOBODY


def draft_of(request: TurnRequest, session_model: str, settings: Settings, today: date) -> Draft:
    """Check a request and fill in what it leaves open; BadParamsError names the field and the way out."""
    if not isinstance(request.text, str) or len(request.text) > TEXT_LIMIT:
        raise BadParamsError(f"text must be a text of at most {TEXT_LIMIT} characters; attach less.")
    if not request.text.strip() and not request.context and not request.images:
        raise BadParamsError("text is empty; write a question or attach something to ask about.")
    blocks = context_blocks(request.context)
    draft = _with_options(request, session_model, settings, today)
    return replace(
        draft,
        text=mend(request.text),
        context=tuple(blocks),
        images=request.images,
        pieces=pieces_of(request.text, request.context, request.images),
        permission=request.permission,
        notices=(*draft.notices, *request.notices, *_text_notices(request.text, blocks)),
    )


def draft_again(
    turn: TurnRecord, session_model: str, settings: Settings, today: date, budget_override: str | None = None
) -> Draft:
    """The draft that asks a settled turn's question once more, under the session's model of now."""
    from cmt_lsp.core.turn import TurnRequest

    request = TurnRequest(turn.prompt_text, budget_override=budget_override)
    draft = _with_options(request, session_model, settings, today)
    return replace(draft, text=turn.prompt_text)


def draft_to_warm(
    session_model: str, settings: Settings, today: date, budget_override: str | None = None
) -> Draft:
    """The draft of a request that writes the cache for a session's next question and asks nothing."""
    from cmt_lsp.core.turn import TurnRequest

    request = TurnRequest("", budget_override=budget_override)
    return _with_options(request, session_model, settings, today)


def checked(field: str, value: object, name: str | None = None) -> object:
    """A value as the options table wants it; BadParamsError names the parameter."""
    option = _CHECKS[field]
    try:
        return option.check(value)
    except ValueError as error:
        raise BadParamsError(f"{name or option.name} {error}.") from error


def _with_options(request: TurnRequest, session_model: str, settings: Settings, today: date) -> Draft:
    named = session_model if request.model is None else str(checked("model", request.model))
    resolved = resolve_model(named, today)
    wanted = settings.max_tokens
    if request.max_tokens is not None:
        wanted = int(str(checked("max_tokens", request.max_tokens)))
    max_tokens, limit_notice = _limited(wanted, resolved)
    effort = settings.effort if request.effort is None else str(checked("effort", request.effort))
    effort, effort_notice = _supported(effort, resolved.model, asked=request.effort is not None)
    notices = tuple(notice for notice in (resolved.notice, limit_notice, effort_notice) if notice)
    return Draft(
        resolved.id, max_tokens, effort, "", (), (), settings.cache_wish, request.budget_override, notices
    )


def _limited(wanted: int, resolved: ResolvedModel) -> tuple[int, str | None]:
    longest = limits_of(resolved.id).max_output
    if longest is None or wanted <= longest:
        return wanted, None
    name = resolved.model.display_name if resolved.model else resolved.id
    return longest, f"{name} gives at most {longest} tokens; that is the limit now."


def _supported(effort: str | None, model: Model | None, *, asked: bool) -> tuple[str | None, str | None]:
    """Older models refuse a request that names an effort; the person is told where they asked for this one."""
    if effort is None or model is None or model.thinking.startswith("adaptive"):
        return effort, None
    return None, f"{model.display_name} knows no effort; it was left out." if asked else None


def _text_notices(text: str, blocks: list[Block]) -> list[str]:
    notices = [] if is_whole(text) else ["Broken characters in the question were replaced by U+FFFD."]
    return notices + [cut_notice(block) for block in blocks if block.cut_lines]
