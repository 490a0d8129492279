"""What the documents say of the tree and of the commands is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from cmt_lsp.api import errors
from cmt_lsp.cli import parser_of_all

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def paths_in(page: Path) -> set[str]:
    """Everything that looks like a path of this repository: in backticks, or the target of a link."""
    text = page.read_text(encoding="utf-8")
    quoted = re.findall(r"`((?:cmt_lsp|tests|docs|editor-clients|\.ci)/[\w./-]*)`", text)
    linked = re.findall(r"\]\((?!https?:|file:|#)([^)#]+)", text)
    return {*quoted, *((page.parent / link).resolve().relative_to(ROOT).as_posix() for link in linked)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    assert [path for path in sorted(paths_in(page)) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_of_ours_parses(page: Path) -> None:
    """Each `cmt-lsp ...` in a shell block is one that the command line understands."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
    ours = [shlex.split(line, comments=True)[1:] for line in lines if re.match(r"\s*(\S*/)?cmt-lsp\b", line)]
    for arguments in ours:
        assert parser_of_all().parse_args(arguments).command is not None


def test_the_readme_names_one_command_to_see_it_and_one_to_test_it() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"<!-- command: (\w+) -->\n```sh\n(.*)\n```", text))
    assert set(named) == {"demo", "test"}
    assert named["demo"].endswith("cmt-lsp demo")
    script = (ROOT / named["test"]).read_text(encoding="utf-8")
    assert {".venv/bin/pytest", "editor-clients/vscode/check.sh"} <= set(script.split())


def test_the_wire_contract_names_every_kind_of_error() -> None:
    kinds = {
        value.kind
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.CmtError)
    }
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("`missing_key`")]
    assert set(re.findall(r"`(\w+)`", line)) == kinds
