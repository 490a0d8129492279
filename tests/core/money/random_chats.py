"""Random conversations with the simulated service, billed to the token: the oracle of what requests really cost."""

from __future__ import annotations

import base64
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cmt_lsp.api.models import cost_of
from cmt_lsp.api.request import MessageRequest
from cmt_lsp.api.usage import Usage
from cmt_lsp.simulator.answers import Answer, thinks
from cmt_lsp.simulator.dialects import DIALECTS
from cmt_lsp.simulator.models import MODELS, SimulatedModel
from cmt_lsp.simulator.service import Outcome, Service
from cmt_lsp.simulator.validation import FAST_BETA, Terms

TERMS = Terms(betas=(FAST_BETA,))
SERVED = [model for model in MODELS if model.lifecycle != "retired"]
POOLS = (
    "The cache holds what was sent before, and nothing of it is paid twice. ",
    "Die Höchstkosten einer Anfrage stehen fest, bevor sie abgeschickt wird. ",
    "Стоимость запроса известна заранее, до отправки. ",
    "上限は送信前に決まり、予算を超えることはない。",
    "每个请求的最高费用在发送之前就已确定。",
    "الحد الأقصى للتكلفة معروف قبل الإرسال. ",
    "😀🎉👩‍👩‍👧‍👦🇩🇪✨",
    "for (let i = 0; i < n; ++i) {\n\tif (a[i] !== b[i]) { return -1; }\n}\n",
    "    def spent(self, key: str) -> int:\n        return self._sums.get(key, 0)\n\n",
    "x\n", "\t\t\n . ", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "a b c d e f ", '{"k":[1,2,3]},',
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Billed:
    """One request, the service's own count of it, and what it cost."""

    request: MessageRequest
    counted: int
    at: datetime
    usage: Usage
    nano_usd: int
    input_nano: int


def billed_requests(seed: int) -> Iterator[Billed]:
    """Requests of many conversations, without end; some are warm, most are short, a few are very long."""
    rng = random.Random(seed)
    while True:
        yield from _Chat(rng).turns(rng.randrange(1, 6))


class _Chat:
    """One conversation with one model over some hours."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.model = rng.choice([*SERVED, *(m for m in SERVED if m.id == "claude-haiku-5-5")])
        self.clock = 0.0
        self.began = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=rng.randrange(300))
        self.service = Service(lambda: self.clock, DIALECTS["anthropic"], None, preserved_thinking=True)
        self.lifetime = rng.choice((None, "5m", "1h", "both", "automatic"))
        self.thinking = _thinking(rng, self.model)
        self.system = rng.choice((None, self.text(), [{"type": "text", "text": self.text()}]))
        self.extra = self._extra()
        self.messages: list[dict[str, Any]] = []

    def turns(self, count: int) -> Iterator[Billed]:
        """Ask so many times, with the history sent again each time."""
        for _ in range(count):
            self.messages.append({"role": "user", "content": self._question()})
            request = self._request()
            self.clock += self.rng.choice((1.0, 60.0, 400.0, 4_000.0))
            if self.service.count(request.counted_body(), TERMS) > self.model.context_window:
                return
            turn = self.service.accept(request.body(stream=False), TERMS)
            outcome = self.service.answer(turn, self._answer(request))
            self.service.begin(turn)
            yield self._billed(request, outcome)
            self._take(outcome)

    def text(self) -> str:
        """Text of one or two kinds; its length spreads over five orders of magnitude."""
        rng = self.rng
        size = int(10 ** rng.uniform(0, 4.2)) if rng.random() < 0.97 else rng.randrange(50_000, 500_000)
        kinds = rng.sample(POOLS, rng.choice((1, 1, 2)))
        text = "".join((kind * (size // len(kind) + 1))[: max(1, size // len(kinds))] for kind in kinds)
        return text if text.strip() else "?"

    def _extra(self) -> dict[str, Any]:
        rng, extra = self.rng, dict[str, Any]()
        if self.model.fast != "no" and rng.random() < 0.5:
            extra["speed"] = rng.choice(("fast", "standard"))
        if rng.random() < 0.4:
            extra["inference_geo"] = rng.choice(("us", "global")) if self.model.us_inference else "global"
        if rng.random() < 0.2:
            schema = {"type": "object", "properties": {self.text()[:99]: {"type": "string"}}}
            extra["tools"] = [{"name": "look", "description": self.text(), "input_schema": schema}]
        if rng.random() < 0.1:
            extra["output_config"] = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
        if self.lifetime == "automatic":
            extra["cache_control"] = {"type": "ephemeral", "ttl": rng.choice(("5m", "1h"))}
        return extra

    def _question(self) -> str | list[dict[str, Any]]:
        rng = self.rng
        if rng.random() < 0.2:
            return self.text()
        parts = [{"type": "image", "source": _picture(rng)} for _ in range(rng.choice((0, 0, 0, 1, 3)))]
        if rng.random() < 0.05:
            pdf = base64.b64encode(b"%PDF-1.7\n" + b"/Type /Page\n" * rng.randrange(1, 9)).decode()
            parts.append(
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": pdf},
                }
            )
        if rng.random() < 0.1:
            source = {"type": "text", "media_type": "text/plain", "data": self.text()}
            parts.append({"type": "document", "source": source, "title": "notes"})
        if self.messages and "tools" in self.extra and rng.random() < 0.5:
            name = f"toolu_{len(self.messages)}"
            use = {"type": "tool_use", "id": name, "name": "look", "input": {"what": self.text()}}
            self.messages[-1] = {"role": "assistant", "content": [*self.messages[-1]["content"], use]}
            parts.insert(0, {"type": "tool_result", "tool_use_id": name, "content": [{"type": "text", "text": self.text()}]})  # fmt: skip
        return [*parts, *({"type": "text", "text": self.text()} for _ in range(rng.randrange(1, 4)))]

    def _request(self) -> MessageRequest:
        system, messages = self._marked()
        return MessageRequest(
            model=rng_name(self.rng, self.model),
            max_tokens=self._max_tokens(),
            messages=messages,
            system=system,
            thinking=self.thinking,
            effort=self.rng.choice((None, *self.model.efforts)) if self.thinking is None else None,
            extra=self.extra,
        )

    def _max_tokens(self) -> int:
        least = 2_000 if (self.thinking or {}).get("type") == "enabled" else 1
        return max(least, int(10 ** self.rng.uniform(0, 4.1)))

    def _marked(self) -> tuple[Any, list[dict[str, Any]]]:
        """A copy with up to four marks; those of an hour come before those of five minutes."""
        if self.lifetime in (None, "automatic"):
            return self.system, list(self.messages)
        system = self.system if isinstance(self.system, list) else None
        places: list[dict[str, Any]] = [*(system or ())]
        for message in self.messages:
            if isinstance(message["content"], list):
                places += [
                    b for b in message["content"] if b["type"] not in ("thinking", "redacted_thinking")
                ]
        count = min(len(places), self.rng.randrange(1, 5))
        chosen = sorted(self.rng.sample(range(len(places)), count))
        hours = {"5m": 0, "1h": count, "both": self.rng.randrange(count + 1)}[str(self.lifetime)]
        marks = {id(places[at]): "1h" if n < hours else "5m" for n, at in enumerate(chosen)}

        def with_mark(block: dict[str, Any]) -> dict[str, Any]:
            ttl = marks.get(id(block))
            return block if ttl is None else {**block, "cache_control": {"type": "ephemeral", "ttl": ttl}}

        def copy(content: Any) -> Any:
            return content if isinstance(content, str) else [with_mark(block) for block in content]

        marked = [{**message, "content": copy(message["content"])} for message in self.messages]
        return (copy(system) if system else self.system), marked

    def _answer(self, request: MessageRequest) -> Answer:
        """As long as the limit or shorter. Hidden thinking is short here: the simulator's seal does not carry it whole,
        as the service's own does."""
        body = request.body(stream=False)
        thought = self.text() if thinks(body, self.model) and self.rng.random() < 0.7 else None
        hidden = (self.thinking or {}).get("display") != "summarized" and self.model.dense_tokenizer
        redacted = self.rng.random() < 0.1
        if thought and (hidden or redacted):
            thought = thought[:40] if thought.isascii() else thought[:15]
        return Answer(self.text() + self.text(), thought, redacted)

    def _take(self, outcome: Outcome) -> None:
        """The answer goes into the history as it came; one that was cut before its text gets some."""
        blocks = [dict(block.whole) for block in outcome.reply.blocks]
        if not blocks or blocks[-1]["type"] != "text" or not blocks[-1]["text"].strip():
            blocks = [*(b for b in blocks if b["type"] != "text"), {"type": "text", "text": "Go on."}]
        self.messages.append({"role": "assistant", "content": blocks})

    def _billed(self, request: MessageRequest, outcome: Outcome) -> Billed:
        told = outcome.charged
        writes = told["cache_creation"]
        usage = Usage(
            told["input_tokens"],
            writes["ephemeral_5m_input_tokens"],
            writes["ephemeral_1h_input_tokens"],
            told["cache_read_input_tokens"],
            told["output_tokens"],
        )
        at = self.began + timedelta(seconds=self.clock)
        geo = told["inference_geo"]
        if "inference_geo" not in request.extra and self.model.us_inference and self.rng.random() < 0.5:
            geo = "us"  # where the account's own default says so
        prompt = Usage(*(getattr(usage, name) for name in Usage.__slots__[:4]))
        cost = cost_of(request.model, usage, at, speed=told["speed"], geo=geo)
        input_cost = cost_of(request.model, prompt, at, speed=told["speed"], geo=geo)
        counted = self.service.count(request.counted_body(), TERMS)
        assert cost.nano_usd is not None
        assert input_cost.nano_usd is not None
        return Billed(request, counted, at, usage, cost.nano_usd, input_cost.nano_usd)


def rng_name(rng: random.Random, model: SimulatedModel) -> str:
    """The model's id, or its alias."""
    return rng.choice((model.id, model.alias or model.id))


def _thinking(rng: random.Random, model: SimulatedModel) -> dict[str, Any] | None:
    kind = rng.choice((None, *model.thinking))
    match kind:
        case None:
            return None
        case "adaptive":
            return {"type": kind, "display": rng.choice(("summarized", "omitted"))}
        case "enabled":
            return {"type": kind, "budget_tokens": 1_024}
        case _:
            return {"type": kind}


def _picture(rng: random.Random) -> dict[str, Any]:
    """An image of which only the header is there, in any of the formats, at sizes up to the limit."""
    width, height = (int(10 ** rng.uniform(0, 3.9)) for _ in range(2))
    media_type, data = rng.choice(
        (
            ("image/png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + struct.pack(">II", width, height) + bytes(9)),
            ("image/gif", b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)),
            ("image/webp", b"RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")),
            ("image/jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(9) + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + bytes(12)),
        )
    )  # fmt: skip
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}
