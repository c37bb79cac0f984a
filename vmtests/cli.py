"""The program `vmtests`: a fleet's machines to look around in, or to run a test script against.

    vmtests shell FLEET [HOST[/CONTAINER]]
    vmtests run SCRIPT FLEET

Whatever ends it, the machines end with it.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import NoReturn

from vmtests.configuration import BACKENDS
from vmtests.failure import RequestedAssertionFailed
from vmtests.fleet import Fleet, NoFleet, boot_fleet, load_fleet
from vmtests.places import MachineError
from vmtests.script import run_script
from vmtests.shell import Shell

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the signal's number."""


def entry() -> NoReturn:
    """The program `vmtests`."""
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status: 0 done, 1 not done."""
    options = _parser().parse_args(arguments)
    try:
        fleet = load_fleet(options.fleet)
        return _run(options, fleet) if options.command == "run" else _shell(options, fleet)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (NoFleet, MachineError, RequestedAssertionFailed, ValueError) as error:
        told = str(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        told = f"{where}{error.strerror or error}"
    sys.stderr.write(f"error: {told}\n")
    return 1


def _shell(options: argparse.Namespace, fleet: Fleet) -> int:
    host = options.host
    if host is not None and host.partition("/")[0] not in fleet.hosts:
        known = ", ".join(fleet.hosts) or "none"
        raise NoFleet(f"fleet {fleet.name} has no host {host}\n  hosts: {known}")
    output = sys.stdout
    sys.stderr.write(f"{fleet.name}: booting {', '.join(fleet.hosts) or 'nothing'}\n")
    booted = boot_fleet(fleet, options.backend, tree=options.tree)
    # What machines say of themselves is no answer.
    with redirect_stdout(sys.stderr), booted as machines, redirect_stdout(output):
        shell = Shell(machines)
        return shell.open(host) if host is not None else shell.talk()


def _run(options: argparse.Namespace, fleet: Fleet) -> int:
    """What the script says goes to standard output; a failure is told with the script's line."""
    script: Path = options.script
    script.read_bytes()  # before anything boots
    booted = boot_fleet(fleet, options.backend, tree=options.tree, artefacts=options.artefacts)
    with booted as machines:
        try:
            run_script(script, machines.values(), [machines.vlan])
        except Exception as error:  # noqa: BLE001 (whatever a script raises is its own)
            is_told = isinstance(error, RequestedAssertionFailed)
            kind = "" if is_told else f"{type(error).__name__}: "
            notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
            where = _place(script, error)
            sys.stdout.flush()
            sys.stderr.write(f"{where}: {kind}{error}{notes}\n")
            return 1
    return 0


def _place(script: Path, error: Exception) -> str:
    """The line of the script that something was raised from."""
    trace = traceback.extract_tb(error.__traceback__)
    lines = [one.lineno for one in trace if one.filename == str(script)]
    if isinstance(error, SyntaxError) and error.filename == str(script):
        lines.append(error.lineno)
    return f"{script}:{lines[-1]}" if lines else str(script)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vmtests", description="The machines of a fleet, on this computer."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    shell = commands.add_parser(
        "shell",
        help="start the machines and look around in them",
        description="Starts the machines of a fleet, and asks what to do. Ends with all of them.",
    )
    script = commands.add_parser(
        "run",
        help="run a test script against the machines",
        description="Runs the testScript of a NixOS test against the machines of a fleet.",
    )
    script.add_argument("script", type=Path, metavar="SCRIPT", help="a file of Python")
    for command in (shell, script):
        command.add_argument("fleet", type=Path, metavar="FLEET", help="its file or folder")
        command.add_argument(
            "--backend", choices=BACKENDS, default="nspawn", help="what runs them (%(default)s)"
        )
        command.add_argument(
            "--tree",
            type=Path,
            metavar="DIR",
            help="a root tree that nspawn boots, instead of this computer's /usr",
        )
    shell.add_argument(
        "host", nargs="?", metavar="HOST[/CONTAINER]", help="open a shell there, and end with it"
    )
    script.add_argument(
        "--artefacts", type=Path, metavar="DIR", help="where consoles and journals are kept"
    )
    return parser
