"""Units of a host itself, as commands are told of them: `HOST/UNIT`."""

from __future__ import annotations

from holo_infra.cli.labs import Place
from holo_infra.runtime.bundle import UNITS, own_units
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine
from holo_infra.runtime.record import read_record
from holo_infra.runtime.units import service


def host_unit(machine: Machine, place: Place, *, with_containers: bool = False) -> str | None:
    """The unit of a host that a place names; None where it names a host or a container.

    `with_containers`: units that run containers and their forwards count too. Raises Failure where
    there is neither such a container nor such a unit.
    """
    record = read_record(machine)
    if place.container in {None, *record.containers} or place.unit is not None:
        return None
    own = own_units(record.files, record.containers)
    unit = service(str(place.container))
    if unit in own or (with_containers and f"{UNITS}/{unit}" in record.files):
        return unit
    containers, units = (", ".join(some) or "none" for some in (sorted(record.containers), own))
    raise Failure(
        f"host {place.host} has no container or unit {place.container}",
        f"containers: {containers}; units: {units}",
    )
