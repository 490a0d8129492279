"""Which files may be read: those of the workspace, by whatever way their names are written, and nothing else."""

from __future__ import annotations

import os
import random
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from cmt_lsp.api.errors import BlockedFileError, CmtError
from cmt_lsp.core.files import FILE_LIMIT, read_file, windows_trouble
from cmt_lsp.server.window.attachments import local_path

SECRET = "TOP-SECRET-7f3a"
PLACES = [place for place in ("/tmp", "/dev/shm") if os.access(place, os.W_OK)] or [tempfile.gettempdir()]
"""A disk and a file system in memory, where the machine has both."""


@pytest.fixture(params=PLACES)
def world(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder on one file system, with a workspace, its twin, and links out of the workspace."""
    with tempfile.TemporaryDirectory(dir=request.param) as made:
        world = Path(made).resolve()
        for name in ("work", "work-twin", "work2", "Work", "other"):
            (world / name / "sub").mkdir(parents=True)
            for file in ("a.txt", "sub/b.txt", "secret.txt"):
                (world / name / file).write_text("inside" if name == "work" else SECRET)
        inside = world / "work"
        (inside / "file-link").symlink_to(world / "other" / "secret.txt")
        (inside / "folder-link").symlink_to(world / "other")
        (inside / "up-link").symlink_to("..")
        (inside / "chain").symlink_to("folder-link/sub")
        (inside / "loop").symlink_to("loop")
        (inside / "good-link").symlink_to("sub/b.txt")
        yield world


def _paths(world: Path, count: int) -> Iterator[str]:
    """Paths and URIs that lead outside, inside, or nowhere, put together at random from parts that have fooled others."""
    rng = random.Random(20260)
    steps = ["..", ".", "sub", "a.txt", "secret.txt", "other", "work", "work-twin", "work2", "Work", "folder-link",
             "file-link", "up-link", "chain", "loop", "good-link", "%2e%2e", "%2E%2e", "..%2f", "..%5c", "....", ".. ",
             "..\\", "%252e%252e", "\uff0e\uff0e", "", "WORK", "b.txt", "%00", "\0", "..;", "~"]  # fmt: skip
    starts = [f"{world}/work/", f"{world}/work", f"file://{world}/work/", f"file://{world}/work", "file://localhost",
              f"file://server{world}/work/", f"//server{world}/", f"\\\\?\\{world}/work/", f"{world}/", f"file:{world}/work/",
              f"FILE://{world}/work/", f"file:///{world}/work/../"]  # fmt: skip
    for _ in range(count):
        path = rng.choice(starts) + "/".join(rng.choice(steps) for _ in range(rng.randint(1, 6)))
        yield rng.choice(
            (path, path, unquote(path), quote(path, safe=":/"), path + "/", path + "#x", path + "?x")
        )
    for place in (
        "a.txt",
        "sub/b.txt",
        "good-link",
        "sub/../a.txt",
        "./a.txt",
        "up-link/work/a.txt",
        "%61.txt",
    ):
        yield from (f"{world}/work/{place}", f"file://{world}/work/{place}")
    for target in (
        f"{world}/other/secret.txt",
        "/etc/hosts",
        f"{world}/work-twin/a.txt",
        f"{world}/Work/a.txt",
    ):
        yield from (target, f"file://{target}", f"file://localhost{target}", f"file://{quote(target)}")


def test_500_paths_lead_nowhere_outside(world: Path) -> None:
    """Traversal, encodings, prefix siblings, links, case, NUL and hosts: what is read is the workspace's own, or nothing."""
    read = refused = 0
    for path in _paths(world, 500):
        try:
            text = read_file(local_path(path, "uri"), [world / "work"])
        except CmtError as error:
            refused += 1
            assert SECRET not in error.message
        else:
            read += 1
            assert text == "inside", path
    assert read > 5
    assert refused > 400


def test_a_share_or_another_host_is_refused_by_its_name() -> None:
    """Not even looked at: to look would send the person's name and password hash to that host."""
    for path in (
        "file://host/share/x.txt",
        "\\\\host\\share\\x",
        "//host/share/x",
        "file:////host/share/x",
        "http://h/x",
    ):
        with pytest.raises(CmtError):
            local_path(path, "uri")


def test_names_that_are_devices_or_streams_on_windows_are_known() -> None:
    """In any folder, with any ending, however cased; a file that only begins like one is a file."""
    for parts in (["NUL"], ["src", "con.txt"], ["com1", "x"], ["a.txt:hidden"], ["LPT9 .log"], ["aux. "]):
        assert windows_trouble(parts), parts
    for parts in (["console.py"], ["src", "auxiliary", "common.c"], ["null"], ["com10x"]):
        assert windows_trouble(parts) is None, parts


def test_special_files_are_refused_within_a_second(world: Path) -> None:
    """Pipes, sockets, devices, folders, the machine's own files, 10 GB of nothing: an error each, and nothing hangs."""
    inside = world / "work"
    os.mkfifo(inside / "pipe")
    (inside / "zero-link").symlink_to("/dev/zero")
    (inside / "environ-link").symlink_to("/proc/self/environ")
    with (inside / "sparse").open("wb") as sparse:
        sparse.truncate(10 * 1024**3)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(inside / "socket"))
        for path, folders in (
            *((inside / name, [inside]) for name in ("pipe", "zero-link", "environ-link", "sparse", "socket", "sub", "loop")),
            *((Path(name), [Path("/")]) for name in ("/dev/zero", "/dev/tty", "/proc/self/environ", "/proc/kmsg", "/sys/kernel/notes")),
        ):  # fmt: skip
            started = time.monotonic()
            with pytest.raises(BlockedFileError):
                read_file(path, folders)
            assert time.monotonic() - started < 1, path


def test_a_file_at_the_limit_is_read_and_one_beyond_is_not(world: Path) -> None:
    """Never a part of a file as if it were the whole."""
    path = world / "work" / "large.txt"
    path.write_bytes(b"x" * FILE_LIMIT)
    assert len(read_file(path, [world / "work"])) == FILE_LIMIT
    path.write_bytes(b"x" * (FILE_LIMIT + 1))
    with pytest.raises(BlockedFileError, match="5 MB"):
        read_file(path, [world / "work"])


def _flip(stop: threading.Event, turn: Callable[[], None]) -> None:
    while not stop.is_set():
        turn()


@pytest.mark.campaign
@pytest.mark.timeout(180)
@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_a_link_that_is_swapped_in_while_we_look_leads_nowhere(
    world: Path, swapped: str, campaign_size: Callable[[int, int], int]
) -> None:
    """The file, or the folder above it, is now itself and now a link to the outside; what is read is never from there."""
    inside, outside = world / "work", world / "other"
    target = inside / ("flip.txt" if swapped == "file" else "flip")
    real, link = world / "real", world / "link"
    if swapped == "file":
        shutil.copy(inside / "a.txt", real)
        link.symlink_to(outside / "secret.txt")
    else:
        shutil.copytree(inside / "sub", real)
        (real / "secret.txt").write_text("inside")
        link.symlink_to(outside)
    wanted = target if swapped == "file" else target / "secret.txt"
    real.rename(target)

    def swap() -> None:
        """Both ways by renaming, so that there is always something to find."""
        target.rename(real)
        link.rename(target)
        target.rename(link)
        real.rename(target)

    stop = threading.Event()
    flipping = threading.Thread(target=_flip, args=(stop, swap))
    flipping.start()
    try:
        seen = {"read": 0, "refused": 0}
        until = time.monotonic() + campaign_size(1, 60) / 2
        while time.monotonic() < until:
            try:
                assert read_file(wanted, [inside]) == "inside"
                seen["read"] += 1
            except BlockedFileError:
                seen["refused"] += 1
    finally:
        stop.set()
        flipping.join(10)
    assert seen["read"] > 0
    assert seen["refused"] > 0
