"""Machines for a scenario where there is no Nix: its compiled units, and stand-ins for Holochain.

The fleet is compiled as for any host with plain systemd. Programs that this computer has not in
`/usr` stand in /opt; where they are stand-ins, names, descriptions and logs say so.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from holo_infra.allocate import Allocation, allocate
from holo_infra.check import check_fleet
from holo_infra.diagnostics import FleetError
from holo_infra.lower import LoweredFleet, LoweredHost, fhs_programs, lower
from holo_infra.model.fleet import Fleet
from holo_infra.runtime.bundle import Bundle, make_bundle
from holo_infra.runtime.harness import host_of, units_of
from holo_infra.runtime.wiring import wires
from holo_infra.scenarios.scenario import Scenario
from holo_infra.targets import Files
from vmtests import fleet as machines

FOLDER = "/opt/holo-stand-ins"
SCENARIOS = "/opt/holo-scenarios"
STAND_INS = {
    "holochain": "holochain_stand_in.py",
    "hc-http-gw": "hc_http_gw_stand_in.py",
}
_HERE = Path(__file__).parent
_NATS_SERVER = Path(sysconfig.get_path("scripts"), "nats-server")
_UNITS = {
    "Description=Holochain conductor\n": "Description=Stand-in for a Holochain conductor\n",
    "Description=HTTP gateway of Holochain\n": "Description=Stand-in for Holochain's gateway\n",
}

Change = Callable[[dict[str, Files]], None]
"""Changes the files of hosts, by host and path."""


def programs(package: str, name: str) -> str:
    """Where the programs of units are on these machines."""
    if name in STAND_INS:
        return f"{FOLDER}/{STAND_INS[name]}"
    if name == "nats-server" and _NATS_SERVER.exists():
        return f"{SCENARIOS}/bin/nats-server"
    return fhs_programs(package, name)


def lowered(fleet: Fleet) -> LoweredFleet:
    """A fleet with its numbers. Raises FleetError with all that is wrong with it."""
    allocation, clashes = allocate(fleet, Allocation())
    problems = [*clashes, *check_fleet(fleet, allocation)]
    if any(problem.is_error for problem in problems):
        raise FleetError(problems)
    return lower(fleet, allocation)


def machines_of(scenario: Scenario, change: Change | None = None) -> machines.Fleet:
    """The hosts of a scenario as machines before their first boot; `change` may spoil them."""
    made = lowered(scenario.fleet)
    made = replace(made, hosts={name: _shown(host) for name, host in made.hosts.items()})
    bundles = {name: make_bundle(made, name, programs) for name in made.hosts}
    files = {name: _said(bundle.files) for name, bundle in bundles.items()}
    if change is not None:
        change(files)
    wired = wires(scenario.fleet)
    hosts = {}
    for name, bundle in bundles.items():
        address, beyond = wired.get(name, (None, ()))
        all_files = {**files[name], **scenario.files}
        seen = _seen(bundle, all_files)
        units = units_of(bundle)
        hosts[name] = host_of(name, all_files, seen, units, address=address, beyond=beyond)
    return machines.Fleet(scenario.fleet.name, hosts)


def _shown(host: LoweredHost) -> LoweredHost:
    """The host, whose containers see the stand-ins."""
    if not host.classes:
        return host
    containers = {
        name: {**of, "bindMounts": {FOLDER: {"source": FOLDER}, **of.get("bindMounts", {})}}
        for name, of in host.settings["containers"].items()
    }
    return replace(host, settings={**host.settings, "containers": containers})


def _said(files: Files) -> Files:
    """Files whose units say that they run stand-ins."""
    made = dict(files)
    for path, content in files.items():
        if isinstance(content, str) and path.endswith(".service"):
            for old, new in _UNITS.items():
                content = content.replace(old, new)  # noqa: PLW2901 (one after the other)
            made[path] = content
    return made


def _seen(bundle: Bundle, files: Files) -> dict[str, Path]:
    """Programs that this computer has not in `/usr`: path there -> path here."""
    seen = {FOLDER: _HERE / "stand_ins"} if bundle.containers else {}
    if any("nats-server" in str(content) for content in files.values()):
        seen |= {
            f"{SCENARIOS}/bin/nats-server": _NATS_SERVER.resolve(),
            f"{SCENARIOS}/bin/holo-scenario-nats": _HERE / "nats_client.py",
            f"{SCENARIOS}/lib/nats": Path(sysconfig.get_path("purelib"), "nats"),
        }
    return seen
