"""`holo compile FLEET --out DIR`: writes the flake, the hosts and the unit bundles."""

from __future__ import annotations

import argparse
from pathlib import Path

from holo_infra.allocate import render_lock
from holo_infra.cli.fleet import Compiled, add_fleet, compile_fleet, lock_path
from holo_infra.cli.output import counted, progress, say, warned, working
from holo_infra.diagnostics import Diagnostic, FleetError, Place
from holo_infra.plan import check, replace, write
from holo_infra.targets import Files
from holo_infra.targets.nixos import FlakeInputs, nixos

TARGETS = ("nixos", "systemd")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_fleet(parser)
    add_output(parser)
    parser.add_argument(
        "--locked",
        action="store_true",
        help="fail where the lock file would change",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """The arguments that say what is written, and where."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the output folder")
    parser.add_argument(
        "--target",
        choices=[*TARGETS, "all"],
        default="all",
        help="systemd: plain unit bundles besides the flake; nixos: the flake only (%(default)s)",
    )
    inputs = FlakeInputs()
    for name, default in (("nixpkgs", inputs.nixpkgs), ("holo-infra", inputs.holo_infra)):
        parser.add_argument(
            f"--{name}",
            default=default,
            metavar="URL",
            help=f"the flake's input {name} (%(default)s)",
        )


def files_of(compiled: Compiled, options: argparse.Namespace) -> Files:
    """The files that the options ask for."""
    inputs = FlakeInputs(nixpkgs=options.nixpkgs, holo_infra=options.holo_infra)
    files = nixos(compiled.lowered, inputs)
    if options.target != "nixos":
        from holo_infra.targets.systemd import systemd  # noqa: PLC0415 - builds all definitions

        files |= systemd(compiled.lowered)
    return files


def lock_change(compiled: Compiled, fleet: Path) -> str | None:
    """The lock file's new text, where it would change."""
    text = render_lock(compiled.allocation)
    lock = lock_path(fleet)
    if lock.exists() and lock.read_text(encoding="utf-8") == text:
        return None
    return text


def run(options: argparse.Namespace) -> int:
    """Compiles; the lock file is written before the output that it gave the numbers for.

    Whatever can be refused is refused before either.
    """
    compiled = compile_fleet(options.fleet)
    warned(compiled.warnings, options.format)
    lock = lock_change(compiled, options.fleet)
    if lock is not None and options.locked:
        message = "the lock file would change"
        hint = "run holo compile without --locked, and commit the lock file"
        place = Place(str(lock_path(options.fleet)))
        raise FleetError([Diagnostic("HI304", (), message, hint, place)])
    with working(f"compiling {options.fleet}"):
        files = files_of(compiled, options)
    check(files, options.out)
    if lock is not None:
        replace(lock_path(options.fleet), lock)
    written = write(files, options.out, progress(f"{options.out}: files"))
    hosts = counted(len(compiled.lowered.hosts), "host")
    classes = counted(len(compiled.lowered.classes), "class")
    told_files = f"{len(written.written):,} written, {len(written.removed):,} removed"
    say(
        f"{options.out}: {hosts}, {classes} of containers, {counted(len(files), 'file')}"
        f" ({told_files})",
    )
    return 0
