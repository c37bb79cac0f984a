"""Processes known by more than their number, which the kernel gives out again. Knows no machine."""

from __future__ import annotations

import errno
import os
import select
import signal
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Self, TypedDict

_STARTED = 19  # proc(5): field 22 of stat, counted from the one after the program's name

# The last two: the number is now that of a thread.
_NO_PROCESS = {errno.ESRCH, errno.EINVAL, errno.ENOENT}


class ProcessRecord(TypedDict):
    """What another process needs to find a process again; JSON."""

    pid: int
    started: int
    """Clock ticks from the computer's boot to the process's start."""
    boot: str
    """The kernel's name for this boot of the computer."""


class Process:
    """A running process. All that is done is done to it or, when it has ended, to none."""

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError when there is no such process."""
        self.pid = pid
        try:
            self._descriptor = os.pidfd_open(pid)
            weakref.finalize(self, os.close, self._descriptor)
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError as error:
            if error.errno in _NO_PROCESS:
                raise ProcessLookupError(pid) from None
            raise
        self._started = int(stat.rpartition(")")[2].split()[_STARTED])

    @classmethod
    def find(cls, record: ProcessRecord) -> Self | None:
        """The process of a record, which may hold more, if it still runs."""
        with suppress(ProcessLookupError):
            process = cls(record["pid"])
            if process.record().items() <= record.items() and not process.wait(0):
                return process
        return None

    def record(self) -> ProcessRecord:
        """What `find` takes."""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return {"pid": self.pid, "started": self._started, "boot": boot}

    def wait(self, timeout: float | None) -> bool:
        """Whether it ended within `timeout` seconds; if it is this process's child, reaped."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        ended = bool(poll.poll(None if timeout is None else timeout * 1000))
        if ended:
            with suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._descriptor, os.WEXITED | os.WNOHANG)
        return ended

    def kill(self) -> None:
        """Send SIGKILL."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
