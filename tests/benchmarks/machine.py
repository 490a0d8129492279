"""What the figures were taken on: nothing that names the machine or its owner."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version

PACKAGES = ("cmt-lsp", "pygls", "lsprotocol", "anthropic", "httpx2", "attrs", "cattrs")


def facts() -> list[tuple[str, str]]:
    """Name and value of each fact that the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("system", f"{sys.platform} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB memory"),
        ("Python", platform.python_version()),
        ("packages", ", ".join(f"{name} {version(name)}" for name in PACKAGES)),
        ("load before", load()),
    ]


def load() -> str:
    """Processes that wanted a core in the last 1 and 5 minutes; figures taken above the number of cores are poor."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} over one minute, {five:.1f} over five"
