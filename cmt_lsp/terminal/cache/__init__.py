"""`cmt-lsp cache`: what the prompt cache did, what would be cheaper, and warming a session."""
