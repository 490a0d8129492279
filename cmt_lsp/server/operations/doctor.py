"""The doctor: what is set up, what is missing and what to do about it. Sends nothing."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp import __version__
from cmt_lsp.api.errors import CmtError, NoPictureError
from cmt_lsp.api.models import find_model, own_models, price_notices, prices_checked_on, resolve_model
from cmt_lsp.core.money.schema import FILE_NAME
from cmt_lsp.core.screen.choice import WISHES, commands_for
from cmt_lsp.core.screen.desktop import find_desktop
from cmt_lsp.core.settings import user_file
from cmt_lsp.core.storage.state_dir import find_state_dir
from cmt_lsp.server import wire
from cmt_lsp.server.wire import DoctorCheck

if TYPE_CHECKING:
    from cmt_lsp.core.storage.store import Connection
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window


async def doctor(window: Window, caller: Caller, params: wire.Empty) -> wire.DoctorResult:
    """Every check, none of which costs anything."""
    return wire.DoctorResult(
        checks=[
            _server(),
            _settings(window),
            _key(window),
            _model(window),
            _prices(),
            await _store(window),
            await _ledger(window),
            await _pictures(),
        ]
    )


def _server() -> DoctorCheck:
    detail = f"cmt-lsp {__version__}, Python {platform.python_version()}, process {os.getpid()}"
    return DoctorCheck(name="server", state="ok", detail=detail)


def _settings(window: Window) -> DoctorCheck:
    where = str(user_file(os.environ))
    if not window.setting_notices:
        return DoctorCheck(name="settings", state="ok", detail=f"user file {where}")
    return DoctorCheck(
        name="settings",
        state="warn",
        detail=" ".join(window.setting_notices),
        advice=f"Mend {where} or the editor's options.",
    )


def _key(window: Window) -> DoctorCheck:
    try:
        access = window.manager.keys.known(window.settings)
    except CmtError as error:
        return DoctorCheck(name="key", state="fail", detail=error.message, advice=error.hint)
    if access is not None:
        detail = f"{access.credentials.source}, for {access.endpoint}"
        return DoctorCheck(name="key", state="ok", detail=detail)
    if window.settings.api_key_command:
        return DoctorCheck(name="key", state="ok", detail="apiKeyCommand, asked at the first question")
    return DoctorCheck(
        name="key",
        state="fail",
        detail="no API key is set",
        advice="Set ANTHROPIC_API_KEY, or apiKeyCommand in config.toml.",
    )


def _model(window: Window) -> DoctorCheck:
    resolved = resolve_model(window.settings.model, datetime.now(UTC).date())
    if resolved.notice:
        return DoctorCheck(name="model", state="warn", detail=resolved.id, advice=resolved.notice)
    if find_model(resolved.id) is None and resolved.id not in own_models():
        advice = "Its price is not known: tokens are shown, and no cost, until prices.toml names one."
        return DoctorCheck(name="model", state="warn", detail=resolved.id, advice=advice)
    return DoctorCheck(name="model", state="ok", detail=resolved.id)


def _prices() -> DoctorCheck:
    detail = f"price table of {prices_checked_on().isoformat()}"
    if own := own_models():
        detail += f", own prices for {', '.join(own[:5])}{' and others' if len(own) > 5 else ''}"
    if notices := price_notices():
        return DoctorCheck(name="prices", state="warn", detail=detail, advice=" ".join(notices))
    return DoctorCheck(name="prices", state="ok", detail=detail)


async def _store(window: Window) -> DoctorCheck:
    folder = find_state_dir(os.environ)
    try:
        sessions = await window.manager.sessions.list("all")
    except CmtError as error:
        return DoctorCheck(name="sessions", state="fail", detail=error.message, advice=error.hint)
    return DoctorCheck(name="sessions", state="ok", detail=f"{len(sessions)} in {folder}")


async def _ledger(window: Window) -> DoctorCheck:
    """Whether money can be booked: a budget stops everything where it cannot."""
    ledger = window.manager.ledger
    try:
        budgets = await ledger.budgets(await window.origin())
        journal = await asyncio.wrap_future(ledger.read(_journal_mode))
    except CmtError as error:
        return DoctorCheck(name="ledger", state="fail", detail=error.message, advice=error.hint)
    limits = ", ".join(budget.display for budget in budgets) or "no budget is set"
    detail = (
        f"{find_state_dir(os.environ) / FILE_NAME}, journal {journal}, days in {ledger.zone_name}; {limits}"
    )
    reached = [budget for budget in budgets if budget.state == "exceeded"]
    if not reached:
        return DoctorCheck(name="ledger", state="ok", detail=detail)
    advice = f"The {reached[0].scope} budget is spent; raise it with `cmt-lsp budget set`."
    return DoctorCheck(name="ledger", state="warn", detail=detail, advice=advice)


async def _pictures() -> DoctorCheck:
    """Which tools take pictures here; a server without any is whole all the same."""
    desktop = await asyncio.to_thread(find_desktop, sys.platform, os.environ)
    if desktop.system == "linux" and desktop.display == "none":
        return DoctorCheck(
            name="pictures", state="ok", detail="no screen in this session; attach them by path"
        )
    found, advice = [], []
    for wish in WISHES:
        try:
            found.append(f"{wish} by {commands_for(wish, desktop)[0].tool}")
        except NoPictureError as error:
            advice.append(error.message)
    return DoctorCheck(
        name="pictures",
        state="warn" if advice else "ok",
        detail=", ".join(found) or "no tool was found",
        advice=" ".join(dict.fromkeys(advice)) or None,
    )


def _journal_mode(connection: Connection) -> str:
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
