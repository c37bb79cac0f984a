"""The journals of a lab's hosts and containers, joined."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from holo_infra.runtime.failure import Failure
from vmtests.places import MachineError, NspawnMachine, Result

_AGAIN = 0.5
"""Seconds between two looks at whether a container has started anew."""


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
        """The command that reads it."""
        inside = [f"--machine={self.container}"] if self.container else []
        unit = [f"--unit={self.unit}"] if self.unit else []
        command = ["journalctl", *inside, "--quiet", "--no-pager", "--all", "--output=json"]
        return [*command, *unit, *more]

    def leader(self) -> str:
        """What its container's init is, which changes when that starts anew; "" where it is off."""
        if self.container is None:
            return "host"
        show = ["machinectl", "show", "--property=Leader", "--value", self.container]
        done = _run(self, show)
        return done.stdout.decode().strip() if done.returncode == 0 else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message."""

    seconds: float
    """Since 1970."""
    place: str
    unit: str
    message: str
    cursor: str
    """Where it stands in its journal."""


def recent(journals: Sequence[Journal], lines: int) -> list[Entry]:
    """The last entries of each, all in the order of time. Raises Failure where one is not there."""
    found = []
    for journal in journals:
        done = _run(journal, journal.command(f"--lines={lines}"))
        if done.returncode != 0:
            told = done.stderr.decode(errors="replace").strip()
            raise Failure(f"{journal.place}: its journal cannot be read: {told}")
        found += [_entry(journal, line) for line in done.stdout.splitlines()]
    return sorted(found, key=lambda entry: entry.seconds)


def follow(journals: Sequence[Journal], seen: Sequence[Entry]) -> Iterator[Entry]:
    """Entries as they come, after those that were seen; ends when all hosts are off."""
    cursors = {entry.place: entry.cursor for entry in seen}
    entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
    followers = [_Follower(journal, cursors, entries) for journal in journals]
    for follower in followers:
        follower.start()
    left = len(followers)
    try:
        while left:
            entry = entries.get()
            if entry is None:
                left -= 1
            else:
                yield entry
    finally:
        for follower in followers:
            follower.end()


class _Follower(threading.Thread):
    """Reads one journal on, and opens it anew when its container has started anew.

    journalctl goes on watching the journal of a container that is gone.
    """

    def __init__(
        self,
        journal: Journal,
        cursors: Mapping[str, str],
        entries: queue.SimpleQueue[Entry | None],
    ) -> None:
        super().__init__(daemon=True)
        self._journal = journal
        self._entries = entries
        cursor = cursors.get(journal.place)
        self._from = [f"--after-cursor={cursor}"] if cursor else []
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        with suppress(Failure, MachineError):  # the host is off
            while not self._ended.is_set():
                if leader := self._journal.leader():
                    self._read_while(leader)
                self._from = []  # the next one is another journal
                self._ended.wait(_AGAIN)
        self._entries.put(None)

    def end(self) -> None:
        """Stop reading."""
        self._ended.set()
        if self._process is not None:
            self._process.terminate()

    def _read_while(self, leader: str) -> None:
        lines = [] if self._from else ["--lines=all"]
        command = self._journal.command("--follow", *self._from, *lines)
        with self._journal.machine.popen(command) as process:
            self._process = process
            if self._ended.is_set():
                process.terminate()
            watch = threading.Thread(target=self._end_after, args=[leader, process], daemon=True)
            watch.start()
            for line in process.stdout or ():
                self._entries.put(_entry(self._journal, line))

    def _end_after(self, leader: str, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None and not self._ended.wait(_AGAIN):
            try:
                if self._journal.leader() != leader:
                    break
            except Failure:
                break
        process.terminate()


def _run(journal: Journal, command: Sequence[str]) -> Result:
    try:
        return journal.machine.execute(command)
    except MachineError as error:
        raise Failure(str(error)) from None


def _entry(journal: Journal, line: bytes) -> Entry:
    told = json.loads(line)
    message = told.get("MESSAGE") or ""
    if isinstance(message, list):  # bytes that are no text
        message = bytes(message).decode(errors="replace")
    unit = told.get("UNIT") or told.get("_SYSTEMD_UNIT") or told.get("SYSLOG_IDENTIFIER") or ""
    seconds = int(told.get("__REALTIME_TIMESTAMP", time.time() * 1e6)) / 1e6
    return Entry(seconds, journal.place, unit, message, told.get("__CURSOR", ""))
