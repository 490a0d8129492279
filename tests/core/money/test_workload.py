"""How good predictions are on a recorded workload: prompts to the token or near it, answers under their p90."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest
from watched_window import Clock, Window, window
from workload import Turn, conversations

from cmt_lsp.core.context.items import NamedText
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.money.prediction import Prediction
from cmt_lsp.core.money.prediction import calibration as calibrated
from cmt_lsp.core.turn import ImageSource, Predicted, TurnEvent, TurnRequest, TurnResult
from cmt_lsp.simulator import Answer

EXPERIENCE = 30
"""Turns after which predictions are held to their bounds."""


@dataclass(frozen=True)
class Judged:
    """One turn: what was predicted as it left, what was predicted with the endpoint's count, and what came."""

    left: Prediction
    counted: Prediction
    result: TurnResult

    @property
    def input_error(self) -> float:
        return self.left.input_tokens / self.result.usage.total_input_tokens - 1.0

    @property
    def is_within_p90(self) -> bool:
        return self.result.usage.output_tokens <= self.left.output_p90

    @property
    def missed_as_told(self) -> bool:
        """Whether the result says of its prediction what is so."""
        told = self.result.missed_by
        return told is not None and (told.input_error, told.within_p90) == (
            self.input_error,
            self.is_within_p90,
        )


async def judged(only: Window, clock: Clock) -> AsyncIterator[Judged]:
    """Ask all of the workload, one turn after the other."""
    for conversation in conversations():
        info = await only.manager.sessions.create(
            model=conversation.model, system_prompt=conversation.system_prompt or None
        )
        for turn in conversation.turns:
            clock.now += turn.pause
            yield await ask(only, info.id, turn)
        clock.now += 600.0


async def ask(only: Window, session: str, turn: Turn) -> Judged:
    """One turn, predicted both ways and carried through."""
    request = TurnRequest(
        turn.text,
        context=(NamedText("code.py", turn.code),) if turn.code else (),
        images=(ImageSource(data=turn.image),) if turn.image else (),
    )
    counted = await only.manager.foresight.predict(session, request, Origin("turn", "", "", ""))
    told: list[Prediction] = []

    def hear(event: TurnEvent) -> None:
        if isinstance(event, Predicted):
            told.append(event.prediction)

    only.simulator.reply_with(Answer(turn.answer, turn.thinking or None, chunk_chars=4_000))
    result = await only.manager.start_turn(session, request, hear).result()
    (left,) = told
    return Judged(left, counted.prediction, result)


@pytest.mark.timeout(180)
async def test_predictions_hold_on_a_recorded_workload(state_dir: Path) -> None:
    """Prompts: exact where the endpoint counts them, else within a tenth. Answers: nine of ten under their p90."""
    clock = Clock()
    async with window(clock) as only:
        vars(only.simulator).pop("take_answer")
        turns = [one async for one in judged(only, clock)]
        calibration = await asyncio.wrap_future(only.manager.ledger.read(lambda c: calibrated(c, "all", "")))
    assert len(turns) >= 300
    assert len({one.left.model for one in turns}) == 3
    assert {one.counted.exact for one in turns} == {True}
    assert [one for one in turns if one.counted.input_tokens != one.result.usage.total_input_tokens] == []

    late = turns[EXPERIENCE:]
    errors = sorted(abs(one.input_error) for one in late)
    inside = sum(one.is_within_p90 for one in late) / len(late)
    print(
        f"{len(turns)} turns: prompts off by {median(errors):.1%} in the median and {errors[-1]:.1%} at most;",
        end=" ",
    )
    print(f"{inside:.1%} of answers under their p90")
    assert errors[-1] <= 0.1
    assert 0.8 <= inside <= 0.97
    assert {one.left.exact for one in turns} == {False}

    assert calibration.turns == len(turns)
    assert calibration.inside_p90 == pytest.approx(sum(one.is_within_p90 for one in turns) / len(turns))
    assert calibration.median_input_error == pytest.approx(median(one.input_error for one in turns))
    assert all(one.missed_as_told for one in turns)
