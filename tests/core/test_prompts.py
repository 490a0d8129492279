"""What code actions ask about, and how an answer becomes the text that takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.core.prompts.drift import Change, Stretch, difference, follow
from cmt_lsp.core.prompts.prompt import BUILT_IN, find_prompt, menu
from cmt_lsp.core.prompts.replacement import (
    NewText,
    Part,
    Unusable,
    code_blocks,
    fence_for,
    fitted,
    replacement,
)
from cmt_lsp.core.prompts.target import Outline, Target, stretch_with, target_of
from cmt_lsp.core.settings import resolve

PYTHON = "import os\n\n\nclass Shop:\n    def name(self):\n        return 1\n\n    def price(self):\n        return 2\n\n\nx = 1\ny = 2\n"


def new_text(answer: str, old: str, document: str | None = None, stop: str = "end_turn") -> str:
    """The text that takes the place of `old`."""
    before, after = ("", "") if document is None else document.split(old, 1)
    found = replacement(answer, stop, Part(before, old, after))
    assert isinstance(found, NewText), found
    return found.text


# --- answers


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("```python\nb = 1\n```", "b = 1"),
        ("Here it is:\n\n```python\nb = 1\n```\n\nI renamed it.", "b = 1"),
        ("~~~\nb = 1\n~~~", "b = 1"),
        ("````\n```\nb\n```\n````", "```\nb\n```"),
        ("```python\r\nb = 1\r\nc = 2\r\n```\r\n", "b = 1\nc = 2"),
        ("1. So:\n   ```py\n   b = 1\n   ```\n", "b = 1"),
        ("```\nb = 1\n\n\n```", "b = 1"),
        ("``` \n\f\nb = '\u2028'\n```", "\f\nb = '\u2028'"),
        ("Instead of `a`:\n```\na\n```\nwrite\n```python\nif b:\n    c = [1, 2, 3]\n    return c\n```", "if b:\n    c = [1, 2, 3]\n    return c"),
        ("```\n```", ""),
    ],
)  # fmt: skip
def test_the_code_of_an_answer_is_its_one_block(answer: str, expected: str) -> None:
    """With words around it, in a list, between other fences, or beside a scrap."""
    assert new_text(answer, "a = 1") == expected


@pytest.mark.parametrize(
    ("answer", "stop", "told"),
    [
        ("Use a better name.", "end_turn", "no code block"),
        ("```python\nb = 1\n", "end_turn", "not closed"),
        ("```\nb = 1\n```\nor\n```\nb = 2\n```", "end_turn", "which one is meant"),
        ("```\nb = 1\n```", "max_tokens", "limit of tokens"),
        ("```\nb = 1\n```", "cancelled", "stopped"),
        ("```\nb = 1\n```", "truncated", "cut off"),
        ("```\nb = 1\n```", "refusal", "refused"),
        ("```\nb = 1\n```", "pause_turn", "pause turn"),
        ("", "end_turn", "no code block"),
    ],
)
def test_an_answer_that_is_not_clearly_the_new_text_is_not_applied(answer: str, stop: str, told: str) -> None:
    found = replacement(answer, stop, Part("", "a = 1", "\n"))
    assert isinstance(found, Unusable)
    assert told in found.reason


BEFORE = "import os\n\nclass Shop:\n    tax = 1\n\n"
METHOD = "    def price(self):\n        return 1"
AFTER = "\n\n    def name(self):\n        self.go()\n        return 2\n"


@pytest.mark.parametrize("before", [BEFORE, BEFORE.replace("\n\n", "\n"), "    tax = 1\n\n", ""])
@pytest.mark.parametrize("after", [AFTER, AFTER[1:], "\n\n    def name(self):\n", "\n"])
def test_what_an_answer_repeats_of_the_text_around_the_part_is_cut_off(before: str, after: str) -> None:
    """All of the file, or a line or two too many; but one line alone may be meant."""
    new = METHOD.replace("return 1", "return self.tax")
    found = replacement(f"```\n{before}{new}{after}```", "end_turn", Part(BEFORE, METHOD, AFTER))
    if before == "    tax = 1\n\n" or after == "\n\n    def name(self):\n":
        assert isinstance(found, NewText)
        assert new in found.text
    else:
        assert found == NewText(new)


def test_a_whole_file_without_the_part_takes_it_away() -> None:
    assert replacement(f"```\n{BEFORE}{AFTER}```", "end_turn", Part(BEFORE, METHOD, AFTER)) == NewText("")


def test_lines_that_repeat_themselves_are_not_cut() -> None:
    """What the old part began with may be what stood before it as well."""
    twice = "step()\nstep()"
    found = replacement(f"```\n{twice}\nstop()\n```", "end_turn", Part(f"{twice}\n", twice, f"\n{twice}\n"))
    assert found == NewText(f"{twice}\nstop()")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (BEFORE.replace("tax = 1", "tax = 2") + METHOD + AFTER, "more than the part"),
        (METHOD + AFTER.replace("return 2", "return 2  # two"), "more than the part"),
        ("    def price(self):\n        # ... existing code ...\n        return 2", "leaves code out"),
        ("    def price(self):\n        // rest of the method unchanged...", "leaves code out"),
        ("    def price(self):\n        /* … */", "leaves code out"),
    ],
)
def test_code_that_would_destroy_something_is_not_applied(code: str, told: str) -> None:
    """A file with other changes, and comments that stand for code."""
    found = replacement(f"```\n{code}\n```", "end_turn", Part(BEFORE, METHOD, AFTER))
    assert isinstance(found, Unusable)
    assert told in found.reason


def test_a_diff_is_not_applied() -> None:
    found = replacement("```diff\n-a\n+b\n```", "end_turn", Part("", "a", ""))
    assert found == Unusable("the answer is a diff")


@pytest.mark.parametrize(
    "code",
    [
        "    def price(self):\n        ...",
        "    def price(self):\n        # The rest is for other shops.\n        return 1",
        "    tax = 2\n\n    def price(self):\n        return 1",
        "    def price(self):\n        return 2\n\n    def cost(self):\n        return 2",
    ],
)
def test_what_only_looks_alike_is_applied(code: str) -> None:
    """An ellipsis that is code, a comment about a rest, a line or two as they stand elsewhere."""
    assert new_text(f"```\n{code}\n```", METHOD, BEFORE + METHOD + AFTER) == code


def test_a_comment_that_was_there_before_stands_for_nothing() -> None:
    old = "def f():\n    # ... and so on\n    return 1"
    assert new_text(f"```\n{old.replace('1', '2')}\n```", old) == old.replace("1", "2")


@pytest.mark.parametrize(
    ("old", "code", "expected"),
    [
        ("    def f():\n        pass", "def f():\n    return 1", "    def f():\n        return 1"),
        ("    def f():\n        pass", "    def f():\n        return 1", "    def f():\n        return 1"),
        ("    def f():\n        pass", "def f():\n        return 1", "    def f():\n        return 1"),
        ("x = 1", "    x = 2\n    y = 3", "x = 2\ny = 3"),
        ("\tif x {\n\t}", "if x {\n\ty()\n}", "\tif x {\n\t\ty()\n\t}"),
        ("    a\n    b", "a\n\nb", "    a\n\n    b"),
        ("    a", "        a\n    b", "        a\n    b"),
        ("    a", "", ""),
        ("a\n", "b\n\n\n", "b\n"),
        ("  a", "\tb", "\tb"),
    ],
)
def test_the_code_is_moved_to_where_the_old_text_began(old: str, code: str, expected: str) -> None:
    """As a whole, or the first line alone; what fits no rule is left as it came."""
    assert fitted(code, old, old) == expected


@pytest.mark.parametrize(
    ("old", "document", "end"),
    [
        ("a\r\nb", "a\r\nb\r\n", "\r\n"),
        ("a", "a\r\nb\r\nc\n", "\r\n"),
        ("a", "a\nb\nc\r\n", "\n"),
        ("a", "a", "\n"),
        ("a\rb", "a\rb\r", "\r"),
    ],
)
def test_line_ends_stay_those_of_the_document(old: str, document: str, end: str) -> None:
    for given_end in ("\n", "\r\n"):
        answer = given_end.join(["```", "x", "y", "```"])
        assert new_text(answer, old, document) == f"x{end}y"


@given(st.text(alphabet="`~ab \n", max_size=60))
def test_a_text_fenced_as_we_ask_comes_back_whole(code: str) -> None:
    """Whatever fences it holds: ours is longer."""
    fence = fence_for(code)
    blocks = code_blocks(f"{fence}\n{code}\n{fence}\n")
    assert [block.text for block in blocks] == [f"{code}\n"]


# --- where a stretch went


@given(
    st.text(alphabet="abc\n", max_size=30),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.text(alphabet="xyz\n", max_size=4)), max_size=6),
    st.integers(0, 30),
    st.integers(0, 30),
)  # fmt: skip
def test_a_stretch_that_is_found_again_holds_the_same_text(
    text: str, edits: list[tuple[int, int, str]], one: int, other: int
) -> None:
    """Against the plain text; and where no edit came near it, it is found."""
    start, end = sorted((min(one, len(text)), min(other, len(text))))
    before, now, changes, far = text[start:end], text, [], True
    place = (start, end)
    for at, to, added in edits:
        first, last = sorted((min(at, len(now)), min(to, len(now))))
        changes.append(Change(first, last, len(added)))
        now = now[:first] + added + now[last:]
        moved = len(added) - (last - first)
        if last < place[0]:
            place = (place[0] + moved, place[1] + moved)
        elif first <= place[1]:
            far = False
    found = follow(Stretch(start, end), changes)
    if found is not None:
        assert now[found.start : found.end] == before
    if far:
        assert found == Stretch(*place)


def test_typing_beside_a_stretch_is_no_part_of_it() -> None:
    assert follow(Stretch(4, 8), [Change(4, 4, 3)]) == Stretch(7, 11)
    assert follow(Stretch(4, 8), [Change(8, 8, 3)]) == Stretch(4, 8)
    assert follow(Stretch(4, 8), [Change(5, 5, 1)]) is None
    assert follow(Stretch(4, 8), [Change(3, 5, 2)]) is None
    assert follow(Stretch(4, 4), [Change(4, 4, 1)]) is None


@given(st.text(alphabet="ab\n", max_size=20), st.text(alphabet="ab\n", max_size=20))
def test_the_difference_of_two_texts_makes_one_of_the_other(before: str, after: str) -> None:
    change = difference(before, after)
    inserted = after[change.start : change.start + change.length]
    assert before[: change.start] + inserted + before[change.end :] == after
    assert (change == Change(change.start, change.start, 0)) == (before == after)


# --- what is meant


def target(text: str, chosen: str | None = None, *, line: int = 0, language: str = "python") -> Target | None:
    """The target of a selected text, or of a cursor at the start of a line (from 0)."""
    outline = Outline(text, language)
    start = outline.starts[line] if chosen is None else text.index(chosen)
    return target_of(outline, start, start + len(chosen or ""))


def of(text: str, found: Target | None) -> str:
    """The text of a target."""
    assert found is not None
    return text[found.stretch.start : found.stretch.end]


@pytest.mark.parametrize("selected", [None, "return 1", "\n", "s"])
def test_a_cursor_means_what_encloses_it(selected: str | None) -> None:
    """Nothing selected, and what editors select by themselves then; two words are a selection."""
    chosen = {None: target(PYTHON, line=5), "s": target(PYTHON, "name")}.get(
        selected, target(PYTHON, selected)
    )
    if selected == "return 1":
        assert (chosen and chosen.kind, of(PYTHON, chosen)) == ("selection", "        return 1")
    elif selected != "\n":
        assert chosen is not None
        assert (chosen.kind, chosen.label) == ("symbol", "Shop.name, lines 5-6")
        assert of(PYTHON, chosen) == "    def name(self):\n        return 1"


def test_without_anything_around_it_a_cursor_means_its_paragraph() -> None:
    assert of(PYTHON, target(PYTHON, line=11)) == "x = 1\ny = 2"
    assert of(PYTHON, target(PYTHON, line=0)) == "import os"
    assert target(PYTHON, line=1) is None
    assert target("", line=0) is None
    long = "".join(f"a{n} = 1\n" for n in range(100))
    assert of(long, target(long, line=50)) == "a50 = 1"


@pytest.mark.parametrize("ends", ["x = 1\ny = 2", "x = 1\ny = 2\n"])
def test_a_selection_of_lines_ends_before_its_last_line_end(ends: str) -> None:
    """Editors select to the end of the last line, or to the start of the next one; both mean the same lines."""
    found = target(PYTHON, ends)
    assert found is not None
    assert (of(PYTHON, found), found.label) == ("x = 1\ny = 2", "lines 12-13")


def test_a_selection_takes_the_indentation_before_it() -> None:
    """A part of a line stays a part."""
    assert of(PYTHON, target(PYTHON, "def price(self):\n        return 2")).startswith("    def price")
    assert of(PYTHON, target(PYTHON, "= 1\ny")) == "= 1\ny"


def test_problems_widen_what_is_meant_to_hold_them() -> None:
    outline = Outline(PYTHON, "python")
    cursor = target_of(outline, outline.starts[5], outline.starts[5])
    assert cursor is not None
    assert stretch_with(outline, cursor, 6, 6) == cursor
    assert stretch_with(outline, cursor, 9, 9).label == "Shop, lines 4-9"
    assert stretch_with(outline, cursor, 1, 1).label == "lines 1-6"


@given(st.text(alphabet="a(\r\n \té", max_size=25), st.integers(0, 30), st.integers(0, 30))
def test_a_target_lies_in_its_text(text: str, start: int, end: int) -> None:
    """And its lines are those that its ends lie in, whatever the line ends."""
    outline = Outline(text, "python")
    found = target_of(outline, start, end)
    if found is not None:
        stretch = found.stretch
        assert 0 <= stretch.start <= stretch.end <= len(text)
        assert outline.line_at(stretch.start) == found.first
        assert found.last in (outline.line_at(stretch.end), outline.line_at(stretch.end) - 1)


# --- one's own prompts


def config(tmp_path: Path, text: str) -> Path:
    """A config.toml."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_own_prompts_come_from_the_users_file(tmp_path: Path) -> None:
    """In the menu behind the built-in ones, or in the place of the one with the same name."""
    file = config(tmp_path, """
[[prompt]]
name = "types"
text = "Add types."
result = "edit"
model = "claude-haiku-5-5"

[[prompt]]
name = "Explain"
text = "Explain it to a child."
scope = "file"
""")  # fmt: skip
    resolved = resolve({}, file=file)
    assert resolved.notices == ()
    types, explain = resolved.settings.prompts
    assert (types.result, types.model, types.scope, types.own) == (
        "edit",
        "claude-haiku-5-5",
        "selection",
        True,
    )
    assert (explain.result, explain.scope) == ("transcript", "file")
    names = [prompt.name for prompt in menu(resolved.settings.prompts)]
    assert names == ["fix", "Explain", "improve", "document", "tests", "types"]
    assert find_prompt(" EXPLAIN", resolved.settings.prompts) == explain
    assert find_prompt("nothing", resolved.settings.prompts) is None


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('name = "x"', "prompt.x in config.toml is not used: text must be"),
        ('text = "y"', "prompt.number 1 in config.toml is not used: name must be"),
        ('name = "x"\ntext = "y"\nresult = "diff"', "result must be one of edit, transcript"),
        ('name = "x"\ntext = "y"\nscope = "project"', "scope must be one of selection, file"),
        ('name = "x"\ntext = "y"\nmodel = "a b"', "model must be a model's id"),
        ('name = "x"\ntext = "y"\nwhen = "now"', "when is not known"),
        ('name = "Ask"\ntext = "y"', "not ask"),
        ("name = 3\ntext = 'y'", "name must be a text"),
        (f'name = "{"x" * 61}"\ntext = "y"', "name must be a text of 1 to 60 characters"),
        ('name = "x"\ntext = "  "', "text must be a text of 1 to"),
    ],
)
def test_a_prompt_that_is_wrong_is_named_and_leaves_the_others(entry: str, told: str, tmp_path: Path) -> None:
    file = config(tmp_path, f'[[prompt]]\n{entry}\n[[prompt]]\nname = "good"\ntext = "Do it."\n')
    resolved = resolve({}, file=file)
    assert [prompt.name for prompt in resolved.settings.prompts] == ["good"]
    assert any(told in notice for notice in resolved.notices), resolved.notices


def test_two_prompts_of_one_name_are_one(tmp_path: Path) -> None:
    entry = '[[prompt]]\nname = "{}"\ntext = "y"\n'
    resolved = resolve({}, file=config(tmp_path, entry.format("a") + entry.format("A")))
    assert [prompt.name for prompt in resolved.settings.prompts] == ["a"]
    assert "another one has this name" in resolved.notices[0]


@pytest.mark.parametrize("value", ['prompt = "x"', "prompt = 3", "prompt = []"])
def test_what_is_no_list_of_tables_is_told(value: str, tmp_path: Path) -> None:
    resolved = resolve({}, file=config(tmp_path, value))
    assert resolved.settings.prompts == ()
    assert len(resolved.notices) == (value != "prompt = []")


def test_a_workspace_cannot_put_words_into_the_menu() -> None:
    """The editor's options may come from a folder of somebody else."""
    resolved = resolve({}, {"prompt": [{"name": "x", "text": "y"}], "codeActions": False})
    assert resolved.settings.prompts == ()
    assert "prompt from the editor's options is ignored; only config.toml may set it." in resolved.notices
    assert resolved.settings.code_actions is False


def test_every_built_in_prompt_says_what_becomes_of_it() -> None:
    """Edits are those that rewrite; explanations and tests are read."""
    edits = {prompt.name for prompt in BUILT_IN if prompt.result == "edit"}
    assert edits == {"fix", "improve", "document"}
    assert len({prompt.name for prompt in BUILT_IN}) == len(BUILT_IN)
