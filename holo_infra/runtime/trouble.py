"""Why something is not ready: the last lines of its log, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from holo_infra.runtime.bundle import UNITS, Bundle, ForwardFacts, units_folder
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.files import fetch
from holo_infra.runtime.machine import Machine, portions, succeed
from holo_infra.runtime.readiness import Lacking
from holo_infra.runtime.requirements import missing, secrets
from holo_infra.runtime.units import states, systemctl
from holo_infra.services.containers import container_unit

_LINES = 8
_MOST = 12
"""Units whose logs are looked at: when all is in ruins, the first ones say why."""
_HOLDER = re.compile(r'users:\(\("(?P<program>[^"]*)",pid=(?P<pid>\d+)')
_PASSED = re.compile(r"--load-credential=([^:\s\"]+):")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A unit that is not ready."""

    unit: str
    """Its name; in a container `container/unit`."""
    state: str
    log: tuple[str, ...]
    hint: str


def troubles(machine: Machine, lacking: Sequence[Lacking], bundle: Bundle) -> tuple[Trouble, ...]:
    """What is known about units that are not ready, those that failed before those that wait."""
    ordered = sorted(lacking, key=lambda one: (not one.is_lost, one.state == "no answer"))
    ordered = [*_causes(machine, ordered), *ordered]
    return tuple(_trouble(machine, one, bundle) for one in ordered[:_MOST])


def _causes(machine: Machine, lacking: Sequence[Lacking]) -> list[Lacking]:
    """What has failed of the units that these cannot do without, and is not among these itself."""
    down = [one.unit for one in lacking if one.container is None and one.state == "inactive"]
    command = [*systemctl(), "show", "--value", "--property=BindsTo", "--property=Requires"]
    needed = set()
    for some in portions(down):
        needed |= {*succeed(machine, [*command, "--", *some]).split()}
    found = states(machine, sorted(needed - {one.unit for one in lacking}))
    return [Lacking(None, name, s.word, is_lost=True) for name, s in found.items() if s.is_lost]


def _trouble(machine: Machine, lacking: Lacking, bundle: Bundle) -> Trouble:
    lines = last_lines(machine, lacking.unit, lacking.container)
    forward = next(
        (
            (name, forward)
            for name, facts in bundle.containers.items()
            for forward in facts.forwards.values()
            if lacking.unit in {*forward.units, forward.ready}
        ),
        None,
    )
    return Trouble(lacking.name, lacking.state, lines, _hint(machine, lacking, lines, forward))


def last_lines(machine: Machine, unit: str, container: str | None = None) -> tuple[str, ...]:
    """The last lines that a unit, and systemd about it, has logged."""
    inside = [f"--machine={container}"] if container else []
    command = ["journalctl", *inside, "--no-pager", "--quiet", "--output=cat", "--all"]
    try:
        done = machine.run([*command, f"--lines={_LINES}", f"--unit={unit}"])
    except Failure:
        return ()
    return tuple(done.stdout.decode(errors="replace").splitlines())


def _hint(
    machine: Machine,
    lacking: Lacking,
    lines: Sequence[str],
    forward: tuple[str, ForwardFacts] | None,
) -> str:
    text = "\n".join(lines)
    # systemd opens a socket in a process of its own, whose message may come after its end.
    is_taken = "Address already in use" in text
    if forward is not None and (is_taken or "listening socket" in text):
        name, facts = forward
        holder = _holder(machine, facts)
        is_taken = is_taken or holder != ""
    if forward is not None and is_taken:
        return (
            f"port {facts.port} of {facts.bind} is taken{holder}:"
            f" stop that, or give the forward of {name} another host_port"
        )
    if lacking.state == "no answer" and forward is not None:
        return f"the service behind this forward does not answer: {machine.journal_of(forward[0])}"
    try:
        if hint := _missing_secrets(machine, lacking):
            return hint
    except Failure:  # the logs may say more
        pass
    hints = {
        r"status=243/CREDENTIALS|Failed to set up credentials": (
            "a secret of the unit cannot be read: see its LoadCredential="
        ),
        r"Cannot assign requested address": "the machine does not have the address of `bind`",
        r"status=203/EXEC|Unable to locate executable": (
            "the program is not there, or is no program: correct exec_start, or install it"
        ),
        # Before what the log of each of these says, too.
        r"status=226/NAMESPACE": "a sandboxing directive names a path that is not there",
        r"Failed to stat|No such file or directory": "a path that it needs is not there",
        r"status=217/USER": "the user that the unit names is not there",
        r"Operation not permitted|Permission denied": "it lacks a right: see Unit.settings",
        r"Dependency failed": "what it depends on did not start: see there",
    }
    return next((hint for pattern, hint in hints.items() if re.search(pattern, text)), "")


def _missing_secrets(machine: Machine, lacking: Lacking) -> str:
    """Which secrets a unit does without, and what helps; nothing where all are there."""
    if lacking.container is None:
        paths = [p for p in _secrets(machine, f"{UNITS}/{lacking.unit}") if p.startswith("/")]
        absent = missing(machine, paths)
        return f"no secret is at {', '.join(absent)}: put it there" if absent else ""
    wanted = _secrets(machine, f"{units_folder(lacking.container)}/{lacking.unit}")
    absent = _missing_inside(machine, lacking.container, wanted)
    if not absent:
        return ""
    return (
        f"container {lacking.container} has no secret {', '.join(absent)}: give it one in its"
        " `secrets`, and name that in the service"
    )


def _missing_inside(machine: Machine, container: str, wanted: Sequence[str]) -> list[str]:
    """Those of a container's secrets that it was not passed, or that are not files in it."""
    if not wanted:
        return []
    unit = _text(machine, f"{UNITS}/{container_unit(container)}")
    absent = {*wanted} - {*_PASSED.findall(unit)}
    show = ["machinectl", "show", "--property=Leader", "--value", container]
    root = f"/proc/{succeed(machine, show).strip()}/root"
    paths = {path for path in absent if path.startswith("/")}
    gone = missing(machine, [f"{root}{path}" for path in paths])
    return sorted((absent - paths) | {path.removeprefix(root) for path in gone})


def _secrets(machine: Machine, path: str) -> list[str]:
    """Where the secrets of the unit in a file are."""
    return secrets(_text(machine, path))


def _text(machine: Machine, path: str) -> str:
    return str(fetch(machine, [path]).get(path, ""))


def _holder(machine: Machine, forward: ForwardFacts) -> str:
    """Who listens on a forward's port: ` by nginx (pid 812)`."""
    family = "--udp" if forward.protocol == "udp" else "--tcp"
    command = ["ss", "--no-header", "--listening", "--numeric", "--processes", family]
    done = machine.run([*command, f"sport = :{forward.port}"])
    found = _HOLDER.search(done.stdout.decode(errors="replace"))
    return f" by {found['program']} (pid {found['pid']})" if found else ""
