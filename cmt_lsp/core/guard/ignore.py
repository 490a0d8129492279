"""Ignore files: whether the person's own rules say that a file is not for others.

`.cmtignore` wins over `.ignore`, that over `.gitignore`, and that over git's own `info/exclude`. Within one kind git's rules
hold: a deeper file wins, in a file the last line, and what lies in an ignored folder is ignored.

The patterns are matched here and not by a library, since a workspace may be hostile: each `*` of a library's regular
expression multiplies its time, and one line of ten stars held the process for minutes. This takes time proportional to
pattern times path.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

KINDS = (".cmtignore", ".ignore", ".gitignore")
_FILE_LIMIT = 256 * 1024
_LINE_LIMIT = 4096
_DEPTH_LIMIT = 200
"""Folders that are looked at from the top; what lies deeper counts as the last of them."""

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file; `place` is where the person finds it."""

    parts: tuple[str, ...]
    """The pattern's components, `**` for any number of folders."""
    negated: bool
    folders_only: bool
    place: str

    def fits(self, parts: Sequence[str], *, is_folder: bool) -> bool:
        """Whether a path below the ignore file's folder is meant."""
        if self.folders_only and not is_folder:
            return False
        return _glob(
            self.parts, parts, "**", lambda pattern, part: _part(pattern).fullmatch(part) is not None
        )


def ignored_by(path: Path, folders: Iterable[Path]) -> str | None:
    """The place of the line that ignores a file, such as `.gitignore line 3`; None where none does. Reads ignore files."""
    root = _root_of(path, folders)
    if root is None:
        return None
    steps = path.relative_to(root).parts[:_DEPTH_LIMIT]
    for kind in KINDS:
        sources = [(depth, read_rules(root.joinpath(*steps[:depth], kind))) for depth in range(len(steps))]
        if kind == ".gitignore" and (exclude := _exclude_file(root)):
            sources.insert(0, (0, read_rules(exclude)))
        if (rule := _verdict(steps, sources)) is not None:
            return None if rule.negated else rule.place
    return None


def rules_of(text: str, name: str) -> list[Rule]:
    """The rules of an ignore file's text, in its order; lines that are no pattern are left out."""
    found = (_rule(line, f"{name} line {number}") for number, line in enumerate(text.splitlines(), 1))
    return [rule for rule in found if rule is not None]


def read_rules(path: Path) -> list[Rule]:
    """The rules of an ignore file; none where there is no regular, small file of that name."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return []
        with path.open("rb") as handle:
            text = handle.read(_FILE_LIMIT).decode("utf-8-sig", "replace")
    except OSError:
        return []
    return rules_of(text, path.name)


def _root_of(path: Path, folders: Iterable[Path]) -> Path | None:
    """From where ignore files count: the top of git's working tree, else the workspace folder; None for neither."""
    for above in path.parents:
        if _exists(above / ".git"):
            return above
    inside = [folder for folder in folders if path.is_relative_to(folder) and path != folder]
    return min(inside, key=lambda folder: len(folder.parts), default=None)


def _exists(path: Path) -> bool:
    """False too for a name that is too long, and where nobody may look."""
    try:
        return path.exists()
    except OSError:
        return False


def _exclude_file(root: Path) -> Path | None:
    """Git's own list, which a linked working tree keeps in the main one."""
    git = root / ".git"
    try:
        if git.is_file():
            named = git.read_text()[:4096].removeprefix("gitdir:").strip()
            git = root / named
            common = git / "commondir"
            git = git / common.read_text()[:4096].strip() if common.is_file() else git
    except (OSError, ValueError):
        return None
    return git / "info" / "exclude"


def _verdict(steps: Sequence[str], sources: Sequence[tuple[int, list[Rule]]]) -> Rule | None:
    """The rule of one kind that decides on a path: of its first ignored folder, else of the path itself."""
    decided = None
    for length in range(1, len(steps) + 1):
        decided = _last_fit(steps[:length], sources, is_folder=length < len(steps))
        if decided is not None and not decided.negated:
            return decided
    return decided


def _last_fit(
    steps: Sequence[str], sources: Sequence[tuple[int, list[Rule]]], *, is_folder: bool
) -> Rule | None:
    for depth, rules in reversed([source for source in sources if source[0] < len(steps)]):
        for rule in reversed(rules):
            if rule.fits(steps[depth:], is_folder=is_folder):
                return rule
    return None


def _rule(line: str, place: str) -> Rule | None:
    line = _without_trailing_spaces(line)
    if not line or line.startswith("#") or len(line) > _LINE_LIMIT:
        return None
    negated = line.startswith("!")
    line = line[1:] if negated else line
    folders_only = line.endswith("/")
    body = line.rstrip("/") if folders_only else line
    anchored = "/" in body
    parts = [part for part in body.split("/") if part]
    if not parts:
        return None
    if not anchored:
        parts = ["**", *parts]
    if parts[-1] == "**":  # what is inside, and not the folder itself
        parts.append("*")
    return Rule(tuple(parts), negated, folders_only, place)


def _without_trailing_spaces(line: str) -> str:
    """Git keeps a trailing space behind a backslash."""
    kept = line.rstrip(" ")
    return f"{kept} " if kept.endswith("\\") and kept != line else kept


def _glob(pattern: Sequence[T], items: Sequence[U], star: T, fits: Callable[[T, U], bool]) -> bool:
    """Whether items follow a pattern in which `star` stands for any number of them.

    Only the last star has to be tried again, since an earlier one gains nothing from taking more.
    """
    at = mark = 0
    again: int | None = None
    place = 0
    while place < len(items):
        if at < len(pattern) and pattern[at] == star:
            again, mark = at, place
            at += 1
        elif at < len(pattern) and fits(pattern[at], items[place]):
            at, place = at + 1, place + 1
        elif again is None:
            return False
        else:
            mark += 1
            at, place = again + 1, mark
    return all(rest == star for rest in pattern[at:])


@lru_cache(maxsize=4096)
def _part(pattern: str) -> re.Pattern[str]:
    """One component of a pattern; each star takes the first place that fits, and never another (an atomic group)."""
    pieces = [""]
    rest = pattern
    while rest:
        taken, made = _atom(rest)
        rest = rest[taken:]
        if made is None:
            pieces.append("")
        else:
            pieces[-1] += made
    first, *middle = pieces
    if not middle:
        return re.compile(first, re.DOTALL)
    *middle, last = middle
    stars = "".join(f"(?>.*?{piece})" for piece in middle if piece)
    return re.compile(f"{first}{stars}.*{last}", re.DOTALL)


def _atom(rest: str) -> tuple[int, str | None]:
    """The first element of a component: how many characters it takes, and its expression; None for a star."""
    head = rest[0]
    if head == "*":
        return 1, None
    if head == "?":
        return 1, "."
    if head == "\\" and len(rest) > 1:
        return 2, re.escape(rest[1])
    if head == "[" and (found := re.match(r"\[([!^]?)(\]?(?:\\.|[^\]\\])*+)\]", rest)):
        inside = re.sub(r"([\[&~|])", r"\\\1", found[2]).replace("--", "-\\-")
        made = f"[{'^' if found[1] else ''}{inside}]"
        try:
            re.compile(made)
        except re.error:  # a range from behind, as [z-a], holds nothing
            return found.end(), "(?!)"
        return found.end(), made
    return 1, re.escape(head)
