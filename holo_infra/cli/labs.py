"""What the commands on a running lab share: which lab, which host, and what is told."""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from holo_infra.cli.output import is_coloured, say
from holo_infra.runtime.bundle import ContainerFacts
from holo_infra.runtime.events import Event
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.lab import Lab
from holo_infra.runtime.machine import LabMachine
from holo_infra.runtime.record import read_record
from holo_infra.runtime.trouble import Trouble

_NOT_YET = {"inactive", "no answer", "not reached"}
"""States of which there is nothing to tell: it has not begun."""
_GREEN, _RED, _DIM, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


def add_lab(parser: argparse.ArgumentParser) -> None:
    """The argument that says which lab."""
    parser.add_argument("--lab", metavar="NAME", help="the lab, where several are running")


@dataclass(frozen=True, slots=True)
class Place:
    """A host of a lab, a container of it, or a unit of that."""

    host: str
    container: str | None = None
    unit: str | None = None


def read_place(text: str, depth: int = 3) -> Place:
    """`HOST[/CONTAINER[/UNIT]]`. Raises Failure for another form."""
    parts = text.split("/")
    if len(parts) > depth or not all(parts):
        forms = "HOST", "HOST/CONTAINER", "HOST/CONTAINER/UNIT"
        raise Failure(f"{text}: no such place", f"write {' or '.join(forms[:depth])}")
    return Place(*parts)


def machine_of(lab: Lab, place: Place) -> LabMachine:
    """The machine of a place. Raises Failure where the lab has no such host or container."""
    machine = LabMachine(lab.machine(place.host))
    if place.container is not None:
        containers_of(machine, place)
    return machine


def containers_of(machine: LabMachine, place: Place) -> dict[str, ContainerFacts]:
    """The containers of a place's host, or the one that is named."""
    known = read_record(machine).containers
    if place.container is None:
        return known
    if place.container not in known:
        names = ", ".join(sorted(known)) or "none"
        raise Failure(
            f"host {place.host} has no container {place.container}", f"containers: {names}"
        )
    return {place.container: known[place.container]}


class Progress:
    """Tells on stderr how units come up.

    On a terminal those that are ready, and on the last line what is waited for; elsewhere every
    change of state.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str | None, str], str] = {}
        self._terminal = sys.stderr.isatty()
        self._coloured = is_coloured(sys.stderr)
        self._begun = time.monotonic()

    def line(self, text: str) -> None:
        """A line of its own."""
        self._print(f"{time.monotonic() - self._begun:6.1f} s  {text}")

    def event(self, event: Event) -> None:
        """A unit's change of state."""
        unit = f"{event.container}/{event.unit}" if event.container else event.unit
        key = (event.host, event.container, event.unit)
        with self._lock:
            if event.is_ready:
                self._waiting.pop(key, None)
            else:
                self._waiting[key] = event.state
        if event.is_ready or not (self._terminal or event.state in _NOT_YET):
            state = self._paint(event.state, _GREEN if event.is_ready else _DIM)
            self.line(f"{event.host}  {unit}  {state}")
        else:
            self._print(None)

    def end(self) -> None:
        """Takes the last line away."""
        with self._lock:
            self._waiting.clear()
        self._print(None)

    def troubles(self, host: str, troubles: Sequence[Trouble]) -> None:
        """What is not ready, with its last log lines and a hint."""
        for trouble in troubles:
            self._print(
                f"{self._paint('not ready', _RED)}: {host}  {trouble.unit}: {trouble.state}"
            )
            for line in trouble.log:
                self._print(f"    {line}")
            if trouble.hint:
                self._print(f"  hint: {trouble.hint}")

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._coloured else text

    def _print(self, text: str | None) -> None:
        with self._lock:
            if not self._terminal:
                if text is not None:
                    say(text)
                return
            lines = "" if text is None else f"\r\x1b[K{text}\n"
            last = "\r\x1b[K"
            if self._waiting:
                (host, container, unit), state = next(iter(self._waiting.items()))
                name = f"{container}/{unit}" if container else unit
                more = f", and {len(self._waiting) - 1} more" if len(self._waiting) > 1 else ""
                width = shutil.get_terminal_size().columns - 1
                last += f"  waiting for {host}  {name} ({state}){more}"[:width]
            sys.stderr.write(lines + last)
            sys.stderr.flush()
