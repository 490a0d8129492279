"""The published usage examples run as they stand, as scripts of their own, and end cleanly by themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cmt_lsp.simulator import Simulator, simulator_in_thread

BASIC = """
import asyncio
from cmt_lsp.core import APISessionManager

async def main():
    manager = APISessionManager()

    session = manager.create_session(
        name="Chat",
        system_prompt="You are a helpful coding assistant.",
    )

    # Send message
    response, inp, out, cached = await manager.send_message(
        session_id=session,
        prompt="Explain Python decorators",
    )

    print(f"Response: {response}")
    print(f"Tokens: {inp} in, {out} out, {cached} cached")
    print(f"Cost: ${inp * 0.000003 + out * 0.000015:.6f}")

asyncio.run(main())
"""

STREAMING = """
import asyncio
from cmt_lsp.core import APISessionManager

async def stream_example():
    manager = APISessionManager()
    session = manager.create_session(name="Stream")

    def on_chunk(text):
        print(text, end="", flush=True)

    inp, out, cached = await manager.stream_message(
        session_id=session,
        prompt="Write a haiku about coding",
        callback=on_chunk,
    )

    print(f"\\n\\nTokens: {inp + out}, Cached: {cached}")

asyncio.run(stream_example())
"""

VISION = """
import asyncio
from cmt_lsp.core import APISessionManager
from cmt_lsp.api import VisionHandler

async def vision_example():
    manager = APISessionManager()
    session = manager.create_session(name="Vision")

    # Load image
    handler = VisionHandler()
    image = handler.load_image("diagram.png")

    # Send with image
    response, inp, out, cached = await manager.send_message(
        session_id=session,
        prompt="Explain this diagram",
        images=[image],
    )

    print(response)

asyncio.run(vision_example())
"""

REPORT = """
from cmt_lsp.core import APISessionManager

def usage_report():
    manager = APISessionManager()

    # After some conversations...
    report = manager.get_global_usage()

    print(f"Total Sessions: {report['global_summary']['session_count']}")
    print(f"Total Tokens: {report['global_summary']['total_tokens']:,}")
    print(f"Total Cost: ${report['global_summary']['total_cost_usd']:.4f}")
    print(f"Cache Savings: ${report['global_summary']['cache_savings_usd']:.4f}")

usage_report()
"""

SETTINGS = """
from cmt_lsp.core import APISessionManager

manager = APISessionManager(
    api_key="...",                          # API key
    default_model="claude-sonnet-4-5-20250929",  # Model
    enable_prompt_caching=True,             # Enable caching
)

# Per session
session_id = manager.create_session(
    name="Session 1",
    model="claude-haiku-4-5-20250124",     # Override model
    system_prompt="Custom system prompt",   # For caching
)
"""

MIGRATED = """
import asyncio
import os
from cmt_lsp.core import APISessionManager

manager = APISessionManager(
    api_key=os.environ["ANTHROPIC_API_KEY"],
    default_model="claude-sonnet-4-5-20250929",
)
session_id = manager.create_session(
    name="Test",
    system_prompt="You are a helpful assistant.",
)

async def main():
    response, input_tok, output_tok, cached_tok = await manager.send_message(
        session_id=session_id,
        prompt="Hello Claude",
    )
    print(response)

asyncio.run(main())
asyncio.run(main())
print(manager.get_global_usage()["global_summary"]["requests"])
"""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with simulator_in_thread() as running:
        yield running


@pytest.fixture
def run(simulator: Simulator, tmp_path: Path):
    """Run a script in an empty folder with every warning an error; nothing may reach stderr."""

    def run_script(script: str) -> str:
        path = tmp_path / "example.py"
        path.write_text(script, encoding="utf-8")
        environ = {
            **os.environ,
            "ANTHROPIC_API_KEY": "sk-test-key",
            "ANTHROPIC_BASE_URL": simulator.base_url,
            "PYTHONIOENCODING": "utf-8",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", str(path)],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=50,
            check=False,
        )
        assert done.stderr == ""
        assert done.returncode == 0
        return done.stdout

    return run_script


def test_the_basic_conversation(run, simulator: Simulator) -> None:
    simulator.reply_with("A decorator wraps a function.")

    shown = run(BASIC)

    assert shown.startswith("Response: A decorator wraps a function.\n")
    tokens = re.search(r"Tokens: (\d+) in, (\d+) out, 0 cached", shown)
    assert tokens is not None
    charged = simulator.requests[0].usage
    assert charged is not None
    assert (int(tokens[1]), int(tokens[2])) == (charged["input_tokens"], charged["output_tokens"])
    assert simulator.requests[0].body["system"][0]["text"] == "You are a helpful coding assistant."


def test_streaming(run, simulator: Simulator) -> None:
    simulator.reply_with("Keys fall like spring rain")

    shown = run(STREAMING)

    assert shown.startswith("Keys fall like spring rain\n\nTokens: ")


def test_an_image(run, simulator: Simulator, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "navy").save(tmp_path / "diagram.png")
    simulator.reply_with("A navy rectangle.")

    assert run(VISION) == "A navy rectangle.\n"
    kinds = [block["type"] for block in simulator.requests[0].body["messages"][0]["content"]]
    assert kinds == ["image", "text"]


def test_the_usage_report_counts_what_earlier_processes_spent(run, simulator: Simulator) -> None:
    run(BASIC)
    run(STREAMING)

    shown = run(REPORT)

    charged = [request.usage for request in simulator.requests]
    total = sum(usage["input_tokens"] + usage["output_tokens"] for usage in charged if usage)
    assert shown.splitlines()[:2] == ["Total Sessions: 2", f"Total Tokens: {total:,}"]
    assert re.search(r"Total Cost: \$0\.\d{4}", shown)


def test_the_settings_block_sends_nothing(run, simulator: Simulator) -> None:
    assert run(SETTINGS) == ""
    assert simulator.requests == []


def test_one_manager_under_two_event_loops_goes_on_with_its_history(run, simulator: Simulator) -> None:
    simulator.reply_with("Hello.", "Hello again.")

    assert run(MIGRATED) == "Hello.\nHello again.\n2\n"
    assert len(simulator.requests[1].body["messages"]) == 3
