"""cmt-lsp usage: a report of the ledger as tables, charts, CSV or one page."""
