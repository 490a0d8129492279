"""Sessions: create, list, get, update, fork, clear, delete, export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import display_usd
from cmt_lsp.api.vision.blocks import size_of_block
from cmt_lsp.core.cache.switch import losing_nano
from cmt_lsp.core.chatfile.answer import attached_titles, thinking_of
from cmt_lsp.core.images import images_of
from cmt_lsp.server import wire
from cmt_lsp.server.rpc.uris import folder
from cmt_lsp.server.shapes.values import (
    cache_shape,
    cost_shape,
    moment,
    session_shape,
    timing_shape,
    usage_shape,
)
from cmt_lsp.server.window.attachments import attached

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cmt_lsp.core.records import TurnRecord
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.attachments import Attached
    from cmt_lsp.server.window.window import Window


async def create(window: Window, caller: Caller, params: wire.SessionCreateParams) -> wire.Session:
    """Make a session and use it for the chats that name none."""
    pinned = await _attached(window, params.pinned, "pinned")
    info = await window.manager.sessions.create(
        name=params.name,
        model=params.model,
        system_prompt=params.system_prompt,
        workspace=_folder(params.workspace_folder) or window.workspace,
        pinned=pinned.items,
    )
    await window.make_current(info.id)
    return session_shape(info, pinned.notices)


async def list_sessions(
    window: Window, caller: Caller, params: wire.SessionListParams
) -> wire.SessionListResult:
    """Sessions, the last used first."""
    found = await window.manager.sessions.list(params.scope, workspace=window.workspace, query=params.query)
    return wire.SessionListResult(sessions=[session_shape(info) for info in found])


async def get(window: Window, caller: Caller, params: wire.SessionGetParams) -> wire.SessionGetResult:
    """A session with its turns; it becomes the window's current one, since somebody opened it."""
    if params.last is not None and params.last < 1:
        raise BadParamsError("$.last must be at least 1.")
    # Taken first: a turn that settles meanwhile is told twice rather than not at all.
    running = window.status.running_in(params.session_id)
    info, turns, earlier = await window.manager.sessions.page(
        params.session_id, after=params.from_turn, before=params.before, last=params.last
    )
    await window.make_current(info.id)
    return wire.SessionGetResult(
        session=session_shape(info),
        turns=[_turn_shape(turn) for turn in turns],
        earlier=earlier,
        running=running or None,
    )


async def update(window: Window, caller: Caller, params: wire.SessionUpdateParams) -> wire.Session:
    """Change a session's name, model, system prompt or pins; a new model is answered with what the switch loses."""
    pinned = await _attached(window, params.pinned, "pinned")
    pin = await _attached(window, params.pin, "pin")
    before = None if params.model is None else await window.manager.cache_report.prefix(params.session_id)
    info = await window.manager.sessions.update(
        params.session_id,
        name=params.name,
        model=params.model,
        system_prompt=params.system_prompt,
        pinned=None if params.pinned is None else pinned.items,
        pin=pin.items,
        unpin=params.unpin or (),
    )
    told = (*pinned.notices, *pin.notices)
    await window.refresh_status()
    lost = 0 if before is None else losing_nano(info.model, before)
    if before is None or not lost:
        return session_shape(info, told)
    notice = (
        f"{info.model} does not read what {before.model} has cached: the next question costs {display_usd(lost)} more "
        "than with a warm cache."
    )
    return session_shape(info, [*told, notice])


async def _attached(window: Window, items: Sequence[wire.ContextItem] | None, field: str) -> Attached:
    """What is to be pinned, as it stands now."""
    return await attached(window.documents, window.folders, items or (), f"$.{field}")


async def fork(window: Window, caller: Caller, params: wire.SessionForkParams) -> wire.Session:
    """A new session with the same history up to a turn; it becomes the current one."""
    info = await window.manager.sessions.fork(params.session_id, params.turn_id)
    await window.make_current(info.id)
    return session_shape(info)


async def clear(window: Window, caller: Caller, params: wire.SessionParams) -> wire.Session:
    """Start afresh in a new session; the old one is kept."""
    info = await window.manager.sessions.clear(params.session_id)
    await window.make_current(info.id)
    return session_shape(info)


async def delete(window: Window, caller: Caller, params: wire.SessionParams) -> wire.Empty:
    """Delete a session and its text for good."""
    await window.manager.sessions.delete(params.session_id)
    if window.current == params.session_id:
        await window.make_current(None)
    return wire.Empty()


async def export(
    window: Window, caller: Caller, params: wire.SessionExportParams
) -> wire.SessionExportResult:
    """A session as one document."""
    text, name = await window.manager.sessions.export(params.session_id, params.format)
    return wire.SessionExportResult(text=text, suggested_name=name)


def _folder(given: str | None) -> Path | None:
    """A folder by path or `file:` URI."""
    if given is None:
        return None
    if (found := folder(given)) is None:
        raise BadParamsError(
            "$.workspaceFolder is not a folder on this machine; give its absolute path or leave it out."
        )
    return found


def _turn_shape(turn: TurnRecord) -> wire.TurnRecord:
    return wire.TurnRecord(
        turn_id=turn.id,
        index=turn.seq,
        prompt=turn.prompt_text,
        text=turn.text,
        model=turn.model,
        stop_reason=turn.stop_reason,
        started_at=moment(turn.started_at),
        usage=usage_shape(turn.usage),
        cache=cache_shape(turn.cache),
        cost=cost_shape(turn.cost),
        timing=timing_shape(turn.timing),
        attachments=attached_titles(turn) or None,
        images=_images(turn) or None,
        thinking=thinking_of(turn.answer) or None,
        notices=list(turn.notices) or None,
    )


def _images(turn: TurnRecord) -> list[wire.TurnImage]:
    images = []
    for index, block in enumerate(images_of(turn)):
        width, height = size_of_block(block) or (None, None)
        weight = len(block["source"].get("data") or "") // 4 * 3
        kind = block["source"].get("media_type", "image")
        images.append(wire.TurnImage(index=index, media_type=kind, bytes=weight, width=width, height=height))
    return images
