"""Transcripts in the editor: written, opened, added to, and what an editor may ask about them."""

from __future__ import annotations

COMMANDS = ("cmt.send", "cmt.again", "cmt.apply", "cmt.fork", "cmt.transcript")
"""Advertised beside those of the code actions, and as free in their arguments."""
