"""`holo up FLEET`: runs a fleet on this computer, each host a machine with systemd of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from holo_infra.check.listeners import ANY
from holo_infra.cli.arguments import seconds
from holo_infra.cli.fleet import add_fleet, compile_fleet
from holo_infra.cli.output import say, warned
from holo_infra.cli.progress import Progress, summary
from holo_infra.compiled import Compiled
from holo_infra.runtime.apply import Outcome, apply
from holo_infra.runtime.bundle import Bundle, make_bundle
from holo_infra.runtime.embedded import FOLDER, Embedded
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.lab import HostSpec, Lab
from holo_infra.runtime.labs import check_root, locked
from holo_infra.runtime.machine import LabMachine
from holo_infra.runtime.together import at_once
from holo_infra.runtime.watchers import raise_watchers
from holo_infra.runtime.wiring import wires

TIMEOUT = 120.0
_HIGHEST_PORT = 65535
_NOT_OURS = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "proc", "sys", "dev", "run"}
"""Where a machine has this computer's files, or the kernel's, or makes its own."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_fleet(parser)
    parser.add_argument("--lab", metavar="NAME", help="a name for it (default: the fleet's)")
    parser.add_argument(
        "--publish",
        action="append",
        default=[],
        metavar="[PORT:]HOST/CONTAINER/FORWARD",
        help="let a port of this computer's 127.0.0.1 lead to a forward (default: the same port)",
    )
    parser.add_argument(
        "--bind",
        action="append",
        default=[],
        metavar="[HOST:]PATH=SOURCE",
        help="show a file or folder of this computer to the hosts, read-only",
    )
    parser.add_argument(
        "--tree",
        type=Path,
        metavar="DIR",
        help="boot from the root in this folder instead of from this computer's /usr",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help="how long hosts may take to become ready (%(default)g)",
    )


def run(options: argparse.Namespace) -> int:
    """Boots what is not there, changes what differs, and waits until all is ready; 1 if it is not.

    Run again with a changed fleet it starts, restarts and stops only what differs. As JSON:
    {"hosts": {name: {"ready", "started", "restarted", "stopped", "troubles"}}, "ports": {…}}.
    """
    check_root()
    compiled = compile_fleet(options.fleet)
    warned(compiled.warnings, options.format)
    if not compiled.fleet.hosts:
        raise Failure(f"{options.fleet}: the fleet has no hosts")
    publications = _publications(options.publish, compiled)
    programs = Embedded(options.tree)
    lowered = programs.shown(compiled.lowered)
    bundles = {host: make_bundle(lowered, host, programs) for host in lowered.hosts}
    specs = _specs(compiled, options.bind, options.tree, programs)
    progress = Progress()
    name = compiled.fleet.name if options.lab is None else options.lab
    with locked(name, say) as lab:
        try:
            raise_watchers(_systems(compiled), progress.line)
            lab.boot(compiled.fleet.name, specs, progress.line)
            outcomes = _apply(lab, bundles, options.timeout, progress)
        finally:
            progress.end()
        for host, outcome in outcomes.items():
            progress.troubles(host, outcome.troubles)
            say(f"{host}: {summary(outcome)}")
        ports = [
            lab.publish(one.port, one.leads_to, f"{one.address}:{one.host_port}")
            for one in publications
        ]
        lab.keep_published(ports)
    published = {port: one.leads_to for one, port in zip(publications, ports, strict=True)}
    if options.format == "json":
        told = {"hosts": {host: _plain(of) for host, of in outcomes.items()}, "ports": published}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        lines = (f"127.0.0.1:{port} -> {leads_to}\n" for port, leads_to in published.items())
        sys.stdout.write("".join(lines))
    return 1 if any(outcome.troubles for outcome in outcomes.values()) else 0


def _plain(outcome: Outcome) -> dict[str, Any]:
    parts = ("started", "restarted", "stopped")
    return {
        "ready": not outcome.troubles,
        **{part: list(getattr(outcome, part)) for part in parts},
        "troubles": [dataclasses.asdict(trouble) for trouble in outcome.troubles],
    }


def _systems(compiled: Compiled) -> int:
    """How many systems will run: hosts and containers."""
    hosts = compiled.fleet.hosts
    return len(hosts) + sum(len(host.containers) for host in hosts.values())


def _apply(
    lab: Lab, bundles: dict[str, Bundle], timeout: float, progress: Progress
) -> dict[str, Outcome]:
    machines = lab.machines()

    def one(host: str) -> Outcome:
        machine = LabMachine(machines[host])
        # What failed stays to be looked at.
        return apply(machine, bundles[host], timeout, progress.event, keep_failed=True)

    return at_once(one, bundles)


def _specs(
    compiled: Compiled, binds: Sequence[str], tree: Path | None, programs: Embedded
) -> dict[str, HostSpec]:
    if tree is not None and not (tree / "usr").is_dir():
        raise Failure(f"{tree}: no root of a machine", "give a folder that has usr and etc")
    wired = wires(compiled.fleet)
    seen = {host: programs.binds() for host in compiled.fleet.hosts}
    for text in binds:
        hosts, path, source = _bind(text, compiled)
        for host in hosts:
            seen[host][path] = source
    root = str(tree.resolve()) if tree else None
    specs = {}
    for host in compiled.fleet.hosts:
        address, beyond = wired.get(host, (None, ()))
        specs[host] = HostSpec(address, beyond, seen[host], root)
    return specs


def _bind(text: str, compiled: Compiled) -> tuple[list[str], str, str]:
    host, colon, rest = text.partition(":") if not text.startswith("/") else ("", "", text)
    path, equals, source = rest.partition("=")
    if not (equals and path.startswith("/") and source) or (colon and not host):
        raise Failure(f"--bind {text}: no such form", "write [HOST:]PATH=SOURCE")
    if host and host not in compiled.fleet.hosts:
        known = ", ".join(compiled.fleet.hosts)
        raise Failure(f"--bind {text}: the fleet has no host {host}", f"hosts: {known}")
    names = PurePosixPath(path).parts[1:]
    is_taken = PurePosixPath(path).is_relative_to(FOLDER)
    if not names or ".." in names or names[0] in _NOT_OURS or is_taken:
        hint = "give a path in /etc, /srv, /opt or such, without .."
        raise Failure(f"--bind {text}: nothing can be put at {path}", hint)
    real = Path(source).resolve()
    if not real.exists():
        raise Failure(f"--bind {text}: there is no {source}")
    if real.is_relative_to("/run"):
        raise Failure(f"--bind {text}: machines have a /run of their own", "copy it elsewhere")
    return [host] if host else list(compiled.fleet.hosts), path, str(real)


@dataclass(frozen=True, slots=True)
class _Publication:
    port: int
    leads_to: str
    address: str
    host_port: int


def _publications(texts: Sequence[str], compiled: Compiled) -> list[_Publication]:
    found = [_publication(text, compiled) for text in texts]
    ports = [one.port for one in found if one.port]
    if twice := sorted({port for port in ports if ports.count(port) > 1}):
        raise Failure(
            f"--publish: port {twice[0]} would lead to two forwards",
            "give one of the two another port: PORT:HOST/CONTAINER/FORWARD",
        )
    return found


def _publication(text: str, compiled: Compiled) -> _Publication:
    port, colon, leads_to = text.rpartition(":")
    if colon and not (port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
        raise Failure(f"--publish {text}: {port} is no port", "write a number from 0 to 65535")
    known = {
        f"{host}/{name}/{key}": (forward, compiled.allocation.hosts[host].containers[name])
        for host, of in compiled.fleet.hosts.items()
        for name, container in of.containers.items()
        for key, forward in container.forwards.items()
    }
    if leads_to not in known:
        listed = ", ".join(list(known)[:6]) or "none"
        raise Failure(f"--publish {text}: the fleet has no such forward", f"forwards: {listed}")
    forward, numbers = known[leads_to]
    if forward.protocol != "tcp":
        raise Failure(f"--publish {text}: only TCP can be published")
    host_port = numbers.forwards[leads_to.rpartition("/")[2]].host_port
    # What listens on all addresses is reached by this one.
    address = "127.0.0.1" if forward.bind == ANY else forward.bind
    return _Publication(int(port) if colon else host_port, leads_to, address, host_port)
