"""Random fleets that a user could have written, and their compilation."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from holo_infra.allocate import Allocation, allocate
from holo_infra.diagnostics import FleetError
from holo_infra.lower import LoweredFleet, lower
from holo_infra.model.fleet import Fleet, Host
from tests.support.nix import Nix
from tests.support.values import of_model

ROOT = Path(__file__).parent.parent.parent


def fleet(rng: random.Random, hosts: int) -> tuple[Fleet, LoweredFleet]:
    """A fleet with this many hosts, no two of whose numbers clash, and what it is lowered to."""
    chosen: dict[str, Host] = {}
    while len(chosen) < hosts:
        name = f"host{len(chosen)}"
        host = of_model(rng, Host)
        try:
            allocate(Fleet(name="random", hosts={name: host}), Allocation())
        except FleetError:
            continue  # two numbers of its own clash
        chosen[name] = host
    made = Fleet(name="random", hosts=chosen)
    return made, lower(made, allocate(made, Allocation()))


def inputs(nixpkgs: Path, folder: Path) -> dict[str, Path]:
    """The inputs of a compiled flake: the stand-in, and this project as a flake in `folder`."""
    project = folder / "project"
    if not project.exists():
        project.mkdir()
        shutil.copy(ROOT / "flake.nix", project)
        shutil.copytree(ROOT / "modules", project / "modules")
    return {"nixpkgs": nixpkgs, "holo-infra": project}


def toplevel(nix: Nix, flake: Path, host: str, overrides: dict[str, Path]) -> str:
    """The path of a host's system derivation: everything in its configuration has been forced."""
    attribute = f"nixosConfigurations.{host}.config.system.build.toplevel.drvPath"
    return nix.flake_eval(flake, attribute, overrides)
