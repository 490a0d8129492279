"""The least a script pays before it can ask, and with an address and a question the asking as well."""

from __future__ import annotations

import asyncio
import sys

import anthropic

client = anthropic.AsyncAnthropic(api_key="sk-benchmark", base_url=sys.argv[1] if sys.argv[1:] else None)


async def ask(model: str, text: str) -> None:
    """Print the first text of the answer."""
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": text}]
    async with client.messages.stream(model=model, max_tokens=1000, messages=messages) as stream:
        async for first in stream.text_stream:
            print(first, flush=True)
            break


if sys.argv[2:]:
    asyncio.run(ask(*sys.argv[2:]))
