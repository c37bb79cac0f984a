"""A machine's console under pexpect: everything that it prints is kept, whoever looks when."""

from __future__ import annotations

import codecs
import io
import os
import re
import select
import threading
import time
from contextlib import suppress
from pathlib import Path

from pexpect.exceptions import EOF, TIMEOUT
from pexpect.spawnbase import SpawnBase

from vmtests.places import MachineError

LAST_LINES = 25
_CHUNK = 65536
_LONGEST_CODE = 256
_SEARCHES = 0.05  # seconds between two, however fast the machine prints
_CLOSING = 1.0  # for what is still to be read
# What is for the eye only: it moves a cursor, colours, sets a title, chooses characters, resets.
_CODES = re.compile(
    r"""\r | \x1b (?:
        \[ [0-9;?<=>!]* [ -/]* [@-~]
        | \] [^\x07\x1b]* (?: \x07 | \x1b\\ )
        | [()] [0-9AB]
        | [@-Z\\^_=>78c]
    )""",
    re.VERBOSE,
)


class Console(SpawnBase):  # type: ignore[type-arg] # generic in the stubs only
    r"""The line of a terminal, a pty's or a socket's, which is read all the time by a thread.

    `expect` and its kin are pexpect's, and go on where the last match ended; `send` and `sendline`
    type. `text` is everything printed so far, and `log` a file that it is written to as it comes.

        machine.console.expect("login: ")
        machine.console.sendline("root")
    """

    def __init__(self, descriptor: int, log: Path | None = None) -> None:
        """Take over an open file, which is closed when the other side hangs up or by `close`."""
        super().__init__(timeout=30, maxread=_CHUNK, encoding="utf-8", codec_errors="replace")
        self.child_fd = descriptor
        self.name = f"console {descriptor}"
        self.closed = False
        self._file: io.FileIO | None = None
        self._received = bytearray()
        self._plain = io.StringIO()
        self._unclear = ""  # the end of what was received, which may be half a code
        self._to_text = codecs.getincrementaldecoder("utf-8")("replace")
        self._read = 0  # by pexpect
        self._news = threading.Condition()
        self.log_to(log)
        self._is_over = False
        # A descriptor that is closed wakes nobody who reads it, and its number is another's soon.
        self._awake, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._pump, name=self.name, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """Everything printed so far, as it came."""
        with self._news:
            return self._received.decode(errors="replace")

    @property
    def is_over(self) -> bool:
        """Whether the other side has hung up: nothing more will be printed."""
        return self._is_over

    def plain(self) -> str:
        """The text without what is only for the eye: colours, movements, carriage returns."""
        with self._news:
            return self._plain.getvalue()

    def last_lines(self, count: int = LAST_LINES) -> str:
        """The last lines that say something."""
        return "\n".join([line for line in self.plain().splitlines() if line.strip()][-count:])

    def wait_for(self, regex: str, timeout: float | None = None, start: int = 0) -> re.Match[str]:
        """Return when the plain text, from character `start` on, matches; however long ago.

        Raises MachineError with the last lines after `timeout` seconds, and as soon as the other
        side has hung up.
        """
        pattern = re.compile(regex, re.MULTILINE)
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._news:
            while True:
                over = self._is_over
                if found := pattern.search(self._plain.getvalue(), start):
                    return found
                left = None if deadline is None else deadline - time.monotonic()
                if over or (left is not None and left <= 0):
                    why = "the console is closed" if over else f"not within {timeout:g} s"
                    raise MachineError(f"console: no {regex!r}: {why}\n{self.last_lines()}")
                self._news.wait(left)
                if not self._is_over:
                    self._news.wait_for(lambda: self._is_over, min(_SEARCHES, left or _SEARCHES))

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> str:
        """What pexpect reads with: up to `size` bytes, decoded; EOF and TIMEOUT are raised."""
        wait = self.timeout if timeout == -1 else timeout
        with self._news:
            self._news.wait_for(lambda: self._read < len(self._received) or self._is_over, wait)
            data = bytes(self._received[self._read : self._read + size])
            self._read += len(data)
            if not data:
                if self._is_over:
                    self.flag_eof = True
                    raise EOF("the console is closed")
                raise TIMEOUT("the console is silent")
        text: str = self._decoder.decode(data, final=False)  # type: ignore[attr-defined] # not in the stubs
        self._log(text, "read")  # type: ignore[attr-defined] # the same
        return text

    def send(self, text: str | bytes) -> int:
        """Type; the number of bytes. MachineError when the other side has hung up."""
        data = text.encode() if isinstance(text, str) else text
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self.child_fd, left) :]
        except OSError as error:
            raise MachineError(f"console: {os.strerror(error.errno or 0)}") from None
        return len(data)

    def sendline(self, text: str = "") -> int:
        """Type a line, and Enter."""
        return self.send(text + "\n")

    def log_to(self, log: Path | None) -> None:
        """From now on, add what is printed to this file, or to none."""
        with self._news:
            if self._file is not None:
                self._file.close()
            self._file = None if log is None or self.closed else io.FileIO(log, "ab")

    def close(self) -> None:
        """Hang up; nothing if that is done."""
        if not self.closed:
            self.closed = True
            os.write(self._wake, b"x")
            self._thread.join()
            descriptor, self.child_fd = self.child_fd, -1
            for end in (descriptor, self._awake, self._wake):
                with suppress(OSError):
                    os.close(end)
            self.log_to(None)

    def _make_plain(self, data: bytes) -> None:
        text = self._unclear + self._to_text.decode(data, final=not data)
        begin = text.rfind("\x1b", max(0, len(text) - _LONGEST_CODE))
        is_half = bool(data) and begin >= 0 and not _CODES.match(text, begin)
        clear = begin if is_half else len(text)
        self._plain.write(_CODES.sub("", text[:clear]))
        self._unclear = text[clear:]

    def _pump(self) -> None:
        """Read until the other side hangs up; after `close` only what it has sent by then."""
        news = select.poll()
        for descriptor in (self.child_fd, self._awake):
            news.register(descriptor, select.POLLIN)
        end = float("inf")
        while True:
            ready = [descriptor for descriptor, _ in news.poll()]
            if self._awake in ready:
                end = min(end, time.monotonic() + _CLOSING)
            try:
                is_heard = self.child_fd in ready and time.monotonic() < end
                data = os.read(self.child_fd, _CHUNK) if is_heard else b""
            except OSError:  # EIO: nobody holds the other end of the pty any more
                data = b""
            with self._news:
                if data and self._file is not None:
                    self._file.write(data)
                self._received += data
                self._make_plain(data)
                self._is_over = not data
                self._news.notify_all()
            if not data:
                return
