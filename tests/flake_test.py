"""The project's flake, evaluated over stand-ins of its inputs. The one for nixpkgs has none of the
packages that only we have, so that each of them must be the flake's own.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

from holo_infra.cli import main
from holo_infra.model.services.versions import LATEST, VERSIONS
from nixgen.printer import print_expression
from nixgen.views import node
from tests.support import fleets
from tests.support.flake import EXPECTED, FORCED, NAMES, SYSTEMS, ask, user_inputs
from tests.support.nix import Nix, NixError

pytestmark = pytest.mark.needs("nix")


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return user_inputs(tmp_path_factory.mktemp("inputs"))


def test_there_is_a_module_for_each_file_and_one_of_all(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    found = ask(nix, overrides, tmp_path, "lib.attrNames flake.nixosModules")
    files = {path.stem for path in (fleets.ROOT / "modules").glob("*.nix")}
    assert {"default", "host-agent", "holochain", "socat"} <= files
    assert set(found) == {*files, "hetzner"}


LOGIN = 'users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA" ];'


def test_a_server_of_hetzner_cloud_boots_from_its_disk(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    made = ask(
        nix,
        overrides,
        tmp_path,
        f"""
        let
          inherit (flake) nixosModules;
          server = system: forced {{
            imports = [ nixosModules.default nixosModules.hetzner ];
            nixpkgs.hostPlatform = lib.mkForce system;
            {LOGIN}
          }};
          told = system: let made = server system; in {{
            inherit (made.boot.loader.grub) devices efiInstallAsRemovable efiSupport;
            mounted = lib.mapAttrs (_: of: of.fsType) made.fileSystems;
            partitions = lib.attrNames made.disko.devices.disk.main.content.partitions;
            sshd = made.services.openssh.enable;
          }};
        in
        {{
          amd = told "x86_64-linux";
          arm = told "aarch64-linux";
          others = (forced nixosModules.default).fileSystems;
        }}
        """,
    )
    same = {
        "efiInstallAsRemovable": True,
        "efiSupport": True,
        "mounted": {"/": "ext4", "/boot": "vfat"},
        "sshd": True,
    }
    assert made == {
        "amd": {**same, "devices": ["/dev/sda"], "partitions": ["bios", "efi", "root"]},
        "arm": {**same, "devices": ["nodev"], "partitions": ["efi", "root"]},
        "others": {},
    }


@pytest.mark.parametrize(
    ("module", "is_reached"),
    [
        ("", False),
        (LOGIN, True),
        (LOGIN.replace("keys = [ ", "keyFiles = [ ").replace("ssh-ed25519 AAAA", "/key"), True),
        (
            LOGIN.replace("root", "me")
            + 'users.users.me = { isNormalUser = true; extraGroups = [ "wheel" ]; };',
            False,
        ),
    ],
)
def test_a_server_of_hetzner_cloud_that_root_could_not_log_into_is_refused(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path, module: str, *, is_reached: bool
) -> None:
    server = f"(forced {{ imports = [ flake.nixosModules.hetzner ]; {module} }}).networking.useDHCP"
    if is_reached:
        assert ask(nix, overrides, tmp_path, server) is True
        return
    told = "root could not log in: set users.users.root.openssh.authorizedKeys.keys"
    with pytest.raises(NixError, match=told):
        ask(nix, overrides, tmp_path, server)


def test_each_system_has_exactly_these_outputs(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    assert ask(nix, overrides, tmp_path, NAMES) == EXPECTED


def test_each_output_is_a_derivation_of_its_system(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    outputs = ask(nix, overrides, tmp_path, FORCED)
    assert set(outputs) == {"checks", "devShells", "formatter", "packages"}
    for output, systems in outputs.items():
        assert list(systems) == SYSTEMS
        for system, made in systems.items():
            for name, found in made.items():
                at = f"{output}.{system}.{name}"
                assert (found["type"], found["system"]) == ("derivation", system), at
                assert found["derivation"].endswith(".drv"), at
                assert found["out"].startswith("/nix/store/"), at


def test_the_app_and_the_formatter_are_programs(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    made = ask(
        nix,
        overrides,
        tmp_path,
        """
        lib.mapAttrs (system: app: {
          inherit (app.default) program type;
          formatter = lib.getExe flake.formatter.${system};
          package = flake.packages.${system}.default;
        }) flake.apps
        """,
    )
    assert list(made) == SYSTEMS
    for found in made.values():
        assert found["type"] == "app"
        assert found["program"] == f"{found['package']}/bin/holo"
        assert found["formatter"].endswith("-format-nix/bin/format-nix")


def test_the_package_is_made_from_what_pyproject_says_and_from_no_other_file(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    package = ask(
        nix,
        overrides,
        tmp_path,
        """
        let package = flake.packages.x86_64-linux.default; in
        { inherit (package) name src; dependencies = map (d: d.name) package.dependencies; }
        """,
    )
    project = tomllib.loads((fleets.ROOT / "pyproject.toml").read_text())["project"]
    assert package["name"] == f"holo-infra-{project['version']}"
    required = {re.split(r"[^A-Za-z0-9_-]", line)[0] for line in project["dependencies"]}
    assert {f"python3-{name}" for name in required} <= set(package["dependencies"])
    # The path of the source is one of the store that Nix has here.
    source = Path(package["src"])
    assert {path.name for path in source.iterdir()} == {
        *("LICENSE", "README.md", "pyproject.toml"),
        *("holo_infra", "nixgen", "vmtests"),
    }
    kept = {path.relative_to(source) for path in source.rglob("*.py")}
    assert {Path("nixgen/types.py"), Path("holo_infra/cli/__init__.py")} <= kept


PACKAGES = {
    "0.3": ["holochain-0.3", "holochain-0.3", "hc-http-gw-0.2.0"],  # not to be run
    "0.4": ["holochain-0.4", "holochain-0.4", "hc-http-gw-0.1.0"],
    "0.5": ["holochain-0.5", "bootstrap-srv-0.5", "hc-http-gw-0.2.0"],
}
PACKAGES["latest"] = PACKAGES[LATEST]
"""What a version has for conductor, bootstrap service and gateway."""


def machine_of(version: str, *, gateway: bool) -> str:
    return f"""
    let
      config = forced {{
        imports = [ flake.nixosModules.default ];
        holo.holochain = {{
          enable = true;
          version = "{version}";
          passphraseFile = "/run/keys/passphrase";
        }};
        holo.holochain-bootstrap = {{ enable = true; version = "{version}"; }};
        holo.hc-http-gw.enable = {str(gateway).lower()};
      }};
      packages = map (service: config.holo.${{service}}.package.name)
        [ "holochain" "holochain-bootstrap" "hc-http-gw" ];
    in
    {{ inherit packages; unit = config.systemd.units."holochain.service".text; }}
    """


@pytest.mark.parametrize("version", VERSIONS)
def test_packages_of_holochain_are_those_of_its_version(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path, version: str
) -> None:
    made = ask(nix, overrides, tmp_path, machine_of(version, gateway=version != "0.3"))
    assert made["packages"] == PACKAGES[version]
    assert f"-{made['packages'][0]}/bin/holochain" in made["unit"]


def test_a_version_without_a_gateway_says_so_where_it_is_to_run(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(NixError, match=r"no hc-http-gw for Holochain 0\.3: set holo\.hc-http-gw"):
        ask(nix, overrides, tmp_path, machine_of("0.3", gateway=True))


def test_a_gateway_by_itself_is_that_of_the_latest_conductor(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    source = """
    (machine {
      imports = [ flake.nixosModules.hc-http-gw ];
      holo.hc-http-gw.enable = true;
    }).config.holo.hc-http-gw.package.name
    """
    assert ask(nix, overrides, tmp_path, source) == "hc-http-gw-0.2.0"


def test_features_are_one_word_of_the_shell_whatever_they_hold(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    features = ["unstable-functions", "it's $(touch /x)", '"; throw "evaluated", x = "']
    source = f"""
    (machine {{
      imports = [ flake.nixosModules.holochain ];
      holo.holochain.features = {print_expression(node(features))};
    }}).config.holo.holochain.package.cargoExtraArgs
    """
    words = shlex.split(ask(nix, overrides, tmp_path, source))
    assert words == [f"--features={','.join(features)}"]


def test_our_services_run_the_package_of_the_flake(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    source = """
    let
      inherit (machine { imports = [ flake.nixosModules.default ]; }) config;
      of = service: config.holo.${service}.package;
    in
    map (service: of service == flake.packages.x86_64-linux.holo-infra)
      [ "gateway" "host-agent" "orchestrator" ]
    """
    assert ask(nix, overrides, tmp_path, source) == [True, True, True]


def test_the_snippet_of_the_readme_is_all_that_a_configuration_needs(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    source = """
    (forced {
      imports = [ flake.nixosModules.default ];
      holo.host-agent = { enable = true; containerPrivateNetwork = true; };
    }).systemd.units."holo-host-agent.service".text
    """
    unit = ask(nix, overrides, tmp_path, source)
    assert 'Environment="IS_CONTAINER_ON_PRIVATE_NETWORK=true"' in unit.splitlines()


def test_a_users_own_package_takes_the_place_of_the_flakes(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    source = """
    (forced ({ pkgs, ... }: {
      imports = [ flake.nixosModules.host-agent ];
      holo.host-agent = { enable = true; package = pkgs.hello; };
    })).holo.host-agent.package.name
    """
    assert ask(nix, overrides, tmp_path, source) == "hello"


def test_modules_may_be_imported_alone_twice_and_by_their_path(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path
) -> None:
    services = (
        "gateway hc-http-gw holochain holochain-bootstrap host-agent nats-server orchestrator"
    )
    alone = f"""
    lib.genAttrs (lib.splitString " " "{services}") (name: builtins.attrNames (forced {{
      imports = [ flake.nixosModules.${{name}} ];
    }}).holo)
    """
    assert ask(nix, overrides, tmp_path, alone) == {name: [name] for name in services.split()}
    together = """
    let
      all = lib.attrValues (removeAttrs flake.nixosModules [ "hetzner" ]);
      paths = [ "${flake}/modules" "${flake}/modules/host-agent.nix" ];
      system = imports: (forced {
        inherit imports;
        holo.host-agent.enable = true;
      }).system.build.toplevel.drvPath;
    in
    [ (system (all ++ all ++ paths)) (system [ flake.nixosModules.default ]) ]
    """
    once, twice = ask(nix, overrides, tmp_path, together)
    assert once == twice


def test_the_overlay_has_the_package(nix: Nix, overrides: dict[str, Path], tmp_path: Path) -> None:
    source = """
    lib.genAttrs (lib.attrNames flake.packages) (system:
      let pkgs = nixpkgs.legacyPackages.${system}; in
      (flake.overlays.default pkgs pkgs).holo-infra == flake.packages.${system}.holo-infra)
    """
    assert ask(nix, overrides, tmp_path, source) == dict.fromkeys(SYSTEMS, True)


@pytest.mark.parametrize("host", ["hub", "edge0", "edge1"])
def test_a_compiled_fleet_needs_no_package_that_nixpkgs_lacks(
    nix: Nix, overrides: dict[str, Path], tmp_path: Path, host: str
) -> None:
    example = shutil.copytree(fleets.ROOT / "examples" / "mixed", tmp_path / "mixed")
    out = tmp_path / "out"
    assert main(["compile", str(example / "fleet.yaml"), "--out", str(out)]) == 0
    assert 'inputs.nixpkgs.follows = "nixpkgs";' in (out / "flake.nix").read_text()
    assert fleets.toplevel(nix, out, host, overrides).endswith(".drv")
