"""Random fleets that a user could have written, and their compilation."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from holo_infra.allocate import Allocation, allocate
from holo_infra.check import check_fleet
from holo_infra.diagnostics import Diagnostic
from holo_infra.lower import LoweredFleet, lower
from holo_infra.model.fleet import Container, Fleet, Forward, Host, Network
from holo_infra.model.names import Engine
from holo_infra.model.unit import Unit
from holo_infra.source import load
from tests.support.nix import Nix
from tests.support.values import of_model, text

M = TypeVar("M", bound=BaseModel)
ROOT = Path(__file__).parent.parent.parent
NETWORKS = {
    "lan": Network(scheme="packed", pool="10.64.0.0/20"),
    "wide": Network(scheme="packed", pool="172.20.0.0/16"),
    "more": Network(),
}
HUB = "hub"
SETTINGS = {
    "LimitNOFILE": "4096",
    "MemoryDenyWriteExecute": "false",
    "Nice": "5",
    "Restart": "on-failure",
    "StateDirectory": "%N-state",
    "SystemCallFilter": "@system-service @resources",
}
"""Directives that systemd knows, some of which replace our own."""


def fleet(rng: random.Random, hosts: int) -> Fleet:
    """A fleet of this many hosts, in which nothing is wrong."""
    chosen = {HUB: Host(address="192.0.2.1")}
    while len(chosen) <= hosts:
        made = host(rng, f"198.51.{len(chosen) >> 8}.{len(chosen) & 255}")
        if not problems(_fleet({HUB: chosen[HUB], "alpha": made})):
            chosen[f"host{len(chosen)}"] = made
    return _fleet(chosen)


def _fleet(hosts: dict[str, Host]) -> Fleet:
    return Fleet(name="random", hub=HUB, networks=NETWORKS, hosts=hosts)


def host(rng: random.Random, address: str) -> Host:
    """A host of random values, whose parts know each other."""
    made = of_model(rng, Host)
    names = list(made.containers)
    networks = {name: rng.choice(["private", "private", "shared", *NETWORKS]) for name in names}
    private = [name for name in names if networks[name] != "shared"]
    containers = {
        name: container(rng, made.containers[name], networks[name], set(private) - {name})
        for name in names
    }
    for name, of in containers.items():
        if of.state is not None:  # a folder of its own
            containers[name] = _changed(of, state=f"/srv/{name}{of.state}")
    return _changed(
        made,
        address=address,
        networks=rng.choice([[], ["192.168.7.0/24", "10.200.0.0/16"]]),
        nameservers=rng.sample(["9.9.9.9", "192.168.7.1", "203.0.113.7"], rng.randrange(3)),
        containers=containers,
        renamed_from=None,
    )


def container(
    rng: random.Random,
    made: Container,
    network: str,
    peers: set[str],
) -> Container:
    """A container whose values fit its network, its host and each other."""
    fitting: dict[str, Any] = {"network": network, "index": None, "subnet": None}
    if network == "shared":
        fitting |= {"egress": "none", "isolated": True, "allowed_peers": []}
    else:
        fitting["allowed_peers"] = rng.sample(sorted(peers), rng.randint(0, len(peers)))
    return _changed(
        made,
        **fitting,
        units={name: unit(rng, u, sorted(made.secrets)) for name, u in made.units.items()},
        forwards={n: forward(rng, f, network) for n, f in made.forwards.items()},
        bind_mounts={f"/srv{inside}": mount for inside, mount in made.bind_mounts.items()},
        nspawn_args=[f"--setenv=HOSTILE={text(rng)}"] if rng.random() < 0.3 else [],
        renamed_from=None,
    )


def unit(rng: random.Random, made: Unit, secrets: list[str]) -> Unit:
    """A unit that uses what there is."""
    return _changed(
        made,
        secrets=rng.sample(secrets, rng.randint(0, len(secrets))),
        settings=dict(rng.sample(sorted(SETTINGS.items()), rng.randrange(3))),
        listens=[],
    )


def forward(rng: random.Random, made: Forward, network: str) -> Forward:
    """A forward that its network and its protocol allow."""
    fitting: dict[str, Any] = {"renamed_from": None}
    if network == "shared":
        fitting |= {"host_port": None, "inner_port": None, "bind": "127.0.0.1", "probe": "tcp"}
        return _changed(made, **fitting, engine=None)
    if made.protocol == "udp":
        fitting["probe"] = rng.choice(["tcp", "none"])
        fitting["engine"] = rng.choice([None, "socat", "nftables"])
    made = _changed(made, **fitting)
    if made.carrier == "nftables" and made.bind.startswith("127."):
        made = _changed(made, bind=rng.choice(["0.0.0.0", "192.0.2.7"]))  # noqa: S104 - on purpose
    return made if made.carrier == "socat" else _changed(made, inner_port=None)


def _changed(model: M, **fields: Any) -> M:
    return type(model)(**{**dict(model), **fields})


def problems(made: Fleet) -> list[Diagnostic]:
    """What is wrong with a fleet: numbers of its own that clash, peers that are not there, ..."""
    allocation, clashes = allocate(made, Allocation())
    found = [*clashes, *check_fleet(made, allocation)]
    return [diagnostic for diagnostic in found if diagnostic.is_error]


def private(engine: Engine) -> Fleet:
    """The fleet of examples/private, its forwards carried by one engine."""
    made = load(ROOT / "examples/private/fleet.py").fleet
    assert made is not None
    alpha = made.hosts["alpha"]
    containers = {
        name: _changed(c, forwards={n: _changed(f, engine=engine) for n, f in c.forwards.items()})
        for name, c in alpha.containers.items()
    }
    return _changed(made, hosts={"alpha": _changed(alpha, containers=containers)})


def lowered(made: Fleet) -> LoweredFleet:
    """What a fleet without a lock file is lowered to."""
    return lower(made, allocate(made, Allocation())[0])


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
