"""Units of a machine and of its containers: what state they are in, and what moves them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holo_infra.runtime.machine import TIMEOUT, Machine, portions, succeed

_PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "NRestarts", "StateChangeTimestamp"),
    *("FragmentPath", "DropInPaths", "NeedDaemonReload", "Job", "ActiveEnterTimestampMonotonic"),
)
_UNIT = re.compile(r"[\w@:.-]+\.service")
_CHUNK = 200
"""Units in one question."""


@dataclass(frozen=True, slots=True)
class UnitState:
    """What systemd says of a unit."""

    name: str
    loaded: bool
    active: str
    sub: str
    restarts: int
    since: int | None
    """When it came into this state, in seconds since 1970; None where it never was in another."""
    fragment: str
    drop_ins: tuple[str, ...]
    is_stale: bool
    """Whether its file was changed and systemd has not read it again."""
    has_job: bool
    """Whether systemd is about to start or stop it."""
    entered: float
    """When it last became active, in seconds of the machine's clock since its boot."""

    @property
    def is_up(self) -> bool:
        """Whether it does what it should."""
        return self.active == "active"

    @property
    def is_lost(self) -> bool:
        """Whether it will not come up by itself."""
        return not self.loaded or (self.active == "failed" and not self.has_job)

    @property
    def word(self) -> str:
        """The state in a word, e.g. `running`, `restarting`, `failed`."""
        if not self.loaded:
            return "not loaded"
        if self.active == "activating":
            return "restarting" if self.sub == "auto-restart" else "starting"
        if self.active == "active" and self.name.endswith(".socket"):
            return "listening"  # also while what it has started runs
        if self.active == "active" and self.sub == "exited":
            return "active"
        return self.active if self.active != "active" else self.sub


def service(unit: str) -> str:
    """The unit that a user means: without a kind, a service."""
    return unit if "." in unit else f"{unit}.service"


def systemctl(container: str | None = None) -> list[str]:
    """The command systemctl, for a machine itself or for a container of it."""
    inside = [f"--machine={container}"] if container else []
    return ["systemctl", "--no-pager", *inside]


def states(
    machine: Machine, units: Iterable[str], container: str | None = None
) -> dict[str, UnitState]:
    """The states of units, by name. Raises Failure where systemd cannot be asked."""
    names = list(units)
    found: dict[str, UnitState] = {}
    for start in range(0, len(names), _CHUNK):
        asked = names[start : start + _CHUNK]
        command = [
            *systemctl(container),
            "show",
            "--timestamp=unix",
            f"--property={','.join(_PROPERTIES)}",
        ]
        blocks = succeed(machine, [*command, "--", *asked]).strip("\n").split("\n\n")
        for name, block in zip(asked, blocks, strict=True):
            found[name] = _state(name, dict(line.split("=", 1) for line in block.splitlines()))
    return found


def _state(name: str, told: dict[str, str]) -> UnitState:
    return UnitState(
        name,
        told["LoadState"] == "loaded",
        told["ActiveState"],
        told["SubState"],
        int(told.get("NRestarts") or 0),
        int(told["StateChangeTimestamp"].removeprefix("@") or 0) or None,
        told["FragmentPath"],
        tuple(told["DropInPaths"].split()),
        told["NeedDaemonReload"] == "yes",
        bool(told.get("Job")),
        int(told.get("ActiveEnterTimestampMonotonic") or 0) / 1e6,
    )


def order(
    machine: Machine,
    verb: str,
    units: Iterable[str],
    container: str | None = None,
    timeout: float | None = None,
) -> None:
    """Has systemd do something with units, and waits at most `timeout` seconds until it is done.

    Without a time it is only begun. Raises Failure where systemd refuses, or fails in that time.
    """
    waits = ["--no-block"] if timeout is None else []
    for some in portions(units):
        command = [*systemctl(container), *waits, verb, "--", *some]
        succeed(machine, command, timeout=timeout or TIMEOUT)


def forget_failures(machine: Machine, units: Iterable[str], container: str | None = None) -> None:
    """Lets systemd forget that units have failed: else that counts for what is started now."""
    found = states(machine, units, container)
    order(machine, "reset-failed", [n for n, s in found.items() if s.active == "failed"], container)


def ask(machine: Machine, units: Sequence[str]) -> dict[str, bool]:
    """Whether services answer, by the units that ask them (`ready-…`), all at once.

    systemd forgets how such a unit ended, but tells the one who started it.
    """
    failed: set[str] = set()
    for start in range(0, len(units), _CHUNK):
        asked = units[start : start + _CHUNK]
        done = machine.run([*systemctl(), "start", "--", *asked])
        if done.returncode != 0:
            named = {*_UNIT.findall(done.stderr.decode(errors="replace"))} & {*asked}
            failed |= named or {*asked}
    return {name: name not in failed for name in units}
