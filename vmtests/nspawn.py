"""The backend `nspawn`: systemd as init in namespaces, up in a second, with this kernel.

The machine itself is `vmtests.places.NspawnMachine`, on which labs stand as well; what a test needs
besides is here: a console under pexpect, and a disk that outlives a crash.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from vmtests.backend import BOOT_TIMEOUT, SHUTDOWN_TIMEOUT, Backend, CommandTimeout
from vmtests.console import Console
from vmtests.disk import new_disk
from vmtests.places import Content, MachineError, NspawnMachine, Place, Result
from vmtests.vlan import Vlan

_SIZE = struct.pack("4H", 50, 200, 0, 0)  # lines and columns of the console
_LAST_WORDS = 2.0  # of an nspawn whose machine is gone


class Nspawn(Backend):
    """A machine by systemd-nspawn; `files`, `binds`, `enable`, `containers`, `tree` are its own.

    `console_log`: a file that the console's text is added to as it comes.
    """

    kind = "nspawn"
    connects_early = True

    def __init__(  # noqa: PLR0913 (by keyword all but the name)
        self,
        name: str,
        *,
        files: Mapping[str, Content] | None = None,
        binds: Mapping[str, Path] | None = None,
        enable: Sequence[str] = (),
        containers: bool = True,
        tree: Path | None = None,
        console_log: Path | None = None,
    ) -> None:
        super().__init__(name, console_log)
        self._console: Console | None = None
        self._starting = threading.Lock()
        self._terminal = ""  # the path of the machine's end of the console
        self.place = NspawnMachine(
            name, files=files, binds=binds, enable=enable, containers=containers, tree=tree
        )

    @property
    def console(self) -> Console:
        """The console, with a shell of root's as soon as the boot is done."""
        if self._console is None:
            raise MachineError(f"{self.name}: not started")
        return self._console

    def start(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Boot; return when every job of the boot is done, be it in failed units."""
        if not self.is_on:
            self.place.kill()  # what is left of one that has gone down by itself
        if self.place.disk is None:
            self.place.disk = new_disk(self, partial(_settle, self.place, self._starting))
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, _SIZE)
        self._hang_up()
        self._console = Console(ours, self.console_log)
        self._boot(theirs, timeout)

    def run(self, argv: Sequence[str], timeout: float | None, stdin: bytes = b"") -> Result:
        """Run a command in the machine's namespaces, as a child of this process."""
        try:
            return self.place.execute(argv, timeout, stdin)
        except CommandTimeout:
            raise
        except (OSError, ValueError) as error:  # an argument too long, or with a zero byte
            raise MachineError(f"{self.name}: {argv[0]}: {error}") from None
        except MachineError as error:
            self.wait_for_shutdown(_LAST_WORDS)
            raise MachineError(f"{error}\n{self.console.last_lines()}") from None

    @property
    def is_on(self) -> bool:
        """Whether it has been started and not ended since."""
        return self.place.is_on

    def wait_for_shutdown(self, timeout: float | None = None) -> bool:
        """Whether it was off within `timeout`."""
        is_off = not self.is_on or self.place.namespaces.wait(timeout)
        if is_off:
            self.crash()
        return is_off

    def shutdown(self, timeout: float = SHUTDOWN_TIMEOUT) -> None:
        """Power off as `systemctl poweroff` does."""
        try:
            self.place.shutdown(timeout)
        except MachineError as error:
            raise MachineError(f"{error}\n{self.console.last_lines()}") from None
        finally:
            self._hang_up()

    def reboot(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Reboot as `systemctl reboot` does, on the same console and disk; boot one that is off."""
        if not self.is_on:
            self._start_over(timeout)
            return
        deadline = time.monotonic() + timeout
        # Open meanwhile, for a console that nobody holds is over.
        terminal = os.open(self._terminal, os.O_RDWR | os.O_NOCTTY)
        try:
            self.place.shutdown(timeout, to_reboot=True)
        except MachineError as error:
            os.close(terminal)
            raise MachineError(f"{error}\n{self.console.last_lines()}") from None
        if self.console.is_over:  # it was about to power off
            os.close(terminal)
            self._start_over(timeout)
            return
        self._boot(terminal, max(1.0, deadline - time.monotonic()))

    def _start_over(self, timeout: float) -> None:
        self.crash()
        self.start(timeout)

    def crash(self) -> None:
        """Kill all of it. What it has written is there at the next `start`."""
        self.place.kill()
        self._hang_up()

    def connect(self, vlan: Vlan, interface: str, address: str | None = None) -> None:
        """Lead an interface to a network; it is there early in each boot."""
        if self.is_on:
            vlan.connect(self.place, interface, address)
        self.cables.append((vlan, interface, address))

    @property
    def cable_end(self) -> Place:
        """The machine itself."""
        return self.place

    def _boot(self, terminal: int, timeout: float) -> None:
        """Boot with a terminal, which is closed here."""
        self._terminal = os.ttyname(terminal)
        self.place.terminal = terminal
        try:
            with self._starting:
                self.place.start(timeout, self._plug_in)
        except BaseException as error:
            self.place.kill()
            self._hang_up()
            if isinstance(error, MachineError):
                raise MachineError(f"{error}\n{self.console.last_lines()}") from None
            raise
        finally:
            os.close(terminal)

    def _plug_in(self) -> None:
        """Connect what is to be connected: interfaces have gone with an earlier network."""
        for vlan, interface, address in self.cables:
            vlan.connect(self.place, interface, address)
        if self.lost:
            self.lose(self.lost)
        if self.is_blocked:
            self.block()

    def _hang_up(self) -> None:
        if self._console is not None:
            self._console.close()


def _settle(place: NspawnMachine, starting: threading.Lock) -> None:
    """End a machine, and let a thread that is starting it see that."""
    for _ in range(2):
        with suppress(OSError):  # at the interpreter's exit it may be over already
            place.kill()
        if starting.acquire(timeout=_LAST_WORDS):
            starting.release()
