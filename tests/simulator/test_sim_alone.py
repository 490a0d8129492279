"""The simulator stands alone: it needs nothing but the standard library, and only loopback reaches it."""

from __future__ import annotations

import subprocess
import sys

from cmt_lsp.simulator import Simulator


def test_importing_the_simulator_loads_only_itself_and_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import cmt_lsp.simulator\n"
        "new = {n.split('.')[0] for n in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "rooms = {n for n in sys.modules if n.startswith('cmt_lsp.') and not n.startswith('cmt_lsp.simulator')}\n"
        "print(sorted(new), sorted(rooms))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "['cmt_lsp'] []"


async def test_it_listens_on_loopback_only() -> None:
    simulator = Simulator()
    base_url = await simulator.start()
    try:
        assert base_url.startswith("http://127.0.0.1:")
        assert simulator.base_url == base_url
    finally:
        await simulator.stop()
