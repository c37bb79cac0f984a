"""A prompt at which the machines of a fleet can be looked into, from a terminal or from a pipe."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import sys
import termios
import threading
import tty
from collections.abc import Iterator

from vmtests.console import Console
from vmtests.fleet import FleetMachines
from vmtests.machine import Machine
from vmtests.nested import Nested
from vmtests.nspawn import Nspawn
from vmtests.places import MachineError

PROMPT = "vmtests> "
LEAVE = b"\x1d"
_HELP = """\
  HOST[/CONTAINER]          open a shell there
  HOST[/CONTAINER] COMMAND  run a command there
  list                      list hosts and containers
  help                      this
  quit                      end all machines (also Ctrl-D)
"""
# With a terminal that is of there: this one is not known inside, and job control would fail.
_LOGIN = r"PS1='\u@\h:\w\$ ' exec bash --login"
_SHELL = ["script", "--quiet", "--return", "--command", _LOGIN, "/dev/null"]
_LOOK = 0.05


class Shell:
    """Reads commands from standard input; a shell on a host reads on where it has stopped."""

    def __init__(self, machines: FleetMachines) -> None:
        self._machines = machines
        self._is_terminal = sys.stdin.isatty()

    def talk(self) -> int:
        """Do what is asked for, until there is no more; the status of the last command."""
        status = 0
        if self._is_terminal:
            import readline  # noqa: F401, PLC0415 (gives `input` its history; writes to terminals)

            sys.stdout.write(f"{_HELP}\n{self._list()}")
        for line in self._lines():
            try:
                words = shlex.split(line)
                if words == ["quit"]:
                    break
                if words:
                    status = self._do(words, line)
            except (MachineError, ValueError) as error:
                sys.stderr.write(f"error: {error}\n")
                status = 1
            except KeyboardInterrupt:
                sys.stdout.write("\n")
        return status

    def open(self, place: str) -> int:
        """Open a shell on a host or in a container; its status."""
        host, _, container = place.partition("/")
        machine = self._machines[host]
        inner = Nested(machine.backend, container) if container else None
        enter = [] if inner is None else inner.enter()
        if isinstance(machine.backend, Nspawn):
            shell = _SHELL if self._is_terminal else ["bash", "--login"]
            return _status(machine.backend.place.interact([*enter, *shell]))
        if not self._is_terminal:
            script = sys.stdin.buffer.read()
            return _told(machine, [*enter, "bash", "--login"], script)
        if enter:
            machine.console.sendline(shlex.join([*enter, "bash", "--login"]))
        sys.stdout.write("(Ctrl-] leaves the console)\n")
        sys.stdout.flush()
        attend(machine.console)
        return 0

    def _do(self, words: list[str], line: str) -> int:
        place, *command = words
        host, _, container = place.partition("/")
        if place == "help":
            sys.stdout.write(_HELP)
        elif place == "list":
            sys.stdout.write(self._list())
        elif host not in self._machines:
            known = ", ".join(self._machines) or "none"
            raise ValueError(f"no host {host}; hosts: {known}; help says what there is")
        elif not command:
            sys.stdout.flush()
            return self.open(place)
        else:
            machine = self._machines[host]
            enter = Nested(machine.backend, container).enter() if container else []
            text = line.strip().removeprefix(place)
            return _told(machine, [*enter, "bash", "-c", text], b"")
        return 0

    def _list(self) -> str:
        lines = []
        for name, host in self._machines.fleet.hosts.items():
            machine = self._machines[name]
            lines.append(f"{name}  {host.address or 'no address'}  {machine.backend.kind}\n")
            containers = [container for container in host.units if container]
            lines += [f"{name}/{one}  {_state(machine, one)}\n" for one in containers]
        return "".join(lines)

    def _lines(self) -> Iterator[str]:
        """Standard input by lines, of which nothing more is read than is given."""
        while True:
            if self._is_terminal:
                try:
                    yield input(PROMPT)
                except EOFError:
                    sys.stdout.write("\n")
                    return
                except KeyboardInterrupt:
                    sys.stdout.write("\n")
            else:
                line = _line(sys.stdin.fileno())
                if not line:
                    return
                yield line.decode(errors="replace")
            sys.stdout.flush()


def attend(console: Console) -> None:
    """Be at a console until Ctrl-] is typed, or it is closed."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    is_over = threading.Event()

    def show() -> None:
        seen = len(console.text)
        while not is_over.wait(_LOOK):
            text = console.text
            sys.stdout.write(text[seen:])
            sys.stdout.flush()
            seen = len(text)

    watcher = threading.Thread(target=show, daemon=True)
    try:
        tty.setraw(terminal)
        watcher.start()
        console.send("\n")  # a prompt
        while not console.is_over:
            if select.select([terminal], [], [], _LOOK)[0]:
                typed = os.read(terminal, 4096)
                before_leaving, leaves, _ = typed.partition(LEAVE)
                console.send(before_leaving)
                if leaves or not typed:
                    return
    finally:
        is_over.set()
        watcher.join()
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        sys.stdout.write("\n")


def _told(machine: Machine, command: list[str], stdin: bytes) -> int:
    """Run a command, and show what it wrote; its status."""
    done = machine.backend.run(command, None, stdin)
    for stream, data in ((sys.stdout, done.stdout), (sys.stderr, done.stderr)):
        stream.flush()
        stream.buffer.write(data)
        stream.flush()
    return _status(done.returncode)


def _state(machine: Machine, container: str) -> str:
    with contextlib.suppress(MachineError):
        Nested(machine.backend, container).enter()
        return "running"
    return "not running"


def _status(status: int) -> int:
    """As shells have it: death by signal N is 128 + N."""
    return 128 - status if status < 0 else status


def _line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line
