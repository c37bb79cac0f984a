"""`holo restart HOST[/CONTAINER[/UNIT]]` or `HOST/UNIT`: starts containers, or a unit, anew."""

from __future__ import annotations

import argparse

from holo_infra.cli.arguments import seconds
from holo_infra.cli.exec import enter
from holo_infra.cli.host_units import host_unit
from holo_infra.cli.labs import add_lab, containers_of, read_place
from holo_infra.cli.output import say
from holo_infra.cli.progress import Progress
from holo_infra.runtime.labs import the_lab
from holo_infra.runtime.machine import LabMachine
from holo_infra.runtime.restart import restart, restart_own


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "place",
        metavar="HOST[/CONTAINER[/UNIT]]",
        help="all containers of a host, one, or a unit in it; HOST/UNIT: a service of the host",
    )
    add_lab(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=120.0,
        metavar="SECONDS",
        help="how long it may take to become ready (%(default)g)",
    )


def run(options: argparse.Namespace) -> int:
    """Waits until all of it is ready again; 1 if it is not."""
    place = read_place(options.place)
    machine = LabMachine(the_lab(options.lab).machine(place.host))
    unit = host_unit(machine, place)
    if place.unit is not None:
        containers_of(machine, place)  # which tells where there is none
        enter(machine, place.container)  # and this where it is not running
    progress = Progress()
    try:
        if unit is not None:
            troubles = restart_own(machine, unit, options.timeout, progress.event)
        else:
            containers = containers_of(machine, place)
            troubles = restart(machine, containers, place.unit, options.timeout, progress.event)
    finally:
        progress.end()
    progress.troubles(place.host, troubles)
    if not troubles:
        say(f"{options.place}: ready")
    return 1 if troubles else 0
