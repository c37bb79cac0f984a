"""The definitions together, evaluated in Python for machines without Nix."""

from __future__ import annotations

from typing import Any

from holo_infra.model.options import Holo
from holo_infra.network.firewall import firewall
from holo_infra.network.socat import socat
from holo_infra.services.containers import containers
from holo_infra.services.units import units
from nixgen import Module, evaluate_modules
from nixgen.evaluator import Programs

MODULES: tuple[Module, ...] = (containers, firewall, units, socat)
"""All definitions; each is a file in `modules/`."""

_ELSEWHERE = {
    "nft": "/usr/sbin/nft",
    "sysctl": "/usr/sbin/sysctl",
    "systemd-socket-proxyd": "/usr/lib/systemd/systemd-socket-proxyd",
}


def fhs_programs(package: str, name: str) -> str:  # noqa: ARG001 - Debian's packages share one folder
    """Where a program is on a machine without Nix, by the Filesystem Hierarchy Standard."""
    return _ELSEWHERE.get(name, f"/usr/bin/{name}")


def evaluate(options: Holo, programs: Programs = fhs_programs) -> Any:
    """The configuration for these options, as NixOS's options name it: plain dicts and lists."""
    return evaluate_modules(MODULES, options, programs)
