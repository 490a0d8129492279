"""What every test may lean on: the size of a campaign and a world of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


FIGURES = pytest.StashKey[dict[str, str]]()


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Note a measured figure for the end of the report."""
    return pytestconfig.stash.setdefault(FIGURES, {}).__setitem__


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the figures to the process that reports, where the tests run in others."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = session.config.stash.get(FIGURES, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the figures of a process that ended."""
    node.config.stash.setdefault(FIGURES, {}).update(node.workeroutput.get("figures", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    for name, value in sorted(config.stash.get(FIGURES, {}).items()):
        terminalreporter.write_line(f"{name}: {value}")


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
    for name in ("COLUMNS", "LINES"):  # they win over the width that a test gives its terminal
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CMT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
