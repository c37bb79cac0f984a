"""`holo explain CODE`: what a diagnostic's code means, and how it is mended."""

from __future__ import annotations

import argparse
import sys
import textwrap

from holo_infra.diagnostics.catalogue import CATALOGUE


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("code", metavar="CODE", nargs="?", help="e.g. HI101; without one, all")


def run(options: argparse.Namespace) -> int:
    """Prints the catalogue's entry of a code, or a line for each code."""
    if options.code is None:
        for code, entry in CATALOGUE.items():
            sys.stdout.write(f"{code}  {entry.title}\n")
        return 0
    code = options.code.upper()
    if code not in CATALOGUE:
        sys.stderr.write(f"holo explain: no code {options.code}; `holo explain` lists them all\n")
        return 1
    entry = CATALOGUE[code]
    meaning, cure = (textwrap.fill(text, 80) for text in (entry.meaning, entry.cure))
    sys.stdout.write(f"{entry.severity} {code}: {entry.title}\n\n{meaning}\n\n{cure}\n")
    return 0
