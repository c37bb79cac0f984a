"""`holo apply FLEET HOST`: puts a host's units on a machine, and starts what changed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holo_infra.cli.arguments import seconds
from holo_infra.cli.fleet import add_fleet, check_host, compile_fleet
from holo_infra.cli.output import say, warned
from holo_infra.cli.progress import Progress, summary
from holo_infra.compiled import Compiled
from holo_infra.runtime.apply import apply
from holo_infra.runtime.bundle import make_bundle
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.lock import PATIENCE
from holo_infra.runtime.machine import Machine, ThisComputer
from holo_infra.runtime.reach import reached_within
from holo_infra.targets.content import unit_content


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_fleet(parser)
    add_machine(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=120.0,
        metavar="SECONDS",
        help="how long it may take to become ready (%(default)g)",
    )
    add_patience(parser)
    parser.add_argument(
        "--content",
        metavar="SHA256",
        help="refuse a fleet whose units of the host are others than those compiled before",
    )


def add_machine(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which host, and which machine that is."""
    parser.add_argument("host", metavar="HOST", help="a host of the fleet")
    add_way(parser)


def add_way(parser: argparse.ArgumentParser) -> None:
    """The arguments that lead to a machine."""
    parser.add_argument(
        "--to",
        metavar="ssh://[USER@]HOST[:PORT]",
        help="the machine (default: this computer)",
    )
    add_ssh(parser)


def add_patience(parser: argparse.ArgumentParser) -> None:
    """The argument that says how long others are waited for."""
    parser.add_argument(
        "--patience",
        type=seconds,
        default=PATIENCE,
        metavar="SECONDS",
        help="how long to wait for another apply that is under way there (%(default)g)",
    )


def add_ssh(parser: argparse.ArgumentParser) -> None:
    """The arguments that say how ssh knows a machine."""
    parser.add_argument(
        "--ssh-config",
        type=Path,
        metavar="FILE",
        help="ssh's configuration, in place of your own",
    )
    parser.add_argument(
        "--host-key",
        metavar="KEY",
        help="the machine's public key, as `ssh-ed25519 AAAA…`, in place of your known hosts",
    )


@contextmanager
def reached(options: argparse.Namespace) -> Iterator[Machine]:
    """The machine that the options name."""
    if options.to is None:
        yield ThisComputer()
        return
    with reached_within(options.to, options.ssh_config, options.host_key, 0) as machine:
        yield machine


def compiled_host(options: argparse.Namespace) -> Compiled:
    """The fleet, which has the host that the options name."""
    compiled = compile_fleet(options.fleet)
    warned(compiled.warnings, options.format)
    check_host(compiled, options.host, options.fleet)
    return compiled


def run(options: argparse.Namespace) -> int:
    """Ends with 1 where something did not become ready, and the earlier state is in place again."""
    compiled = compiled_host(options)
    bundle = make_bundle(compiled.lowered, options.host)
    if options.content not in {None, unit_content(compiled.lowered, options.host)}:
        raise Failure(
            f"{options.fleet}: the units of {options.host} are not those that were compiled",
            "run holo compile --target pulumi anew",
        )
    progress = Progress()
    with reached(options) as machine:
        try:
            outcome = apply(
                machine, bundle, options.timeout, progress.event, patience=options.patience
            )
        finally:
            progress.end()
    progress.troubles(options.host, outcome.troubles)
    if outcome.rolled_back:
        say(f"{options.host}: rolled back: the earlier state is in place again")
        for left in outcome.not_restored:
            say(f"  but {left.name} is not up: {left.state}")
    else:
        say(f"{options.host}: {summary(outcome)}")
    return 1 if outcome.troubles else 0
