"""`holo logs [HOST[/CONTAINER[/UNIT]]]`: what units of a lab have logged, from all its journals."""

from __future__ import annotations

import argparse
import sys
import time

from holo_infra.cli.labs import add_lab, containers_of, read_place
from holo_infra.runtime.lab import Lab, the_lab
from holo_infra.runtime.logs import Entry, Journal, follow, recent
from holo_infra.runtime.machine import LabMachine


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("place", nargs="?", metavar="HOST[/CONTAINER[/UNIT]]", help="only of this")
    add_lab(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument(
        "-n", "--lines", type=int, default=50, metavar="N", help="of each journal (%(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Prints `time place unit: message`, in the order of time."""
    lab = the_lab(options.lab)
    journals = _journals(lab, options.place)
    for entry in recent(journals, options.lines):
        _tell(entry)
    if options.follow:
        sys.stdout.flush()
        for entry in follow(journals):
            _tell(entry)
            sys.stdout.flush()
    return 0


def _journals(lab: Lab, text: str | None) -> list[Journal]:
    place = read_place(text) if text else None
    machines = {place.host: lab.machine(place.host)} if place else lab.machines()
    found = []
    for host, machine in machines.items():
        if place is None or place.container is None:
            found.append(Journal(machine, host, None, None))
            names = list(containers_of(LabMachine(machine), read_place(host)))
        else:
            names = list(containers_of(LabMachine(machine), place))
        found += [Journal(machine, host, name, place.unit if place else None) for name in names]
    return found


def _tell(entry: Entry) -> None:
    when = time.strftime("%H:%M:%S", time.localtime(entry.seconds))
    sys.stdout.write(f"{when} {entry.place} {entry.unit}: {entry.message}\n")
