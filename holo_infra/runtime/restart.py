"""Starts containers anew, or one unit in a container, and waits until they are ready again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holo_infra.runtime.bundle import Bundle, ContainerFacts
from holo_infra.runtime.events import Tell
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine
from holo_infra.runtime.readiness import Waiting
from holo_infra.runtime.trouble import Trouble, troubles
from holo_infra.runtime.units import order, service
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
    if unit is not None:
        ((name, facts),) = containers.items()
        if service(unit) not in facts.units:
            known = ", ".join(facts.units) or "none"
            raise Failure(f"container {name} has no unit {unit}", f"units: {known}")
        order(machine, "restart", [service(unit)], name, _LONG)
    else:
        order(machine, "restart", own, None, _LONG)
    carriers = [each for facts in containers.values() for each in facts.carriers]
    waiting = Waiting(machine, machine.name, (*own, *carriers), containers, tell)
    lacking = waiting.until_ready(timeout)
    return troubles(machine, lacking, Bundle("", machine.name, {}, dict(containers)))
