"""The journals of a lab's hosts and containers, joined."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holo_infra.runtime.failure import Failure
from vmtests import MachineError, NspawnMachine

_AGAIN = 0.5
"""Seconds after which a journal is opened anew whose container has gone."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of a host or a container, whole or of one unit."""

    machine: NspawnMachine
    host: str
    container: str | None
    unit: str | None

    @property
    def place(self) -> str:
        """How it is told: `alpha/holochain0`."""
        return f"{self.host}/{self.container}" if self.container else self.host

    def command(self, *more: str) -> list[str]:
        """Journalctl for it."""
        inside = [f"--machine={self.container}"] if self.container else []
        unit = [f"--unit={self.unit}"] if self.unit else []
        return ["journalctl", *inside, "--quiet", "--no-pager", "--output=json", *unit, *more]


@dataclass(frozen=True, slots=True)
class Entry:
    """One message."""

    seconds: float
    """Since 1970."""
    place: str
    unit: str
    message: str


def recent(journals: Sequence[Journal], lines: int) -> list[Entry]:
    """The last entries of each, all in the order of time. Raises Failure where a host is off."""
    found = []
    for journal in journals:
        try:
            done = journal.machine.execute(journal.command(f"--lines={lines}"))
        except MachineError as error:
            raise Failure(str(error)) from None
        found += [_entry(journal, line) for line in done.stdout.splitlines()]
    return sorted(found, key=lambda entry: entry.seconds)


def follow(journals: Sequence[Journal]) -> Iterator[Entry]:
    """New entries as they come, without end."""
    entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
    running: list[subprocess.Popen[bytes]] = []
    ended = threading.Event()

    def read(journal: Journal) -> None:
        lines = "--lines=0"
        while not ended.is_set():
            try:
                process = journal.machine.popen(journal.command("--follow", lines))
            except MachineError:
                break  # the host is off
            running.append(process)
            with process:
                for line in process.stdout or ():
                    entries.put(_entry(journal, line))
            running.remove(process)
            lines = "--lines=all"  # of a container that has started anew
            ended.wait(_AGAIN)
        entries.put(None)

    threads = [threading.Thread(target=read, args=[each], daemon=True) for each in journals]
    for thread in threads:
        thread.start()
    left = len(threads)
    try:
        while left:
            entry = entries.get()
            if entry is None:
                left -= 1
            else:
                yield entry
    finally:
        ended.set()
        for process in running:
            process.terminate()


def _entry(journal: Journal, line: bytes) -> Entry:
    told = json.loads(line)
    message = told.get("MESSAGE") or ""
    if isinstance(message, list):  # bytes that are no text
        message = bytes(message).decode(errors="replace")
    unit = told.get("UNIT") or told.get("_SYSTEMD_UNIT") or told.get("SYSLOG_IDENTIFIER") or ""
    seconds = int(told.get("__REALTIME_TIMESTAMP", time.time() * 1e6)) / 1e6
    return Entry(seconds, journal.place, unit, message)
