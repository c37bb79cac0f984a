"""What a machine asks of the thing that runs it: boot, commands, a console, a cable.

Knows no method of `vmtests.Machine`; a backend is written against this file alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from vmtests.places import CommandTimeout, MachineError, Result

if TYPE_CHECKING:
    from vmtests.console import Console
    from vmtests.places import Place
    from vmtests.vlan import Vlan

__all__ = ["BOOT_TIMEOUT", "SHUTDOWN_TIMEOUT", "Backend", "CommandTimeout"]

BOOT_TIMEOUT = 300.0
SHUTDOWN_TIMEOUT = 60.0


class Backend(ABC):
    """One way to run one machine. All times are in seconds; all errors are MachineError.

    A backend belongs to one thread at a time, save `run`, which any number may call at once.
    """

    kind: ClassVar[str]
    """`nspawn`, `qemu` or `nixos`."""
    can_snapshot: ClassVar[bool] = False
    connects_early: ClassVar[bool] = False
    """Whether `connect` may come before `start`: an interface is then there early in the boot."""

    def __init__(self, name: str, console_log: Path | None = None) -> None:
        self.name = name
        self.console_log = console_log
        """A file that what the console prints is added to as it comes."""
        self.is_blocked = False
        self.lost = 0  # packets of a hundred
        self.cables: list[tuple[Vlan, str, str | None]] = []
        """The networks that it is connected to, by which interface, with which address."""

    @property
    @abstractmethod
    def console(self) -> Console:
        """The console of the present or last run; MachineError before the first."""

    @property
    @abstractmethod
    def is_on(self) -> bool:
        """Whether it has been started and not been off since, be it still in its boot."""

    @property
    def answers(self) -> bool:
        """Whether a command would be run at once, as far as is known without asking."""
        return self.is_on

    @property
    def console_begin(self) -> int:
        """The character of the console's plain text at which that of the next start begins."""
        return 0

    def log_to(self, log: Path | None) -> None:
        """From now on, have another `console_log`, also for the run that is on."""
        self.console_log = log
        with suppress(MachineError):
            self.console.log_to(log)

    @abstractmethod
    def start(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Boot, and return as soon as commands run; with the console's last lines if they never do.

        A kernel that panics and a machine that is off are told at once, not at the timeout.
        """

    @abstractmethod
    def run(self, argv: Sequence[str], timeout: float | None, stdin: bytes = b"") -> Result:
        """Run a command as root, without a shell, in /; exact bytes, exact status.

        A status of -N is death by signal N. Raises CommandTimeout when it was killed for taking
        longer than `timeout`, after which the machine is as usable as before.
        """

    @abstractmethod
    def wait_for_shutdown(self, timeout: float | None = None) -> bool:
        """Whether the machine was off within `timeout`; then nothing of it is left."""

    @abstractmethod
    def shutdown(self, timeout: float = SHUTDOWN_TIMEOUT) -> None:
        """Power off in good order. After `timeout` pull the plug, and raise."""

    @abstractmethod
    def reboot(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Go down in good order and boot again with the same disk; return as `start` does."""

    @abstractmethod
    def crash(self) -> None:
        """Pull the plug. Nothing is left but the console's text; nothing if it is off."""

    @abstractmethod
    def connect(self, vlan: Vlan, interface: str, address: str | None = None) -> None:
        """Lead an interface of this running machine to a network, and add that to `cables`.

        `address`, with its length as in "192.0.2.1/24", is set in the machine. The interface is
        there again, with its address, after each boot.
        """

    @property
    @abstractmethod
    def cable_end(self) -> Place:
        """Where the cables of `Vlan.connect` end: the machine itself, or what QEMU stands in."""

    def block(self) -> None:
        """Cut all cables; they stay cut when the machine reboots."""
        self.is_blocked = True
        for vlan, interface, _ in self.cables:
            vlan.cut(self.cable_end, interface)

    def unblock(self) -> None:
        """Mend all cables."""
        self.is_blocked = False
        for vlan, interface, _ in self.cables:
            vlan.mend(self.cable_end, interface)

    def lose(self, percent: int) -> None:
        """Let all cables lose so many packets of a hundred, as `Vlan.lose` says."""
        self.lost = percent
        for vlan, interface, _ in self.cables:
            vlan.lose(self.cable_end, interface, percent)

    def slow(self, milliseconds: int) -> None:
        """Let each packet that the machine sends leave so much later; 0: at once."""
        raise MachineError(f"{self.name}: {self.kind} makes no links slow ({milliseconds} ms)")

    def unplug(self) -> None:
        """Take all cables away, but not the machine's interfaces, which a snapshot is without."""
        raise MachineError(f"{self.name}: {self.kind} keeps its cables")

    def snapshot(self, name: str) -> None:
        """Keep memory and disk as they are now, under a name of `[a-z0-9-]`."""
        raise MachineError(f"{self.name}: {self.kind} takes no snapshots ({name})")

    def restore(self, name: str) -> None:
        """Go back to a snapshot, with the clock set right; commands run at once."""
        raise MachineError(f"{self.name}: {self.kind} takes no snapshots ({name})")
