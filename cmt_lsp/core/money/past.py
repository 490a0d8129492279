"""Past: what own history says of a session and a model, and what an attempt will use by that.

The queries take the connection of a job on the ledger's thread; nothing is ever asked of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.api.usage_fold import estimate_tokens
from cmt_lsp.core.money.attempt import Expected
from cmt_lsp.core.money.quantiles import Observed, next_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmt_lsp.core.money.attempt import Origin
    from cmt_lsp.core.storage.store import Connection

Basis: TypeAlias = Literal["this session", "this model", "all models", "a first guess"]

FIRST_GUESS_P50 = 800
FIRST_GUESS_P90 = 4_000
"""Tokens of an answer before there is any history. A typical answer about code is 150 to 300 words (about 400 tokens)
around a block of 30 to 40 lines (ten tokens each); one in ten is a whole file of 200 lines with its explanation, or
is thought about for a page or two. Thinking counts as output. After a few answers history takes over."""
ENOUGH_ANSWERS = 8
"""Fewer answers of a session say less than those of its model, and fewer of all models hardly more than a guess."""
BYTES_PER_TOKEN = 3.5
"""Of an answer, until the model's own answers tell: as in the rule of thumb for prompts."""

_LOOKED_AT = 1000
_ANSWERS = 200
_PROMPTS = 50
_LEANING = 200
"""Tokens of a session at which its own ratio counts as much as that of its model."""
_LOWEST_RATIO, _HIGHEST_RATIO = 0.3, 3.0
"""Runs of blanks have a dozen bytes a token, emoji and random letters one to one and a half."""
PROMPT_TOKENS = (
    "input_tokens + cache_creation_5m_input_tokens + cache_creation_1h_input_tokens + cache_read_input_tokens"
)
"""The whole prompt, as the endpoint told it."""
DONE = "state = 'done' AND kind <> 'warm'"
"""The attempts that tell what a question uses."""
_COUNTED = f"{DONE} AND usage_estimated = 0 AND raw_input_tokens > 0"
_TOLD_APART = "(thinking_tokens IS NOT NULL OR coalesce(thinking_bytes, 0) = 0)"
"""Not every endpoint tells how much of an answer was thinking."""
_OF_SESSION = "session_id = ? AND +model = ?"
"""The sign keeps SQLite from looking through all of the model for a session that has few attempts: with 50,000 that took
50 ms, under the lock of every reservation."""


@dataclass(frozen=True, slots=True)
class Past:
    """What own history says of one session and one model; read once, it serves any number of attempts."""

    p50: int | None
    p90: int | None
    """Tokens of the next answer; None where all that is known is that answers reach their limits."""
    largest: int
    answers: int
    """How many answers that rests on."""
    basis: Basis
    known: tuple[tuple[int, int], ...]
    """Real tokens and those by rule of thumb of what the session sent last, and of that with its answer."""
    ratio: float
    """Real prompt tokens for each one of the rule of thumb, in what is new."""
    bytes_per_token: float
    thinking_bytes_per_token: float | None

    def expect(
        self,
        raw_input_tokens: int,
        counted_input_tokens: int | None = None,
        max_tokens: int | None = None,
    ) -> Expected:
        """What an attempt will use, in tokens; `max_tokens` is the limit of its answer, where there is one.

        The prompt is the endpoint's count where there is one, else the rule of thumb as experience corrects it.
        """
        counted = counted_input_tokens
        return Expected(
            input_tokens=self._prompt(raw_input_tokens) if counted is None else counted,
            exact=counted is not None,
            output_p50=self._answer(self.p50, FIRST_GUESS_P50, max_tokens),
            output_p90=self._answer(self.p90, FIRST_GUESS_P90, max_tokens),
            basis=self.basis,
            bytes_per_token=self.bytes_per_token,
            thinking_bytes_per_token=self.thinking_bytes_per_token,
        )

    def _prompt(self, raw: int) -> int:
        """A session sends again what it sent and what was answered; only what is behind that must be estimated."""
        points = ((0, 0), *self.known)
        actual, before = max(point for point in points if point[1] <= raw)
        return round(actual + (raw - before) * self.ratio)

    def _answer(self, told: int | None, guess: int, max_tokens: int | None) -> int:
        """The first guess gives way to the answers one by one, and nothing is longer than allowed."""
        if told is None:
            told = self.largest if max_tokens is None else max_tokens
        share = min(self.answers, ENOUGH_ANSWERS)
        length = (told * share + guess * (ENOUGH_ANSWERS - share)) // ENOUGH_ANSWERS
        return length if max_tokens is None else min(length, max_tokens)


def past_of(connection: Connection, session_id: str, model: str) -> Past:
    """The session's own answers and prompts count first, then those of the model, then all."""
    answers, basis = _answers(connection, session_id, model)
    known = _known(connection, session_id, model)
    return Past(
        p50=next_quantile(answers, 0.5),
        p90=next_quantile(answers, 0.9),
        largest=max((answer.value for answer in answers), default=0),
        answers=len(answers),
        basis=basis,
        known=known,
        ratio=_ratio(known, _usual_ratio(connection, model)),
        bytes_per_token=_bytes_per_token(connection, model),
        thinking_bytes_per_token=_bytes_per_thought(connection, model),
    )


def expect(
    connection: Connection,
    origin: Origin,
    model: str,
    raw_input_tokens: int,
    counted_input_tokens: int | None = None,
    max_tokens: int | None = None,
) -> Expected:
    """What one attempt will use."""
    past = past_of(connection, origin.session_id, model)
    return past.expect(raw_input_tokens, counted_input_tokens, max_tokens)


def _answers(connection: Connection, session_id: str, model: str) -> tuple[list[Observed], Basis]:
    """Earlier answers, the newest first: those of the closest kin of which there are enough."""
    of_session = _newest_answers(connection, _OF_SESSION, session_id, model)
    if len(of_session) >= ENOUGH_ANSWERS:
        return of_session, "this session"
    of_model = _newest_answers(connection, "model = ?", model)
    if len(of_model) >= ENOUGH_ANSWERS:
        return of_model, "this model"
    of_all = _newest_answers(connection, "1")
    return of_all, "all models" if len(of_all) >= ENOUGH_ANSWERS else "a first guess"


def _newest(which: str) -> str:
    """The attempts that are looked at, the newest first.

    Their number is bounded, for where hardly any serves: with 50,000 of which no one told its thinking, looking for some
    that did took 23 ms, under the lock of every reservation.
    """
    return f"(SELECT * FROM attempts WHERE {which} ORDER BY seq DESC LIMIT {_LOOKED_AT})"  # noqa: S608  names of ours


def _newest_answers(connection: Connection, which: str, *keys: str) -> list[Observed]:
    rows = connection.execute(
        f"SELECT output_tokens, max_tokens FROM {_newest(which)} WHERE {DONE} AND output_tokens > 0"  # noqa: S608
        f" LIMIT {_ANSWERS}",
        keys,
    )
    return [Observed(output, cut=limit is not None and output >= limit) for output, limit in rows]


def _known(connection: Connection, session_id: str, model: str) -> tuple[tuple[int, int], ...]:
    """Of the session's last counted attempt, the prompt, and the prompt with the text of its answer.

    Whether thinking is sent again depends on the model, so it is left to what must be estimated. So is an answer that
    was thought about where nobody told how long.
    """
    row = connection.execute(
        f"SELECT {PROMPT_TOKENS}, raw_input_tokens, output_tokens - coalesce(thinking_tokens, 0),"  # noqa: S608
        f" CASE WHEN {_TOLD_APART} THEN coalesce(answer_bytes, 0) ELSE 0 END"
        f" FROM attempts WHERE {_OF_SESSION} AND {_COUNTED} ORDER BY seq DESC LIMIT 1",
        (session_id, model),
    ).fetchone()
    if row is None:
        return ()
    prompt, raw, answer, size = row
    return ((prompt, raw), (prompt + answer, raw + estimate_tokens(size))) if size else ((prompt, raw),)


def _ratio(known: Sequence[tuple[int, int]], usual: float) -> float:
    """Real tokens for each one of the rule of thumb: the session's own, once it is long enough to tell."""
    actual, raw = known[-1] if known else (0, 0)
    return _plausible((actual + _LEANING * usual) / (raw + _LEANING))


def _usual_ratio(connection: Connection, model: str) -> float:
    """The median of the model's prompts, for a new model that of all; 1 before there are any."""
    known = _newest_prompts(connection, "model = ?", model) or _newest_prompts(connection, "1")
    return _plausible(median(actual / raw for actual, raw in known)) if known else 1.0


def _plausible(ratio: float) -> float:
    """No text is further from the rule: what a gateway adds to a short question must not multiply a long one."""
    return min(_HIGHEST_RATIO, max(_LOWEST_RATIO, ratio))


def _newest_prompts(connection: Connection, which: str, *keys: str) -> list[tuple[int, int]]:
    """Real and rule-of-thumb tokens of prompts that the endpoint counted, the newest first."""
    return connection.execute(
        f"SELECT {PROMPT_TOKENS}, raw_input_tokens FROM {_newest(which)} WHERE {_COUNTED} LIMIT {_PROMPTS}",  # noqa: S608
        keys,
    ).fetchall()


def _bytes_per_token(connection: Connection, model: str) -> float:
    rows = connection.execute(
        f"SELECT 1.0 * answer_bytes / (output_tokens - coalesce(thinking_tokens, 0)) FROM {_newest('model = ?')}"  # noqa: S608
        f" WHERE {DONE} AND usage_estimated = 0 AND answer_bytes > 0 AND {_TOLD_APART}"
        f" AND output_tokens > coalesce(thinking_tokens, 0) LIMIT {_PROMPTS}",
        (model,),
    ).fetchall()
    return min(12.0, max(1.0, median(value for (value,) in rows))) if rows else BYTES_PER_TOKEN


def _bytes_per_thought(connection: Connection, model: str) -> float | None:
    """Of thinking that is shown: a summary stands for many more tokens than it has."""
    rows = connection.execute(
        f"SELECT 1.0 * thinking_bytes / thinking_tokens FROM {_newest('model = ?')} WHERE {DONE}"  # noqa: S608
        f" AND usage_estimated = 0 AND thinking_bytes > 0 AND thinking_tokens > 0 LIMIT {_PROMPTS}",
        (model,),
    ).fetchall()
    return min(12.0, max(0.05, median(value for (value,) in rows))) if rows else None
