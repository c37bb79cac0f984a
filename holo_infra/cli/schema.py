"""`holo schema`: prints the JSON Schema of a fleet.yaml, for editors."""

from __future__ import annotations

import argparse
import json
import sys

from holo_infra.targets.schema import schema


def configure(parser: argparse.ArgumentParser) -> None:
    """It takes no arguments."""
    parser.epilog = (
        "A fleet.yaml that begins with `# yaml-language-server: $schema=PATH` is checked by editors"
        " while it is written."
    )


def run(options: argparse.Namespace) -> int:  # noqa: ARG001 - as for every command
    """Prints the schema."""
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
    return 0
