"""The folder of the files that a person writes for this program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def user_dir(environ: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/cmt-lsp`, or the platform's own place for it; nothing is created."""
    home = environ.get("XDG_CONFIG_HOME")
    if home and Path(home).is_absolute():
        return Path(home) / "cmt-lsp"
    from platformdirs import user_config_path

    return user_config_path("cmt-lsp", appauthor=False)
