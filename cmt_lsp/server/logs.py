"""The server's log: one private rotating file, never stderr, never a prompt, never a key.

Writing happens on a thread of its own behind a bounded queue, so that a slow disk delays nobody; what does not fit
is dropped and counted.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOG_BYTES = 2 * 1024 * 1024
LOG_FILES = 3
QUEUE_RECORDS = 4096
LONGEST_RECORD = 4000
"""Characters; a record is a sentence, whatever is longer is somebody's text."""

SECRETS = re.compile(r"sk-ant-[\w-]+|(?i:bearer)\s+[\w.~+/=-]{8,}|(?i:x-api-key\W+)[\w.~+/=-]{8,}")


def redact(text: str) -> str:
    """Replace whatever looks like a credential; the second net, since no secret is handed to a logger at all."""
    return SECRETS.sub("[secret]", text)[:LONGEST_RECORD]


class RedactingFormatter(logging.Formatter):
    """One line a record, credentials masked, tracebacks without local values."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class DroppingQueueHandler(logging.handlers.QueueHandler):
    """Hands records to the writing thread; counts those that do not fit."""

    dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """A log that cannot be written is no reason to write to stderr, which nobody may be reading."""
        self.dropped += 1


class PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner can read."""

    def _open(self):  # type: ignore[no-untyped-def]
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)

        return open(self.baseFilename, self.mode, encoding="utf-8", opener=opener)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """A full disk loses log lines and nothing else."""


def start_logging(folder: Path, level: str) -> logging.handlers.QueueListener | None:
    """Send the package's log to `folder`/server.log; None (and no log at all) where the folder cannot be written."""
    logging.lastResort = None
    logging.getLogger("pygls").setLevel(logging.WARNING)
    logger = logging.getLogger("cmt_lsp")
    logger.propagate = False
    logger.setLevel(level.upper())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = PrivateRotatingFile(folder / "server.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES)
    except OSError:
        logger.addHandler(logging.NullHandler())
        return None
    target.setFormatter(RedactingFormatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    records: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_RECORDS)
    listener = logging.handlers.QueueListener(records, target)
    logger.addHandler(DroppingQueueHandler(records))
    logging.getLogger("pygls").addHandler(DroppingQueueHandler(records))
    listener.start()
    return listener
