"""The file of a batch: how it is read, and what is said of one that cannot be."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.terminal.batch.file import read_prompts
from cmt_lsp.terminal.connection import TroubleError


def read(folder: Path, content: str | bytes) -> list[dict[str, Any]]:
    """The prompts of a file with this content."""
    path = folder / "prompts"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_prompts(str(path))


GOOD: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("a line each", "one\ntwo\n", [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}]),
    ("the last line open", "one\ntwo", [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}]),
    ("lines of Windows", "one\r\ntwo\r\n", [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}]),
    ("a paragraph each", "one\nand on\n\n \n\ntwo\n", [{"id": "1", "text": "one\nand on"}, {"id": "2", "text": "two"}]),
    ("spaces at the edges", "\n\n  one\n\n", [{"id": "1", "text": "one"}]),
    ("a line separator inside", "one\u2028still one\n", [{"id": "1", "text": "one\u2028still one"}]),
    ("a mark before it", "\ufeffone\n", [{"id": "1", "text": "one"}]),
    ("JSON lines", '{"id":"a","text":"x"}\n\n{"text":"y","system":"s","model":"m","max_tokens":5}\n',
     [{"id": "a", "text": "x"}, {"id": "2", "text": "y", "system": "s", "model": "m", "maxTokens": 5}]),
    ("a number for an id", '{"id":7,"text":"x","maxTokens":9}', [{"id": "7", "text": "x", "maxTokens": 9}]),
    ("nulls", '{"id":null,"text":"x","model":null}', [{"id": "1", "text": "x"}]),
    ("text with line ends", '{"text":"a\\nb\u2028c\u0085d"}\n', [{"id": "1", "text": "a\nb\u2028c\u0085d"}]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_a_file_is_read(tmp_path: Path, content: str, expected: list[dict[str, Any]]) -> None:
    assert read(tmp_path, content) == expected


BAD: list[tuple[str | bytes, str]] = [
    ("", "There is no prompt in"),
    (" \n\t\n", "There is no prompt in"),
    ('{"text":"x"}\n{"text":\n{"text":"z"}', "Line 2 of {} is not JSON"),
    ('{"text":"x"}\n\n\n{"text":"y"} trailing', "Line 4 of {} is not JSON (Extra data)."),
    ('{"text":"x"}\n[1]', "Line 2 of {} is no JSON object."),
    ('{"text":"x"}\n"y"', "Line 2 of {} is no JSON object."),
    ('{"text":"x"}\n{"prompt":"y"}', "Line 2 of {} has a field 'prompt'; known are id, text, system, model, max_tokens."),
    ('{"id":"a"}', "Line 1 of {} has no text."),
    ('{"text":" "}', "Line 1 of {} has no text."),
    ('{"text":5}', "Line 1 of {} has no text."),
    ('{"text":"x","model":5}', "The model in line 1 of {} is no text."),
    ('{"text":"x","id":true}', "The id in line 1 of {} is no text and no number."),
    ('{"text":"x","max_tokens":"5"}', "max_tokens in line 1 of {} is no whole number."),
    ('{"text":"x","max_tokens":true}', "max_tokens in line 1 of {} is no whole number."),
    (b"fine\n\xff\xfe\n", "Line 2 of {} is not UTF-8 text."),
    ("x\n" * 100_001, "has 100001 prompts, and a batch takes at most 100000."),
]  # fmt: skip


@pytest.mark.parametrize(("content", "sentence"), BAD, ids=[sentence[:50] for _, sentence in BAD])
def test_a_file_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, content: str | bytes, sentence: str
) -> None:
    with pytest.raises(TroubleError) as caught:
        read(tmp_path, content)

    assert sentence.format(tmp_path / "prompts") in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nobody"):
        with pytest.raises(TroubleError, match="cannot be read"):
            read_prompts(str(path))


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\ntwo\n")))
    assert [prompt["text"] for prompt in read_prompts("-")] == ["one", "two"]


def test_a_hundred_thousand_prompts_are_read(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"id": f"r{i}", "text": "x"}) for i in range(100_000))
    assert len(read(tmp_path, lines)) == 100_000
