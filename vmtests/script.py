"""What a test script of the NixOS test driver finds besides its machines, and the running of one.

A wait looks every 100 ms, where the driver looks every second.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import TestCase

from vmtests.failure import RequestedAssertionFailed

if TYPE_CHECKING:
    from vmtests.machine import Machine

TIMEOUT = 900
INTERVAL = 0.1
_NO_NAME = re.compile(r"^[^A-Za-z_]|[^A-Za-z0-9_]")


def retry(fn: Callable[[bool], bool], timeout_seconds: float = TIMEOUT) -> None:
    """Call `fn(False)` until it is true, at most 100 ms apart.

    After `timeout_seconds` it is called once more with True, so that it can say what it saw.
    Raises RequestedAssertionFailed when that is not true either.
    """
    start = time.monotonic()
    while time.monotonic() - start < timeout_seconds:
        asked = time.monotonic()
        if fn(False):
            return
        time.sleep(max(0.0, min(INTERVAL, asked + INTERVAL - time.monotonic())))
    elapsed = time.monotonic() - start
    if not fn(True):
        raise RequestedAssertionFailed(
            f"action timed out after {elapsed:.2f} seconds (timeout={timeout_seconds:g})"
        )


@contextmanager
def subtest(name: str) -> Iterator[None]:
    """Group what belongs together: the name is logged, and stands in a failure inside."""
    log.info(f"subtest: {name}")
    start = time.monotonic()
    try:
        yield
    except Exception as error:
        error.add_note(f"subtest: {name} ({time.monotonic() - start:.1f} s)")
        raise


class Log:
    """Lines about what a test does, printed where pytest shows them with a failure."""

    def info(self, message: str, attributes: Mapping[str, str] | None = None) -> None:
        """Print a line, after the name of the machine that it is about."""
        machine = f"{attributes['machine']}: " if attributes else ""
        sys.stdout.write(f"{machine}{message}\n")

    log = warning = error = info

    @contextmanager
    def nested(self, message: str, attributes: Mapping[str, str] | None = None) -> Iterator[None]:
        """Print a line, and how long the block took."""
        start = time.monotonic()
        self.info(message, attributes)
        yield
        self.info(f"({message}: {time.monotonic() - start:.2f} s)", attributes)


log = Log()


def start_all(machines: Iterable[Machine]) -> None:
    """Start machines, all at once, and wait for none: whatever is asked of one waits for it."""
    for machine in machines:
        machine.start()


def join_all(machines: Iterable[Machine]) -> None:
    """Wait until all machines are off."""
    for machine in machines:
        machine.wait_for_shutdown()


class polling_condition:  # noqa: N801 (the NixOS test driver's name)
    """A condition that must hold whenever a command is run inside its `with` block.

        @polling_condition
        def server_lives() -> bool:
            return machine.execute("pgrep server")[0] == 0

        with server_lives:
            machine.succeed("make requests")

    A function that returns nothing fails by an exception. The commands of all machines count.
    """

    active: list[polling_condition] = []

    def __init__(
        self,
        fun_: Callable[[], bool | None] | None = None,
        *,
        seconds_interval: float = 2.0,
        description: str | None = None,
    ) -> None:
        self.seconds_interval = seconds_interval
        self.description = description
        self._last = float("-inf")
        self._is_asking = False
        if fun_ is not None:
            self(fun_)

    def __call__(self, fun: Callable[[], bool | None]) -> polling_condition:
        """Take the condition, when it was not given at once."""
        self._fun = fun
        self.description = self.description or (fun.__doc__ or "").strip() or fun.__name__
        return self

    def __enter__(self) -> None:
        self.active.append(self)

    def __exit__(self, *_: object) -> None:
        self.active.remove(self)

    def wait(self, timeout: float = TIMEOUT) -> None:
        """Return when the condition holds."""
        retry(lambda _: self._holds(), timeout)

    def maybe_raise(self) -> None:
        """Ask, where the interval is over; RequestedAssertionFailed where it does not hold."""
        if self._is_asking or time.monotonic() - self._last < self.seconds_interval:
            return
        if not self._holds():
            raise RequestedAssertionFailed(f"polling condition failed: {self.description}")

    def _holds(self) -> bool:
        self._is_asking = True
        try:
            return self._fun() is not False
        except Exception as error:  # noqa: BLE001 (the driver's meaning of a condition)
            log.error(f"{self.description}: {error}")
            return False
        finally:
            self._is_asking = False
            self._last = time.monotonic()


class AssertionTester(TestCase):
    """`t` of a test script: the assertions of unittest."""

    failureException = RequestedAssertionFailed


def symbols(machines: Iterable[Machine], vlans: Iterable[object] = ()) -> dict[str, Any]:
    """What a test script can name: each machine by its own name, and the driver's functions."""
    all_machines = sorted(machines, key=lambda machine: machine.name)
    named: dict[str, Any] = {_NO_NAME.sub("_", machine.name): machine for machine in all_machines}
    if len(all_machines) == 1:
        named["machine"] = all_machines[0]
    return {
        "machines": all_machines,
        "vlans": list(vlans),
        **{f"vlan{number}": vlan for number, vlan in enumerate(vlans, 1)},
        "start_all": lambda: start_all(all_machines),
        "join_all": lambda: join_all(all_machines),
        "subtest": subtest,
        "retry": retry,
        "log": log,
        "polling_condition": polling_condition,
        "serial_stdout_on": lambda: None,  # pytest shows output with failures
        "serial_stdout_off": lambda: None,
        "os": os,
        "t": AssertionTester(),
        **named,
    }


def run_script(
    script: str | Path, machines: Iterable[Machine], vlans: Iterable[object] = ()
) -> None:
    """Run a `testScript` of a NixOS test: its text, or the file that holds it."""
    name = str(script) if isinstance(script, Path) else "<testScript>"
    text = script.read_text() if isinstance(script, Path) else script
    exec(compile(text, name, "exec"), symbols(machines, vlans))  # noqa: S102 (that is the purpose)
