r"""Machines for tests, spoken to in the words of the NixOS test driver.

    def test_hello(machine: Machine) -> None:
        machine.wait_for_unit("hello.service")
        assert machine.succeed("curl -sf http://localhost") == "hello\n"

`vmtests.plugin` gives pytest its fixtures, `vmtests.places` has what is below machines. What stands
here is imported when it is asked for: who wants but the places does not wait for pexpect.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmtests.backend import Backend, CommandTimeout
    from vmtests.console import Console
    from vmtests.failure import RequestedAssertionFailed
    from vmtests.machine import Machine
    from vmtests.nixos import NixosVm
    from vmtests.nspawn import Nspawn
    from vmtests.places import MachineError, Result
    from vmtests.qemu import Qemu
    from vmtests.script import join_all, polling_condition, retry, run_script, start_all, subtest
    from vmtests.vlan import Vlan

__all__ = [
    "Backend",
    "CommandTimeout",
    "Console",
    "Machine",
    "MachineError",
    "NixosVm",
    "Nspawn",
    "Qemu",
    "RequestedAssertionFailed",
    "Result",
    "Vlan",
    "join_all",
    "polling_condition",
    "retry",
    "run_script",
    "start_all",
    "subtest",
]

_HOMES = {
    "Backend": "backend",
    "CommandTimeout": "backend",
    "Console": "console",
    "Machine": "machine",
    "MachineError": "places",
    "NixosVm": "nixos",
    "Nspawn": "nspawn",
    "Qemu": "qemu",
    "Result": "places",
    "RequestedAssertionFailed": "failure",
    "Vlan": "vlan",
    **dict.fromkeys(
        ("join_all", "polling_condition", "retry", "run_script", "start_all", "subtest"), "script"
    ),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
