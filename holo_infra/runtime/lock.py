"""One `apply` at a time on a machine: a lock there that ends with whoever holds it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine

LOCK = "/run/holo-apply.lock"
_BEAT = 15.0
"""Seconds between two signs of life."""
_TAKEN = 75
PATIENCE = 2.0
"""Seconds in which one that was killed is noticed."""
# Not `cat`: of a connection that is dead, the other end may learn after hours.
_HOLD = "while read -r -t 60; do echo; done"


@contextmanager
def locked(machine: Machine, patience: float = PATIENCE) -> Iterator[None]:
    """Holds the machine's lock. Raises Failure where another does, `patience` seconds later."""
    flock = ["flock", f"--timeout={patience:g}", f"--conflict-exit-code={_TAKEN}", LOCK]
    holder = machine.popen([*flock, "bash", "-c", _HOLD])
    over = Event()

    def beat() -> None:
        # Where it is gone, so is the machine, and the commands tell; or this has ended.
        with suppress(OSError, ValueError):
            while not over.wait(_BEAT):
                _beat(holder)

    try:
        with suppress(OSError):
            _beat(holder)
        if not holder.stdout or not holder.stdout.readline():
            raise _refused(machine, holder)
        Thread(target=beat, daemon=True).start()
        yield
    finally:
        over.set()
        _end(holder)


def _beat(holder: subprocess.Popen[bytes]) -> None:
    if holder.stdin:
        holder.stdin.write(b"\n")
        holder.stdin.flush()


def _refused(machine: Machine, holder: subprocess.Popen[bytes]) -> Failure:
    told = holder.stderr.read().decode(errors="replace").strip() if holder.stderr else ""
    if holder.wait() == _TAKEN:
        return Failure(f"{machine.name}: another apply is under way", "wait until it has ended")
    return Failure(f"{machine.name}: {LOCK} cannot be had: {told}")


def _end(holder: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        if holder.stdin:
            holder.stdin.close()
    try:
        holder.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        holder.kill()
    for stream in (holder.stdout, holder.stderr):
        if stream:
            stream.close()
    holder.wait()
