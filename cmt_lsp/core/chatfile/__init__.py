"""A conversation as a Markdown file: how it is written, and how it is read again while somebody edits it."""
