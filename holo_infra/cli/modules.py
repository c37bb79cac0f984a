"""`holo modules DIR`: writes the NixOS modules, for the project's own `modules/`."""

from __future__ import annotations

import argparse
from itertools import takewhile
from pathlib import Path

from holo_infra.diagnostics import Diagnostic, FleetError, Place
from holo_infra.plan import replace
from holo_infra.targets.modules import MADE_BY, modules


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Writes every module; a module that is gone is removed.

    A file that was not made so is left alone, and refused where a module is to be.
    """
    folder: Path = options.folder
    files = modules()
    there = sorted(folder.glob("*.nix")) if folder.is_dir() else []
    ours = [path for path in there if _is_ours(path)]
    foreign = [path for path in there if path.name in files and path not in ours]
    if foreign:
        message = f"was not made by `{MADE_BY}`"
        hint = "move it away, or give another folder: a module has this name"
        raise FleetError(
            [Diagnostic("HI311", (), message, hint, Place(str(path))) for path in foreign]
        )
    for name, content in files.items():
        replace(folder / name, content)
    for path in ours:
        if path.name not in files:
            path.unlink()
    return 0


def _is_ours(path: Path) -> bool:
    """Whether the comment at a file's head says that we made it."""
    if path.is_symlink() or not path.is_file():
        return False
    head = takewhile(lambda line: line.startswith(b"#"), path.read_bytes().splitlines())
    return any(line.startswith(f"# Made by `{MADE_BY}` ".encode()) for line in head)
