"""The scenarios as the flake has them: current, evaluated to the end, in the driver's own words."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path
from typing import Any

import pytest

from holo_infra.scenarios import SCENARIOS
from holo_infra.scenarios.__main__ import main
from holo_infra.scenarios.printing import GLOBALS, print_script
from tests.support import fleets
from tests.support.driver import METHODS
from tests.support.flake import SYSTEMS, ask, user_inputs
from tests.support.nix import Nix, NixError
from vmtests import Machine, Nspawn

PRINTED = fleets.ROOT / "nix" / "scenarios"
OLD_NAMES = {
    "extra-container-holochain-integration-host-network",
    "extra-container-holochain-integration-private-network",
}
README = {"holo-agent-integration-nixos", *(f"pkgs-{name}" for name in OLD_NAMES)}
"""What checks of machines are called there."""
MACHINES = {"hub", "host", "machine"}
"""What scripts call a machine; `hosts` are several."""
OF_THE_DRIVER = {name for name, there in METHODS.items() if isinstance(there, dict)} | {"name"}
"""What a script may ask of a machine."""


def test_the_committed_scenarios_are_those_that_are_printed(tmp_path: Path) -> None:
    main(tmp_path / "made")
    made, committed = (
        {path.relative_to(top): path.read_text() for path in top.rglob("*") if path.is_file()}
        for top in (tmp_path / "made", PRINTED)
    )
    assert made == committed, "python -m holo_infra.scenarios nix/scenarios"
    for path, text in made.items():
        assert "do not edit" in "".join(text.splitlines(keepends=True)[:2]), path


@pytest.fixture(scope="module")
def checks(nix: Nix, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Of each system: the checks that are tests of machines, all they are made of forced."""
    folder = tmp_path_factory.mktemp("checks")
    source = """
    let
      isTest = check: check ? nodes;
      told = check: {
        inherit (check) drvPath name system testScript;
        driver = check.driver.drvPath;
        nodes = lib.mapAttrs (_: node: {
          system = node.system.build.toplevel.drvPath;
          hostName = node.networking.hostName;
          addresses = map (of: of.address) (node.networking.interfaces.eth1.ipv4.addresses or [ ]);
          vlans = node.virtualisation.vlans;
          units = lib.attrNames node.systemd.units;
          packages = map (package: package.name) node.environment.systemPackages;
          etc = lib.attrNames node.environment.etc;
        }) check.nodes;
      };
      tests = lib.filterAttrs (_: isTest);
    in
    lib.mapAttrs (_: checks: lib.mapAttrs (_: told) (tests checks)) flake.checks
    """
    found: dict[str, dict[str, Any]] = ask(nix, user_inputs(folder), folder, source)
    return found


@pytest.mark.needs("nix")
def test_every_scenario_is_a_check_of_both_systems_by_its_names(
    checks: dict[str, dict[str, Any]],
) -> None:
    names = {*SCENARIOS, *(name for scenario in SCENARIOS.values() for name in scenario.also)}
    assert names >= README
    assert list(checks) == SYSTEMS
    for system, tests in checks.items():
        assert set(tests) == names
        assert {test["system"] for test in tests.values()} == {system}
        for name in OLD_NAMES:
            assert tests[name] == tests[f"pkgs-{name}"]


@pytest.mark.needs("nix")
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_check_runs_the_scenarios_script_on_its_hosts(
    checks: dict[str, dict[str, Any]], name: str
) -> None:
    scenario = SCENARIOS[name]
    for tests in checks.values():
        test = tests[name]
        assert test["name"] == f"vm-test-run-{name}"
        assert test["testScript"] == print_script(scenario)
        assert set(test["nodes"]) == set(scenario.fleet.hosts)
        for host, node in test["nodes"].items():
            model = scenario.fleet.hosts[host]
            assert node["hostName"] == host
            assert node["vlans"] == [1]
            assert node["addresses"] == ([model.address] if model.address else [])
            assert set(scenario.packages) <= set(node["packages"])
            assert {path.removeprefix("/etc/") for path in scenario.files} <= set(node["etc"])
            wanted = {f"container@{container}.service" for container in model.containers}
            assert wanted <= set(node["units"])


@pytest.mark.needs("nix")
def test_the_systems_of_containers_are_those_of_the_check(
    checks: dict[str, dict[str, Any]],
) -> None:
    systems = {
        system: {node["system"] for test in tests.values() for node in test["nodes"].values()}
        for system, tests in checks.items()
    }
    ours, theirs = systems.values()
    assert ours.isdisjoint(theirs)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_script_names_only_what_the_driver_has(name: str) -> None:
    tree = ast.parse(print_script(SCENARIOS[name]))
    machines = set(SCENARIOS[name].fleet.hosts)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    own |= {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    asked = {node.id for node in names} - own
    assert asked - set(dir(builtins)) - machines <= {"start_all", *GLOBALS}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
    annotated = [node for node in ast.walk(tree) if getattr(node, "annotation", None)]
    assert not annotated
    assert asked_of_machines(tree)
    assert asked_of_machines(tree) <= OF_THE_DRIVER


def asked_of_machines(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=of), attr=name) if of in MACHINES:
                found.add(name)
            case ast.Attribute(value=ast.Subscript(value=ast.Name(id="hosts")), attr=name):
                found.add(name)
    return found


def test_what_only_machines_here_have_is_not_the_drivers() -> None:
    public = {name for name in dir(Machine(Nspawn("any"))) if not name.startswith("_")}
    ours = public - OF_THE_DRIVER
    assert ours >= {"asserted", "journal", "lose", "release", "retry", "run", "slow", "snapshot"}
    calls = "\n".join(f"host.{name}()\nhosts[-1].{name}()" for name in sorted(ours))
    assert asked_of_machines(ast.parse(calls)) == ours


@pytest.mark.needs("nix")
def test_a_node_that_sets_its_platform_is_refused_as_by_the_real_driver(
    nix: Nix, tmp_path: Path
) -> None:
    source = """
    (nixpkgs.legacyPackages.x86_64-linux.testers.runNixOSTest {
      name = "platform";
      nodes.host = { nixpkgs.hostPlatform = "x86_64-linux"; system.stateVersion = "26.05"; };
      testScript = "";
    }).drvPath
    """
    with pytest.raises(NixError, match="read-only"):
        ask(nix, user_inputs(tmp_path), tmp_path, source)
