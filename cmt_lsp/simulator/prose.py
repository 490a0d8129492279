"""The answer to a request nobody scripted: plausible, deterministic, and open about being made up.

It is built from the prompt alone by fixed rules: it names the files and symbols it sees, quotes the first
lines of the code, and counts what can be counted. It never claims to be Claude.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cmt_lsp.simulator.answers import Answer, thinks
from cmt_lsp.simulator.prompt import Prompt, content_blocks

OPENING = "This answer comes from the cmt_lsp simulator, not from Claude: it is made from your prompt by fixed rules."

LOOKED_AT = 16_000
ASKED_WITHIN = 500
"""Characters. The patterns below take time with the square of a hostile text, and prompts can have megabytes."""

_FILE = re.compile(r"(?<![\w/.-])[\w/.-]*[\w-]\.(?:py|pyi|ts|tsx|js|jsx|lua|rs|go|c|h|cpp|hpp|java|rb|php|sh|toml|yaml|"
                   r"yml|json|md|txt|sql|html|css|ex|hs|kt|swift|vim|el)\b")  # fmt: skip
_SYMBOL = re.compile(
    r"^\s*(?:export\s+|pub\s+|async\s+|local\s+|static\s+|public\s+|private\s+)*"
    r"(?:def|class|function|func|fn|struct|enum|interface|type|trait|impl|module)\s+([A-Za-z_]\w*(?:[.:]+\w+)*)",
    re.MULTILINE,
)
_FENCE = re.compile(r"```(\w*)[^\n]*\n(.*?)(?:\n```|\Z)", re.DOTALL)
_TAG = re.compile(r"^<([\w-]+)[^>\n]*>\n", re.MULTILINE)
_LANGUAGES = {"py": "python", "pyi": "python", "ts": "typescript", "tsx": "tsx", "js": "javascript", "rs": "rust",
              "md": "markdown", "rb": "ruby", "sh": "sh", "yml": "yaml"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sighting:
    """What can be seen in the newest turn of a prompt."""

    question: str
    files: tuple[str, ...]
    symbols: tuple[str, ...]
    code: str
    language: str
    images: int
    turns: int


def look(body: Mapping[str, Any]) -> Sighting:
    """Read the newest user turn."""
    newest = next((m for m in reversed(body["messages"]) if m["role"] == "user"), {"content": ""})
    blocks = [block for _, block in content_blocks(newest["content"], "")]
    texts = [_beginning(block["text"]) for block in blocks if block.get("type") == "text"]
    everything = "\n".join(texts)
    files = tuple(dict.fromkeys(_name(file) for file in _FILE.findall(everything)))
    language, code = _code(texts)
    return Sighting(
        question=_question(texts),
        files=files[:3],
        symbols=tuple(dict.fromkeys(_SYMBOL.findall(code)))[:8],
        code=code,
        language=language or _language(files),
        images=sum(block.get("type") == "image" for block in blocks),
        turns=sum(m["role"] == "user" for m in body["messages"]),
    )


def _beginning(text: str) -> str:
    """As much of a text as is looked at: its beginning, and its end where the question stands."""
    return text if len(text) <= LOOKED_AT else f"{text[: LOOKED_AT - ASKED_WITHIN]}\n{text[-ASKED_WITHIN:]}"


def _name(file: str) -> str:
    """A path as people write it: what a file URI leaves of its slashes is one."""
    return "/" + file.lstrip("/") if file.startswith("/") else file


def _question(texts: list[str]) -> str:
    """The last line of prose, which is where people ask."""
    outside = _FENCE.sub("\n", texts[-1] if texts else "")
    for inside in _tagged(outside):
        outside = outside.replace(inside, "")
    lines = [line.strip() for line in outside.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def _code(texts: list[str]) -> tuple[str, str]:
    """The newest code between fences or tags, else the longest earlier block of several lines."""
    for text in reversed(texts):
        for language, code in [
            *_FENCE.findall(text)[-1:],
            *(("", code) for code in _tagged(text)[-1:]),
        ]:
            if code.strip():
                return language, code.rstrip()
    longest = max((text for text in texts[:-1] if "\n" in text.strip()), key=len, default="")
    return "", longest.strip("\n")


def _tagged(text: str) -> list[str]:
    """What stands between a tag on a line of its own and its end."""
    found, at = [], 0
    while (opening := _TAG.search(text, at)) is not None:
        start = opening.end()
        end = text.find(f"</{opening[1]}>", start)
        if end >= 0:
            found.append(text[start:end])
        at = max(start, end)
    return found


def _language(files: tuple[str, ...]) -> str:
    ending = files[0].rsplit(".", 1)[-1] if files else ""
    return _LANGUAGES.get(ending, ending)


def default_answer(body: Mapping[str, Any], prompt: Prompt) -> Answer:
    """The simulator's own answer to a request."""
    seen = look(body)
    thinking = f"A prompt of {prompt.tokens} tokens. {_subject(seen)} Then a short answer."
    if not thinks(body, prompt.model):
        thinking = ""
    return Answer(text="\n\n".join([OPENING, *_paragraphs(seen, prompt)]), thinking=thinking)


def _paragraphs(seen: Sighting, prompt: Prompt) -> Iterator[str]:
    if seen.question:
        yield f"You asked: \u201c{seen.question}\u201d"
    yield _subject(seen)
    if seen.code:
        yield from _about_code(seen)
    if seen.images:
        yield f"There {'is one picture' if seen.images == 1 else f'are {seen.images} pictures'} with it; the simulator reads their size and nothing else."
    yield (
        f"The prompt has {prompt.tokens} tokens by the simulator's own count, and this is turn {seen.turns} of the "
        "conversation. Ask again with other text and this answer changes with it."
    )


def _subject(seen: Sighting) -> str:
    names = ", ".join(f"`{name}`" for name in seen.files)
    if names and seen.code:
        return f"I see {_lines(seen.code)} from {names}."
    if names:
        return f"You mention {names}."
    return f"I see {_lines(seen.code)}." if seen.code else "I see no file and no code in this turn."


def _about_code(seen: Sighting) -> Iterator[str]:
    lines = seen.code.splitlines()
    shown = min(len(lines), 3 + len(lines) // 10, 12)
    yield "It begins like this:\n\n" + _fenced(lines[:shown], seen.language)
    if seen.symbols:
        count = len(seen.symbols)
        names = ", ".join(f"`{name}`" for name in seen.symbols)
        yield f"It defines {count} name{'s' if count > 1 else ''}: {names}."
        for name in seen.symbols[: max(1, len(lines) // 20)]:
            uses = len(re.findall(rf"\b{re.escape(name)}\b", seen.code)) - 1
            yield f"- `{name}` occurs {uses} more time{'' if uses == 1 else 's'} in this text."
    longest = max(range(len(lines)), key=lambda i: len(lines[i]))
    yield f"The longest line is line {longest + 1} with {len(lines[longest])} characters."


def _fenced(lines: list[str], language: str) -> str:
    """A fenced code block that its own code cannot close; blank lines at the end are left out."""
    code, fence = "\n".join(lines).rstrip(), "```"
    while fence in code:
        fence += "`"
    return f"{fence}{language}\n{code}\n{fence}"


def _lines(code: str) -> str:
    count = len(code.splitlines())
    return f"{count} line{'' if count == 1 else 's'} of code"
