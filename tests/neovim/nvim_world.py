"""A home with a workspace, and a Neovim in it that finds the plugin, the server and an endpoint."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from nvim_child import KEY, NvimChild

SERVER = f"{{ {sys.executable!r}, '-P', '-m', 'cmt_lsp', '--stdio' }}"
CODE = "def one():\n    return 1\n\n\ndef two():\n    return 2\n"


def workspace(home: Path) -> Path:
    """A home with one file in its folder `work`."""
    (home / "work").mkdir(exist_ok=True)
    (home / "work" / "main.py").write_text(CODE)
    return home


def begin(
    nvim_path: str,
    home: Path,
    base_url: str,
    *,
    setup: str = "",
    key: str = KEY,
    env: dict[str, str] | None = None,
    **options: Any,
) -> NvimChild:
    """Start Neovim; `setup` is Lua that runs before anything of the plugin does."""
    places = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "CACHE", "DATA", "STATE")}
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "ANTHROPIC_API_KEY": key,
        "ANTHROPIC_BASE_URL": base_url,
        "CMT_STATE_DIR": str(home / "state"),
        **places,
        **(env or {}),
    }
    nvim = NvimChild(nvim_path, variables, home / "work", **options)
    nvim.lua(f"vim.lsp.config('cmt_lsp', {{ cmd = {SERVER} }})")
    if setup:
        nvim.lua(setup)
    return nvim
