"""The life of a machine: it starts in the background, goes down, comes back, leaves artefacts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from vmtests.artefacts import JOURNAL
from vmtests.backend import BOOT_TIMEOUT, SHUTDOWN_TIMEOUT, Backend
from vmtests.failure import RequestedAssertionFailed
from vmtests.nested import Nested
from vmtests.places import MachineError
from vmtests.script import log

KEEPING = 20.0  # for what is asked besides
_JOURNAL = [
    "journalctl",
    "--boot",
    "--no-pager",
    "--quiet",
    "--output=short-monotonic",
    "--no-hostname",
]


class Life:
    """A machine on a backend, as far as it is on or off."""

    def __init__(
        self, backend: Backend, *, artefacts: Path | None = None, boot_timeout: float = BOOT_TIMEOUT
    ) -> None:
        self.name = backend.name
        self.backend = backend
        self.artefacts = artefacts
        self.boot_timeout = boot_timeout
        self.asserted: set[str] = set()
        """The units that a test has asked after, and those of a command that had to succeed."""
        self._boot: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._lock = threading.RLock()
        self._seen = 0  # of the console, by wait_for_console_text
        # The boot whose journal has been kept, and where in the file that begins.
        self._kept: tuple[threading.Thread | None, int] = (None, 0)

    def __repr__(self) -> str:
        return f"<Machine {self.name!r} on {self.backend.kind}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def start(self, allow_reboot: bool = False) -> None:  # noqa: ARG002 (the driver's)
        """Boot, and do not wait for it; nothing if it runs.

        `allow_reboot` is the driver's: here `reboot` is always allowed. A machine by nspawn that
        reboots by itself is off.
        """
        with self._lock:
            if self._boot is not None and not self._boot.is_alive() and not self.backend.is_on:
                self._boot = None  # it has powered itself off
            if self._boot is None:
                self._seen = 0
                self._in_background(lambda: self.backend.start(self.boot_timeout))

    def connect(self) -> None:
        """Start the machine unless it runs, and return when it runs commands."""
        if not self.is_started:
            self.start()
        self._await_boot()

    @property
    def is_started(self) -> bool:
        """Whether it was started and has not been off since, as far as this process knows."""
        return self._boot is not None

    def is_up(self) -> bool:
        """Whether it runs commands now."""
        boot = self._boot
        return (
            boot is not None
            and not boot.is_alive()
            and self._failure is None
            and self.backend.is_on
        )

    def shutdown(self, timeout: float = SHUTDOWN_TIMEOUT) -> None:
        """Power off in good order, and return when it is off; nothing if it is."""
        if self._boot is not None:
            self.connect()
            self._keep()
            with self.nested("shutting down"):
                try:
                    self.backend.shutdown(timeout)
                except MachineError:  # it is off all the same
                    self._boot = None
                    raise
            self._boot = None

    def wait_for_shutdown(self, timeout: float | None = None) -> None:
        """Return when it is off, which something else brings about.

        Of its journal that is kept which it can tell when this is called.
        """
        if self._boot is None:
            return
        self._await_boot()
        start = time.monotonic()
        self._keep(KEEPING if timeout is None else min(KEEPING, timeout))
        left = None if timeout is None else max(0.0, timeout - (time.monotonic() - start))
        with self.nested("waiting for the machine to power off"):
            if not self.backend.wait_for_shutdown(left):
                raise RequestedAssertionFailed(f"{self.name}: not off after {timeout:g} s")
        self._boot = None

    def crash(self) -> None:
        """Pull the plug, as a power failure does, be it in its boot; nothing if it is off."""
        boot = self._boot
        if boot is not None:
            self._keep()
            self.log("forced crash")
            was_booting = boot.is_alive()
            self.backend.crash()
            boot.join()
            if was_booting:  # it may just have come further
                self.backend.crash()
            self._boot = self._failure = None

    def reboot(self) -> None:
        """Reboot in good order, in the background as `start` does."""
        self.connect()
        self._keep()
        self.log("reboot")
        self._in_background(lambda: self.backend.reboot(self.boot_timeout))

    def release(self) -> None:
        """Keep its artefacts, and leave nothing else of it; nothing if it is off."""
        with suppress(MachineError):
            self.crash()

    def snapshot(self, name: str) -> None:
        """Keep memory and disk under a name; MachineError where the backend cannot."""
        self.connect()
        self.backend.snapshot(name)

    def restore(self, name: str) -> None:
        """Go back to a snapshot. The console's text goes on."""
        self.backend.restore(name)

    def log(self, msg: str) -> None:
        """Print a line with the machine's name."""
        log.info(msg, {"machine": self.name})

    def nested(self, msg: str) -> AbstractContextManager[None]:
        """Print a line, and how long the block took."""
        return log.nested(msg, {"machine": self.name})

    def _in_background(self, do: Callable[[], None]) -> None:
        def work() -> None:
            try:
                do()
            except BaseException as error:  # noqa: BLE001 (raised by `connect`)
                self._failure = error

        with self._lock:
            self._failure = None
            boot = threading.Thread(target=work, name=f"boot {self.name}", daemon=True)
            boot.start()
            self._boot = boot

    def _await_boot(self) -> None:
        """Return when it runs commands; raise what kept it from that, to all who wait."""
        boot = self._boot
        if boot is not None:
            boot.join()
        if (failure := self._failure) is not None:
            with self._lock:
                if self._boot is boot:
                    self._boot = None  # the next start is a new one
            raise failure

    def _keep(self, timeout: float = KEEPING) -> None:
        """Keep what is lost when it goes off: its journal. Nothing if it does not answer now."""
        folder = self.artefacts
        if folder is not None and self._answers() and not isinstance(self.backend, Nested):
            with suppress(MachineError):
                text = self._journal(None, None, timeout)
                folder.mkdir(parents=True, exist_ok=True)
                with (folder / JOURNAL).open("a") as file:
                    if self._kept[0] is not self._boot:
                        self._kept = self._boot, file.tell()
                    file.truncate(self._kept[1])  # what was kept earlier of the same boot
                    file.write(text)

    def _answers(self) -> bool:
        return self.is_up() and self.backend.answers

    def _journal(self, unit: str | None, lines: int | None, timeout: float = KEEPING) -> str:
        chosen = [] if unit is None else [f"--unit={unit}"]
        chosen += [] if lines is None else [f"--lines={lines}"]
        ask = ["sh", "-c", 'journalctl --sync; exec "$@"', "sh", *_JOURNAL, *chosen]
        return self.backend.run(ask, timeout).stdout.decode(errors="replace")
