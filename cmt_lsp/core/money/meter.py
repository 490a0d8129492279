"""Meter: books every attempt of one turn, from the gate it passes before it leaves to what it is charged in the end.

One meter has at most one attempt under way. Nothing here decides what may be spent; the ledger does.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BudgetExceededError, CmtError
from cmt_lsp.api.models import Cost, cost_of, model_to_price
from cmt_lsp.api.request import Completed, Retrying
from cmt_lsp.api.stream import MessageStarted, TextDelta, ThinkingDelta, UsageUpdated
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.identity import new_id
from cmt_lsp.core.money.attempt import Claim, Settlement
from cmt_lsp.core.money.ceiling import ceiling_of, prompt_estimate
from cmt_lsp.core.money.prediction import Outlook, marked_for, predict, usage_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from concurrent.futures import Future

    from cmt_lsp.api.errors import Billed
    from cmt_lsp.api.request import ClientEvent, MessageRequest
    from cmt_lsp.api.stream import Message
    from cmt_lsp.core.money.attempt import FinalState, Granted, Origin, Settled
    from cmt_lsp.core.money.ledger import Ledger
    from cmt_lsp.core.money.prediction import Prediction

FREE = Cost(0, 0, None, estimated=False)
"""The cost of an attempt that was refused or never left."""


@dataclass(slots=True)
class _Attempt:
    """The attempt under way."""

    claim: Claim
    granted: Granted
    outlook: Outlook
    started_at: float
    labels: tuple[str | None, str | None, str | None]
    """Speed, geo and service tier: as asked, until the endpoint tells."""
    model: str | None = None
    """The one that answers, where the endpoint tells."""
    departed: bool = False
    told: Usage | None = None
    """The endpoint's own last word on its usage."""
    counted: bool = False
    """Whether that is its final word on the answer."""
    text_bytes: int = 0
    thinking_bytes: int = 0


class Meter:
    """Books the attempts of one turn; it is the gate that the client's requests pass."""

    def __init__(
        self,
        ledger: Ledger,
        origin: Origin,
        clock: Callable[[], float],
        override: str | None = None,
        tell: Callable[[Prediction], None] = lambda _: None,
    ) -> None:
        """`override` is the person's reason to let this turn pass the budgets; `clock` gives seconds since 1970.

        `tell` hears what is expected of the turn, once, as soon as it may leave.
        """
        self._tell = tell
        self._ledger = ledger
        self._origin = origin
        self._clock = clock
        self._override = override
        self._request: MessageRequest | None = None
        self._count: Callable[[MessageRequest], Awaitable[int | None]] | None = None
        self._outlook = Outlook()
        self._prompt_tokens: int | None = None
        """The request's prompt, once an attempt was told of it."""
        self._number = 0
        self._claimed_at = 0.0
        self._open: _Attempt | None = None
        self._promised: tuple[Claim, Granted] | None = None
        self._spent: list[tuple[Usage, Cost]] = []
        self._settling: list[Future[Settled]] = []
        self.limit: int | None = None
        """The most tokens that the last attempt might answer with; None before there was one."""
        self.prediction: Prediction | None = None
        """What was expected of the turn when its first attempt was let through."""
        self.left = Usage()
        """What the request has left in the prompt cache: as told, or expected where its answer began without a word."""
        self.notices: list[str] = []

    # Before and while an attempt runs

    def aim(
        self,
        request: MessageRequest,
        count: Callable[[MessageRequest], Awaitable[int | None]] | None,
        outlook: Outlook,
    ) -> None:
        """What the next attempts ask; `count` asks the endpoint to count the prompt, where a budget is tight."""
        self._request, self._count, self._outlook = request, count, outlook
        self._prompt_tokens, self.left = None, Usage()

    def claim(self, counted: int | None = None) -> Claim:
        """What the next attempt needs of the ledger; `counted` is the prompt by the endpoint's own count."""
        request = self._request
        if request is None:
            raise AssertionError("an attempt is claimed for a request")
        # One moment for the ceiling and for the price: a list of prices may end between the two.
        self._claimed_at = now = self._clock()
        return Claim(
            attempt_id=new_id(now),
            origin=self._origin,
            model=request.model,
            number=self._number + 1,
            max_tokens=request.max_tokens,
            ceiling=ceiling_of(request, counted, datetime.fromtimestamp(now, UTC)),
            raw_input_tokens=prompt_estimate(request),
            counted_input_tokens=counted,
            warm_tokens=self._outlook.warm_tokens,
            lifetime=self._outlook.lifetime,
            override=self._override,
        )

    async def counted(self) -> int | None:
        """The endpoint's own count of the prompt; None where it cannot tell."""
        if self._count is None or self._request is None:
            return None
        with suppress(CmtError):
            return await self._count(self._request)
        return None

    def promise(self, claim: Claim, granted: Granted) -> None:
        """The next attempt was reserved together with others: the gate lets it pass."""
        self._promised = (claim, granted)

    async def admit(self, number: int) -> int:
        """Reserve the next attempt: the most tokens it may answer with; BudgetExceededError, LedgerUnavailableError."""
        claim, granted = self._take_promise() or await self._reserve()
        self._number, self.limit = claim.number, granted.max_tokens
        self._open = _Attempt(claim, granted, self._outlook, self._claimed_at, self._asked_labels())
        self.notices += [notice for notice in granted.notices if notice not in self.notices]
        if self.prediction is None:
            moment = datetime.fromtimestamp(self._open.started_at, UTC)
            self.prediction = predict(
                claim.model, granted.expected, granted.max_tokens, self._outlook, moment
            )
            self._tell(self.prediction)
        return granted.max_tokens

    def departed(self, number: int) -> None:
        """The attempt left this machine: from here on it may be charged."""
        if self._open is not None:
            self._open.departed = True

    def hear(self, event: ClientEvent) -> None:
        """Take one event of the client, before anybody is told of it."""
        attempt = self._open
        match event:
            case MessageStarted() if attempt:
                self._take_labels(attempt, event)
                self._take_prompt(attempt, event.usage)
            case UsageUpdated(usage=usage) if attempt:
                self._take_prompt(attempt, usage)
            case TextDelta(text) if attempt:
                attempt.text_bytes += len(text) if text.isascii() else len(text.encode())
            case ThinkingDelta(text) if attempt:
                attempt.thinking_bytes += len(text) if text.isascii() else len(text.encode())
            case Completed(message=message) if attempt:
                self._take_labels(attempt, message)
                self._take_end(attempt, message)
            case Retrying(billed=billed):
                self.failed(billed)

    # The account

    def charged(self, billed: Billed = "unknown", partial: Message | None = None) -> Usage:
        """What the attempt under way used as far as can be known, if it ended now; `partial` is what came of an error.

        The endpoint's final word stands as it is. Before it, the answer is counted by its size and the model's own bytes
        a token, and a prompt that the endpoint said nothing of is the expected one, with the cache as it should be.
        An attempt that never left, or was refused, is charged nothing.
        """
        attempt = self._open
        if attempt is None:
            return Usage()
        if partial is not None:
            self._take_end(attempt, partial)
        if attempt.told is None and (not attempt.departed or billed == "nothing"):
            return Usage()
        exact = attempt.told is not None and not attempt.told.estimated
        usage = attempt.told if attempt.told is not None and exact else self._estimate(attempt)
        if attempt.told is not None or billed == "begun":
            self.left = usage
        return usage

    def price(self, usage: Usage) -> Cost:
        """The price of the attempt under way at the moment it started, as the model that answered."""
        attempt = self._open
        if attempt is None or usage == Usage():
            return FREE
        speed, geo, tier = attempt.labels
        moment = datetime.fromtimestamp(attempt.started_at, UTC)
        priced = model_to_price(attempt.claim.model, attempt.model)
        return cost_of(priced, usage, moment, speed=speed, geo=geo, service_tier=tier)

    def failed(self, billed: Billed) -> None:
        """The attempt under way failed, and another one may follow."""
        usage = self.charged(billed)
        self._expect_again()
        self.settle("failed", usage, self.price(usage))

    def settle(self, state: FinalState, usage: Usage, cost: Cost) -> None:
        """The attempt under way ended; handed to the ledger without awaiting. Nothing where there is none."""
        attempt, self._open = self._open, None
        if attempt is not None:
            self._spent.append((usage, cost))
            self._book(attempt.claim, state, usage, cost, (attempt.text_bytes, attempt.thinking_bytes))
        elif promise := self._take_promise():
            self._book(promise[0], "cancelled", Usage(), FREE)

    @property
    def spent(self) -> tuple[Usage, Cost]:
        """The sum over the attempts that ended."""
        usage = sum((usage for usage, _ in self._spent), Usage())
        return usage, Cost.sum(cost for _, cost in self._spent)

    def when_durable(self, then: Callable[[], None]) -> None:
        """Call `then` once the ledger has taken in all that was settled; perhaps on the ledger's thread, at once."""
        waiting = list(self._settling)

        def next_one(_: object = None) -> None:
            if waiting:
                waiting.pop().add_done_callback(next_one)
            else:
                then()

        next_one()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the ledger had to say when it settled; complete once everything is durable."""
        return tuple(
            dict.fromkeys(
                notice for future in self._settling if future.done() for notice in future.result().notices
            )
        )

    # Inside

    def _asked_labels(self) -> tuple[str | None, str | None, str | None]:
        extra = self._request.extra if self._request is not None else {}
        return extra.get("speed"), extra.get("inference_geo"), None

    def _take_labels(self, attempt: _Attempt, told: MessageStarted | Message) -> None:
        """What the answer says of itself; what it leaves out stays as it was."""
        speed, geo, tier = attempt.labels
        attempt.model = told.model or attempt.model
        attempt.labels = (told.speed or speed, told.inference_geo or geo, told.service_tier or tier)

    def _take_prompt(self, attempt: _Attempt, usage: Usage) -> None:
        """The endpoint's word so far; some endpoints know nothing of the prompt before the end."""
        attempt.told = usage
        if usage.total_input_tokens:
            self._ledger.streaming(attempt.claim.attempt_id, usage, self.price(usage))

    def _take_end(self, attempt: _Attempt, message: Message) -> None:
        """The endpoint's last word; where it holds no count, what was told before stays."""
        before = attempt.told or Usage()
        told = message.usage
        if not told.total_input_tokens:
            told = replace(before, output_tokens=told.output_tokens, estimated=True)
        if not message.counted:
            told = replace(told, output_tokens=before.output_tokens)
        attempt.told, attempt.counted = told, message.counted

    def _expect_again(self) -> None:
        """The next attempt asks the same: its prompt is as long, and the cache holds it since an answer to it began."""
        attempt, cached = (
            self._open,
            self.left.cache_read_input_tokens + self.left.cache_creation_input_tokens,
        )
        if attempt is not None and attempt.told is not None:
            self._prompt_tokens = attempt.told.total_input_tokens or self._prompt_tokens
        if self._outlook.lifetime and cached:
            self._outlook = replace(self._outlook, warm_tokens=cached, readable_tokens=cached)

    def _estimate(self, attempt: _Attempt) -> Usage:
        """What an attempt that broke off has used: what the endpoint told, and of the rest what is to be expected."""
        expected, outlook = attempt.granted.expected, attempt.outlook
        told = attempt.told or Usage(output_tokens=1)
        prompt = told
        if not told.total_input_tokens:
            tokens = self._prompt_tokens or expected.input_tokens
            lifetime = marked_for(attempt.claim.model, tokens, outlook.lifetime)
            prompt = usage_of(tokens, outlook.warm_tokens, lifetime, 0)
        thought = attempt.thinking_bytes / (expected.thinking_bytes_per_token or expected.bytes_per_token)
        received = ceil(thought + attempt.text_bytes / expected.bytes_per_token)
        output = told.output_tokens if attempt.counted else max(told.output_tokens, received)
        return replace(prompt, output_tokens=output, thinking_tokens=told.thinking_tokens, estimated=True)

    def _take_promise(self) -> tuple[Claim, Granted] | None:
        promise, self._promised = self._promised, None
        return promise

    async def _reserve(self) -> tuple[Claim, Granted]:
        """Reserve with an upper bound of the prompt; only where that does not fit, ask the endpoint to count.

        Counting costs a round trip, and the bound suffices until a budget is nearly spent.
        """
        claim = self.claim()
        try:
            (granted,) = await self._ledger.reserve([claim])
        except BudgetExceededError as error:
            if not error.prompt_may_fit or (counted := await self.counted()) is None:
                raise
        else:
            if granted.max_tokens == claim.max_tokens:
                return claim, granted
            self._promised = claim, granted  # for whoever settles, should the turn be stopped meanwhile
            counted = await self.counted()
            self._promised = None
            if counted is None:
                return claim, granted
            self._book(claim, "cancelled", Usage(), FREE)
        claim = self.claim(counted)
        (granted,) = await self._ledger.reserve([claim])
        return claim, granted

    def _book(
        self, claim: Claim, state: FinalState, usage: Usage, cost: Cost, heard: tuple[int, int] = (0, 0)
    ) -> None:
        settlement = Settlement(claim.attempt_id, state, self._clock(), usage, cost, *heard)
        self._settling.append(self._ledger.settle([settlement]))


async def reserve_jointly(ledger: Ledger, meters: Sequence[Meter]) -> None:
    """Reserve the first attempt of several meters, all or none; BudgetExceededError, LedgerUnavailableError.

    As for one, the endpoint is asked to count only where the upper bounds do not fit.
    """
    claims = [meter.claim() for meter in meters]
    try:
        granted = await ledger.reserve(claims)
    except BudgetExceededError as error:
        if not error.prompt_may_fit:
            raise
        counts = await asyncio.gather(*(meter.counted() for meter in meters))
        if None in counts:
            raise
        claims = [meter.claim(counted) for meter, counted in zip(meters, counts, strict=True)]
        granted = await ledger.reserve(claims)
    for meter, claim, grant in zip(meters, claims, granted, strict=True):
        meter.promise(claim, grant)
