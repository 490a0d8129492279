"""Tools made of a few lines of shell, and a screen without a monitor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_tools import FakeTools
from x_display import XClient, XDisplay


@pytest.fixture
def fake(tmp_path: Path) -> FakeTools:
    """A folder of fake tools."""
    return FakeTools(tmp_path / "tools")


@pytest.fixture
def left_behind(tmp_path: Path) -> Callable[[], list[str]]:
    """What lies in the place for pictures, by name."""
    place = Path(os.environ["CMT_STATE_DIR"]) / "pictures"
    return lambda: [str(path) for path in place.rglob("*")]


@pytest.fixture(scope="module")
def x_display() -> Iterator[XDisplay]:
    """One X server for a module, gone after it: other tests count this process's children."""
    with XDisplay() as display:
        yield display


@pytest.fixture
def x_client(x_display: XDisplay) -> Iterator[XClient]:
    """A client of it whose windows go with the test."""
    client = XClient(x_display)
    yield client
    client.close()
