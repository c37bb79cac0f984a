"""A container inside a machine, of which only commands can be asked. Knows no container manager."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Never

from vmtests.backend import BOOT_TIMEOUT, SHUTDOWN_TIMEOUT, Backend
from vmtests.console import Console
from vmtests.places import MachineError, Place, Result
from vmtests.vlan import Vlan

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_TIMEOUT = 30.0
# systemd-nspawn's only child is the container's init.
_LEADER = 'pgrep -o -P "$(pgrep -o -f -- "^[^ ]*systemd-nspawn .*--machine=$1( |\\$)")"'


class Nested(Backend):
    """A container that systemd-nspawn runs in another machine under `--machine=NAME`."""

    kind = "nested"

    def __init__(self, outer: Backend, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"container {name!r}: must be {_NAME.pattern}")
        super().__init__(f"{outer.name}/{name}")
        self._outer = outer
        self._container = name

    @property
    def console(self) -> Console:
        """The outer machine has it."""
        self._refuse()

    @property
    def is_on(self) -> bool:
        """As far as is known without asking."""
        return True

    def start(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Nothing: whoever runs the container starts it."""

    def run(self, argv: Sequence[str], timeout: float | None, stdin: bytes = b"") -> Result:
        """Run a command in the container's namespaces."""
        return self._outer.run([*self.enter(), *argv], timeout, stdin)

    def enter(self) -> list[str]:
        """What begins a command of the outer machine that runs in the container."""
        found = self._outer.run(
            ["sh", "-c", _LEADER, "sh", self._container.replace(".", "[.]")], _TIMEOUT
        )
        leader = found.stdout.decode().strip()
        if found.returncode != 0 or not leader:
            raise MachineError(f"{self.name}: no such container runs")
        return ["nsenter", f"--target={leader}", "--all", "--wd", "--"]

    def wait_for_shutdown(self, timeout: float | None = None) -> bool:
        """Not a container's."""
        del timeout
        self._refuse()

    def shutdown(self, timeout: float = SHUTDOWN_TIMEOUT) -> None:
        """Not a container's."""
        del timeout
        self._refuse()

    def reboot(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Not a container's."""
        del timeout
        self._refuse()

    def crash(self) -> None:
        """Nothing: whoever runs the container ends it."""

    def connect(self, vlan: Vlan, interface: str, address: str | None = None) -> None:
        """Not a container's."""
        del vlan, interface, address
        self._refuse()

    @property
    def cable_end(self) -> Place:
        """Not a container's."""
        self._refuse()

    def _refuse(self) -> Never:
        raise MachineError(f"{self.name}: a container has commands only; ask the machine around it")
