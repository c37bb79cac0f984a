"""`holo switch FLEET HOST --flake OUT --to …`: a NixOS configuration, with a way back."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from holo_infra.cli.apply import add_patience, add_ssh, compiled_host
from holo_infra.cli.arguments import seconds
from holo_infra.cli.fleet import add_fleet
from holo_infra.cli.output import say
from holo_infra.cli.progress import Progress
from holo_infra.compiled import Compiled
from holo_infra.runtime.bundle import make_bundle
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.install import Reach, install
from holo_infra.runtime.reach import reached_within
from holo_infra.runtime.switch import switch
from holo_infra.targets.content import nixos_files


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_fleet(parser)
    parser.add_argument("host", metavar="HOST", help="a host of the fleet")
    parser.add_argument(
        "--flake",
        required=True,
        type=Path,
        metavar="OUT",
        help="the folder that holo compile wrote, with a flake.lock",
    )
    parser.add_argument(
        "--to", required=True, metavar="ssh://[USER@]HOST[:PORT]", help="the machine"
    )
    add_ssh(parser)
    parser.add_argument(
        "--install",
        action="store_true",
        help="with nixos-anywhere, where the machine has no NixOS; formats its disks",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=300.0,
        metavar="SECONDS",
        help="how long it may take to become ready after the switch, or to boot after the"
        " installation (%(default)g)",
    )
    add_patience(parser)


def run(options: argparse.Namespace) -> int:
    """Ends with 1 where something did not become ready, and the earlier system is in place."""
    compiled = compiled_host(options)
    _check_compiled(compiled, options)
    reach = partial(reached_within, options.to, options.ssh_config, options.host_key)
    if options.install:
        return _install(reach, options)
    bundle = make_bundle(compiled.lowered, options.host)
    progress = Progress()
    with reach(0) as machine:
        try:
            outcome = switch(
                machine,
                options.flake,
                bundle,
                options.timeout,
                progress.event,
                patience=options.patience,
            )
        finally:
            progress.end()
    progress.troubles(options.host, outcome.troubles)
    if not outcome.troubles:
        say(f"{options.host}: ready; {'switched' if outcome.restarted else 'no change'}")
        return 0
    if outcome.rolled_back:
        say(f"{options.host}: rolled back: the earlier system is in place again")
    else:
        say(f"{options.host}: not ready; no other system")
    for left in outcome.not_restored:
        say(f"  but {left.name}: {left.state}")
    return 1


def _install(reach: Reach, options: argparse.Namespace) -> int:
    is_new = install(reach, options.flake, options.host, options.timeout, options.patience)
    say(f"{options.host}: {'NixOS is installed' if is_new else 'has NixOS; no change'}")
    return 0


def _check_compiled(compiled: Compiled, options: argparse.Namespace) -> None:
    """Raises Failure where the folder holds another host than the fleet's, which is waited for."""
    for path, content in nixos_files(compiled.lowered, options.host).items():
        file = options.flake / path
        if not file.is_file() or file.read_text() != content:
            raise Failure(
                f"{file}: not what {options.fleet} gives for {options.host}",
                f"run holo compile {options.fleet} --out {options.flake}",
            )
