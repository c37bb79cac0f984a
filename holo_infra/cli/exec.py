"""`holo exec HOST[/CONTAINER] -- COMMAND`: runs a command on a host of a lab, or in a container."""

from __future__ import annotations

import argparse

from holo_infra.cli.labs import Place, add_lab, machine_of, read_place
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.lab import Lab
from holo_infra.runtime.labs import the_lab
from holo_infra.runtime.machine import LabMachine


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_lab(parser)
    parser.add_argument("place", metavar="HOST[/CONTAINER]")
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,  # argparse takes each -- out of other arguments
        metavar="-- COMMAND",
        help="with its arguments",
    )


def run(options: argparse.Namespace) -> int:
    """Runs it as root with this terminal; its exit status is the command's."""
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise Failure("no command is given", f"write holo exec {options.place} -- COMMAND")
    return interact(the_lab(options.lab), read_place(options.place, 2), command)


def interact(lab: Lab, place: Place, command: list[str]) -> int:
    """Runs a command at a place with this one's terminal; its status as shells tell it."""
    machine = machine_of(lab, place)
    status = lab.machine(place.host).interact([*enter(machine, place.container), *command])
    return 128 - status if status < 0 else status


def enter(machine: LabMachine, container: str | None) -> list[str]:
    """What begins a command that runs in a container of a machine. Raises Failure if it is down."""
    if container is None:
        return []
    done = machine.run(["machinectl", "show", "--property=Leader", "--value", container])
    leader = done.stdout.decode().strip()
    if done.returncode != 0 or not leader:
        raise Failure(f"container {container} is not running", "holo status says why")
    names = ("mount", "uts", "ipc", "net", "pid", "cgroup", "root", "wd")
    return ["nsenter", f"--target={leader}", *(f"--{name}" for name in names), "--"]
