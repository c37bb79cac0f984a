"""Compiled hosts in the real evaluator, forced to the last value; and mutants, refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from holo_infra.cli import main
from tests.support import fleets
from tests.support.nix import Nix, NixError

pytestmark = pytest.mark.needs("nix")


def test_the_host_of_the_example_is_forced(
    nix: Nix,
    nixpkgs: Path,
    compiled_example: Path,
    tmp_path: Path,
) -> None:
    overrides = fleets.inputs(nixpkgs, tmp_path)
    path = fleets.toplevel(nix, compiled_example, "alpha", overrides)
    assert path.endswith(".drv")
    derivation = Path(path).read_text()
    for expected in ("container@holochain2", "127.0.0.1:8002", "socket-proxyd-holochain0-httpgw"):
        assert expected in derivation  # the whole host is in what was forced
    assert "holochain3" not in derivation


def compiled(example: str, folder: Path) -> Path:
    """The folder that `holo compile` writes for an example, by its own numbers."""
    shutil.copytree(fleets.ROOT / "examples" / example, folder, dirs_exist_ok=True)
    out = folder / "out"
    assert main(["compile", str(folder / "fleet.yaml"), "--out", str(out), "--locked"]) == 0
    return out


@pytest.fixture(scope="session")
def compiled_mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("mixed", tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="session")
def compiled_dev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("dev", tmp_path_factory.mktemp("dev"))


MIXED = {
    "hub": [
        "ListenStream=192.0.2.10:4222",
        "/bin/turnserver",
        "password.HOLO.orchestrator:orchestrator.conf",
        "holo-nats-server",
    ],
    "edge0": [
        *("/bin/holochain", "/bin/hc-http-gw", "10.77.0.6:8090", "WORKLOAD.HC_HTTP_GW.*"),
        *("holo-host-agent", "bootstrap_service", "bootstrap_url"),  # of 0.4 and 0.5
    ],
    "edge1": ["container@metrics", "10.77.0.14:7000", "192.0.2.21 . tcp . 8081", "127.0.0.1:9100"],
}
"""What is on a host or in its containers, and nowhere else."""


@pytest.mark.parametrize("host", MIXED)
def test_each_host_of_the_example_with_everything_is_forced(
    nix: Nix,
    nixpkgs: Path,
    compiled_mixed: Path,
    tmp_path: Path,
    host: str,
) -> None:
    path = fleets.toplevel(nix, compiled_mixed, host, fleets.inputs(nixpkgs, tmp_path))
    derivations = with_inputs(path)
    for name, expected in MIXED.items():
        found = [text for text in expected if text in derivations]
        assert found == (expected if name == host else []), name


DEV = {
    "dev-hub": ["holo-nats-server-caddy", "kitsune2-bootstrap-srv"],
    "dev-orch": ["mongo-url:/srv/keys/mongo-url"],
    "dev-host": [
        "IS_CONTAINER_ON_PRIVATE_NETWORK=true",
        "HC_GW_ALLOWED_FNS_forum=*",
        "/bin/holochain",
    ],
    "dev-gw": ["/run/credentials/holo-gateway.service/nats-password"],
}
"""The same of the platform on one computer."""


@pytest.mark.parametrize("host", DEV)
def test_each_host_of_the_whole_platform_is_forced(
    nix: Nix, nixpkgs: Path, compiled_dev: Path, tmp_path: Path, host: str
) -> None:
    path = fleets.toplevel(nix, compiled_dev, host, fleets.inputs(nixpkgs, tmp_path))
    derivations = with_inputs(path)
    for name, expected in DEV.items():
        found = [text for text in expected if text in derivations]
        assert found == (expected if name == host else []), name


PROVIDERS = """\
name: made
hosts:
  core: { provider: hetzner, imports: [mine.nix] }
  edge: { imports: [mine.nix] }
"""


def test_a_host_that_is_made_has_what_machines_of_its_provider_need(
    nix: Nix, nixpkgs: Path, tmp_path: Path
) -> None:
    fleet, out = tmp_path / "fleet.yaml", tmp_path / "out"
    fleet.write_text(PROVIDERS)
    assert main(["compile", str(fleet), "--out", str(out)]) == 0
    key = 'users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA" ];'
    (out / "mine.nix").write_text(f'{{ time.timeZone = "Europe/Paris"; {key} }}\n')
    overrides = fleets.inputs(nixpkgs, tmp_path)
    core, edge = (
        Path(fleets.toplevel(nix, out, host, overrides)).read_text() for host in ("core", "edge")
    )
    assert "Europe/Paris" in core
    assert "Europe/Paris" in edge
    assert ("disk-main-root" in core, "disk-main-root" in edge) == (True, False)


def with_inputs(path: str) -> str:
    """The text of a derivation and of those that it is made from: the systems of containers."""
    text = Path(path).read_text()
    return text + "".join(map(with_inputs, re.findall(r'\("([^"]+[.]drv)",\["out"\]\)', text)))


def test_another_flake_adds_to_a_hosts_module(
    nix: Nix,
    nixpkgs: Path,
    compiled_example: Path,
    tmp_path: Path,
) -> None:
    user = tmp_path / "user"
    user.mkdir()
    (user / "flake.nix").write_text("""{
      outputs = { nixpkgs, fleet, ... }: {
        nixosConfigurations.alpha = nixpkgs.lib.nixosSystem {
          modules = [ fleet.nixosModules.alpha { time.timeZone = "Europe/Paris"; } ];
        };
      };
      inputs.nixpkgs.url = "path:/nowhere";
      inputs.fleet.url = "path:/nowhere";
      inputs.fleet.inputs.nixpkgs.follows = "nixpkgs";
    }""")
    inputs = fleets.inputs(nixpkgs, tmp_path)
    overrides = {
        "nixpkgs": nixpkgs,
        "fleet": compiled_example,
        **{f"fleet/{name}": path for name, path in inputs.items() if name != "nixpkgs"},
    }
    path = fleets.toplevel(nix, user, "alpha", overrides)
    assert "container@holochain2" in Path(path).read_text()
    zone = nix.flake_eval(user, "nixosConfigurations.alpha.config.time.timeZone", overrides)
    assert zone == "Europe/Paris"


MUTANTS = {
    "a string for a port": ("hosts/alpha.nix", "hostPort = 8000;", 'hostPort = "8000";', "16 bit"),
    "a port out of range": ("hosts/alpha.nix", "hostPort = 8000;", "hostPort = 65536;", "16 bit"),
    "a misspelt option": ("hosts/alpha.nix", "hostPort = 8000;", "hostport = 8000;", "hostport"),
    "a lost option": ("hosts/alpha.nix", "index = 1;", "", "index"),
    "an octet too high": ("hosts/alpha.nix", "index = 1;", "index = 171;", "string matching"),
    "a bad name": ("hosts/alpha.nix", "holochain1 =", "Holochain_1 =", "does not match"),
    "a missing package": (
        "classes/*.nix",
        'description = "Stands for a conductor\'s HTTP gateway";',
        "package = pkgs.no-such-package;",
        "no-such-package",
    ),
    "a missing program": ("classes/*.nix", '"busybox"', '"no-such-program"', "no-such-program"),
    "an option of NixOS misspelt": (
        "hosts/alpha.nix",
        "networking.hostName",
        "networking.hostname",
        "hostname",
    ),
    "a missing class": ("hosts/alpha.nix", "classes.admin", "classes.nothing-admin", "nothing"),
    "a line break in a description": (
        "classes/*.nix",
        'description = "Stands for a conductor\'s HTTP gateway";',
        'description = "one\\ntwo";',
        "string matching",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_refused(
    nix: Nix,
    nixpkgs: Path,
    compiled_example: Path,
    tmp_path: Path,
    name: str,
) -> None:
    pattern, old, new, message = MUTANTS[name]
    out = tmp_path / "out"
    shutil.copytree(compiled_example, out)
    (path,) = out.glob(pattern)
    source = path.read_text().replace("{ ... }:", "{ pkgs, ... }:")
    assert old in source, f"the mutant has nothing to change: {old}"
    path.write_text(source.replace(old, new))
    with pytest.raises(NixError) as refused:
        fleets.toplevel(nix, out, "alpha", fleets.inputs(nixpkgs, tmp_path))
    assert message in refused.value.stderr
