"""`python -m cmt_lsp`: the command line without its console script.

`-m` puts the current folder first on the import path, so that a workspace's own `json.py` would run in place of
the standard library's. The folder is dropped here, before anything else is imported. What Python itself imports
earlier, and a folder that holds a `cmt_lsp` package of its own, cannot be guarded from inside: editors start the
console script `cmt-lsp`, or `python -P -m cmt_lsp`, neither of which puts the folder there.
"""

import sys

if not sys.flags.safe_path:
    del sys.path[0]

from cmt_lsp.cli import main

main()
