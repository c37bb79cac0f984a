"""A scenario as files of the flake: its hosts as NixOS modules, its script, and what goes with it.

`nix/scenarios.nix` makes a NixOS test of them. Which processor it is for, the flake says.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from holo_infra.runtime.wiring import wires
from holo_infra.scenarios.machines import lowered
from holo_infra.scenarios.printing import print_script
from holo_infra.scenarios.scenario import Scenario
from holo_infra.targets.nixos import FlakeInputs, nixos
from nixgen.nodes import Raw
from nixgen.values import print_values

_MADE = ("Made by `holo compile`", "Made by `python -m holo_infra.scenarios`")
_PLATFORM = '  nixpkgs.hostPlatform = "x86_64-linux";\n'
_ETC = "/etc/"


def print_scenario(scenario: Scenario) -> dict[str, str]:
    """Path below the scenario's folder -> content."""
    files = {}
    for path, content in nixos(lowered(scenario.fleet), FlakeInputs()).items():
        if path != "flake.nix":
            assert isinstance(content, str)
            assert content.count(_PLATFORM) == 1, path
            files[path] = content.replace(_PLATFORM, "").replace(*_MADE)
    files["script.py"] = print_script(scenario)
    files["default.nix"] = _head(scenario) + print_values(_data(scenario, sorted(files))) + "\n"
    return files


def _head(scenario: Scenario) -> str:
    return f"# Scenario {scenario.name}. {_MADE[1]}; do not edit.\n"


def _data(scenario: Scenario, paths: list[str]) -> dict[str, Any]:
    wired = wires(scenario.fleet)
    assert all(not beyond for _, beyond in wired.values()), "a scenario has one network"
    addresses = {name: address for name, (address, _) in wired.items()}
    classes = [PurePosixPath(path).stem for path in paths if path.startswith("classes/")]
    return {
        "name": scenario.name,
        "also": list(scenario.also),
        "classes": {name: Raw(f"./classes/{name}.nix") for name in classes},
        "etc": {path.removeprefix(_ETC): text for path, text in scenario.files.items()},
        "hosts": {
            name: {"module": Raw(f"./hosts/{name}.nix"), **_address(addresses.get(name))}
            for name in scenario.fleet.hosts
        },
        "packages": list(scenario.packages),
        "script": Raw("./script.py"),
    }


def _address(address: str | None) -> dict[str, Any]:
    if address is None:
        return {"addresses": []}
    host, _, length = address.partition("/")
    return {"addresses": [{"address": host, "prefixLength": int(length)}]}
