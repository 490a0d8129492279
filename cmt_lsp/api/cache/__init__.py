"""The prompt cache: how a prompt is laid out and marked, what should be read of it, and what a miss means."""
