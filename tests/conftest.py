"""What every test may lean on: the size of a campaign and a world of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


@pytest.fixture
def campaign_size() -> Callable[[int, int], int]:
    """Choose the size of a campaign: the sample in CI, the full figure when CMT_CAMPAIGN=full."""
    full_run = os.environ.get("CMT_CAMPAIGN") == "full"
    return lambda sample, full: full if full_run else sample


@pytest.fixture(autouse=True)
def own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the person's own state, settings or key."""
    for name in [n for n in os.environ if n.startswith(("ANTHROPIC_", "CMT_"))]:
        if name != "CMT_CAMPAIGN":
            monkeypatch.delenv(name)
    monkeypatch.setenv("CMT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
