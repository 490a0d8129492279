"""What cmt-lsp costs beside the least that anything of its kind could cost, measured on this machine."""
