"""`holo docs options`: prints the reference of the NixOS modules' options, as Markdown."""

from __future__ import annotations

import argparse
import sys
from difflib import get_close_matches

from holo_infra.targets.reference import declaring, reference
from nixgen import Module


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("what", choices=["options"], help="the reference of all options")
    parser.add_argument("modules", nargs="*", type=_module, metavar="MODULE", help="only its own")


def _module(name: str) -> Module:
    modules = declaring()
    if name not in modules:
        near = get_close_matches(name, modules, n=1)
        hint = f"did you mean {near[0]}?" if near else f"those with options: {', '.join(modules)}"
        message = f"no module {name!r} declares options; {hint}"
        raise argparse.ArgumentTypeError(message)
    return modules[name]


def run(options: argparse.Namespace) -> int:
    """Prints the page."""
    sys.stdout.write(reference(options.modules or [*declaring().values()]))
    return 0
