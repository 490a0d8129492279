"""What the doctor says of pictures where something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmt_lsp.server.operations.doctor import _pictures


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A session that no desktop has started."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return monkeypatch


async def test_without_a_screen_nothing_is_wrong(bare: pytest.MonkeyPatch) -> None:
    """Over ssh there is none, and pictures by path are as good as ever."""
    check = await _pictures()
    assert (check.state, check.advice) == ("ok", None)
    assert "no screen" in check.detail


async def test_what_is_missing_is_said_once(bare: pytest.MonkeyPatch) -> None:
    """One tool does all four here, and its absence is one sentence."""
    bare.setenv("WSL_DISTRO_NAME", "Debian")
    check = await _pictures()
    assert (check.state, check.detail) == ("warn", "no tool was found")
    assert (check.advice or "").count("/etc/wsl.conf") == 1
