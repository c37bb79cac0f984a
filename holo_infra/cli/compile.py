"""`holo compile FLEET --out DIR`: writes the flake, the hosts and the unit bundles."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holo_infra.allocate import render_lock
from holo_infra.cli.fleet import add_fleet, compile_fleet, read_fleet
from holo_infra.cli.inputs import Inputs
from holo_infra.cli.output import counted, progress, say, warned, working
from holo_infra.compiled import Compiled, Locate, lock_path, past_all_checks, read_lock_file
from holo_infra.diagnostics import Diagnostic, FleetError, Place
from holo_infra.lower import LoweredFleet
from holo_infra.model.fleet import Fleet
from holo_infra.plan import Written, check, is_made_from, replace, write
from holo_infra.targets import Files
from holo_infra.targets.nixos import FlakeInputs, nixos
from holo_infra.targets.pulumi import pulumi

TARGETS = ("nixos", "systemd", "pulumi")


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
        help="systemd: plain unit bundles besides the flake; nixos: the flake only; pulumi: all of"
        " it, and what a stack must know (%(default)s)",
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
    with past_all_checks(options.fleet):
        files = nixos(compiled.lowered, inputs)
        if options.target != "nixos":
            from holo_infra.targets.systemd import systemd  # noqa: PLC0415 - builds all definitions

            files |= systemd(compiled.lowered)
        if options.target == "pulumi":
            files |= pulumi(compiled.lowered, files, inputs, _packages(compiled.lowered))
    return files


def _packages(fleet: LoweredFleet) -> dict[str, list[str]]:
    """What machines that are made for plain units have to begin with."""
    from holo_infra.runtime.bundle import make_bundle  # noqa: PLC0415 - a stack's compilation alone
    from holo_infra.runtime.requirements import packages  # noqa: PLC0415 - the same

    made = [
        name
        for name, host in fleet.hosts.items()
        if host.model.platform == "systemd" and host.model.provider != "existing"
    ]
    return {name: packages(make_bundle(fleet, name)) for name in made}


def lock_change(compiled: Compiled, fleet: Path) -> str | None:
    """The lock file's new text, where it would change."""
    with past_all_checks(fleet):
        text = render_lock(compiled.allocation)
    return None if read_lock_file(fleet) == text.encode() else text


def run(options: argparse.Namespace) -> int:
    """Compiles; the lock file is written before the output that it gave the numbers for.

    Whatever can be refused is refused before either.
    """
    source = read_fleet(options.fleet)
    inputs, missing = None, []
    if source.fleet is not None and source.whole:
        inputs = Inputs(source.fleet, options.target, options.nixpkgs, options.holo_infra)
        missing = missing_modules(source.fleet, source.locate, options.out)
        if not missing and _is_current(options, inputs):  # warnings are told at each run
            say(f"{options.out}: no change")
            return 0
    compiled = compile_fleet(options.fleet, source)
    warnings = [*compiled.warnings, *missing]
    warned(warnings, options.format)
    lock = lock_change(compiled, options.fleet)
    if lock is not None and options.locked:
        message = "the lock file would change"
        hint = "run holo compile without --locked, and commit the lock file"
        place = Place(str(lock_path(options.fleet)))
        raise FleetError([Diagnostic("HI304", (), message, hint, place)])
    with working(f"compiling {options.fleet}"):
        files = files_of(compiled, options)
    check(files, options.out)
    with _lock_file(options.fleet, lock):
        made_from = None
        if inputs and not warnings:
            made_from = inputs.digest(read_lock_file(options.fleet))
        written = write(files, options.out, progress(f"{options.out}: files"), made_from)
    changed = bool(written.written or written.removed or lock is not None)
    say(f"{options.out}: {_summary(compiled, files, written) if changed else 'no change'}")
    return 0


def _is_current(options: argparse.Namespace, inputs: Inputs) -> bool:
    """Whether the output folder holds what was made from these inputs and the present lock file."""
    lock = read_lock_file(options.fleet)
    return options.out.exists() and is_made_from(options.out, inputs.digest(lock))


def _summary(compiled: Compiled, files: Files, written: Written) -> str:
    hosts = counted(len(compiled.lowered.hosts), "host")
    classes = counted(len(compiled.lowered.classes), "class")
    changed = f"{len(written.written):,} written, {len(written.removed):,} removed"
    return f"{hosts}, {classes} of containers, {counted(len(files), 'file')} ({changed})"


def missing_modules(fleet: Fleet, locate: Locate, out: Path) -> list[Diagnostic]:
    """A warning for each module of the user's that hosts import and that is not in the folder."""
    return [
        Diagnostic(
            "HI314",
            ("hosts", name, "imports", position),
            f"there is no {path} in {out}",
            "put the module there",
            locate(("hosts", name, "imports", position)),
        )
        for name, host in fleet.hosts.items()
        for position, path in enumerate(host.imports)
        if not (out / path).is_file()
    ]


@contextmanager
def _lock_file(fleet: Path, text: str | None) -> Iterator[None]:
    """With the new lock file in place, if there is one; the old one comes back after a failure."""
    if text is None:
        yield
        return
    before = read_lock_file(fleet)
    replace(lock_path(fleet), text)
    try:
        yield
    except BaseException:
        if before:
            replace(lock_path(fleet), before.decode())
        else:
            lock_path(fleet).unlink()
        raise
