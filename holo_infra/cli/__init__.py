"""The command `holo`: thin; each command is a file of its own, imported when it is called."""

from __future__ import annotations

import argparse
import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, get_args

from holo_infra.cli.output import told
from holo_infra.diagnostics import FleetError
from holo_infra.diagnostics.report import Format
from holo_infra.runtime.failure import Failure
from nixgen.errors import NixgenError

USAGE = 64
"""Exit status of a wrong call: EX_USAGE of sysexits.h."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the signal's number."""

COMMANDS = {
    "init": "begin a fleet: a first one that compiles",
    "check": "tell everything that is wrong with a fleet, and where",
    "show": "show hosts, containers, addresses and forwards with all their numbers",
    "plan": "show what compile would change in an output folder",
    "compile": "write a fleet's NixOS flake and unit bundles",
    "up": "run a fleet on this computer: each host a machine of its own",
    "status": "show what runs in a lab, and whether it answers",
    "logs": "show what a lab's units have logged",
    "exec": "run a command on a host of a lab, or in a container",
    "shell": "open a shell on a host of a lab, or in a container",
    "restart": "start containers of a lab, or a unit in one, anew",
    "down": "end a lab, and everything of it",
    "apply": "put a host's units on a machine with systemd, and start what changed",
    "drift": "show what on a machine is not as compiled",
    "switch": "bring a machine with NixOS to a host's configuration, and back if it fails",
    "remove": "take off a machine what apply has put there",
    "at": "run a command on a machine, as root",
    "deploy": "bring the machines of a fleet to what was compiled, with Pulumi",
    "graph": "draw a fleet",
    "schema": "print the JSON Schema of a fleet.yaml, for editors",
    "explain": "say what a diagnostic's code means, and how it is mended",
    "docs": "print the reference of the modules' options, as Markdown",
    "modules": "write the NixOS modules into a folder",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override] # it does not return either
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def entry() -> NoReturn:
    """The program `holo`."""
    # A fleet is a tree of a million objects: none becomes garbage before the end, and to free them
    # one by one when the process ends takes half a second.
    gc.disable()
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0 done, 1 wrong input, 64 a wrong call.

    `plan` returns 2 where there are changes.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Names and values may hold what the output's encoding cannot.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(_parser(words).parse_args(words))
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    """Calls the command; what a user can mend ends in a message and status 1."""
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except FleetError as error:
        told(error.diagnostics, _form(options), sys.stderr)
        return 1
    except (NixgenError, Failure) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except BrokenPipeError:
        # Whoever read our output has enough. Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"error: {where}{error.strerror or error}\n")
        return 1
    return status


def _form(options: argparse.Namespace) -> Format:
    """How diagnostics are told; `graph` has formats of its own."""
    forms: tuple[Format, ...] = get_args(Format)
    return next((form for form in forms if form == getattr(options, "format", "")), "text")


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the command that is called brings its own arguments."""
    parser = _Parser(prog="holo", description="A typed fleet of NixOS hosts and their containers.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    called = next((word for word in words if not word.startswith("-")), None)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=f"{purpose}.")
        if name == called:
            module = import_module(f"holo_infra.cli.{name}")
            module.configure(command)
            command.set_defaults(run=module.run)
    return parser
