"""What the commands on a running lab share: which lab, which host, and what is told."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from holo_infra.runtime.bundle import ContainerFacts
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.lab import Lab
from holo_infra.runtime.machine import LabMachine
from holo_infra.runtime.record import read_record


def add_lab(parser: argparse.ArgumentParser) -> None:
    """The argument that says which lab."""
    parser.add_argument("--lab", metavar="NAME", help="the lab, where several are running")


@dataclass(frozen=True, slots=True)
class Place:
    """A host of a lab, a container of it, or a unit of that."""

    host: str
    container: str | None = None
    unit: str | None = None


def read_place(text: str, depth: int = 3) -> Place:
    """`HOST[/CONTAINER[/UNIT]]`. Raises Failure for another form."""
    parts = text.split("/")
    if len(parts) > depth or not all(parts):
        forms = "HOST", "HOST/CONTAINER", "HOST/CONTAINER/UNIT"
        raise Failure(f"{text}: no such place", f"write {' or '.join(forms[:depth])}")
    return Place(*parts)


def machine_of(lab: Lab, place: Place) -> LabMachine:
    """The machine of a place. Raises Failure where the lab has no such host or container."""
    machine = LabMachine(lab.machine(place.host))
    if place.container is not None:
        containers_of(machine, place)
    return machine


def containers_of(machine: LabMachine, place: Place) -> dict[str, ContainerFacts]:
    """The containers of a place's host, or the one that is named."""
    known = read_record(machine).containers
    if place.container is None:
        return known
    if place.container not in known:
        names = ", ".join(sorted(known)) or "none"
        raise Failure(
            f"host {place.host} has no container {place.container}", f"containers: {names}"
        )
    return {place.container: known[place.container]}
