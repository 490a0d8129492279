"""What a code action asks, and how an answer becomes new text; plain functions."""
