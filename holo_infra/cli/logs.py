"""`holo logs [HOST[/CONTAINER[/UNIT]]]` or `HOST/UNIT`: what units of a lab have logged."""

from __future__ import annotations

import argparse
import sys
import time

from holo_infra.cli.arguments import count
from holo_infra.cli.host_units import host_unit
from holo_infra.cli.labs import add_lab, containers_of, read_place
from holo_infra.cli.output import say
from holo_infra.plan.describe import printable
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.lab import Lab
from holo_infra.runtime.labs import the_lab
from holo_infra.runtime.logs import Entry, Journal, follow, recent
from holo_infra.runtime.machine import LabMachine
from holo_infra.runtime.units import service
from holo_infra.services.containers import container_unit


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "place",
        nargs="?",
        metavar="HOST[/CONTAINER[/UNIT]]",
        help="only of this; HOST/UNIT: of a unit of the host itself",
    )
    add_lab(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument(
        "-n", "--lines", type=count, default=50, metavar="N", help="of each journal (%(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Prints `time place unit: message`, in the order of time."""
    journals = _journals(the_lab(options.lab), options.place)
    seen = recent(journals, max(options.lines, 1))  # one at least, to know where to go on
    for entry in seen if options.lines else ():
        _tell(entry)
    if options.follow:
        sys.stdout.flush()
        for entry in follow(journals, seen):
            _tell(entry)
            sys.stdout.flush()
    return 0


def _journals(lab: Lab, text: str | None) -> list[Journal]:
    place = read_place(text) if text else None
    if place is not None and place.container is not None:
        machine = lab.machine(place.host)
        known = LabMachine(machine)
        if (unit := host_unit(known, place, with_containers=True)) is not None:
            return [Journal(machine, place.host, None, unit)]
        (facts,) = containers_of(known, place).values()
        if place.unit is not None and service(place.unit) not in facts.units:
            names = ", ".join(facts.units) or "none"
            message = f"container {place.container} has no unit {place.unit}"
            raise Failure(message, f"units: {names}")
        journal = Journal(machine, place.host, place.container, place.unit)
        if not journal.leader():
            say(f"{text} is not running; this is what its host says of it")
            return [Journal(machine, place.host, None, container_unit(place.container))]
        return [journal]
    hosts = [place.host] if place is not None else lab.hosts
    found = []
    for host in hosts:
        machine = lab.machine(host)
        found.append(Journal(machine, host, None, None))
        inside = [
            Journal(machine, host, name, None)
            for name in containers_of(LabMachine(machine), read_place(host))
        ]
        found += [journal for journal in inside if journal.leader()]
    return found


def _tell(entry: Entry) -> None:
    """A line; what follows in a message of several is indented, and nothing steers the terminal."""
    when = time.strftime("%H:%M:%S", time.localtime(entry.seconds))
    lines = (printable(line) for line in entry.message.splitlines() or [""])
    message = "\n    ".join(lines)
    sys.stdout.write(f"{when} {entry.place} {entry.unit}: {message}\n")
