"""The walls between the rooms: who may import what, read from the source itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cmt_lsp"

ONLY_IN = {
    "pygls": ["server/"],
    "lsprotocol": ["server/"],
    "cattrs": ["server/"],
    "anthropic": ["api/anthropic_client.py"],
    "httpx2": ["api/anthropic_client.py"],
    "sqlite3": ["core/storage/store.py", "core/storage/salvage.py"],
    "PIL": ["api/vision/decoder.py"],
    "filelock": ["core/"],
    "rich": ["terminal/"],
}
"""Which places may import a library."""

MAY_USE = {
    "api": {"api"},
    "core": {"api", "core"},
    "server": {"api", "core", "server"},
    "terminal": {"terminal"},
    "simulator": {"simulator"},
}
"""Which rooms a room may import."""


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, at any depth, type-checking blocks included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            module = node.module or ""
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    room = place.split("/")[0]
    names = imports_of(path)

    for library, places in ONLY_IN.items():
        if any(n == library or n.startswith(library + ".") for n in names):
            assert any(place.startswith(p) for p in places), f"{place} imports {library}"
    if room in MAY_USE:
        rooms = {n.split(".")[1] for n in names if n.startswith("cmt_lsp.")} - {"__version__"}
        assert rooms <= MAY_USE[room], f"{place} imports {sorted(rooms - MAY_USE[room])}"
