"""The definitions together, evaluated in Python for machines without Nix."""

from __future__ import annotations

from typing import Any

from holo_infra.model.options import Holo
from holo_infra.network.firewall import firewall
from holo_infra.network.haproxy import haproxy
from holo_infra.network.ports import ports
from holo_infra.network.readiness import readiness
from holo_infra.network.socat import socat
from holo_infra.network.socket_proxyd import socket_proxyd
from holo_infra.services.containers import containers
from holo_infra.services.gateway import gateway
from holo_infra.services.hc_http_gw import hc_http_gw
from holo_infra.services.holochain import holochain
from holo_infra.services.holochain_bootstrap import holochain_bootstrap
from holo_infra.services.host_agent import host_agent
from holo_infra.services.nats_server import nats_server
from holo_infra.services.orchestrator import orchestrator
from holo_infra.services.units import units
from nixgen import Module, evaluate_modules
from nixgen.evaluator import Programs

MODULES: tuple[Module, ...] = (
    *(containers, firewall, ports, readiness, units),
    *(haproxy, socat, socket_proxyd),
    *(gateway, hc_http_gw, holochain, holochain_bootstrap, host_agent, nats_server, orchestrator),
)
"""All definitions; each is a file in `modules/`."""

_ELSEWHERE = {
    "haproxy": "/usr/sbin/haproxy",
    "nft": "/usr/sbin/nft",
    "sysctl": "/usr/sbin/sysctl",
    "systemd-socket-proxyd": "/usr/lib/systemd/systemd-socket-proxyd",
}


def fhs_programs(package: str, name: str) -> str:  # noqa: ARG001 - Debian's packages share one folder
    """Where a program is on a machine without Nix, by the Filesystem Hierarchy Standard."""
    return _ELSEWHERE.get(name, f"/usr/bin/{name}")


def evaluate(options: Holo, programs: Programs = fhs_programs) -> Any:
    """The configuration for these options, as NixOS's options name it: plain dicts and lists."""
    return evaluate_modules(MODULES, options, programs, "holo")
