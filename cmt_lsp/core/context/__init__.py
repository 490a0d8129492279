"""What the model sees of code, files and diagnostics, and what of it stays pinned to a session."""
