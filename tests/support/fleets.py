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
from holo_infra.model.fleet import BindMount, Container, Fleet, Forward, Host, Network
from holo_infra.model.names import Engine
from holo_infra.model.services import Services
from holo_infra.model.services.nats_server import User
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
        # Of a server that is made, a module of the user's says who may log in.
        provider=made.provider if made.imports else "existing",
        services=services(rng, made.services),
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
    of_services = services(rng, made.services)
    files = [f for _, of in of_services.present() for f in of.secret_files.values()]
    names = {file: f"/run/keys/{number}" for number, file in enumerate(files) if file[0] != "/"}
    mounts = {file: BindMount(source="/srv/keys") for file in files if file[0] == "/"}
    if network == "shared":
        fitting |= {"egress": "none", "isolated": True, "allowed_peers": []}
    else:
        fitting["allowed_peers"] = rng.sample(sorted(peers), rng.randint(0, len(peers)))
    return _changed(
        made,
        **fitting,
        units={name: unit(rng, u, sorted(made.secrets)) for name, u in made.units.items()},
        services=of_services,
        forwards={n: forward(rng, f, network) for n, f in made.forwards.items()},
        bind_mounts={f"/srv{path}": mount for path, mount in made.bind_mounts.items()} | mounts,
        secrets=made.secrets | names,
        nspawn_args=[f"--setenv=HOSTILE={text(rng)}"] if rng.random() < 0.3 else [],
        renamed_from=None,
    )


def services(rng: random.Random, made: Services) -> Services:
    """Services that have what they need, and no domain twice."""
    fitting: dict[str, Any] = {}
    domain = rng.choice([None, f"domain{rng.randrange(10**9)}"])
    if server := made.nats_server:
        users = {
            name: _changed(account, users={n: _known(user) for n, user in account.users.items()})
            for name, account in server.accounts.items()
        }
        fitting["nats_server"] = _changed(
            server,
            accounts=users,
            operator_file=None if users else server.operator_file,
            jetstream=_changed(server.jetstream, domain=domain),
        )
    if agent := made.host_agent:
        hub = agent.nats.hub
        if server and server.jetstream.enable:  # else both would have the machine's name
            hub = _changed(hub, url=None)
        fitting["host_agent"] = _changed(agent, nats=_changed(agent.nats, domain=domain, hub=hub))
    if orchestrator := made.orchestrator:
        mongo = orchestrator.mongo
        mongo = mongo if mongo.url_file else _changed(mongo, url_file="mongo")
        fitting["orchestrator"] = _changed(orchestrator, mongo=mongo)
    if conductor := made.holochain:
        passphrase = conductor.passphrase_file or "passphrase"
        fitting["holochain"] = _changed(conductor, passphrase_file=passphrase)
        if made.hc_http_gw and conductor.version not in GATEWAYS:
            fitting["hc_http_gw"] = _changed(made.hc_http_gw, package="curl")
    return _changed(made, **fitting)


def _known(user: User) -> User:
    return user if user.nkey or user.password_file else _changed(user, password_file="password")


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


PROJECT = ("flake.nix", "LICENSE", "README.md", "pyproject.toml")
PROJECT_FOLDERS = ("examples/mixed", "holo_infra", "modules", "nix", "nixgen", "vmtests")
"""What the project's flake reads."""

HOLONIX = ("0.3", "0.4", "0.5")
GATEWAYS = {"0.4": "0.1.0", "0.5": "0.2.0"}
"""Versions of Holochain that the flake has, and of its HTTP gateway."""


def project(folder: Path) -> Path:
    """This project as a flake, in `folder`/project."""
    made = folder / "project"
    if not made.exists():
        made.mkdir()
        for name in PROJECT:
            shutil.copy(ROOT / name, made)
        for name in PROJECT_FOLDERS:
            shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    return made


def project_inputs(nixpkgs: Path, folder: Path) -> dict[str, Path]:
    """The inputs of this project's flake: stand-ins, those for Holochain's in `folder`."""
    made = {"nixpkgs": nixpkgs, "disko": ROOT / "tests" / "disko"}
    for version in HOLONIX:
        made[f"holonix_{version.replace('.', '_')}"] = _stand_in("holonix", version, folder)
    for version, release in GATEWAYS.items():
        made[f"hc-http-gw_{version.replace('.', '_')}"] = _stand_in("hc-http-gw", release, folder)
    return made


def _stand_in(name: str, version: str, folder: Path) -> Path:
    """A copy of tests/`name`, of a version."""
    made = folder / f"{name}-{version}"
    if not made.exists():
        shutil.copytree(ROOT / "tests" / name, made)
        cargo = made / "Cargo.toml"
        if cargo.exists():
            cargo.write_text(cargo.read_text().replace("0.0.0", version))
        else:
            (made / "version").write_text(f"{version}\n")
    return made


def project_in_nix(nixpkgs: Path, folder: Path) -> str:
    """This project's flake as an expression, to be evaluated in a store: its outputs."""
    given = "".join(
        f'{name}.outPath = "{path}";'
        if name.startswith("hc-http-gw")
        else f"{name} = (import {path}/flake.nix).outputs {{ self = null; }};"
        for name, path in project_inputs(nixpkgs, folder).items()
    )
    outputs = f"(import {project(folder)}/flake.nix).outputs"
    return f"(let self = {outputs} {{ inherit self; {given} }}; in self)"


def inputs(nixpkgs: Path, folder: Path) -> dict[str, Path]:
    """The inputs of a compiled flake: the stand-in, and this project, with its own, in `folder`."""
    others = project_inputs(nixpkgs, folder)
    del others["nixpkgs"]  # it follows the compiled flake's
    return {
        "nixpkgs": nixpkgs,
        "holo-infra": project(folder),
        **{f"holo-infra/{name}": path for name, path in others.items()},
    }


def toplevel(nix: Nix, flake: Path, host: str, overrides: dict[str, Path]) -> str:
    """The path of a host's system derivation: everything in its configuration has been forced."""
    attribute = f"nixosConfigurations.{host}.config.system.build.toplevel.drvPath"
    return nix.flake_eval(flake, attribute, overrides)
