"""`holo graph FLEET`: draws a fleet, as SVG by Graphviz or as a Mermaid flowchart."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from holo_infra.cli.fleet import compile_fleet
from holo_infra.cli.output import warned
from holo_infra.compiled import past_all_checks
from holo_infra.diagnostics import Diagnostic, FleetError
from holo_infra.plan import replace
from holo_infra.targets.graph import dot, mermaid

SECONDS = 120.0
"""How long Graphviz may take; it needs about one for a thousand containers."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments. Here `--format` is the picture's."""
    parser.add_argument("fleet", type=Path, metavar="FLEET", help="fleet.py or fleet.yaml")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="instead of stdout")
    parser.add_argument(
        "--format",
        choices=("svg", "mermaid"),
        default="svg",
        help="svg, drawn by Graphviz, or mermaid, for Markdown (%(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Prints the picture, or writes it to a file as a whole."""
    as_svg = options.format == "svg"
    options.format = "text"  # for mistakes, which main tells in the format of that name
    compiled = compile_fleet(options.fleet)
    warned(compiled.warnings, "text")
    with past_all_checks(options.fleet):
        picture = (dot if as_svg else mermaid)(compiled.fleet, compiled.lowered)
    if as_svg:
        picture = _svg(picture)
    if options.output is None:
        sys.stdout.write(picture)
    else:
        replace(options.output, picture)
    return 0


def _svg(text: str) -> str:
    """What Graphviz draws. Raises FleetError without it, OSError where it fails."""
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"],
            input=text.encode(),
            capture_output=True,
            check=True,
            timeout=SECONDS,
        )
    except FileNotFoundError:
        hint = "apt-get install graphviz, or in nixpkgs: graphviz; --format mermaid needs nothing"
        message = "Graphviz, which draws the picture, is not installed: there is no `dot`"
        raise FleetError([Diagnostic("HI320", (), message, hint)]) from None
    except subprocess.TimeoutExpired:
        message = f"Graphviz took longer than {SECONDS:.0f} s; --format mermaid needs none"
        raise TimeoutError(message) from None
    except subprocess.CalledProcessError as error:
        raise ChildProcessError(f"Graphviz failed: {error.stderr.decode().strip()}") from None
    return done.stdout.decode()
