"""The service behind the socket: from a request to a reply, a count or a list. Knows no HTTP connection."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from cmt_lsp.simulator import models, validation
from cmt_lsp.simulator.accounting import charge, end_usage, final_usage, partial, start_usage
from cmt_lsp.simulator.answers import Answer, Spoken, speak
from cmt_lsp.simulator.connection import Request
from cmt_lsp.simulator.diagnostics import Fingerprints
from cmt_lsp.simulator.dialects import Dialect
from cmt_lsp.simulator.events import Reply
from cmt_lsp.simulator.failures import RefusalError, invalid
from cmt_lsp.simulator.lenience import check_leniently
from cmt_lsp.simulator.limits import RateLimits
from cmt_lsp.simulator.models import SimulatedModel
from cmt_lsp.simulator.paging import page_of
from cmt_lsp.simulator.prompt import Prompt, Seals, build_prompt
from cmt_lsp.simulator.prompt_cache import CacheUse, KvReuse, PromptCache
from cmt_lsp.simulator.tokens import count_text
from cmt_lsp.simulator.validation import Terms

BODY_LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Turn:
    """One accepted message request on its way to an answer."""

    message_id: str
    prompt: Prompt
    use: CacheUse
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is said to a turn and what it costs."""

    reply: Reply
    spoken: Spoken
    charged: Mapping[str, Any]
    model: SimulatedModel

    def charged_for(self, text: str, thought: bool) -> dict[str, Any]:
        """The charge when only `text` was sent; thinking, once begun, was all made."""
        thinking = self.spoken.thinking_tokens if thought or text else 0
        return partial(self.charged, self.spoken, max(1, thinking + count_text(text, self.model)))


class Service:
    """Holds what the service remembers: the prompt cache, fingerprints, rate windows, ids."""

    def __init__(
        self, clock: Callable[[], float], dialect: Dialect, api_key: str | None, *, preserved_thinking: bool
    ) -> None:
        """`api_key` None takes any key that is not empty."""
        self.clock = clock
        self.dialect = dialect
        self.cache = PromptCache(clock)
        self.limits = RateLimits(clock)
        self._kv = KvReuse()
        self._fingerprints = Fingerprints()
        self._api_key = api_key
        self._seals: Seals = "bound" if preserved_thinking else "issued"
        self._run = secrets.token_hex(4)
        self._count = 0

    def next_id(self, prefix: str) -> str:
        """A fresh id; it differs between runs so that no old id means something by chance."""
        self._count += 1
        return f"{prefix}_sim{self._run}{self._count:08d}"

    def authenticate(self, request: Request) -> None:
        """Raise RefusalError unless the request carries the key."""
        bearer = request.headers.get("authorization", "")
        key = request.headers.get("x-api-key") or bearer.removeprefix("Bearer ").strip()
        if not key and self.dialect.strict:
            raise RefusalError(401, "x-api-key header is required")
        if self._api_key is not None and not secrets.compare_digest(key.encode(), self._api_key.encode()):
            raise RefusalError(401, "invalid x-api-key")

    def read_body(self, request: Request) -> Any:
        """The JSON of a request."""
        if request.too_large:
            raise RefusalError(413, "Request exceeds the maximum size")
        try:
            return strict_json(request.body)
        except (ValueError, RecursionError) as error:
            reason = "a lone surrogate" if isinstance(error, UnicodeEncodeError) else str(error)
            raise RefusalError(400, f"The request body is not valid JSON: {reason}") from None

    def terms(self, request: Request) -> Terms:
        """What the headers of a request say; a version is required."""
        version = request.headers.get("anthropic-version", "")
        if not version and self.dialect.strict:
            raise invalid("anthropic-version", "header is required")
        if version not in validation.VERSIONS and self.dialect.strict:
            raise invalid("anthropic-version", f'"{version}" is not a valid version')
        betas = tuple(beta.strip() for beta in request.headers.get("anthropic-beta", "").split(","))
        return Terms(version or validation.VERSIONS[-1], betas)

    def accept(self, body: Any, terms: Terms) -> Turn:
        """Take a message request: check it, read its prompt, look it up in the cache."""
        read, prompt = self._read(body, terms)
        if prompt.tokens > prompt.model.context_window:
            raise RefusalError(
                400, f"prompt is too long: {prompt.tokens} tokens > {prompt.model.context_window} maximum"
            )
        use = self._cache_use(prompt)
        self.cache.refresh(use)
        turn = Turn(self.next_id("msg"), prompt, use, read)
        self._fingerprints.remember(turn.message_id, prompt)
        return turn

    def _cache_use(self, prompt: Prompt) -> CacheUse:
        if self.dialect.caching == "none":
            return CacheUse(plain=prompt.tokens)
        return self._kv.use(prompt) if self.dialect.caching == "kv" else self.cache.plan(prompt)

    def _read(self, body: Any, terms: Terms) -> tuple[Mapping[str, Any], Prompt]:
        """What this server reads of a body, and its prompt."""
        if self.dialect.diagnostics == "refused" and isinstance(body, dict) and "diagnostics" in body:
            raise invalid("diagnostics", "Extra inputs are not permitted")
        if self.dialect.strict:
            checked = validation.check(body, terms)
        else:
            checked = check_leniently(body, counting=terms.counting)
        return checked.body, build_prompt(checked.body, checked.model, checked.images, self._seals)

    def count(self, body: Any, terms: Terms) -> int:
        """The tokens of a prompt, for the count endpoint."""
        return self._read(body, replace(terms, counting=True))[1].tokens

    def answer(self, turn: Turn, answer: Answer, tier: str = "standard") -> Outcome:
        """Turn an answer into a reply and its charge; `tier` is the service tier that its usage names."""
        if turn.body["max_tokens"] == 0:
            spoken = Spoken((), "", "max_tokens", None, 0, 0)
        else:
            spoken = speak(answer, turn.body, turn.prompt)
        charged = charge(turn.use, spoken.output_tokens, spoken.thinking_tokens, turn.body, tier)
        usage = final_usage(charged, answer, self.dialect)
        asked = turn.body.get("diagnostics")
        message: dict[str, Any] = {
            "id": turn.message_id, "type": "message", "role": "assistant",
            "model": answer.model or turn.prompt.model.id, "content": [],
            "stop_reason": spoken.stop_reason, "stop_sequence": spoken.stop_sequence,
            "stop_details": answer.stop_details, "usage": usage, "container": None,
        }  # fmt: skip
        if self.dialect.diagnostics != "ignored":
            scripted = asked and answer.miss_reason and {"cache_miss_reason": {"type": answer.miss_reason}}
            told = scripted or self._fingerprints.diagnose(asked, turn.prompt, turn.use.read)
            message["diagnostics"] = told
        reply = Reply(message, spoken.blocks, start_usage(usage, answer, self.dialect), end_usage(usage))
        return Outcome(reply, spoken, charged, turn.prompt.model)

    def begin(self, turn: Turn) -> None:
        """The response starts: what it wrote to the cache can be read from now on."""
        self.cache.commit(turn.use)
        self.limits.book(requests=1, input_tokens=turn.prompt.tokens - turn.use.read)

    def models(self, request: Request) -> dict[str, Any]:
        """The list of models, in pages."""
        if self.dialect.models == "openai":
            return models.openai_page(("simulated-model",))
        stages = request.query.get("lifecycle", []) + request.query.get("lifecycle[]", [])
        rows = models.listed(frozenset(stages or ("active", "deprecated")))
        return page_of(rows, request.query, lambda model: model.id, models.describe)

    def model(self, name: str) -> dict[str, Any]:
        """One model by id or alias, retired ones included."""
        row = models.BY_NAME.get(name)
        if row is None or self.dialect.models == "openai":
            raise RefusalError(404, f"model: {name}")
        return models.describe(row)


def strict_json(data: bytes) -> Any:
    """JSON without NaN and without lone surrogates, which the service refuses too; ValueError otherwise."""
    value = json.loads(data, parse_constant=_no_constant)
    if b"\\u" in data:
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
