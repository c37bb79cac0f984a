"""Mutants of the project's flake, in which something is lost or wrong: each is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.flake import EXPECTED, FORCED, NAMES, ask, user_inputs
from tests.support.nix import Nix, NixError

pytestmark = pytest.mark.needs("nix")


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return user_inputs(tmp_path_factory.mktemp("inputs"))


def mutant(overrides: dict[str, Path], folder: Path, file: str, old: str, new: str) -> Any:
    """The inputs of a user's flake, with one text of the project's changed."""
    shutil.copytree(overrides["holo-infra"], folder / "project")
    path = folder / "project" / file
    source = path.read_text() if path.exists() else ""
    assert old in source, f"the mutant has nothing to change: {old}"
    path.write_text(source.replace(old, new) if old else new)
    return overrides | {"holo-infra": folder / "project"}


@pytest.mark.parametrize(
    ("name", "lost"),
    [("checks", "services"), ("packages", "hc-http-gw_0_4"), ("devShells", "default")],
)
def test_outputs_lost_to_a_shallow_update_are_noticed(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path, name: str, lost: str
) -> None:
    lossy = f"{{ {name}.x86_64-linux.extra = nixpkgs.legacyPackages.x86_64-linux.hello; }}"
    update = f"    }}\n    // {lossy};\n}}\n"
    changed = mutant(overrides, tmp_path, "flake.nix", "    };\n}\n", update)
    found = ask(nix, changed, tmp_path, NAMES)
    assert lost not in found[name]["x86_64-linux"]
    assert found != EXPECTED


REFUSED = {
    "a check of a name that is there": (
        *("nix/checks.nix", "{ package = holo-infra; }", "{ services = holo-infra; }"),
        "defined twice: services",
    ),
    "a default for no module": (
        *("nix/modules.nix", '(ours "gateway")', '(ours "gatway")'),
        "not in modules: gatway",
    ),
    "a module named as all are": (
        *("nix/modules.nix", "{ default = module", "{ socat = module"),
        "defined twice: socat",
    ),
    "a service that no check turns on": (
        *("nix/services.nix", "    holochain-bootstrap.enable = true;\n", ""),
        "not every service is on: holochain-bootstrap",
    ),
    "a service's option misspelt": (
        *("nix/services.nix", "listenPort", "listenport"),
        "listenport' does not exist",
    ),
    "a service without its package": (
        *("nix/modules.nix", '    (ours "orchestrator")\n', ""),
        "attribute 'holo-infra' missing",
    ),
    "a requirement that nixpkgs lacks": (
        *("pyproject.toml", '"pyyaml>=6.0.2,<7"', '"no-such[x]>=1"'),
        "attribute 'no-such' missing",
    ),
    "an extra that a package lacks": (
        *("pyproject.toml", '"pyyaml>=6.0.2,<7"', '"nats-py[no-such]>=2"'),
        "attribute 'no-such' missing",
    ),
    "an argument that no builder knows": (
        *("nix/package.nix", "pyproject = true;", "pyproject = true; pyprojekt = true;"),
        "called with unexpected argument 'pyprojekt'",
    ),
    "a source that is not there": (
        *("nix/package.nix", "../LICENSE", "../LICENCE"),
        "LICENCE is a path that does not exist",
    ),
    "a program that nixpkgs lacks": (
        *("nix/shell.nix", "pkgs.mongosh", "pkgs.mongo-shell"),
        "attribute 'mongo-shell' missing",
    ),
    "a package that holonix lacks": (
        *("nix/holochain.nix", '"bootstrap-srv"', '"kitsune2-bootstrap-srv"'),
        "holonix has no `kitsune2-bootstrap-srv` of Holochain 0.5 for ",
    ),
    "something that is no package": (
        *("nix/shell.nix", "    pkgs.nsc\n", '    "nsc"\n'),
        "nix-shell is made from what is no package: nsc",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mutant_is_refused(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path, case: str
) -> None:
    file, old, new, message = REFUSED[case]
    with pytest.raises(NixError) as refused:
        ask(nix, mutant(overrides, tmp_path, file, old, new), tmp_path, FORCED)
    assert message in refused.value.stderr


def test_a_new_module_is_exported_without_being_listed(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    new = "{ lib, ... }: { options.holo.new.enable = lib.mkOption { default = true; }; }\n"
    changed = mutant(overrides, tmp_path, "modules/new.nix", "", new)
    source = "(forced { imports = [ flake.nixosModules.default ]; }).holo.new.enable"
    assert ask(nix, changed, tmp_path, source) is True
