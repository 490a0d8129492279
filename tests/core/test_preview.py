"""The preview: block for block what is then sent, with tokens that add up to the prediction's and prices to its costs."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_turns import ask, new_session
from PIL import Image

from cmt_lsp.api.models import price_in_force
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.context.items import ContextItem, Diagnostic, Diagnostics, NamedText, Selection, WholeFile
from cmt_lsp.core.images import image_sources
from cmt_lsp.core.preview import Preview, shared_out
from cmt_lsp.core.turn import TurnRequest
from cmt_lsp.simulator import Simulator

MODELS = ("claude-sonnet-5-5", "claude-haiku-4-5", "claude-opus-4-8")
WORDS = ["alpha", "beta", "\N{GRINNING FACE}", "e\u0301", "\r\n", "line\n\ttab", "</attached-0>", "{brace}"]


def picture(seed: int) -> bytes:
    """A small image unlike the others."""
    made = io.BytesIO()
    Image.new("RGB", (20 + seed % 40, 30), (seed % 256, 90, 30)).save(made, "PNG")
    return made.getvalue()


def prose(dice: random.Random, most: int) -> str:
    return " ".join(dice.choice(WORDS) for _ in range(dice.randrange(1, most)))


def item(dice: random.Random, folder: Path) -> ContextItem:
    """Any context item."""
    uri = (folder / f"f{dice.randrange(4)}.py").as_uri()
    text = prose(dice, dice.choice((5, 200, 600)))
    match dice.randrange(4):
        case 0:
            return WholeFile(uri, text, "python", "f.py")
        case 1:
            return Selection(uri, "f.py", "python", 1, 1 + text.count("\n"), text, symbol="A.b")
        case 2:
            return Diagnostics(uri, (Diagnostic(2, "error", "bad", code_lines=("x = 1",)),))
        case _:
            return NamedText(prose(dice, 4), text)


def sent_blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Every block of a request as it was received, without its cache mark."""
    system = body.get("system") or []
    system = [{"type": "text", "text": system}] if isinstance(system, str) else system
    blocks = [*system, *(block for message in body["messages"] for block in message["content"])]
    return [{name: value for name, value in block.items() if name != "cache_control"} for block in blocks]


def check_sums(preview: Preview, manager: APISessionManager) -> None:
    """Tokens add up to the prompt that is predicted, and prices to what its classes cost."""
    assert sum(piece.tokens for piece in preview.pieces) == preview.prediction.input_tokens
    assert all(piece.tokens >= 0 for piece in preview.pieces)
    read = sum(piece.tokens for piece in preview.pieces if piece.cache == "read")
    assert read == preview.prediction.warm_tokens
    uses = [piece.cache for piece in preview.pieces]
    assert uses == sorted(uses, key=["read", "written", "none"].index)


@pytest.mark.campaign
async def test_what_is_previewed_is_what_is_sent(
    manager: APISessionManager,
    simulator: Simulator,
    tmp_path: Path,
    campaign_size: Callable[[int, int], int],
) -> None:
    """Random questions with context, pins, images and history: byte for byte what the endpoint's journal holds."""
    dice = random.Random(20261122)
    for number in range(4):
        (tmp_path / f"f{number}.py").write_bytes(prose(dice, 900).encode())
    sessions: list[str] = []
    for number in range(campaign_size(100, 1000)):
        if len(sessions) < 10 or dice.random() < 0.05:
            pinned = [item(dice, tmp_path) for _ in range(dice.randrange(4))]
            system = prose(dice, 900) if dice.random() < 0.7 else None
            made = await manager.sessions.create(system_prompt=system, workspace=tmp_path, pinned=pinned)
            sessions.append(made.id)
        session = dice.choice(sessions)
        if dice.random() < 0.2:
            (tmp_path / f"f{dice.randrange(4)}.py").write_text(prose(dice, 900))
        if dice.random() < 0.1:
            (tmp_path / f"f{dice.randrange(4)}.py").unlink(missing_ok=True)
        request = TurnRequest(
            f"question {number} {prose(dice, 40)}",
            context=tuple(item(dice, tmp_path) for _ in range(dice.randrange(4))),
            images=image_sources(
                [{"data": _base64(picture(number))}] if number % 12 == 5 else []
            ),  # each is decoded in a process of its own
            model=dice.choice(MODELS) if dice.random() < 0.3 else None,
        )
        shown = await manager.foresight.preview(session, request)
        count = len(simulator.requests)
        await ask(manager, session, request.text, **_fields(request))
        (sent,) = [each for each in simulator.requests[count:] if each.path.endswith("/messages")]
        assert [dict(piece.content_block) for piece in shown.pieces] == sent_blocks(sent.body)
        check_sums(shown, manager)


def _fields(request: TurnRequest) -> dict[str, object]:
    return {"context": request.context, "images": request.images, "model": request.model}


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


async def test_prices_add_up_and_tell_what_the_cache_saves(
    manager: APISessionManager, simulator: Simulator, tmp_path: Path
) -> None:
    """Cold: all written or plain; warm: what the last turn left is read, at the price of a read."""
    (tmp_path / "big.py").write_text("x = 1\n" * 4000)
    file = WholeFile((tmp_path / "big.py").as_uri(), "", "python", "big.py")
    session = (await manager.sessions.create(workspace=tmp_path, pinned=[file], model="claude-sonnet-5-5")).id
    first = await manager.foresight.preview(session, TurnRequest("one"))
    assert {piece.cache for piece in first.pieces} <= {"written", "none"}
    assert [piece.warm_nano for piece in first.pieces] == [piece.cold_nano for piece in first.pieces]
    await ask(manager, session, "one")

    second = await manager.foresight.preview(session, TurnRequest("two"))

    pin = second.pieces[0]
    assert (pin.origin, pin.pinned, pin.cache) == ("big.py", True, "read")
    prediction = second.prediction
    from datetime import UTC, datetime

    row = price_in_force(prediction.model, datetime.now(UTC), prediction.input_tokens)
    assert row is not None
    assert pin.warm_nano == pin.tokens * row.read
    assert pin.cold_nano in (pin.tokens * row.write_5m, pin.tokens * row.write_1h)
    answer = prediction.output_p50 * row.output
    assert sum(piece.cold_nano or 0 for piece in second.pieces) + answer == prediction.cold_nano
    assert sum(piece.warm_nano or 0 for piece in second.pieces) + answer == prediction.p50_nano
    check_sums(second, manager)


async def test_a_model_without_a_price_has_tokens_and_no_prices(
    manager: APISessionManager, simulator: Simulator
) -> None:
    shown = await manager.foresight.preview(None, TurnRequest("hello", model="my-own-model"))

    assert shown.pieces[0].tokens > 0
    assert shown.pieces[0].cold_nano is None
    assert shown.pieces[0].warm_nano is None


async def test_a_preview_tells_what_was_cut_and_asks_nobody_to_count(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)
    long = NamedText("log", "line\n" * 200_000)
    shown = await manager.foresight.preview(session, TurnRequest("why", context=(long,)))

    assert shown.pieces[0].cut_lines == 80_000
    assert "the last 80000 lines were left out" in " ".join(shown.notices)
    assert simulator.requests == []


@given(st.integers(0, 10**7), st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
def test_shares_are_whole_and_add_up(total: int, sizes: list[int]) -> None:
    shares = shared_out(total, sizes)
    assert sum(shares) == total
    assert len(shares) == len(sizes)
    if sum(sizes):
        assert all(abs(one - total * size / sum(sizes)) <= 1 for one, size in zip(shares, sizes, strict=True))
