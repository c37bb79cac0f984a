"""`holo switch FLEET HOST --flake OUT --to …`: a NixOS configuration, with a way back."""

from __future__ import annotations

import argparse

from holo_infra.cli.apply import add_ssh, compiled_host
from holo_infra.cli.arguments import seconds
from holo_infra.cli.fleet import add_fleet
from holo_infra.cli.output import say
from holo_infra.cli.progress import Progress
from holo_infra.runtime.bundle import make_bundle
from holo_infra.runtime.nixos import install, switch
from holo_infra.runtime.ssh import SshMachine


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_fleet(parser)
    parser.add_argument("host", metavar="HOST", help="a host of the fleet")
    parser.add_argument(
        "--flake", required=True, metavar="OUT", help="the folder that holo compile wrote"
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
        help="how long it may take to become ready after the switch (%(default)g)",
    )


def run(options: argparse.Namespace) -> int:
    """Ends with 1 where something did not become ready, and the earlier system is in place."""
    compiled = compiled_host(options)
    bundle = make_bundle(compiled.lowered, options.host)
    if options.install:
        with SshMachine(options.to, options.ssh_config, options.host_key) as machine:
            install(machine, options.flake, options.host)
        return 0
    progress = Progress()
    with SshMachine(options.to, options.ssh_config, options.host_key) as machine:
        try:
            outcome = switch(machine, options.flake, bundle, options.timeout, progress.event)
        finally:
            progress.end()
    progress.troubles(options.host, outcome.troubles)
    if outcome.troubles:
        back = "rolled back: the earlier system is in place again"
        say(f"{options.host}: {back if outcome.rolled_back else 'not ready; no other system'}")
        return 1
    say(f"{options.host}: ready; {'switched' if outcome.restarted else 'no change'}")
    return 0
