"""cmt-lsp batch: submitting many prompts, waiting for them, and their answers."""
