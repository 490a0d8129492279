"""The command line as a person or an editor meets it: a process with arguments, an environment and a folder."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import cmt_lsp

CMT = [sys.executable, "-P", "-m", "cmt_lsp"]
EARLY = {
    "importlib",
    "warnings",
    "contextlib",
    "functools",
    "collections",
    "types",
    "reprlib",
    "keyword",
    "operator",
}
"""What `python -m` itself imports before a line of ours runs; see cmt_lsp/__main__.py."""


def cmt(*arguments: str, cwd: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [*CMT, *arguments], input=stdin, capture_output=True, text=True, timeout=30, cwd=cwd
    )


def test_the_version_is_the_packages() -> None:
    assert cmt("--version").stdout == f"cmt-lsp {cmt_lsp.__version__}\n"


def test_help_names_every_command() -> None:
    shown = cmt("--help").stdout
    for command in ("serve", "ask", "demo", "sessions", "models", "doctor", "simulate"):
        assert f"\n    {command} " in shown


@pytest.mark.parametrize(
    "arguments",
    [["--tcp"], ["--ws"], ["--port", "9"], ["serve", "--tcp"], ["serve", "--port=9"], ["serve", "--host", "0.0.0.0"],  # noqa: S104
     ["serve", "--stdio", "--ws"], ["serve", "--pipe=/tmp/x"], ["serve", "--node-ipc"], ["serve", "--socket=9"]],
)  # fmt: skip
def test_a_listening_socket_is_refused_with_a_sentence(arguments: list[str]) -> None:
    done = cmt(*arguments)

    assert done.returncode == 2
    assert "speaks over standard input and output only" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["--nonsense"], ["serve", "--nonsense"], ["ask"], ["ask", "x", "--max-tokens", "0"],
     ["ask", "x", "--max-tok", "5"], ["sessions", "show"], ["sessions", "export", "x", "--format", "pdf"]],
)  # fmt: skip
def test_misuse_is_2(arguments: list[str]) -> None:
    done = cmt(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr


def test_a_serve_start_imports_no_argument_parser_and_no_terminal() -> None:
    probe = (
        "import sys, types, cmt_lsp.cli as cli; fake = types.ModuleType('app'); fake.main = lambda: 5; "
        "sys.modules['cmt_lsp.server.app'] = fake; before = set(sys.modules); "
        "codes = [cli.run(a) for a in ([], ['--stdio'], ['serve'], ['serve', '--stdio', '--clientProcessId=7'])]; "
        "print(codes, sorted({n for n in set(sys.modules) if n.split('.')[0] in ('argparse', 'rich')"
        " or n.startswith('cmt_lsp.terminal')}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30
    )

    assert done.stdout == "[5, 5, 5, 5] []\n", done.stderr


def hostile_folder(folder: Path, *, spare: set[str]) -> None:
    """A workspace that holds a trap for every module of the standard library, and for ours."""
    libraries = {"anthropic", "attr", "attrs", "cattrs", "lsprotocol", "pygls", "rich", "sitecustomize"}
    for name in (sys.stdlib_module_names | libraries) - spare:
        (folder / f"{name}.py").write_text(f"import os\nos.write(2, b'{name} was hijacked')\nos._exit(66)\n")


def test_a_workspace_cannot_put_its_modules_in_place_of_ours(tmp_path: Path) -> None:
    hostile_folder(tmp_path, spare=set())

    done = cmt("--help", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_server_that_a_command_starts_imports_nothing_of_the_workspace(tmp_path: Path) -> None:
    hostile_folder(tmp_path, spare=set())

    done = cmt("models", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_python_m_in_a_hostile_workspace_imports_nothing_of_it_once_we_run(tmp_path: Path) -> None:
    hostile_folder(tmp_path, spare=EARLY)
    done = subprocess.run(
        [sys.executable, "-m", "cmt_lsp", "ask", ""], capture_output=True, text=True, cwd=tmp_path, timeout=30
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cmt-lsp: There is no question.")


def test_the_simulator_says_what_to_export_and_ends_with_ctrl_c() -> None:
    program = subprocess.Popen([*CMT, "simulate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    url = program.stdout.readline().removeprefix("export ANTHROPIC_BASE_URL=").strip()
    assert program.stdout.readline() == "export ANTHROPIC_API_KEY=sk-simulated\n"

    request = urllib.request.Request(f"{url}/v1/models", headers={"x-api-key": "k"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert b"claude" in answer.read()
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=10)

    assert url.startswith("http://127.0.0.1:")
    assert (program.returncode, "Traceback" in err) == (130, False)


def test_a_simulator_that_follows_its_input_ends_with_it() -> None:
    done = cmt("simulate", "--follow-stdin", stdin="fail 529\nnonsense\n")

    assert done.returncode == 0
    assert done.stdout.splitlines()[2:] == ["the next question fails with 529"]


def test_ctrl_c_ends_a_simulator_that_follows_its_input() -> None:
    program = subprocess.Popen(
        [*CMT, "simulate", "--follow-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdin is not None and program.stdout is not None and program.stderr is not None
    with program.stdin, program.stdout, program.stderr:
        program.stdout.readline()
        program.send_signal(signal.SIGINT)

        assert program.wait(5) == 130
        assert program.stderr.read() == b""


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cmt("simulate", "--port", str(port))

    assert done.returncode == 1
    assert done.stderr.startswith(f"cmt-lsp: The simulator cannot use port {port}")
