"""The one way to a machine: a command with its arguments, its input, and exactly what it gave."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from subprocess import PIPE
from typing import Protocol

from holo_infra.runtime.failure import Failure
from vmtests.places import MachineError, NspawnMachine, Result

TIMEOUT = 120.0
"""Seconds for a command; starting containers is asked for without waiting."""
_LAST_LINES = 10
_LONGEST = 1 << 16
"""Bytes of words on a command line: sshd passes a command as one string, of 128 KiB at most."""


class Machine(Protocol):
    """A machine with systemd, on which we are root."""

    name: str
    """How it is called in messages."""

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = TIMEOUT) -> Result:
        """Run a command. Raises Failure where the machine cannot be reached, or after `timeout`."""

    def popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command, all its streams pipes; its input ends with the way to the machine."""

    def journal_of(self, container: str) -> str:
        """The command by which a person sees what a container has logged."""


def late(name: str, argv: Sequence[str], timeout: float) -> Failure:
    """What is told of a command that took too long."""
    return Failure(f"{name}: {shlex.join(argv)}: not done after {timeout:g} s")


class ThisComputer:
    """The computer that this runs on."""

    name = "this computer"

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = TIMEOUT) -> Result:
        """Run a command here."""
        try:
            done = subprocess.run(
                argv, input=stdin, capture_output=True, timeout=timeout, check=False
            )
        except FileNotFoundError:
            return Result(127, b"", f"{argv[0]}: not found".encode())
        except subprocess.TimeoutExpired:
            raise late(self.name, argv, timeout) from None
        return Result(done.returncode, done.stdout, done.stderr)

    def popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command here."""
        return subprocess.Popen(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE)

    def journal_of(self, container: str) -> str:
        """Journalctl knows the containers of its computer."""
        return f"journalctl --machine={container}"


class LabMachine:
    """A machine of a lab."""

    def __init__(self, machine: NspawnMachine) -> None:
        self.name = machine.name
        self._machine = machine

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = TIMEOUT) -> Result:
        """Run a command in it."""
        try:
            return self._machine.execute(argv, timeout, stdin)
        except MachineError as error:
            raise Failure(str(error)) from None

    def popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command in it."""
        try:
            return self._machine.popen(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        except MachineError as error:
            raise Failure(str(error)) from None

    def journal_of(self, container: str) -> str:
        """The lab's own command."""
        return f"holo logs {self.name}/{container}"


def portions(words: Iterable[str]) -> Iterator[list[str]]:
    """Words of a command in as many lots as it takes for none to be too long a command line."""
    lot: list[str] = []
    length = 0
    for word in words:
        size = len(shlex.quote(word).encode()) + 1
        if lot and length + size > _LONGEST:
            yield lot
            lot, length = [], 0
        lot.append(word)
        length += size
    if lot:
        yield lot


def succeed(
    machine: Machine,
    argv: Sequence[str],
    stdin: bytes = b"",
    timeout: float = TIMEOUT,
) -> str:
    """What a command wrote to its standard output. Raises Failure unless its status is 0."""
    done = machine.run(argv, stdin, timeout)
    if done.returncode != 0:
        told = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        words = shlex.join(argv)
        command = words if len(words) < 160 else f"{words[:160]} …"  # noqa: PLR2004 - two lines
        raise Failure(
            "\n  ".join(
                [f"{machine.name}: {command}: status {done.returncode}", *told[-_LAST_LINES:]]
            )
        )
    return done.stdout.decode(errors="replace")
