"""Images: what a file holds by its bytes, and the child process that decodes it."""
