"""Which marks pay, and for how long: a plain decision over sizes, prices and odds.

A mark for five minutes costs a quarter of the plain price once and saves nearly all of it if the next question comes in
time; a mark for an hour costs the plain price once more. An entry is a whole prefix, but only what was not read is paid
as written. So an hour is cheap where little is new: a long chat is kept for an hour by a mark on a few new tokens.

Three rules follow. The end of the prompt is marked if five minutes pay at the odds. A prompt that is all new is marked
for an hour only if pauses between five minutes and an hour are so frequent that writing it again would cost more. And a
prompt that was read gets a mark for an hour on the first new block, as often as the tail that has grown since the last
such mark is worth it; the rule is that of reordering stock, with the tail as the stock that costs interest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.api.cache.layout import LOOKBACK_BLOCKS

if TYPE_CHECKING:
    from cmt_lsp.api.cache.blocks import Lifetime
    from cmt_lsp.api.cache.layout import Layout
    from cmt_lsp.api.cache.rhythm import Odds
    from cmt_lsp.api.price_list import PriceRow

MAX_BREAKPOINTS = 4

Wish: TypeAlias = Literal["auto", "5m", "1h", "off"]
"""What the person wants of the cache: our choice, one lifetime for every mark, or no marks."""
Marks: TypeAlias = "dict[int, Lifetime]"


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of the classes of input; only their ratios count. The defaults are those of most models."""

    plain: float = 1.0
    write_5m: float = 1.25
    write_1h: float = 2.0
    read: float = 0.1

    @property
    def lost(self) -> float:
        """What a token costs more when it has to be written again instead of being read."""
        return self.write_5m - self.read

    @property
    def hour(self) -> float:
        """What an hour costs more than five minutes."""
        return self.write_1h - self.write_5m

    @property
    def pays_from(self) -> float:
        """The odds of a use within five minutes from which on a mark pays."""
        return (self.write_5m - self.plain) / self.lost


def rates_of(row: PriceRow | None) -> Rates:
    """The rates of a price row; the usual ones where there is none, or where its writes cost no more than its reads."""
    if row is None or not row.read < row.write_5m < row.write_1h:
        return Rates()
    return Rates(row.input, row.write_5m, row.write_1h, row.read)


@dataclass(frozen=True, slots=True)
class Live:
    """An entry that a prompt can read: the block it ends at, its size, and whether it lives for an hour."""

    index: int
    tokens: int
    for_an_hour: bool


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a choice depends on; tokens are estimates but where an entry tells them."""

    layout: Layout
    rates: Rates
    minimum: int
    odds: Odds
    """Of the next question of this conversation."""
    shared: tuple[tuple[int, Odds], ...]
    """Blocks before the conversation that others may read too, each with the odds of its next use."""
    live: tuple[Live, ...]
    """In the order of blocks."""
    scale: float
    """True tokens for each estimated one."""
    growth: float
    """Tokens that a turn of this conversation adds."""
    answer: float
    """Tokens of its answers."""
    hours: bool
    """Whether marks for an hour may be chosen."""

    @property
    def hit(self) -> int:
        """The block up to which the prompt can be read; -1 for none."""
        return self.live[-1].index if self.live else -1

    @property
    def kept(self) -> int:
        """The block up to which it can be read for an hour; -1 for none."""
        return max((one.index for one in self.live if one.for_an_hour), default=-1)

    def lifetime_at(self, index: int) -> Lifetime | None:
        """Of the entry that ends at a block, if there is one."""
        found = next((one for one in self.live if one.index == index), None)
        return None if found is None else "1h" if found.for_an_hour and self.hours else "5m"

    def tokens(self, index: int) -> float:
        """Of the prompt up to and with a block."""
        below = next((one for one in reversed(self.live) if one.index <= index), None)
        if below is None:
            return self.layout.tokens(index) * self.scale
        return below.tokens + (self.layout.tokens(index) - self.layout.tokens(below.index)) * self.scale


@dataclass(frozen=True, slots=True)
class Choice:
    """Marks by block, in prompt order, and why."""

    marks: tuple[tuple[int, Lifetime], ...]
    reason: str


def choose(now: Situation) -> Choice:
    """The marks that should cost least, this request and its follow-ups together."""
    layout, hit = now.layout, now.hit
    last = layout.last_markable(hit + 1, len(layout))
    lifetime = None if last is None or now.tokens(last) < now.minimum else _lifetime(now, last)
    marks: Marks = {}
    hour = None
    if last is not None and lifetime is not None:
        hour = _hour_mark(now) if lifetime == "5m" and now.hours else None
        marks[_end(now, last, hour) if lifetime == "5m" else last] = lifetime
        if hour is not None:
            marks[hour] = "1h"
    _reach(now, marks)
    _keep(now, marks)
    _share(now, marks, end_is_marked=lifetime is not None)
    _spare(now, marks)
    return Choice(_in_order(marks), _reason(now, last, lifetime, hour))


def choose_as_asked(now: Situation, lifetime: Lifetime) -> Choice:
    """Marks at the end of each part, all for one lifetime, whatever the odds."""
    layout = now.layout
    places = (
        layout.last_markable(0, len(layout.system)),
        layout.last_markable(len(layout.system), layout.before_chat),
        _end_of_turn(layout),
        layout.last_markable(layout.newest, len(layout)),
    )
    marks: Marks = {at: lifetime for at in places if at is not None and now.tokens(at) >= now.minimum}
    return Choice(_in_order(marks), f"{_SPOKEN[lifetime]}, as asked" if marks else TOO_SHORT)


def choose_to_warm(now: Situation, wish: Lifetime | None = None) -> Choice:
    """Marks for a request that only writes: all that the next question has in common with it, and nothing behind that.

    Somebody says that the question comes soon, so that odds count for the lifetimes alone. A mark on the last answer lies
    at most so far back that the next question's own marks find it.
    """
    layout = now.layout
    end = layout.last_markable(0, layout.newest)
    if end is None or now.tokens(end) < now.minimum:
        return Choice((), TOO_SHORT)
    marks: Marks = {end: now.lifetime_at(end) or "5m"}
    _reach(now, marks)
    _keep(now, marks)
    _share(now, marks, end_is_marked=True)
    asked = [(index, wish) for index in sorted(marks)] if wish is not None else _in_order(marks)
    return Choice(tuple(asked), TO_WARM)


TO_WARM = "to be read by the next question"
TOO_SHORT = "the prompt is too short to be cached"
_SPOKEN: dict[Lifetime, str] = {"5m": "five minutes", "1h": "an hour"}


# The end of the prompt


def _lifetime(now: Situation, last: int) -> Lifetime | None:
    """Of a mark on the last block: the cheapest of none, five minutes and an hour, at the odds there are."""
    rates = now.rates
    fresh = now.tokens(last) - now.tokens(now.hit)
    saved = now.odds.soon * rates.lost * fresh
    again = now.odds.later / max(1e-9, 1.0 - now.odds.later) * rates.lost
    costs: dict[Lifetime | None, float] = {
        None: rates.plain * fresh,
        "5m": rates.write_5m * fresh - saved,
    }
    if now.hours:
        at_risk = now.tokens(last) - now.tokens(now.kept)
        costs["1h"] = rates.write_1h * fresh - saved - again * at_risk
    return min(costs, key=lambda lifetime: costs[lifetime])


def _hour_mark(now: Situation) -> int | None:
    """The first new block, where a mark for an hour on it pays."""
    first = now.layout.first_markable(now.hit + 1, len(now.layout))
    if first is None or now.hit < 0:
        return None
    price = now.rates.hour * (now.tokens(first) - now.tokens(now.hit))
    tail = now.tokens(now.hit) - now.tokens(now.kept)
    return first if tail >= _worth_an_hour(now, price) else None


def _worth_an_hour(now: Situation, price: float) -> float:
    """The tail, in tokens, from which on a mark for an hour at this price is cheaper than the risk of losing it."""
    return sqrt(2 * price * now.growth / max(1e-9, now.odds.later * now.rates.lost))


def _end(now: Situation, last: int, hour: int | None) -> int:
    """Where the five minutes end: mostly the last block.

    A short question is left out where the next turn will want a mark for an hour: then that goes on the few tokens of
    the question, not on the answer.
    """
    before = now.layout.last_markable(now.hit + 1, last)
    if before is None or now.tokens(before) < now.minimum or not now.hours:
        return last
    question = now.tokens(last) - now.tokens(before)
    short = (now.rates.hour + now.rates.lost * now.odds.soon) * question
    usual = now.rates.hour * now.answer
    tail = now.tokens(last) - now.tokens(now.kept if hour is None else hour)
    wanted = short < usual and tail >= _worth_an_hour(now, short)
    return before if wanted else last


# What else is marked


def _reach(now: Situation, marks: Marks) -> None:
    """A mark finds entries a few blocks back only, so that the one to be read may need a mark itself."""
    hit = now.hit
    if hit >= 0 and not any(0 <= index - hit < LOOKBACK_BLOCKS for index in marks):
        marks[hit] = now.lifetime_at(hit) or "5m"


def _keep(now: Situation, marks: Marks) -> None:
    """An entry for an hour lives on only while it is found."""
    lifetime = now.lifetime_at(now.kept)
    if lifetime is not None and "1h" not in marks.values() and len(marks) < MAX_BREAKPOINTS:
        marks.setdefault(now.kept, lifetime)


def _share(now: Situation, marks: Marks, *, end_is_marked: bool) -> None:
    """System prompt and pinned files have marks of their own, for other conversations and for the next edit."""
    for index, odds in now.shared:
        if len(marks) >= MAX_BREAKPOINTS or now.tokens(index) < now.minimum:
            continue
        if index <= now.hit:
            if (lifetime := now.lifetime_at(index)) is not None:
                marks.setdefault(index, lifetime)
        elif end_is_marked or odds.soon > now.rates.pays_from:
            hour = now.hours and odds.later * now.rates.lost > odds.never * now.rates.hour
            marks[index] = "1h" if hour else marks.get(index, "5m")


def _spare(now: Situation, marks: Marks) -> None:
    """A mark on the end of the last answer costs nothing between others, and serves a question that is asked anew."""
    turn = _end_of_turn(now.layout)
    if turn is None or not marks or len(marks) == MAX_BREAKPOINTS or now.tokens(turn) < now.minimum:
        return
    if now.hit < turn < max(marks):
        marks.setdefault(turn, "5m")


def _in_order(marks: Marks) -> tuple[tuple[int, Lifetime], ...]:
    """An hour comes before five minutes, or the endpoint refuses: what stands before a mark for an hour takes one too."""
    last_hour = max((index for index, lifetime in marks.items() if lifetime == "1h"), default=-1)
    return tuple((index, "1h" if index <= last_hour else "5m") for index in sorted(marks))


# Places


def _end_of_turn(layout: Layout) -> int | None:
    """The last block of the history, or of its last question where the answer is longer than a mark looks back."""
    end = layout.last_markable(layout.before_chat, layout.newest)
    asked = layout.last_question()
    if end is None or asked is None or end - asked < LOOKBACK_BLOCKS:
        return end
    return asked


# In words


def _reason(now: Situation, last: int | None, lifetime: Lifetime | None, hour: int | None) -> str:
    soon, later, rates = now.odds.soon, now.odds.later, now.rates
    if last is None and now.hit >= 0:
        return "there is nothing new to cache"
    if last is None or now.tokens(last) < now.minimum:
        return TOO_SHORT
    five = f"five minutes, which pay from {rates.pays_from:.0%} odds of a question within them: they are {soon:.0%}"
    if lifetime is None:
        return f"not marked: {five}"
    if lifetime == "1h":
        return f"an hour for all of it, {_against_pauses(_all_for_an_hour_from(now, last), later)}"
    if hour is None:
        return five
    price = rates.hour * (now.tokens(hour) - now.tokens(now.hit))
    tail = max(1.0, now.tokens(now.hit) - now.tokens(now.kept))
    pays_from = 2 * price * now.growth / (rates.lost * tail**2)
    return (
        f"{five}; an hour for the first {now.tokens(hour):,.0f} tokens, {_against_pauses(pays_from, later)}"
    )


def _all_for_an_hour_from(now: Situation, last: int) -> float:
    """The odds of a pause of 5 to 60 minutes from which on an hour for all that is new pays."""
    fresh, at_risk = (now.tokens(last) - now.tokens(before) for before in (now.hit, now.kept))
    ratio = now.rates.hour * fresh / (now.rates.lost * max(1.0, at_risk))
    return ratio / (1.0 + ratio)


def _against_pauses(pays_from: float, odds: float) -> str:
    return f"which pays from {pays_from:.1%} odds of a pause of 5 to 60 minutes: they are {odds:.0%}"
