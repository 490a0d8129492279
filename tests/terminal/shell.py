"""Commands as a shell runs them: the real program, to its end."""

from __future__ import annotations

import subprocess
import sys

CMT = [sys.executable, "-P", "-m", "cmt_lsp"]


def cmt(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run `cmt-lsp` with these arguments; both outputs as text."""
    done = subprocess.run([*CMT, *arguments], input=stdin, capture_output=True, timeout=50)
    return subprocess.CompletedProcess(arguments, done.returncode, done.stdout.decode(), done.stderr.decode())
