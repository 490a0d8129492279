"""Who answers for an attempt, and when nobody does any more."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from cmt_lsp.core.money.holder import (
    LEASE_SECONDS,
    LONGEST_LEASE_SECONDS,
    Holder,
    at_the_endpoint,
    is_gone,
    this_holder,
    this_machine,
)
from cmt_lsp.core.storage import process_start

YEAR = 365 * 86_400.0
NOW = 1.8e9


def test_a_living_process_is_there_whatever_its_lease_and_the_clock_say() -> None:
    me = this_holder()
    for lease in (0.0, NOW - YEAR, NOW, NOW + YEAR):
        assert not is_gone(me, lease, NOW)


def test_a_dead_process_is_gone_at_once_though_its_lease_runs() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        started = process_start.process_start(child.pid)
        assert started is not None
        holder = Holder(this_machine(), child.pid, started)
        assert not is_gone(holder, NOW, NOW)
        child.kill()
    assert is_gone(holder, NOW + LEASE_SECONDS, NOW)


def test_a_killed_process_that_nobody_reaped_is_gone() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        started = process_start.process_start(child.pid)
        assert started is not None
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(Holder(this_machine(), child.pid, started), NOW + LEASE_SECONDS, NOW)


def test_an_id_that_is_used_again_is_another_process() -> None:
    me = this_holder()
    assert is_gone(replace(me, started=me.started - 1), NOW + LEASE_SECONDS, NOW)


@pytest.mark.parametrize(
    ("lease", "gone"),
    [(-1.0, True), (0.0, False), (2 * LEASE_SECONDS, False), (2 * LEASE_SECONDS + 1, True), (YEAR, True)],
)
def test_of_another_machine_only_the_lease_is_known_and_an_impossible_one_is_over(
    lease: float, gone: bool
) -> None:
    """A lease a year ahead was written before the clock was set back; nobody will ever renew it."""
    other = replace(this_holder(), machine="another boot")
    assert is_gone(other, NOW + lease, NOW) is gone


@pytest.mark.parametrize(
    ("lease", "gone"), [(-1.0, True), (LEASE_SECONDS * 60, False), (LONGEST_LEASE_SECONDS + 1, True)]
)
def test_a_batch_at_the_endpoint_is_held_by_its_long_lease(lease: float, gone: bool) -> None:
    assert is_gone(at_the_endpoint(), NOW + lease, NOW) is gone


def test_without_start_times_a_dead_process_is_gone_and_a_silent_one_after_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a platform without /proc: alive is all that can be known of an id, so that the lease counts too."""
    monkeypatch.setattr(process_start, "_proc_start", process_start._signal_start)
    me = this_holder()
    assert me.started == process_start.UNKNOWN
    assert not is_gone(me, NOW + LEASE_SECONDS, NOW)
    assert is_gone(me, NOW - 1, NOW)
    with subprocess.Popen(["sleep", "60"]) as child:
        child.kill()
    assert is_gone(replace(me, pid=child.pid), NOW + LEASE_SECONDS, NOW)


def test_two_processes_of_one_machine_agree_on_the_machine() -> None:
    script = "from cmt_lsp.core.money.holder import this_holder; print(this_holder())"
    told = subprocess.check_output([sys.executable, "-c", script], text=True).strip()

    assert this_machine() in told
    assert str(this_holder()) != told
