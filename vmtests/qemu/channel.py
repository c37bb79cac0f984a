"""Commands over a line to a machine, where `server.sh` runs them. Knows no QEMU.

Any number of threads may run commands at once. What the guest's side says is in that file.
"""

from __future__ import annotations

import base64
import re
import secrets
import select
import shlex
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from vmtests.backend import CommandTimeout
from vmtests.places import MachineError, Result

SERVER = Path(__file__).parent / "server.sh"
_CHUNK = 65536
_SENDING = 60.0  # for the machine to take a chunk
_KILLING = 5.0  # for a command's output to be closed when it has been killed
_ANSWER = 10.0
_LOOK = 0.1
_FIRST_QUESTION, _LAST_QUESTION = 0.5, 8.0  # between questions after a command that takes long
_PLAIN = re.compile(rb"[^A-Za-z0-9_ \t!#-&(-/:-@\[\]^`{-~]")
_WORD = re.compile(rb"(?:\$'(?:[^'\\]|\\.)*'|'[^']*'|\\.|[^ '\\])+")
_PART = re.compile(rb"\$'((?:[^'\\]|\\.)*)'|'([^']*)'|\\(.)|([^'\\$]+|\$)")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)")
_NAMED = dict(zip(b"abeEfnrtv", b"\a\b\x1b\x1b\f\n\r\t\v", strict=True))


@dataclass
class _Command:
    """One that has been sent and has not ended."""

    done: threading.Event = field(default_factory=threading.Event)
    result: Result | None = None
    failure: str = ""


class Channel:
    """The line. It is usable from the server's first word on; `wait` waits for that."""

    def __init__(self, line: socket.socket, *, is_open: bool = False) -> None:
        """`is_open`: a server is there already, and has said its first word long ago."""
        self._line = line
        self._line.settimeout(0)
        self._sending = threading.Lock()
        self._state = threading.Condition()
        self._commands: dict[bytes, _Command] = {}
        self._echoes: set[bytes] = set()
        self._slots: list[int] = []
        self._slot_count = 0
        self._age = 0  # how many connections there have been before
        self._is_open = is_open
        self._failure = ""
        self._prefix = secrets.token_hex(3)
        self._count = 0
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._receive, name="channel", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether commands can be run now, as far as is known."""
        return self._is_open

    def wait(self, timeout: float) -> bool:
        """Whether commands can be run within `timeout` seconds; MachineError if never."""
        with self._state:
            self._state.wait_for(lambda: self._is_open or self._failure, timeout)
            if self._failure:
                raise MachineError(self._failure)
            return self._is_open

    def reset(self, why: str, *, is_open: bool = False) -> None:
        """Tell all who wait that their commands are lost; the server will speak first."""
        with self._state:
            self._age += 1
            self._is_open = is_open
            lost, self._commands = self._commands, {}
            for command in lost.values():
                command.failure = why
                command.done.set()
            self._state.notify_all()

    def fail(self, why: str) -> None:
        """As `reset`, and the server will never speak again."""
        self._failure = self._failure or why
        self.reset(why)

    def close(self) -> None:
        """Hang up; nothing if that is done."""
        self.fail("the channel is closed")
        with suppress(OSError):
            self._end.send(b"x")
        self._thread.join()
        with self._sending:  # whose thread has seen by now that this connection is no more
            for end in (self._line, self._end, self._ended):
                end.close()

    def push(self, data: bytes) -> None:
        """Send what is not a message."""
        self._send([data], self._age)

    def sync(self, timeout: float = _ANSWER) -> None:
        """Return when the server has read all that was sent; MachineError after `timeout`."""
        token = self._name()
        age = self._age
        self._send([b"\nS %s\n" % token], age)
        with self._state:
            self._state.wait_for(lambda: token in self._echoes or self._age != age, timeout)
            if token not in self._echoes:
                raise MachineError(self._failure or "the machine does not answer")
            self._echoes.remove(token)

    def run(self, argv: Sequence[str], timeout: float | None, stdin: bytes = b"") -> Result:
        """Run a command: see `vmtests.backend.Backend.run`."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        command, name = _Command(), self._name()
        with self._slot(command) as slot:
            with self._state:
                age = self._age
                if not self._is_open:
                    raise MachineError(self._failure or "no commands can be run now")
                self._commands[name] = command
            to = b"%d %s" % (slot, name)
            words = b" ".join(_quoted(word) for word in argv)
            self._send([b"R %s %d %s\n" % (to, len(stdin), words), stdin], age)
            if self._is_done(command, to, deadline, age):
                return _result(command)
            self._kill(command, to, age)
        done = command.result or Result(0, b"", b"")
        text = f"{shlex.join(argv)}: not done after {timeout:g} s"
        raise CommandTimeout(text, done.stdout, done.stderr)

    def _is_done(self, command: _Command, to: bytes, deadline: float, age: int) -> bool:
        pause = _FIRST_QUESTION
        while not command.done.wait(max(0.0, min(pause, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return False
            self._send([b"Q %s\n" % to], age)
            pause = min(2 * pause, _LAST_QUESTION)
        return True

    def _kill(self, command: _Command, to: bytes, age: int) -> None:
        self._send([b"K %s\n" % to], age)
        if not command.done.wait(_KILLING):
            self._send([b"F %s\n" % to], age)
            self.sync()
        if command.failure:
            raise MachineError(command.failure)

    @contextmanager
    def _slot(self, command: _Command) -> Iterator[int]:
        with self._state:
            if self._slots:
                slot = self._slots.pop()
            else:
                slot = self._slot_count = self._slot_count + 1
        yield slot
        if command.result is not None:  # else something of it may still be there
            with self._state:
                self._slots.append(slot)

    def _name(self) -> bytes:
        with self._state:
            self._count += 1
            return f"{self._prefix}{self._count}".encode()

    def _send(self, parts: Sequence[bytes], age: int) -> None:
        """Send a message, unless the connection that it is meant for is no more."""
        with self._sending:
            for part in parts:
                left = memoryview(part)
                deadline = time.monotonic() + _SENDING
                while left:
                    if self._age != age or self._failure:
                        return
                    if time.monotonic() > deadline:
                        self.reset("the machine takes no more data")
                        return
                    if not select.select([], [self._line], [], _LOOK)[1]:
                        continue
                    deadline = time.monotonic() + _SENDING
                    try:
                        left = left[self._line.send(left[:_CHUNK]) :]
                    except BlockingIOError:
                        continue
                    except OSError as error:
                        self.fail(f"the channel is closed: {error.strerror}")
                        return

    def _receive(self) -> None:
        buffer = bytearray()
        while True:
            readable, _, _ = select.select([self._line, self._ended], [], [])
            if self._ended in readable:
                return
            try:
                data = self._line.recv(_CHUNK)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                self.fail("the machine has gone")
                return
            searched = len(buffer)
            buffer += data
            if buffer.find(b"\n", searched) >= 0:
                *lines, rest = buffer.split(b"\n")
                buffer = bytearray(rest)
                for line in lines:
                    self._take(bytes(line))

    def _take(self, line: bytes) -> None:
        kind, _, rest = line.partition(b" ")
        match kind:
            case b"H":
                self.reset("the command's shell was killed, and all that ran under it")
                threading.Thread(target=self._greet, args=(rest,), daemon=True).start()
            case b"S":
                with self._state:
                    self._echoes.add(rest)
                    self._state.notify_all()
            case b"D":
                name, _, told = rest.partition(b" ")
                if command := self._forget(name):
                    try:
                        command.result = _parse(told)
                    except ValueError as error:
                        command.failure = f"not understood: {error}: {line[:200]!r}"
                    command.done.set()
            case b"L":
                if command := self._forget(rest):
                    command.failure = "the command's shell was killed"
                    command.done.set()
            case _:
                pass  # what was left in the line when a server was killed

    def _greet(self, token: bytes) -> None:
        """Answer the server's first word, from a thread of its own: the line may be full."""
        age = self._age
        with suppress(MachineError):
            self._send([b"\nS %s\n" % token], age)
        with self._state:
            self._state.wait_for(lambda: token in self._echoes or self._age != age, _ANSWER)
            if token in self._echoes:
                self._is_open = True
                self._state.notify_all()

    def _forget(self, name: bytes) -> _Command | None:
        with self._state:
            return self._commands.pop(name, None)


def _result(command: _Command) -> Result:
    if command.result is None:
        raise MachineError(command.failure)
    return command.result


def _parse(told: bytes) -> Result:
    status, *fields = _WORD.findall(told)
    text, rest, error_text, error_rest = fields
    number = int(status[1:])
    return Result(
        -number if status.startswith(b"s") else number,
        _unquoted(text) + base64.b64decode(rest[1:]),
        _unquoted(error_text) + base64.b64decode(error_rest[1:]),
    )


def _quoted(word: str) -> bytes:
    """A word for bash, on one line, of ASCII."""
    data = word.encode(errors="surrogateescape")
    if b"\0" in data:
        raise ValueError(f"argument {word!r}: must not have a zero byte")
    return b"$'%s'" % _PLAIN.sub(lambda found: b"\\x%02x" % found[0][0], data)


def _unquoted(word: bytes) -> bytes:
    """What bash has quoted."""
    data = bytearray()
    for special, single, escaped, plain in _PART.findall(word):
        data += _ESCAPE.sub(_escaped, special) + single + escaped + plain
    return bytes(data)


def _escaped(found: re.Match[bytes]) -> bytes:
    what = found[1]
    if what[:1].isdigit():
        return bytes([int(what, 8)])
    return bytes([_NAMED.get(what[0], what[0])])
