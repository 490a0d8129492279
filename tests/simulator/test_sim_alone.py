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


def test_the_command_line_can_run_it_until_interrupted() -> None:
    code = (
        "import os, signal\nfrom cmt_lsp.simulator import run\n"
        "run(0, lambda url: (print(url, flush=True), os.kill(os.getpid(), signal.SIGINT)), chunk_delay=0.01)\n"
        "print('ended')"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False
    )

    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("http://127.0.0.1:")
    assert shown.stdout.endswith("ended\n")
    assert shown.stderr == ""
