"""The graph of each example of `pulumi/`, and of single components, as the engine would be told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest
import yaml

from holo_infra.deploy import (
    Credentials,
    CredentialsArgs,
    Existing,
    Fleet,
    FleetArgs,
    HostArgs,
    NixosDeployment,
    NixosDeploymentArgs,
    UnitDeployment,
    UnitDeploymentArgs,
)
from holo_infra.deploy.commands import Way
from tests.support.graphs import Registered, compiled, graph, registered

EXAMPLES = Path(__file__).parent.parent / "pulumi" / "examples"
SECRETS = {
    "holo:natsKey": "SUAM-of-nats",
    "holo:mongoUrl": "mongodb://of-mongo",
    "holo:coreHostKey": "-----BEGIN of-core",
    "holo:edgeHostKey": "-----BEGIN of-edge",
}
SETTINGS = "Pulumi.production.yaml"

Graph = dict[str, Registered]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("examples")
    return {name: compiled(EXAMPLES / name, folder) for name in ("existing", "hetzner")}


@pytest.fixture(params=["existing", "hetzner"])
def resources(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Graph:
    return graph(folders[request.param], SETTINGS, SECRETS)


def tree(resources: Graph) -> dict[str, tuple[str, str]]:
    return {name: (one.type, one.parent) for name, one in resources.items()}


def test_the_tree_of_existing_hosts_reads_like_the_fleet(folders: dict[str, Path]) -> None:
    command = "command:local:Command"
    assert tree(graph(folders["existing"], SETTINGS, SECRETS)) == {
        "existing": ("holo:index:Fleet", ""),
        "core": ("holo:index:Host", "existing"),
        "core.nixos": ("holo:index:NixosDeployment", "core"),
        "core.nixos.attempt": (command, "core.nixos"),
        "core.nixos.switch": (command, "core.nixos"),
        "edge": ("holo:index:Host", "existing"),
        "edge.credentials": ("holo:index:Credentials", "edge"),
        "edge.credentials.attempt:/etc/keys/mongo.url": (command, "edge.credentials"),
        "edge.credentials.attempt:/etc/keys/nats.nk": (command, "edge.credentials"),
        "edge.credentials:/etc/keys/mongo.url": (command, "edge.credentials"),
        "edge.credentials:/etc/keys/nats.nk": (command, "edge.credentials"),
        "edge.units": ("holo:index:UnitDeployment", "edge"),
        "edge.units.attempt": (command, "edge.units"),
        "edge.units.remove": (command, "edge.units"),
        "edge.units.apply": (command, "edge.units"),
        "edge.drain": (command, "edge"),
    }


def test_a_server_is_made_before_anything_is_put_on_it(folders: dict[str, Path]) -> None:
    resources = graph(folders["hetzner"], SETTINGS, SECRETS)
    server = resources["core.machine"]
    assert server.type == "hcloud:index/server:Server"
    assert (server.text("serverType"), server.text("location")) == ("cx32", "fsn1")
    for name in ("core.install", "edge.units.apply", "edge.credentials:/etc/keys/nats.nk"):
        assert "ssh://root@198.51.100.7" in resources[name].text("create")
        host = name.partition(".")[0]
        assert resources[name].dependencies >= {f"{host}.machine", f"{host}.machine.reach"}
    for name in ("core.nixos.switch", "core.credentials:/etc/keys/mongo.url"):
        assert resources[name].dependencies >= {"core.install"}


def test_nothing_is_undone_on_a_server_that_goes(folders: dict[str, Path]) -> None:
    resources = graph(folders["hetzner"], SETTINGS, SECRETS)
    undone = [one for one in resources.values() if "delete" in one.inputs]
    for one in undone:
        host = one.name.partition(".")[0]
        assert one.deleted_with == ("" if one.name == "edge.drain" else f"{host}.machine")
    assert len(undone) > 3


def test_a_server_begins_with_the_host_key_that_is_verified(folders: dict[str, Path]) -> None:
    resources = graph(folders["hetzner"], SETTINGS, SECRETS)
    told = yaml.safe_load(resources["edge.machine"].text("userData"))
    assert told["ssh_keys"]["ed25519_private"] == SECRETS["holo:edgeHostKey"] + "\n"
    public = told["ssh_keys"]["ed25519_public"]
    assert f"--host-key '{public}'" in resources["edge.units.apply"].text("create")


def test_a_server_that_is_made_anew_is_installed_anew(folders: dict[str, Path]) -> None:
    """Where NixOS is, the command does nothing: tests/switch_test.py."""
    resources = graph(folders["hetzner"], SETTINGS, SECRETS)
    install = resources["core.install"]
    assert re.match(
        "holo switch fleet.yaml core .* --install --timeout 600$", install.text("create")
    )
    assert install.text("update") == install.text("create")
    assert "delete" not in install.inputs
    assert install.inputs["triggers"] == ["core.machine-id"]
    anew = ("core.machine.reach", "core.nixos.attempt", "edge.units.attempt")
    for name in (*anew, "edge.credentials.attempt:/etc/keys/nats.nk"):
        host = name.partition(".")[0]
        assert f"{host}.machine-id" in resources[name].text("triggers")


def test_what_plain_units_need_is_there_after_the_first_boot(folders: dict[str, Path]) -> None:
    resources = graph(folders["hetzner"], SETTINGS, SECRETS)
    edge, core = (
        yaml.safe_load(resources[f"{host}.machine"].text("userData")) for host in ("edge", "core")
    )
    assert {"busybox-static", "nftables", "systemd-container"} <= {*edge["packages"]}
    assert core["packages"] == []
    assert resources["edge.machine.reach"].text("create").endswith(" booted.sh")


def test_nixos_is_put_on_a_machine_that_is_there_where_that_is_said(
    folders: dict[str, Path],
) -> None:
    hosts = {"edge": {"ssh": "ssh://there"}, "core": {"ssh": "ssh://there", "install": True}}
    others = {"holo:hosts": json.dumps(hosts)}
    resources = graph(folders["existing"], SETTINGS, SECRETS, others)
    assert resources["core.nixos.switch"].dependencies >= {"core.install"}
    assert "edge.install" not in resources


# Policies: what holds of every resource of every example.


def test_no_secret_is_plain(resources: Graph) -> None:
    for one in resources.values():
        for secret in SECRETS.values():
            assert secret not in one.plain(), one.name


def test_a_secret_travels_on_standard_input_or_at_a_first_boot_alone(resources: Graph) -> None:
    for one in resources.values():
        secret = {key for key in one.inputs if one.is_secret(key)}
        assert secret <= {"stdin", "userData", "triggers"}, one.name
        assert not any(text in one.text("triggers") for text in SECRETS.values())


def test_each_deployment_is_triggered_by_its_content(resources: Graph) -> None:
    deployments = [one for one in resources.values() if one.type.endswith("Deployment")]
    assert len(deployments) == 2
    for one in deployments:
        (doing,) = (
            child
            for child in resources.values()
            if child.parent == one.name and child.name.endswith((".apply", ".switch"))
        )
        content, attempt = doing.inputs["triggers"]
        assert re.fullmatch("[0-9a-f]{64}", content)
        assert attempt == f"what {one.name}.attempt printed"
        assert resources[f"{one.name}.attempt"].inputs["triggers"][0] == content
        assert doing.text("update") == doing.text("create")
        assert "delete" not in doing.inputs  # it would run after every change


def test_a_change_of_a_module_of_the_users_is_deployed(folders: dict[str, Path]) -> None:
    def contents() -> list[str]:
        resources = graph(folders["existing"], SETTINGS, SECRETS)
        names = ("core.nixos.switch", "edge.units.apply")
        return [resources[name].inputs["triggers"][0] for name in names]

    core, edge = contents()
    for file in ("core.nix", "flake.lock"):
        path = folders["existing"] / "out" / file
        path.write_text("{ }\n")
        changed, same = contents()
        path.unlink()
        assert changed != core
        assert same == edge
    assert contents() == [core, edge]


def test_each_host_has_a_health_check_with_an_end(resources: Graph) -> None:
    for one in resources.values():
        if one.name.endswith((".apply", ".switch")):
            assert re.match("holo (apply|switch) .* --timeout [0-9]+", one.text("create"))


def test_what_is_deployed_comes_after_credentials_and_goes_before_them(resources: Graph) -> None:
    keys = {one.name for one in resources.values() if one.parent == "edge.credentials"}
    assert keys
    assert resources["edge.units.remove"].dependencies >= keys
    assert resources["edge.units.apply"].dependencies >= {"edge.units.remove"}
    assert resources["edge.drain"].dependencies >= {"edge.units.apply"}


def test_no_command_holds_a_path_of_this_computer(
    resources: Graph, folders: dict[str, Path]
) -> None:
    for one in resources.values():
        assert str(folders["existing"].parent) not in one.plain()


def test_the_same_fleet_gives_the_same_graph(folders: dict[str, Path]) -> None:
    first = graph(folders["existing"], SETTINGS, SECRETS)
    assert graph(folders["existing"], SETTINGS, SECRETS) == first


def made(**changes: object) -> str:
    server = {"serverType": "cx22", "location": "nbg1", "sshKeys": ["a"]}
    keys = {"hostKey": "ssh-ed25519 A", "privateHostKey": "k"}
    return json.dumps({"edge": {"hetzner": {**server, **keys, **changes}}})


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            '{"edge": {"ssh": "ssh://there"}}',
            "not of fleet existing: none; of it, and not here: core",
        ),
        (
            '{"edge": {"ssh": "ssh://there"}, "core": {}}',
            "holo:hosts.core: its provider is existing: give ssh alone",
        ),
        ('{"edge": {"shs": "ssh://there"}}', "holo:hosts.edge.shs: Extra inputs are not permitted"),
        ('{"edge": {"ssh": "there"}}', "holo:hosts.edge.ssh: Value error, no address of a machine"),
        (
            '{"edge": {"ssh": "ssh://there", "timeout": -5}}',
            "holo:hosts.edge.timeout: Input should",
        ),
        ('{"edge": {"ssh": "ssh://there", "credentials": {"/etc/": "x"}}}', "holo:hosts.edge.cred"),
        (made(sshKeys=[]), "holo:hosts.edge.hetzner.sshKeys: List should have at least 1 item"),
        (made(hostKey="ssh-rsa A"), "holo:hosts.edge.hetzner.hostKey: String should match pattern"),
        (
            '{"edge": {"ssh": "ssh://there", "install": true}, "core": {"ssh": "ssh://there"}}',
            "holo:hosts.edge.install: its platform is systemd, not nixos",
        ),
    ],
)
def test_settings_that_fit_no_fleet_are_told(
    folders: dict[str, Path], setting: str, told: str
) -> None:
    with pytest.raises(pulumi.RunError, match=re.escape(told)):
        graph(folders["existing"], SETTINGS, SECRETS, {"holo:hosts": setting})


def test_a_fleet_that_was_not_compiled_is_told(folders: dict[str, Path]) -> None:
    with pytest.raises(
        pulumi.RunError, match="not there\n  hint: run holo compile --target pulumi"
    ):
        graph(folders["existing"], SETTINGS, SECRETS, {"holo:out": "nowhere"})


# Components alone, for programs of others.

WAY = Way("ssh://there", "ssh-ed25519 AAAA", "ssh_config")
TO = "--to ssh://there --ssh-config ssh_config --host-key 'ssh-ed25519 AAAA'"


def of(make: Callable[[], object]) -> Graph:
    return registered(make, {}, [])


def test_credentials_alone() -> None:
    files = {"/a/b": "secret", "/c": "other"}
    made = of(lambda: Credentials("keys", CredentialsArgs(WAY, files)))
    assert set(made) == {"keys", "keys:/a/b", "keys.attempt:/a/b", "keys:/c", "keys.attempt:/c"}
    file = made["keys:/a/b"]
    assert file.is_secret("stdin")
    assert file.text("stdin") == "secretEND."
    assert file.text("create").startswith("holo at --ssh-config ssh_config --host-key ")
    assert file.text("create").endswith(" put.sh /a/b")
    assert file.text("update") == file.text("create")
    assert file.text("delete").endswith("ssh://there -- rm -f /a/b /a/b.new /a/b.changed")
    assert made["keys.attempt:/a/b"].is_secret("triggers")
    assert made["keys"].outputs == {"paths": ["/a/b", "/c"]}


def test_units_that_have_read_a_secret_are_looked_at_after_the_deployment(
    folders: dict[str, Path],
) -> None:
    resources = graph(folders["hetzner"], SETTINGS, SECRETS)
    assert not [name for name in resources if name.endswith(".reread")]  # nothing there reads one
    args = HostArgs(
        Existing("ssh://there"),
        "systemd",
        "digest",
        credentials={"/k": "secret"},
        readers={"/k": ["a.service", "b.service"], "/other": ["c.service"]},
    )
    made = of(lambda: Fleet("f", FleetArgs("f", "fleet.yaml", "out", {"edge": args})))
    reread = made["edge.reread"]
    first, second = reread.text("create").split(" && holo apply ")
    assert first.endswith("reread.sh /k a.service /k b.service")
    assert made["edge.units.apply"].text("create") == f"holo apply {second} --content digest"
    assert reread.dependencies >= {"edge.units.apply"}
    assert "what edge.credentials.attempt:/k printed" in reread.text("triggers")


def test_a_unit_deployment_alone() -> None:
    args = UnitDeploymentArgs(WAY, "fleet", "fleet.yaml", "edge", "digest", timeout=7)
    made = of(lambda: UnitDeployment("units", args))
    apply = made["units.apply"].text("create")
    assert apply == (f"holo apply fleet.yaml edge {TO} --patience 134 --timeout 7 --content digest")
    assert made["units.remove"].text("delete") == f"holo remove fleet/edge {TO} --patience 134"
    assert made["units"].outputs == {"content": "digest"}


def test_a_nixos_deployment_alone() -> None:
    args = NixosDeploymentArgs(Way("ssh://there"), "fleet.yaml", "out", "core", "digest", timeout=9)
    made = of(lambda: NixosDeployment("nixos", args))
    switch = made["nixos.switch"].text("create")
    assert switch.startswith("holo switch fleet.yaml core --flake out --to ssh://there ")
    assert switch.endswith(" --patience 138 --timeout 9")
    assert made["nixos"].outputs == {"content": "digest"}


def test_a_host_with_nothing_but_a_place_alone() -> None:
    args = HostArgs(Existing("ssh://there"), "systemd", "digest")
    made = of(lambda: Fleet("f", FleetArgs("f", "fleet.yaml", "out", {"edge": args})))
    assert set(made) == {
        *("f", "edge", "edge.units", "edge.units.remove", "edge.units.attempt", "edge.units.apply")
    }
    assert made["edge"].outputs == {"url": "ssh://there", "content": "digest"}
    assert made["f"].outputs == {"hosts": {"edge": "ssh://there"}}
