"""Transcripts in the editor: written, opened, added to, and what an editor may ask about them."""
