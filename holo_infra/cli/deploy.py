"""`holo deploy preview|up|refresh|destroy|drift|cancel STACK`: a fleet as a stack of Pulumi."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from holo_infra.cli.arguments import count
from holo_infra.cli.drift import DRIFTED, drift_line
from holo_infra.cli.fleet import compile_fleet
from holo_infra.cli.output import counted, say
from holo_infra.cli.progress import Progress
from holo_infra.runtime.bundle import make_bundle
from holo_infra.runtime.drift import drift
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.ssh import SshMachine
from holo_infra.targets.pulumi import STACK

if TYPE_CHECKING:
    from holo_infra.deploy.engine import Stack


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "operation",
        choices=["preview", "up", "refresh", "destroy", "drift", "cancel"],
        help="preview: what up would do; drift: what on hosts of platform systemd is otherwise than"
        " compiled; cancel: after a run that was killed",
    )
    parser.add_argument("stack", metavar="STACK", help="its settings are in Pulumi.STACK.yaml")
    parser.add_argument(
        "--project",
        type=Path,
        default=Path("pulumi"),
        metavar="DIR",
        help="the folder that holds Pulumi.yaml (%(default)s)",
    )
    parser.add_argument(
        "--parallel", type=count, metavar="N", help="how many steps at once at most"
    )
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="HOST",
        help="only this host; may be given more than once",
    )
    parser.add_argument(
        "--check-drift",
        action="store_true",
        help="before up: look at each host of platform systemd that up would leave as it is, and do"
        " nothing where one is otherwise by now",
    )


def run(options: argparse.Namespace) -> int:
    """Ends with 1 where a host is not as it was to be; the others are."""
    try:
        from holo_infra.deploy.engine import Options, Stack  # noqa: PLC0415 - an extra has it
    except ModuleNotFoundError as error:
        hint = "pip install holo-infra[deploy]"
        raise Failure(f"{error.name} is not installed", hint) from None
    if options.check_drift and options.operation != "up":
        raise Failure("--check-drift is for up", "holo deploy drift looks at all hosts")
    if options.parallel and options.operation in {"drift", "cancel"}:
        raise Failure(f"--parallel is not for {options.operation}")
    if options.target and options.operation == "cancel":
        raise Failure("--target is not for cancel", "a lock is that of the whole stack")
    folder = options.project.resolve()
    stack = Stack(folder, options.stack, make=options.operation == "up")
    _check_targets(stack, folder, options)
    if options.operation == "cancel":
        stack.cancel()
        return 0
    if options.operation == "drift" or options.check_drift:
        lines = _drift(stack, folder, options.target, unchanged=options.operation != "drift")
        if lines or options.operation == "drift":
            sys.stdout.write("".join(lines) or "no drift\n")
            return DRIFTED if lines else 0
    progress = Progress()

    def tell(host: str, part: str, done: str) -> None:
        progress.line(f"{host}  {part}  {done}" if part else f"{host}  {done}")

    steps = stack.run(options.operation, Options(options.parallel, options.target), tell)
    to_be = "to be " if options.operation == "preview" else ""
    told = [
        f"{counted(number, 'resource')} {to_be}{kind}" for kind, number in sorted(steps.items())
    ]
    say(f"{options.stack}: {', '.join(told) or 'no change'}")
    return 0


def _check_targets(stack: Stack, folder: Path, options: argparse.Namespace) -> None:
    if options.target:
        known = stack.hosts()
        if options.operation != "destroy":  # which needs nothing that was compiled
            known |= {*_compiled(stack, folder)}
        for name in options.target:
            if name not in known:
                raise Failure(
                    f"--target {name}: no such host", f"one of {', '.join(sorted(known))}"
                )


def _compiled(stack: Stack, folder: Path) -> dict[str, str]:
    """The digest of what was compiled for each host."""
    from holo_infra.deploy.program import read  # noqa: PLC0415 - an extra has it

    out = stack.settings()["out"]
    return {name: of.content for name, of in read(folder / out / STACK).hosts.items()}


def _drift(stack: Stack, folder: Path, only: list[str], *, unchanged: bool) -> list[str]:
    """What differs on hosts of platform systemd; of `unchanged` ones alone, or of all.

    Unchanged is what was deployed as it is compiled.
    """
    from holo_infra.deploy.program import settings  # noqa: PLC0415 - an extra has it

    told = stack.settings()
    hosts = settings(told["hosts"])
    contents = _compiled(stack, folder)
    config = folder / told["sshConfig"] if "sshConfig" in told else None
    compiled = compile_fleet(folder / told["fleet"])
    lines = []
    for name, deployed in sorted(stack.deployed().items()):
        lowered = compiled.lowered.hosts.get(name)
        if lowered is None or name not in hosts or (only and name not in only):
            continue  # to be taken away, or not asked for
        if lowered.model.platform != "systemd":
            say(f"{name}: not looked at: its platform is {lowered.model.platform}")
            continue
        if unchanged and deployed.content != contents.get(name):
            continue
        with SshMachine(deployed.url, config, hosts[name].known_key) as machine:
            found = drift(machine, make_bundle(compiled.lowered, name), lowered)
        lines += [f"{name}  {drift_line(one)}" for one in found]
    return lines
