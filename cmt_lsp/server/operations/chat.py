"""Asking: chat, retry, cancel, preview."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import resolve_model
from cmt_lsp.core.completion.messages import Said
from cmt_lsp.core.guard.permission import held_notice
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.turn import ImageSource, TurnRequest
from cmt_lsp.server import wire
from cmt_lsp.server.shapes.money import prediction_shape
from cmt_lsp.server.window.attachments import attached, local_path

if TYPE_CHECKING:
    from cmt_lsp.core.preview import PreviewPiece
    from cmt_lsp.core.turn import Turn
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Listener, Window


async def chat(
    window: Window, caller: Caller, params: wire.ChatParams
) -> wire.TurnResult | wire.TurnAccepted:
    """Ask, in the session named or the window's current one."""
    request = await turn_request(window, caller, params)
    session_id = await window.session_for(params.session_id)

    async def start(emit: Listener) -> Turn:
        turn = window.manager.start_turn(session_id, request, emit)
        turn.when_settled(lambda: window.used_pictures(turn, params.images or []))
        return turn

    return await window.run_turn(caller, start, wait=waits(caller, params.wait))


async def complete(
    window: Window, caller: Caller, params: wire.CompleteParams
) -> wire.TurnResult | wire.TurnAccepted:
    """Answer a conversation that the editor keeps; only its money is kept here."""
    said = [
        Said(
            one.role, one.text, tuple(_image(window, at, image) for at, image in enumerate(one.images or []))
        )
        for one in params.messages
    ]
    request = TurnRequest(
        text="",
        model=params.model,
        max_tokens=params.max_tokens,
        effort=params.effort,
        budget_override=override_of(params.budget_override),
        permission=window.permission(caller, allowed=params.allow_secrets),
    )

    async def start(emit: Listener) -> Turn:
        return window.manager.completions.start(
            said, request, emit, system_prompt=params.system, workspace=window.workspace
        )

    return await window.run_turn(caller, start, wait=waits(caller, params.wait))


async def retry(
    window: Window, caller: Caller, params: wire.RetryParams
) -> wire.TurnResult | wire.TurnAccepted:
    """Ask the last question again."""

    async def start(emit: Listener) -> Turn:
        return await window.manager.retry(
            params.session_id,
            params.turn_id,
            emit,
            budget_override=override_of(params.budget_override),
            permission=window.permission(caller, allowed=False),
        )

    return await window.run_turn(caller, start, wait=waits(caller, params.wait))


async def cancel(window: Window, caller: Caller, params: wire.CancelParams) -> wire.CancelResult:
    """Stop turns; what is not running is no error, since it may have ended a moment ago."""
    meant = [
        turn
        for turn in window.manager.running
        if params.turn_id in (None, turn.id) and params.session_id in (None, turn.session_id)
    ]
    pictures = params.turn_id is None and params.session_id is None and window.stop_taking()
    return wire.CancelResult(cancelled=sum(turn.cancel("user") for turn in meant) + pictures)


async def preview(window: Window, caller: Caller, params: wire.ChatParams) -> wire.PreviewResult:
    """The blocks that a chat with the same params would send; sends nothing."""
    request = await turn_request(window, caller, params)
    session_id = params.session_id or window.current
    shown = await window.manager.foresight.preview(session_id, request, await _origin(window, session_id))
    session = await window.manager.sessions.load(session_id) if session_id else None
    named = params.model or (session.model if session else window.settings.model)
    return wire.PreviewResult(
        session_id=session_id,
        model=resolve_model(named, datetime.now(UTC).date()).id,
        blocks=[_preview_block(piece) for piece in shown.pieces],
        tokens=sum(piece.tokens for piece in shown.pieces),
        exact=False,
        prediction=prediction_shape(shown.prediction),
        notices=[*shown.notices, *await _held(window, request, session_id)] or None,
    )


async def predict(window: Window, caller: Caller, params: wire.ChatParams) -> wire.Prediction:
    """What a chat with the same params would use and cost; only the free token counter is asked."""
    request = await turn_request(window, caller, params)
    session_id = params.session_id or window.current
    told = await window.manager.foresight.predict(session_id, request, await window.origin())
    notices = (*told.notices, *await _held(window, request, session_id))
    return prediction_shape(told.prediction, effects=told.effects, images=told.images, notices=notices)


async def _held(window: Window, request: TurnRequest, session_id: str | None) -> list[str]:
    """What of a question would be asked about, unless that is allowed already."""
    if request.permission.allowed:
        return []
    return [held_notice(concern) for concern in await window.manager.foresight.concerns(request, session_id)]


async def _origin(window: Window, session_id: str | None) -> Origin:
    """For whom a question is asked: its session, or the window where it has none yet."""
    if session_id is None:
        return await window.origin()
    session = await window.manager.sessions.load(session_id)
    return Origin("turn", session.id, "", session.workspace or "")


def _preview_block(piece: PreviewPiece) -> wire.PreviewBlock:
    source = piece.content_block.get("source")
    return wire.PreviewBlock(
        origin=piece.origin,
        kind=piece.kind,
        tokens=piece.tokens,
        cached=piece.cached,
        cache=piece.cache,
        cold_nano_usd=piece.cold_nano,
        warm_nano_usd=piece.warm_nano,
        pinned=piece.pinned,
        cut_lines=piece.cut_lines or None,
        text=piece.text or None,
        media_type=str(source["media_type"]) if isinstance(source, dict) and "media_type" in source else None,
    )


def waits(caller: Caller, wait: bool | None) -> bool:
    """A request is answered with the result; a command only where asked, since several editors block on commands."""
    return caller.door == "request" or wait is True


async def turn_request(window: Window, caller: Caller, params: wire.ChatParams) -> TurnRequest:
    """What is asked, with the attachments as they stand at this moment."""
    if not params.text.strip():
        raise BadParamsError("$.text is empty; write a question.")
    if params.max_tokens is not None and params.max_tokens < 1:
        raise BadParamsError("$.maxTokens must be at least 1.")
    context = await attached(window.documents, window.folders, params.context or [])
    return TurnRequest(
        text=params.text,
        context=context.items,
        images=tuple(_image(window, index, image) for index, image in enumerate(params.images or [])),
        model=params.model,
        max_tokens=params.max_tokens,
        effort=params.effort,
        budget_override=override_of(params.budget_override),
        notices=context.notices,
        permission=window.permission(caller, allowed=params.allow_secrets),
    )


def override_of(asked: bool | str | None) -> str | None:
    """The person's reason to pass the budgets; None where this is no such act."""
    if asked is True:
        return "no reason given"
    if isinstance(asked, str) and not asked.strip():
        raise BadParamsError("$.budgetOverride is empty; give a reason, or true.")
    return asked.strip() if isinstance(asked, str) else None


def _image(window: Window, index: int, image: wire.Image) -> ImageSource:
    if [image.path, image.data, image.handle].count(None) != 2:
        raise BadParamsError(f"$.images[{index}] needs exactly one of path, data and handle.")
    if image.handle is not None:
        held = window.pictures.get(image.handle)
        return ImageSource(data=held.data, media_type=held.media_type, name=image.name or held.name)
    path = None if image.path is None else local_path(image.path, f"$.images[{index}].path")
    return ImageSource(path=path, data=image.data, media_type=image.media_type, name=image.name)
