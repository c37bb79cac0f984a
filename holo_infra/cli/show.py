"""`holo show FLEET [HOST]`: hosts, containers, addresses and forwards with all their numbers."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from holo_infra.cli.fleet import add_fleet, compile_fleet
from holo_infra.diagnostics import Diagnostic, FleetError
from holo_infra.lower import LoweredHost
from holo_infra.model.fleet import Host


def add(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser("show", help="show hosts, containers, addresses and forwards")
    add_fleet(parser)
    parser.add_argument("host", nargs="?", metavar="HOST", help="only this host")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints a table, or JSON: {"hosts": {name: {"containers": {name: …}}}}."""
    compiled = compile_fleet(options.fleet)
    names = [options.host] if options.host else sorted(compiled.fleet.hosts)
    for name in names:
        if name not in compiled.fleet.hosts:
            hint = f"hosts: {', '.join(sorted(compiled.fleet.hosts)) or 'none'}"
            message = f"the fleet has no host {name}"
            raise FleetError([Diagnostic("", message, hint, str(options.fleet))])
    hosts = {n: _host(compiled.fleet.hosts[n], compiled.lowered.hosts[n]) for n in names}
    if options.json:
        sys.stdout.write(json.dumps({"hosts": hosts}, indent=2) + "\n")
    else:
        sys.stdout.write("".join(_table(name, host) for name, host in hosts.items()))
    return 0


def _host(model: Host, host: LoweredHost) -> dict[str, Any]:
    return {
        "containers": {
            name: {
                "network": options.network,
                "address": options.address if options.network == "private" else None,
                "units": sorted(model.containers[name].units),
                "forwards": {
                    forward: {
                        "protocol": f.protocol,
                        "engine": f.engine,
                        "bind": f.bind,
                        "host_port": f.host_port,
                        "inner_port": f.inner_port,
                        "port": model.containers[name].forwards[forward].port,
                    }
                    for forward, f in options.forwards.items()
                },
            }
            for name, options in host.options.containers.items()
        },
    }


def _table(name: str, host: dict[str, Any]) -> str:
    lines = [name]
    for container_name, container in host["containers"].items():
        address = container["address"] or "the host's network"
        units = ", ".join(container["units"]) or "no units"
        lines.append(f"  {container_name}  {address}  {units}")
        for forward, f in container["forwards"].items():
            inner = f"{container['address']}:{f['inner_port']}"
            way = f"{f['bind']}:{f['host_port']} -> {inner} -> 127.0.0.1:{f['port']}"
            lines.append(f"    {forward}  {way}  ({f['protocol']}, {f['engine']})")
    return "\n".join(lines) + "\n"
