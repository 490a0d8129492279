"""Holder: the process that answers for an attempt while it runs, and whether that process is still there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cmt_lsp.core.storage.process_start import UNKNOWN, process_start

LEASE_SECONDS = 60.0
"""How long a holder that cannot be looked at is taken for alive after its last word."""
LONGEST_LEASE_SECONDS = 30 * 86_400.0
"""What runs at the endpoint has ended by then, and its results are gone, whatever became of the process that sent it."""
AT_THE_ENDPOINT = 0
"""The process id of an attempt that no process of ours holds."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, told apart from every other one that has had or will have its id."""

    machine: str
    """Where the id means anything: the boot and the id namespace, or the best that the platform has."""
    pid: int
    started: float
    """On the scale of `process_start`."""


def this_holder() -> Holder:
    """This process."""
    return Holder(this_machine(), os.getpid(), process_start(os.getpid()) or UNKNOWN)


def at_the_endpoint() -> Holder:
    """What holds an attempt that goes on without us: only its lease says when to stop waiting."""
    return Holder("", AT_THE_ENDPOINT, UNKNOWN)


def is_gone(holder: Holder, lease_until: float, now: float) -> bool:
    """Whether nobody answers for the attempt any more.

    A process of this machine is looked at: its id and its start decide, and no clock plays a part. Of any other one,
    and where the platform tells no start, only the lease is known; both times are seconds since 1970.
    """
    if holder.pid == AT_THE_ENDPOINT or holder.machine != this_machine():
        return _is_over(lease_until, now, holder.pid)
    started = process_start(holder.pid)
    if started is None:
        return True
    if UNKNOWN in (started, holder.started):
        return _is_over(lease_until, now, holder.pid)
    return started != holder.started


def _is_over(lease_until: float, now: float, pid: int) -> bool:
    """A lease beyond the longest one is over too: the clock was set back since, and nobody renews it."""
    longest = LONGEST_LEASE_SECONDS if pid == AT_THE_ENDPOINT else 2 * LEASE_SECONDS
    return not now <= lease_until <= now + longest


@cache
def this_machine() -> str:
    """The same for all processes that can see each other's ids, and for nobody else."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        import socket

        return socket.gethostname()
