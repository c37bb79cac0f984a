"""`holo compile FLEET --out DIR`: writes the flake, the hosts and the unit bundles."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from holo_infra.allocate import render_lock
from holo_infra.cli.fleet import add_fleet, compile_fleet, lock_path
from holo_infra.plan import check, replace, write
from holo_infra.targets.nixos import FlakeInputs, nixos
from holo_infra.targets.systemd import systemd


def add(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser("compile", help="write a fleet's NixOS flake and unit bundles")
    add_fleet(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the output folder")
    inputs = FlakeInputs()
    for name, default in (("nixpkgs", inputs.nixpkgs), ("holo-infra", inputs.holo_infra)):
        parser.add_argument(
            f"--{name}",
            default=default,
            metavar="URL",
            help=f"the flake's input {name} (%(default)s)",
        )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compiles; the lock file is written before the output that it gave the numbers for.

    Whatever can be refused is refused before either.
    """
    compiled = compile_fleet(options.fleet)
    inputs = FlakeInputs(nixpkgs=options.nixpkgs, holo_infra=options.holo_infra)
    files = nixos(compiled.lowered, inputs) | systemd(compiled.lowered)
    check(files, options.out)
    lock, text = lock_path(options.fleet), render_lock(compiled.allocation)
    if not lock.exists() or lock.read_text(encoding="utf-8") != text:
        replace(lock, text)
    written = write(files, options.out)
    hosts, classes = len(compiled.lowered.hosts), len(compiled.lowered.classes)
    sys.stderr.write(
        f"{options.out}: {hosts} hosts, {classes} classes of containers, {len(files)} files "
        f"({len(written.written)} written, {len(written.removed)} removed)\n",
    )
    return 0
