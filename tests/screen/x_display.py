"""A real X server without a monitor, a client of it with windows of known pixels, and a hand on its mouse."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import time
from types import TracebackType
from typing import Self

SIZE = (320, 240)
RED, GREEN, BLUE = (230, 20, 30), (10, 200, 40), (20, 30, 240)

_ENTER, _LEAVE, _BY_A_GRAB = 7, 8, 1
_PRESS, _RELEASE, _MOTION = 4, 5, 6


class XDisplay:
    """Xvfb on a display of its own; no TCP."""

    def __init__(self) -> None:
        """Started and answering when this returns."""
        reading, writing = os.pipe()
        screen = f"{SIZE[0]}x{SIZE[1]}x24"
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", screen, "-nolisten", "tcp", "-noreset"],
            pass_fds=[writing],
            stderr=subprocess.DEVNULL,
        )
        os.close(writing)
        with os.fdopen(reading) as told:
            self.number = int(told.readline())
        self.name = f":{self.number}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(10)


class XClient:
    """Just enough of the X protocol: plain windows, and a mouse."""

    def __init__(self, display: XDisplay) -> None:
        """Connects."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(25)
        self._socket.connect(f"/tmp/.X11-unix/X{display.number}")
        self._socket.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        status, length = struct.unpack("<B5xH", self._read(8))
        assert status == 1
        setup = self._read(length * 4)
        base, _, _, vendor, _, _, formats = struct.unpack("<4xIIIHHBB", setup[:22])
        screen = setup[32 + (vendor + 3) // 4 * 4 + 8 * formats :]
        self.root, self._visual = struct.unpack("<I", screen[:4])[0], struct.unpack("<I", screen[32:36])[0]
        self._next_id = base
        self._grabs = 0
        self._xtest = self._extension(b"XTEST")

    def close(self) -> None:
        """Every window of ours goes."""
        self._socket.close()

    def window(self, x: int, y: int, width: int, height: int, colour: tuple[int, int, int]) -> int:
        """A window of one colour, on the screen when this returns."""
        self._next_id += 1
        window, pixel = self._next_id, colour[0] << 16 | colour[1] << 8 | colour[2]
        place = struct.pack("<IIhhHHHHI", window, self.root, x, y, width, height, 0, 1, self._visual)
        values = struct.pack("<IIII", 0x2 | 0x200 | 0x800, pixel, 1, 0x10 | 0x20)
        self._send(struct.pack("<BBH", 1, 0, (4 + len(place) + len(values)) // 4) + place + values)
        self._send(struct.pack("<BxHI", 8, 2, window))
        self._settle()
        return window

    def point(self, x: int, y: int) -> None:
        """Move the mouse."""
        self._fake(_MOTION, 0, x, y)

    def press(self) -> None:
        """Press the left button."""
        self._fake(_PRESS, 1, 0, 0)

    def release(self) -> None:
        """Let it go."""
        self._fake(_RELEASE, 1, 0, 0)

    def wait_for_grab(self, patience: float = 25.0) -> None:
        """Wait until another client takes the mouse away from our window under it."""
        deadline = time.monotonic() + patience
        while not self._grabs:
            assert time.monotonic() < deadline, "nobody took the mouse"
            self._take(self._read(32))
        self._grabs = 0

    def _fake(self, kind: int, detail: int, x: int, y: int) -> None:
        what = struct.pack("<BB2xII8xhh4x2xBx", kind, detail, 0, self.root, x, y, 0)
        self._send(struct.pack("<BBH", self._xtest, 2, 9) + what)
        self._settle()

    def _extension(self, name: bytes) -> int:
        padded = name + b"\0" * (-len(name) % 4)
        self._send(struct.pack("<BxHHxx", 98, 2 + len(padded) // 4, len(name)) + padded)
        answer = self._reply()
        assert answer[8] == 1, f"the server has no {name!r}"
        return answer[9]

    def _settle(self) -> None:
        """Wait until the server has done all we asked."""
        self._send(struct.pack("<BxH", 43, 1))
        self._reply()

    def _reply(self) -> bytes:
        while (message := self._read(32))[0] != 1:
            self._take(message)
        return message

    def _take(self, message: bytes) -> None:
        assert message[0] != 0, f"the server refuses: {message!r}"
        self._grabs += message[0] & 0x7F in (_ENTER, _LEAVE) and message[30] == _BY_A_GRAB

    def _send(self, request: bytes) -> None:
        self._socket.sendall(request)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            assert more, "the server is gone"
            data += more
        return data
