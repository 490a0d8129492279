"""Code actions and their commands: asking about code, and having it changed, in editors that know nothing of us."""

from __future__ import annotations

COMMANDS = ("cmt.ask", "cmt.act", "cmt.stop", "cmt.allow")
"""Advertised beside the operations; unlike those they take their arguments in any shape, and answer at once."""

QUICK_FIX = "quickfix"
REWRITE = "refactor.rewrite"
CLAUDE = "claude"
"""Of actions that change no code. None of ours is of kind `source`, which editors run by themselves when a file is saved."""
KINDS = (QUICK_FIX, REWRITE, CLAUDE)
