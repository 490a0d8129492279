"""Links of a transcript: from what looks like a place in a file to a file of the workspace that is there."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmt_lsp.core.chatfile.mentions import Mention, mentions
from cmt_lsp.server.rpc.uris import fs_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmt_lsp.core.chatfile.page import Page

Found = tuple[Mention, str]
"""A place, and the URI of its line."""


def found_links(page: Page, folders: Sequence[Path]) -> list[Found]:
    """The places whose file exists in one of the folders, links resolved; asks the disk.

    What leads out of the folders, by `..`, by a link or by its own name, is no link: an answer must not bring anybody
    to a file that the question did not speak of.
    """
    roots = [Path(os.path.realpath(folder)) for folder in folders]
    known: dict[str, Path | None] = {}
    found = []
    for mention in mentions(page):
        if mention.path not in known:
            known[mention.path] = _file(mention.path, roots)
        if (path := known[mention.path]) is not None:
            found.append((mention, f"{path.as_uri()}#L{max(1, mention.line)}"))
    return sorted(found, key=lambda one: (one[0].row, one[0].start))


def _file(named: str, roots: Sequence[Path]) -> Path | None:
    """The regular file that a name stands for in the first folder that has it."""
    path = fs_path(named) if named.startswith("file:") else named
    if not path:
        return None
    for root in roots:
        with suppress(OSError, ValueError):
            real = Path(os.path.realpath(root / path))
            if real.is_relative_to(root) and stat.S_ISREG(real.stat().st_mode):
                return real
    return None
