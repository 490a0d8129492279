"""How a command ends: an exit code, and one sentence where something stood in the way."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.interrupt import EXIT_CODE
from cmt_lsp.terminal.render import say_trouble


def exit_code(command: Callable[[], int]) -> int:
    """The exit code of `command`: its own, 1 after trouble that was told, 130 after Ctrl-C.

    A reader of standard output that has seen enough (`| head`) ends the command without a word.
    """
    for stream, errors in (
        (sys.stdin, "replace"),
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
    ):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)
    try:
        code = command()
        sys.stdout.flush()
    except TroubleError as trouble:
        say_trouble(trouble.message, trouble.hint)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return EXIT_CODE
    return code
