"""`holo show FLEET [HOST]`: hosts, containers, addresses, services, forwards with all numbers."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from holo_infra.allocate import ContainerNumbers
from holo_infra.allocate.addresses import block, octet, quad
from holo_infra.allocate.scope import SHARED
from holo_infra.cli.fleet import add_fleet, check_host, compile_fleet
from holo_infra.cli.output import warned
from holo_infra.compiled import Compiled, past_all_checks
from holo_infra.lower.fleet import STATES
from holo_infra.model.fleet import Container
from holo_infra.model.services import Services


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_fleet(parser)
    parser.add_argument("host", nargs="?", metavar="HOST", help="only this host")


def run(options: argparse.Namespace) -> int:
    """Prints a table, or JSON: {"hosts": {name: {"containers": {name: …}}}}."""
    compiled = compile_fleet(options.fleet)
    warned(compiled.warnings, options.format)
    names = [options.host] if options.host else sorted(compiled.fleet.hosts)
    for name in names:
        check_host(compiled, name, options.fleet)
    with past_all_checks(options.fleet):
        hosts = {name: _host(compiled, name) for name in names}
        shown = "".join(_table(name, host) for name, host in hosts.items())
        if options.format == "json":
            shown = json.dumps({"hosts": hosts}, indent=2) + "\n"
    sys.stdout.write(shown)
    return 0


def _host(compiled: Compiled, name: str) -> dict[str, Any]:
    host, numbers = compiled.fleet.hosts[name], compiled.allocation.hosts[name]
    return {
        "platform": host.platform,
        "address": host.address,
        "networks": host.networks,
        "services": _services(host.services),
        "containers": {
            key: _container(key, host.containers[key], numbers.containers[key])
            for key in sorted(host.containers)
        },
    }


def _container(name: str, container: Container, numbers: ContainerNumbers) -> dict[str, Any]:
    shared = container.network == SHARED
    subnet = None
    if not shared:
        subnet = block(numbers.subnet) if numbers.subnet else octet(numbers.index or 0)
    return {
        "network": container.network,
        "index": numbers.index,
        "subnet": subnet and str(subnet),
        "host_address": subnet and quad(subnet.start + 1),
        "address": subnet and quad(subnet.start + 2),
        "egress": container.egress,
        "isolated": container.isolated,
        "allowed_peers": container.allowed_peers,
        "state": container.state or f"{STATES}/{numbers.home or name}",
        "units": sorted(container.units),
        "services": _services(container.services),
        "forwards": {
            key: {
                "protocol": forward.protocol,
                "engine": forward.carrier,
                "bind": forward.bind,
                "host_port": numbers.forwards[key].host_port,
                "inner_port": numbers.forwards[key].inner_port,
                "port": forward.port,
            }
            for key, forward in sorted(container.forwards.items())
        },
    }


def _services(services: Services) -> dict[str, list[str]]:
    """What each service of a place listens on."""
    return {name: service.listens for name, service in services.present()}


def _table(name: str, host: dict[str, Any]) -> str:
    platform = "" if host["platform"] == "nixos" else f"  {host['platform']}"
    lines = [f"{name}{platform}" + (f"  {host['address']}" if host["address"] else "")]
    for service, listens in host["services"].items():
        lines.append(f"  {_dashed(service)}  {', '.join(listens)}".rstrip())
    for key, container in host["containers"].items():
        lines.append(f"  {key}  " + "  ".join(_facts(container)))
        for forward, f in container["forwards"].items():
            lines.append(f"    {forward}  {_way(container['address'], f)}")
    return "\n".join(lines) + "\n"


def _dashed(service: str) -> str:
    """A service as its options and units have it."""
    return service.replace("_", "-")


def _way(address: str | None, forward: dict[str, Any]) -> str:
    """From port to port, and by what; in the host's own network the service's port alone."""
    protocol, engine = forward["protocol"], forward["engine"]
    if address is None:
        return f"127.0.0.1:{forward['port']}  ({protocol})"
    ways = [f"{forward['bind']}:{forward['host_port']}"]
    if forward["inner_port"] is not None:
        ways.append(f"{address}:{forward['inner_port']}")
    ways.append(f"{address if engine == 'nftables' else '127.0.0.1'}:{forward['port']}")
    return f"{' -> '.join(ways)}  ({protocol}, {engine})"


def _facts(container: dict[str, Any]) -> list[str]:
    """What a container's line says, but its name."""
    facts = [container["address"] or "the host's network"]
    if container["network"] not in {"private", SHARED}:
        facts.append(f"in {container['network']}")
    services = map(_dashed, container["services"])
    facts.append(", ".join([*container["units"], *services]) or "no units")
    if container["egress"] != "none":
        facts.append(f"egress {container['egress']}")
    if not container["isolated"]:
        facts.append("not isolated")
    if container["allowed_peers"]:
        facts.append(f"may reach {', '.join(container['allowed_peers'])}")
    return facts
