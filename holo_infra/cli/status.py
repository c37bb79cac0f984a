"""`holo status`: what runs in a lab, since when, and whether its services answer."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence

from holo_infra.cli.arguments import seconds
from holo_infra.cli.labs import Place, add_lab, machine_of, read_place
from holo_infra.cli.output import is_coloured
from holo_infra.runtime.lab import Lab
from holo_infra.runtime.labs import the_lab
from holo_infra.runtime.machine import LabMachine
from holo_infra.runtime.status import Row, off, status
from holo_infra.runtime.together import at_once

NOT_GOOD = 1
"""Exit status where something is not as it should be."""
_DAY = 86_400
_HEADINGS = ("HOST", "CONTAINER", "ADDRESS", "UNIT", "STATE", "SINCE", "RESTARTS")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("place", nargs="?", metavar="HOST[/CONTAINER]", help="only this one")
    add_lab(parser)
    parser.add_argument("--json", action="store_true", help="as JSON: a list of objects")
    parser.add_argument("--watch", action="store_true", help="go on until Ctrl-C")
    parser.add_argument(
        "--interval", type=seconds, default=1.0, metavar="SECONDS", help="of --watch (%(default)g)"
    )


def run(options: argparse.Namespace) -> int:
    """Prints the table; 0 if all is up and answers, else 1."""
    place = read_place(options.place, 2) if options.place else None
    if not options.watch:
        lab = the_lab(options.lab)
        rows = _rows(lab, place)
        sys.stdout.write(_json(rows) if options.json else _table(rows, lab))
        return 0 if all(row.is_good for row in rows) else NOT_GOOD
    while True:
        lab = the_lab(options.lab)
        rows = _rows(lab, place)
        if options.json:
            sys.stdout.write(_json(rows))
        else:
            clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() else ""
            sys.stdout.write(f"{clear}{_table(rows, lab)}")
        sys.stdout.flush()
        time.sleep(options.interval)


def _rows(lab: Lab, place: Place | None) -> list[Row]:
    if place is not None:
        machine_of(lab, place)  # which tells where there is none
    machines = lab.machines()

    def of(host: str) -> list[Row]:
        return status(LabMachine(machines[host]), host) if host in machines else [off(host)]

    found = at_once(of, [place.host] if place else lab.hosts)
    only = place.container if place else None
    return [row for rows in found.values() for row in rows if only in {None, row.container}]


def _json(rows: Sequence[Row]) -> str:
    return json.dumps([dataclasses.asdict(row) for row in rows]) + "\n"


def _table(rows: Sequence[Row], lab: Lab) -> str:
    lines = [_HEADINGS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    coloured = is_coloured(sys.stdout)
    made = []
    for number, line in enumerate(lines):
        padded = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        bad = number and not rows[number - 1].is_good
        made.append(f"\x1b[31m{padded.rstrip()}\x1b[0m" if bad and coloured else padded.rstrip())
    made += [f"127.0.0.1:{port} -> {leads}" for port, leads in sorted(lab.published().items())]
    return "\n".join(made) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    since = ""
    if row.since is not None:
        form = "%H:%M:%S" if time.time() - row.since < _DAY else "%Y-%m-%d"
        since = time.strftime(form, time.localtime(row.since))
    container, address = row.container or "", row.address or ""
    return (row.host, container, address, row.unit, row.state, since, str(row.restarts))
