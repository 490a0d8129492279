"""The references and the JSON Schema are those of the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GENERATE = Path(__file__).parents[1] / "docs" / "generate.py"


def test_nothing_generated_is_stale() -> None:
    """`docs/generate.py --check` finds every page and the schema as the tables have them."""
    done = subprocess.run(
        [sys.executable, str(GENERATE), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done
