"""`holo modules DIR`: writes the NixOS modules, for the project's own `modules/`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from holo_infra.plan import replace
from holo_infra.targets.modules import modules


def add(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser("modules", help="write the NixOS modules into a folder")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Writes every module; a module that is gone is removed."""
    files = modules()
    for name, content in files.items():
        replace(options.folder / name, content)
    for path in options.folder.glob("*.nix"):
        if path.name not in files:
            path.unlink()
    return 0
