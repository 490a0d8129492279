"""Pictures that wait in memory: found by their handle, and forgotten in time."""

from __future__ import annotations

import asyncio

import pytest

from cmt_lsp.api.errors import BadImageError
from cmt_lsp.core.screen import held
from cmt_lsp.core.screen.held import Held, HeldPictures


def picture(size: int = 4) -> Held:
    return Held("A" * size, "image/png", "screenshot.png")


async def test_a_picture_is_found_by_its_handle_until_it_is_forgotten() -> None:
    pictures = HeldPictures()
    first, second = pictures.hold(picture(4)), pictures.hold(picture(8))
    assert first != second
    assert (len(pictures.get(first).data), len(pictures.get(second).data)) == (4, 8)
    pictures.forget(first)
    pictures.forget(first)
    with pytest.raises(BadImageError, match="take it again"):
        pictures.get(first)
    assert len(pictures) == 1


async def test_a_picture_that_nobody_uses_goes_by_itself() -> None:
    """Without anything being asked of it."""
    pictures = HeldPictures(seconds=0.02)
    pictures.hold(picture())
    async with asyncio.timeout(5):
        while len(pictures):
            await asyncio.sleep(0.005)


async def test_the_oldest_make_room() -> None:
    """By number and by size; the newest stays, however large."""
    pictures = HeldPictures()
    handles = [pictures.hold(picture()) for _ in range(held.KEPT_PICTURES + 1)]
    assert len(pictures) == held.KEPT_PICTURES
    with pytest.raises(BadImageError):
        pictures.get(handles[0])
    newest = pictures.hold(picture(held.KEPT_CHARACTERS + 1))
    assert len(pictures) == 1
    assert pictures.get(newest)


def test_nothing_of_a_picture_is_in_its_text() -> None:
    """Logs hold no image bytes."""
    assert "AAAA" not in repr(picture())
