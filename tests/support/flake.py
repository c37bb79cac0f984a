"""The project's flake in Nix, asked as a flake of a user asks it. Knows none of what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from holo_infra.scenarios import SCENARIOS
from tests.support import fleets
from tests.support.nix import Nix, nixpkgs_tree

SYSTEMS = ["aarch64-linux", "x86_64-linux"]
TESTS = {name for one in SCENARIOS.values() for name in (one.name, *one.also)}
OUTPUTS = {
    "apps": ["default"],
    "checks": sorted(["format", "modules", "package", "services", *TESTS]),
    "devShells": ["default"],
    "packages": ["default", "hc-http-gw_0_4", "hc-http-gw_0_5", "holo-infra"],
}
"""What the flake has for each system, no less and no more."""

USER = """
{
  inputs.nixpkgs.url = "path:/nowhere";
  inputs.holo-infra.url = "path:/nowhere";
  inputs.holo-infra.inputs.nixpkgs.follows = "nixpkgs";
  outputs = { nixpkgs, holo-infra, ... }:
    let
      inherit (nixpkgs) lib;
      flake = holo-infra;
      machine = module: lib.nixosSystem {
        modules = [
          module
          { nixpkgs.hostPlatform = "x86_64-linux"; system.stateVersion = "26.05"; }
        ];
      };
      forced = module: builtins.seq (machine module).config.system.build.toplevel.drvPath
        (machine module).config;
    in
    { answer = builtins.toJSON (EXPRESSION); };
}
"""


def without_ours(folder: Path) -> Path:
    """The stand-in for nixpkgs in `folder`, without packages that only we have."""
    tree = nixpkgs_tree(folder)
    (tree / "ours.nix").write_text("{ }\n")
    return tree


def user_inputs(folder: Path) -> dict[str, Path]:
    """The inputs of a flake of a user: nixpkgs, and the project with all that it takes."""
    return fleets.inputs(without_ours(folder), folder)


def ask(nix: Nix, overrides: dict[str, Path], folder: Path, expression: str) -> Any:
    """The value of an expression over `flake`, `lib`, `machine` and `forced`, in a user's flake."""
    user = folder / "user"
    user.mkdir(exist_ok=True)
    (user / "flake.nix").write_text(USER.replace("EXPRESSION", expression))
    return json.loads(nix.flake_eval(user, "answer", overrides))


NAMES = f"""
  lib.genAttrs (lib.splitString " " "{" ".join(OUTPUTS)}")
    (output: lib.mapAttrs (_: lib.attrNames) flake.${{output}})
"""
EXPECTED = {output: dict.fromkeys(SYSTEMS, listed) for output, listed in OUTPUTS.items()}
FORCED = """
  let made = x: { inherit (x) system type; derivation = x.drvPath; out = x.outPath; }; in {
    inherit (builtins.mapAttrs (_: lib.mapAttrs (_: lib.mapAttrs (_: made))) flake)
      checks devShells packages;
    formatter = lib.mapAttrs (_: formatter: { default = made formatter; }) flake.formatter;
  }
"""
