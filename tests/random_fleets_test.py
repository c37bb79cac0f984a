"""Random fleets as a whole: what Nix makes of the compiled files is what Python makes of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from holo_infra.lower import LoweredFleet
from holo_infra.model.fleet import Container, Fleet, Host
from holo_infra.model.options import Holo
from holo_infra.model.services import Holochain, Services
from holo_infra.model.unit import Unit
from holo_infra.plan import write
from holo_infra.targets.modules import modules
from holo_infra.targets.nixos import FlakeInputs, nixos
from tests.support import fleets
from tests.support.modules import in_nix, in_python
from tests.support.nix import Nix, NixError
from tests.support.values import ZEROS

pytestmark = pytest.mark.needs("nix")

COUNT = 300
WEB = Unit(exec_start=["busybox", "httpd"])
LOGIN = '{ users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA" ]; }\n'
"""A module of the user's: of a server that is made, it says who may log in."""
STUB = "hello"
"""The stand-in's package that takes the place of every class's system."""


@pytest.fixture(scope="module")
def made() -> list[tuple[Fleet, LoweredFleet]]:
    rng = random.Random(23)
    chosen = [fleets.fleet(rng, 1) for _ in range(COUNT)]
    return [(fleet, fleets.lowered(fleet)) for fleet in chosen]


@pytest.fixture(scope="module")
def folder(
    made: list[tuple[Fleet, LoweredFleet]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The modules, and the compiled files of all fleets."""
    folder = tmp_path_factory.mktemp("fleets")
    (folder / "modules").mkdir()
    for name, content in modules().items():
        assert isinstance(content, str)
        (folder / "modules" / name).write_text(content)
    for number, (_, lowered) in enumerate(made):
        compiled(lowered, folder / str(number))
    return folder


def compiled(lowered: LoweredFleet, out: Path) -> None:
    """The target nixos, and the user's own modules that hosts import."""
    write(nixos(lowered, FlakeInputs()), out)
    for path in (path for host in lowered.hosts.values() for path in host.model.imports):
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(LOGIN)


def host_in_nix(path: Path, *, platform: str) -> str:
    """A host's compiled module; on plain systemd its containers have no system of their own."""
    classes = "{ classes = lib.genAttrs names (_: pkgs.hello); }"
    module = (
        f"(args@{{ lib, pkgs, ... }}: let names = [ {_class_names(path)} ];"
        f" made = import {path} (args // {classes}); in"
    )
    if platform == "nixos":
        return f"{module} made)"
    without = 'lib.mapAttrs (_: c: removeAttrs c [ "system" ]) (made.holo.containers or { })'
    return f"{module} made // {{ holo = made.holo or {{ }} // {{ containers = {without}; }}; }})"


def _class_names(path: Path) -> str:
    return " ".join(f'"{file.stem}"' for file in (path.parent.parent / "classes").glob("*.nix"))


def options_of(lowered: LoweredFleet, name: str, platform: str) -> Holo:
    host = lowered.hosts[name]
    system = {"system": f"{ZEROS}{STUB}"} if platform == "nixos" else {}
    containers = {
        # Whether there are files of services is said only where no system brings them.
        container: {**{key: of for key, of in settings.items() if key != "files"}, **system}
        for container, settings in host.settings.get("containers", {}).items()
    }
    return Holo.from_nix({**host.settings, "containers": containers})


@pytest.mark.parametrize("platform", ["nixos", "systemd"])
def test_hosts_of_random_fleets_mean_the_same_to_nix_and_to_python(
    nix: Nix,
    nixpkgs: Path,
    folder: Path,
    made: list[tuple[Fleet, LoweredFleet]],
    platform: str,
) -> None:
    hosts = [(number, name) for number, (fleet, _) in enumerate(made) for name in fleet.hosts]
    sources = [
        host_in_nix(folder / str(number) / "hosts" / f"{name}.nix", platform=platform)
        for number, name in hosts
    ]
    results = in_nix(nix, nixpkgs, folder / "modules", sources)
    units = 0
    for (number, name), result in zip(hosts, results, strict=True):
        assert result == in_python(options_of(made[number][1], name, platform)), (number, name)
        units += len(result["units"])
    assert units > 2 * COUNT


def test_classes_of_random_fleets_mean_the_same_to_nix_and_to_python(
    nix: Nix,
    nixpkgs: Path,
    folder: Path,
    made: list[tuple[Fleet, LoweredFleet]],
) -> None:
    classes = [
        (number, name) for number, (_, lowered) in enumerate(made) for name in lowered.classes
    ]
    sources = [f"{folder}/{number}/classes/{name}.nix" for number, name in classes]
    results = in_nix(nix, nixpkgs, folder / "modules", sources)
    units = 0
    for (number, name), result in zip(classes, results, strict=True):
        assert result == in_python(made[number][1].classes[name].content), (number, name)
        units += len(result["units"])
    assert units > COUNT // 2


def test_flakes_of_random_fleets_are_forced(
    nix: Nix,
    nixpkgs: Path,
    folder: Path,
    made: list[tuple[Fleet, LoweredFleet]],
) -> None:
    """Every host of every fleet, to the last value: a derivation holds its whole configuration."""
    project = fleets.project_in_nix(nixpkgs, folder)
    listed = " ".join(f"(forced {folder}/{number}/flake.nix)" for number in range(COUNT))
    derivations = nix.eval_json(
        f"""
        let
          nixpkgs = (import {nixpkgs}/flake.nix).outputs {{ self = null; }};
          holo-infra = {project};
          outputs = path: (import path).outputs {{ inherit nixpkgs holo-infra; self = null; }};
          forced = path:
            builtins.mapAttrs
              (_: host: with host.config.system.build.toplevel; {{ inherit drvPath json; }})
              (outputs path).nixosConfigurations;
        in
        [ {listed} ]
        """,
        store=True,
    )
    assert len(derivations) == COUNT
    for (fleet, _), found in zip(made, derivations, strict=True):
        assert found.keys() == fleet.hosts.keys()
        for name, host in fleet.hosts.items():
            assert found[name]["drvPath"].endswith(".drv")
            for container in host.containers:
                assert f"container@{container}.service" in found[name]["json"]


def test_n_containers_of_k_kinds_make_k_systems(nix: Nix, nixpkgs: Path, tmp_path: Path) -> None:
    conductor, other = (
        Services(holochain=Holochain(passphrase_file="key", version=version))
        for version in ("0.4", "0.5")
    )
    kinds = [
        Container(services=conductor, secrets={"key": "/run/keys/key"}),
        Container(services=other, secrets={"key": "/run/keys/key"}),
        Container(services=other, secrets={"key": "/run/keys/key"}, units={"web": WEB}),
        Container(units={"web": WEB}, egress="hub"),
    ]
    containers = {f"c{number}": kinds[number % 4] for number in range(9)}
    hosts = {
        name: Host(address=f"192.0.2.{number}", containers=containers)
        for number, name in enumerate(["alpha", "beta", "gamma"], 1)
    }
    fleet = Fleet(name="many", hub="alpha", hosts=hosts)
    compiled(fleets.lowered(fleet), tmp_path / "out")
    assert len([*(tmp_path / "out" / "classes").iterdir()]) == len(kinds)
    overrides = fleets.inputs(nixpkgs, tmp_path)
    systems = []
    for name in hosts:
        of_host = f"nixosConfigurations.{name}.config.holo.containers"
        for number in range(9):
            path = f"{of_host}.c{number}.system.drvPath"
            systems.append(nix.flake_eval(tmp_path / "out", path, overrides))
    assert systems == [systems[number % 4] for _ in hosts for number in range(9)]
    assert len({*systems}) == len(kinds)


def test_a_fleet_with_a_fault_in_one_value_is_not_forced(
    nix: Nix,
    nixpkgs: Path,
    tmp_path: Path,
) -> None:
    """The check above can fail: each fault is refused where it stands."""
    compiled(fleets.lowered(fleets.fleet(random.Random(5), 3)), tmp_path / "out")
    overrides = fleets.inputs(nixpkgs, tmp_path)
    assert fleets.toplevel(nix, tmp_path / "out", "host1", overrides).endswith(".drv")
    path = tmp_path / "out" / "hosts" / "host1.nix"
    source = path.read_text().rstrip("}\n")
    path.write_text(f"{source}\n  holo.firewal = true;\n}}\n")
    with pytest.raises(NixError, match="does not exist"):
        fleets.toplevel(nix, tmp_path / "out", "host1", overrides)
