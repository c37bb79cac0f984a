"""Starts containers or units anew, and waits until they are ready again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holo_infra.runtime.bundle import Bundle, ContainerFacts
from holo_infra.runtime.events import Tell
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine
from holo_infra.runtime.readiness import Lacking, Waiting
from holo_infra.runtime.trouble import Trouble, troubles
from holo_infra.runtime.units import order, service, states
from holo_infra.services.containers import container_unit

_LONG = 300.0


def restart(
    machine: Machine,
    containers: Mapping[str, ContainerFacts],
    unit: str | None,
    timeout: float,
    tell: Tell,
) -> Sequence[Trouble]:
    """Restarts these containers, or a unit of the only one; tells what is not ready then."""
    own = [container_unit(name) for name in containers]
    lacking = []
    if unit is not None:
        ((name, facts),) = containers.items()
        if service(unit) not in facts.units:
            known = ", ".join(facts.units) or "none"
            raise Failure(f"container {name} has no unit {unit}", f"units: {known}")
        lacking = _restart(machine, service(unit), name)
    else:
        order(machine, "restart", own, None, _LONG)
    carriers = [each for facts in containers.values() for each in facts.carriers]
    waiting = Waiting(machine, machine.name, (*own, *carriers), containers, tell)
    lacking = lacking or waiting.until_ready(timeout)
    return troubles(machine, lacking, Bundle("", machine.name, {}, dict(containers)))


def restart_own(machine: Machine, unit: str, timeout: float, tell: Tell) -> Sequence[Trouble]:
    """Restarts a unit of the machine itself; tells of it if it is not ready then."""
    lacking = _restart(machine, unit, None)
    waiting = Waiting(machine, machine.name, (unit,), {}, tell)
    lacking = lacking or waiting.until_ready(timeout)
    return troubles(machine, lacking, Bundle("", machine.name, {}, {}))


def _restart(machine: Machine, unit: str, container: str | None) -> list[Lacking]:
    """Restarts a unit; it is lacking where that fails."""
    try:
        order(machine, "restart", [unit], container, _LONG)
    except Failure:
        state = states(machine, [unit], container)[unit]
        if not state.is_up:
            return [Lacking(container, unit, state.word, is_lost=True)]
    return []
