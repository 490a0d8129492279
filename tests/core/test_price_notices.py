"""What is wrong with a person's own prices reaches the person: once, from the manager, before or after a warm-up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from cmt_lsp.api import models
from cmt_lsp.core import APISessionManager, Settings

BAD = '[[price]]\nmodel = "mine"\ninput = -1\noutput = 2\n'


@pytest.fixture
def prices(tmp_path: Path) -> Iterator[Path]:
    """A price list with one bad row, as if this process had just begun."""
    path = tmp_path / "config" / "cmt-lsp" / "prices.toml"
    path.parent.mkdir(parents=True)
    path.write_text(BAD)
    models._own.cache_clear()
    yield path
    models._own.cache_clear()


@pytest.fixture
async def manager(prices: Path) -> AsyncIterator[APISessionManager]:
    made = APISessionManager(api_key="sk-test-key", settings=Settings())
    yield made
    await made.aclose()


def about_prices(notices: tuple[str, ...]) -> list[str]:
    return [notice for notice in notices if "prices.toml" in notice]


async def test_a_script_is_told_once(manager: APISessionManager, prices: Path) -> None:
    (told,) = about_prices(manager.take_notices())
    assert told.startswith(f"{prices}: row 1 (mine) is not used: input must be 0 or between")
    assert about_prices(manager.take_notices()) == []


async def test_a_window_is_told_once_its_tables_are_loaded_and_not_before(manager: APISessionManager) -> None:
    manager._tables = loading = Future()
    assert about_prices(manager.take_notices()) == []
    loading.set_result(None)
    assert len(about_prices(manager.take_notices())) == 1
    assert about_prices(manager.take_notices()) == []


async def test_warming_up_loads_them_and_a_failure_to_do_so_hides_nothing(manager: APISessionManager) -> None:
    manager.warm_up()
    assert manager._tables is not None
    manager._tables.result(10)
    assert models._own.cache_info().currsize == 1
    manager._tables = Future()
    manager._tables.set_exception(OSError("disk"))
    assert len(about_prices(manager.take_notices())) == 1
