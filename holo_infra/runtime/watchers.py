"""The kernel's limit of file watchers: each container's systemd, journal and bus need some.

Debian leaves it at the kernel's 128, with which some two dozen containers start. It is a limit of
the whole computer, whatever namespaces: nothing in a lab can raise it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine

LIMIT = "fs.inotify.max_user_instances"
_FILE = Path("/proc/sys", *LIMIT.split("."))
_EACH = 6
"""Of a container, or of a machine; five were counted."""
_OTHERS = 32
"""Of everything else that root runs."""


def needed(containers: int) -> int:
    """How high the limit has to be."""
    return _OTHERS + _EACH * containers


def check_watchers(machine: Machine, containers: int) -> None:
    """Raises Failure where the limit of a machine is too low for so many containers."""
    told = machine.run(["cat", str(_FILE)]).stdout.strip()
    if told.isdigit() and int(told) < needed(containers):
        raise Failure(
            f"{machine.name}: {LIMIT} is {int(told)}, too low for {containers} containers",
            f"write {LIMIT}={_round(needed(containers))} to a file in /etc/sysctl.d, and run"
            " sysctl --system there",
        )


def raise_watchers(containers: int, tell: Callable[[str], None]) -> None:
    """Raises this computer's limit where it is too low. Raises Failure where it cannot be."""
    limit = int(_FILE.read_text())
    if limit >= needed(containers):
        return
    wanted = _round(needed(containers))
    try:
        _FILE.write_text(str(wanted))
    except OSError as error:
        raise Failure(
            f"{LIMIT} is {limit}, too low for {containers} containers and hosts: {error.strerror}",
            f"set it where this computer allows it: sysctl {LIMIT}={wanted}",
        ) from None
    tell(f"{LIMIT}: {limit} -> {wanted}, for {containers} containers and hosts")


def _round(number: int) -> int:
    """The next power of two, as such limits are written."""
    return 1 << (number - 1).bit_length()
