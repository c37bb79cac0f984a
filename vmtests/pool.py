"""Machines that stay on between tests: booted once, and restored for each test that wants one.

Knows no pytest, and backends only by whether they take snapshots.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmtests.backend import BOOT_TIMEOUT, SHUTDOWN_TIMEOUT, Backend
from vmtests.configuration import Configuration, backend_for, put_all
from vmtests.console import Console
from vmtests.machine import Machine
from vmtests.places import MachineError, Place, Result
from vmtests.vlan import Vlan

SNAPSHOT = "booted"
_KEPT = 4
"""Machines that nobody has: each takes the memory of a virtual machine."""
_NO_SNAPSHOTS = {"nspawn"}

_Key = tuple[str, str]


@dataclass
class _Kept:
    """A machine with a snapshot of what it was after its boot."""

    key: _Key
    machine: Machine


class Pool:
    """Machines by name and configuration. Any thread may ask."""

    def __init__(self) -> None:
        self._kept: list[_Kept] = []
        self._lock = threading.Lock()

    def takes(self, configuration: Configuration) -> bool:
        """Whether such machines can be restored."""
        return configuration.backend not in _NO_SNAPSHOTS

    def lend(self, name: str, configuration: Configuration, log: Path) -> Lent:
        """A machine that is off, and quick to start if there has been one like it.

        `log` gets what its console prints meanwhile.
        """
        key = (name, configuration.digest)
        with self._lock:
            found = next((kept for kept in self._kept if kept.key == key), None)
            if found is not None:
                self._kept.remove(found)
        machine = found.machine if found else Machine(backend_for(name, configuration))
        machine.backend.log_to(log)
        return Lent(self, key, machine, configuration, has_snapshot=found is not None)

    def take_back(self, key: _Key, machine: Machine) -> None:
        """Keep a machine, and end the one that nobody has wanted for the longest time."""
        with self._lock:
            self._kept.append(_Kept(key, machine))
            surplus = self._kept[:-_KEPT]
            del self._kept[:-_KEPT]
        for kept in surplus:
            kept.machine.backend.crash()

    def end(self) -> None:
        """End all machines that are kept."""
        with self._lock:
            kept, self._kept = self._kept, []
        for one in kept:
            with suppress(MachineError):
                one.machine.backend.crash()


class Lent(Backend):
    """A machine of a pool as the backend of another, which is a test's.

    It goes back at `crash` once `is_returned` is set, unless it was off meanwhile: then its disk
    and its snapshot may not fit any more, and it is ended.
    """

    def __init__(
        self,
        pool: Pool,
        key: _Key,
        machine: Machine,
        configuration: Configuration,
        *,
        has_snapshot: bool,
    ) -> None:
        super().__init__(machine.name)
        # As those of the machine: the classes' own are those of all.
        self.kind = machine.backend.kind  # type: ignore[misc]
        self.can_snapshot = machine.backend.can_snapshot  # type: ignore[misc]
        self.cables = machine.backend.cables
        self.is_returned = False
        self._pool = pool
        self._key = key
        self._machine = machine
        self._configuration = configuration
        self._has_snapshot = has_snapshot
        self._starts = 0
        self._was_off = self._is_booted = False
        self._taken: set[str] = set()
        # Of the test, on the console.
        console = machine.backend.console if has_snapshot else None
        self._begin_plain = len(console.plain()) if console else 0

    @property
    def inner(self) -> Backend:
        """The backend that runs it."""
        return self._machine.backend

    @property
    def console(self) -> Console:
        """As Backend's."""
        return self.inner.console

    @property
    def is_on(self) -> bool:
        """As Backend's; one that is kept is on, but not for the test that has not started it."""
        return self._starts > 0 and self.inner.is_on

    @property
    def answers(self) -> bool:
        """As Backend's."""
        return self.is_on and self.inner.answers

    @property
    def console_begin(self) -> int:
        """What earlier tests' machine has printed is before it."""
        return self._begin_plain

    def log_to(self, log: Path | None) -> None:
        """As Backend's."""
        self.inner.log_to(log)

    def start(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Restore what it was after its first boot; boot it where there was none, or another."""
        self._starts += 1
        if self._starts > 1:
            self._was_off = True
            self._begin_plain = 0
            self.inner.start(timeout)
            return
        if self._has_snapshot:
            try:
                self.inner.restore(SNAPSHOT)
            except MachineError:  # it has died since
                self._machine.crash()
                self._begin_plain = 0
            else:
                self._is_booted = True
                return
        self._machine.boot_timeout = timeout
        self._machine.connect()
        self._machine.run("systemctl is-system-running --wait", timeout)
        put_all(self._machine, self._configuration)
        if self.can_snapshot:
            self.inner.snapshot(SNAPSHOT)
        self._is_booted = True

    def run(self, argv: Sequence[str], timeout: float | None, stdin: bytes = b"") -> Result:
        """As Backend's."""
        return self.inner.run(argv, timeout, stdin)

    def wait_for_shutdown(self, timeout: float | None = None) -> bool:
        """As Backend's."""
        is_off = self.inner.wait_for_shutdown(timeout)
        self._was_off = self._was_off or is_off
        return is_off

    def shutdown(self, timeout: float = SHUTDOWN_TIMEOUT) -> None:
        """As Backend's."""
        self._was_off = True
        self.inner.shutdown(timeout)

    def reboot(self, timeout: float = BOOT_TIMEOUT) -> None:
        """As Backend's."""
        self._was_off = True
        self.inner.reboot(timeout)

    def crash(self) -> None:
        """As Backend's, or give it back."""
        if self.is_returned and self.can_snapshot and self._is_booted and not self._was_off:
            self._was_off = True  # for this test it is
            self.log_to(None)
            try:
                self.inner.unplug()
            except MachineError:
                self.inner.crash()
            else:
                self._pool.take_back(self._key, self._machine)
            return
        self._was_off = True
        self.inner.crash()

    def connect(self, vlan: Vlan, interface: str, address: str | None = None) -> None:
        """As Backend's."""
        self.inner.connect(vlan, interface, address)

    @property
    def cable_end(self) -> Place:
        """As Backend's."""
        return self.inner.cable_end

    def block(self) -> None:
        """As Backend's."""
        self.inner.block()

    def unblock(self) -> None:
        """As Backend's."""
        self.inner.unblock()

    def slow(self, milliseconds: int) -> None:
        """As Backend's."""
        self.inner.slow(milliseconds)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the other has)
        """What only some backends have: `place`."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def snapshot(self, name: str) -> None:
        """As Backend's, under a name that is neither the pool's nor another test's."""
        self.inner.snapshot(f"test-{name}")
        self._taken.add(name)

    def restore(self, name: str) -> None:
        """As Backend's, of those that this test has taken."""
        if name not in self._taken:
            raise MachineError(f"{self.name}: no snapshot {name!r} has been taken")
        self.inner.restore(f"test-{name}")
