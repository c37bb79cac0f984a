"""NATS server, host agent, orchestrator, gateway: their units, by themselves and hardened."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from holo_infra.model.services.base import Caddy, ClientHub, LeafHub
from holo_infra.model.services.gateway import GatewayNats, GatewayOptions
from holo_infra.model.services.host_agent import HostAgentOptions, HostNats
from holo_infra.model.services.nats_server import (
    Account,
    Jetstream,
    NatsServer,
    NatsServerOptions,
    User,
    Websocket,
)
from holo_infra.model.services.orchestrator import Mongo, OrchestratorNats, OrchestratorOptions
from holo_infra.services.gateway import gateway
from holo_infra.services.host_agent import host_agent
from holo_infra.services.nats_server import nats_server
from holo_infra.services.orchestrator import orchestrator
from nixgen import Module, Options
from tests.support import alone
from tests.support.modules import in_nix
from tests.support.nix import Nix

HUB = LeafHub(url="nats://192.0.2.1:7422", credentials_file="/run/keys/hub.creds")
LOGIN = ClientHub(url="wss://hub.example.org", user="orch", password_file="/run/keys/nats")
ALL = "0.0.0.0"  # noqa: S104 - on purpose

FULL: dict[str, tuple[Module, Options]] = {
    "nats-server": (
        nats_server,
        NatsServerOptions(
            enable=True,
            caddy=Caddy(enable=True),
            hub=LeafHub(url="nats://192.0.2.1:7422", nkey_file="/run/keys/leaf.nk"),
            accounts={"HOLO": Account(users={"orch": User(password_file="/run/keys/orch")})},
        ),
    ),
    "host-agent": (
        host_agent,
        HostAgentOptions(
            enable=True, nats=HostNats(hub=HUB, credentials_file="agent.creds"), log_level="debug"
        ),
    ),
    "orchestrator": (
        orchestrator,
        OrchestratorOptions(
            enable=True,
            mongo=Mongo(url_file="/run/keys/mongo"),
            nats=OrchestratorNats(hub=LOGIN),
        ),
    ),
    "gateway": (
        gateway,
        GatewayOptions(enable=True, nats=GatewayNats(hub=LOGIN), caddy=Caddy(enable=True)),
    ),
}
"""Each service with what gives it more units, files and secrets."""

EXPOSED = {
    "holo-nats-server-caddy": 1.4,  # its port is below 1024
    "holo-gateway-caddy": 1.4,
    "holo-host-agent": 4.3,  # has systemd run units as root, and is root
}


def units(module: Module, options: Options) -> dict[str, Any]:
    found: dict[str, Any] = alone.in_python(module, options)["units"]
    return found


def command(module: Module, options: Options, unit: str) -> list[str]:
    (line,) = units(module, options)[f"{unit}.service"]["Service"]["ExecStart"]
    words: list[str] = json.loads(line)
    return words


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", FULL)
def test_systemd_takes_the_units_and_scores_them(tmp_path: Path, name: str) -> None:
    files = alone.units(*FULL[name], tmp_path / "units")
    assert files
    assert alone.verified(files, tmp_path / "root") == ""
    for file in files:
        assert alone.exposure(file) <= EXPOSED.get(file.stem, 1.1), file.stem


@pytest.mark.needs("nix")
@pytest.mark.parametrize("name", FULL)
def test_each_module_stands_alone(nix: Nix, nixpkgs: Path, tmp_path: Path, name: str) -> None:
    module, options = FULL[name]
    folder = alone.folder(module, tmp_path / "modules")
    rng = random.Random(name)
    values = [options, *(alone.configuration(rng, type(options)) for _ in range(20))]
    results = in_nix(nix, nixpkgs, folder, [alone.printed(module, one) for one in values])
    assert results == [alone.in_python(module, one) for one in values]


@pytest.mark.parametrize("name", FULL)
def test_what_is_not_enabled_leaves_no_trace(name: str) -> None:
    module, options = FULL[name]
    made = alone.in_python(module, options.model_copy(update={"enable": False}))
    assert made == {"units": {}, "etc": {}, "tcp": [], "udp": []}


@pytest.mark.parametrize("name", FULL)
def test_each_unit_has_a_user_and_a_state_folder_of_its_own(name: str) -> None:
    found = units(*FULL[name])
    services = [unit["Service"] for unit in found.values()]
    folders = [service["StateDirectory"] for service in services]
    assert len({*map(tuple, folders)}) == len(folders)
    assert all(service["StateDirectoryMode"] == ["0700"] for service in services)
    for unit, sections in found.items():
        if unit != "holo-host-agent.service":
            assert sections["Service"]["DynamicUser"] == ["true"]
            assert sections["Service"]["User"] == [unit.removesuffix(".service")]
            assert len(unit.removesuffix(".service")) <= 31


@pytest.mark.parametrize("name", FULL)
def test_a_secret_comes_as_a_credential_and_no_other_way(name: str) -> None:
    module, options = FULL[name]
    made = alone.in_python(module, options)
    secrets = {*getattr(options, "secret_files").values()}  # noqa: B009 - of four models
    assert secrets
    loaded = [
        line.partition(":")
        for sections in made["units"].values()
        for line in sections["Service"].get("LoadCredential", [])
    ]
    assert {path for _, _, path in loaded} == secrets
    told = json.dumps([made["etc"], [u["Service"]["ExecStart"] for u in made["units"].values()]])
    for secret in secrets:
        assert secret not in told
    for credential, _, _ in loaded:
        assert f".service/{credential}" in told  # it is read where systemd puts it


# Host agent.


@pytest.mark.parametrize("private", [True, False])
def test_the_agent_is_told_true_or_false(private: bool) -> None:  # noqa: FBT001 - the parameter
    options = HostAgentOptions(enable=True, container_private_network=private)
    environment = units(host_agent, options)["holo-host-agent.service"]["Service"]["Environment"]
    assert environment == [f"IS_CONTAINER_ON_PRIVATE_NETWORK={'true' if private else 'false'}"]


@pytest.mark.needs("nix")
def test_the_snippet_of_the_manual_works_as_written(
    nix: Nix, nixpkgs: Path, tmp_path: Path
) -> None:
    folder = alone.folder(host_agent, tmp_path / "modules")
    snippet = "{ holo.host-agent = { enable = true; containerPrivateNetwork = true; }; }"
    (made,) = in_nix(nix, nixpkgs, folder, [snippet])
    service = made["units"]["holo-host-agent.service"]["Service"]
    assert service["Environment"] == ["IS_CONTAINER_ON_PRIVATE_NETWORK=true"]
    assert made["units"].keys() == {"holo-host-agent.service"}


def test_the_agent_runs_with_its_options() -> None:
    options = HostAgentOptions(
        enable=True,
        nats=HostNats(listen_port=4333),
        supported_holochain_versions_path="/etc/versions.json",
        extra_daemonize_args=["--label", "${HOME} %h"],
    )
    line = command(host_agent, options, "holo-host-agent")
    assert line[0].endswith("/bin/holo")
    assert line[1:] == [
        *("agent", "run", "--log-level", "info", "--nats-url", "nats://127.0.0.1:4333"),
        *("--supported-holochain-versions", "/etc/versions.json", "--label", "$${HOME} %%h"),
    ]


def test_the_agent_starts_with_the_machine_unless_told_otherwise() -> None:
    by_hand = units(host_agent, HostAgentOptions(enable=True, auto_start=False))
    assert "WantedBy" not in by_hand["holo-host-agent.service"].get("Install", {})
    assert "Install" in units(host_agent, HostAgentOptions(enable=True))["holo-host-agent.service"]


# NATS.


def config(options: NatsServerOptions) -> str:
    (text,) = alone.in_python(nats_server, options)["etc"].values()
    assert isinstance(text, str)
    return text


def test_a_leaf_joins_its_hub_and_has_the_machines_name_for_a_domain() -> None:
    leaf = HostAgentOptions(enable=True, nats=HostNats(hub=HUB))
    made = alone.in_python(host_agent, leaf)
    text = made["etc"]["holo/services/holo-host-agent-nats.conf"]
    assert '"jetstream":{"domain":$HOLO_DOMAIN,' in text  # NATS reads the variable
    assert '"sync_interval":"always"' in text
    assert '"urls":["nats://192.0.2.1:7422"]' in text
    service = made["units"]["holo-host-agent-nats.service"]["Service"]
    assert service["Environment"] == ['HOLO_DOMAIN="%l"']
    assert service["EnvironmentFile"] == ["-/etc/holo/identity.env"]  # a container's own


def test_a_server_is_a_hub_or_a_leaf() -> None:
    assert '"leafnodes":{"host":"0.0.0.0","no_advertise":true,"port":7422}' in config(
        NatsServerOptions(enable=True)
    )
    leaf = config(NatsServerOptions(enable=True, hub=LeafHub(url="wss://hub.example.org")))
    assert '"leafnodes":{"remotes":[{"urls":["wss://hub.example.org"]}]}' in leaf


def test_a_domain_that_is_given_is_taken() -> None:
    text = config(NatsServerOptions(enable=True, jetstream=Jetstream(domain="hub")))
    assert '"domain":"hub"' in text
    assert '"server_name":"hub"' in text  # two of one name would not live beside each other


def test_streams_are_on_the_disk_before_a_client_is_told_unless_the_user_says_otherwise() -> None:
    assert '"sync_interval":"always"' in config(NatsServerOptions(enable=True))
    lax = NatsServerOptions(enable=True, extra_attrs={"jetstream": {"sync_interval": "2m"}})
    assert '"sync_interval":"2m"' in config(lax)
    assert '"store_dir":"/var/lib/holo/nats-server"' in config(lax)  # the rest stays


def test_users_may_do_what_is_said_and_no_more() -> None:
    user = User(password_file="host0", publish=["INVENTORY.host0.>"], allow_responses=True)
    key = "U" + "A" * 55
    text = config(
        NatsServerOptions(
            enable=True, accounts={"HOLO": Account(users={"host0": user, "b": User(nkey=key)})}
        )
    )
    permissions = '{"allow_responses":true,"publish":{"allow":["INVENTORY.host0.>"]}}'
    folder = "../../../run/credentials/holo-nats-server.service"
    assert f'{{include "{folder}/password.HOLO.host0","permissions":{permissions}' in text
    assert f'{{"nkey":"{key}","permissions":{{}}}}' in text


@pytest.mark.parametrize(
    ("options", "ports"),
    [
        (NatsServerOptions(enable=True, host=ALL), []),
        (NatsServerOptions(enable=True, host=ALL, open_firewall=True), [4222, 7422]),
        (NatsServerOptions(enable=True, open_firewall=True), [7422]),
        (NatsServerOptions(enable=True, hub=HUB, open_firewall=True), []),
        (
            NatsServerOptions(
                enable=True, caddy=Caddy(enable=True), websocket=Websocket(open_firewall=True)
            ),
            [443],
        ),
        (NatsServerOptions(enable=True, websocket=Websocket(open_firewall=True)), []),
    ],
)
def test_the_firewall_opens_what_is_asked_for(options: NatsServerOptions, ports: list[int]) -> None:
    assert alone.in_python(nats_server, options)["tcp"] == ports


def test_an_operators_claim_is_a_secret_like_others() -> None:
    made = alone.in_python(nats_server, NatsServerOptions(enable=True, operator_file="operator"))
    service = made["units"]["holo-nats-server.service"]["Service"]
    assert service["LoadCredential"] == ["operator:operator"]
    folder = "/run/credentials/holo-nats-server.service"
    assert f'"operator":"{folder}/operator"' in config(
        NatsServerOptions(enable=True, operator_file="operator")
    )


def test_a_server_listens_on_its_ports_whatever_else_has_their_numbers() -> None:
    assert NatsServer(port=4223).listens == ["127.0.0.1:4223", "0.0.0.0:7422"]
    twice = NatsServer(websocket=Websocket(enable=True, port=4222)).listens
    assert twice.count("127.0.0.1:4222") == 2  # which is told as a clash


@pytest.mark.parametrize(
    "extra",
    [
        {"x": "a}@"},
        {"x": "@{A"},
        {"x": ["@{A}@ "]},
        {"x": {"y": "@{1}@"}},
        {"@include": "/etc/passwd"},
        {"x": {"@{k}@": 1}},
        {'a"@{b': 1},
    ],
)
def test_half_a_variable_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="extra_attrs"):
        NatsServer(extra_attrs=extra)


def test_a_variable_is_one_to_nats() -> None:
    text = config(NatsServerOptions(enable=True, extra_attrs={"x": "@{HOME}@", "y": "$HOME"}))
    assert '"x":$HOME,"y":"$HOME"' in text


@pytest.mark.needs("nix")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("nats-server = { enable = true; accounts.A.users.x = { }; }", "nkey or passwordFile"),
        (
            'nats-server = { enable = true; operatorFile = "/k"; accounts.A = { }; }',
            "the operator's",
        ),
        ("orchestrator.enable = true", "urlFile, or clusterIdFile and passwordFile"),
        ("holochain.enable = true", "passphrase"),
    ],
)
def test_nixos_does_not_build_a_service_that_lacks_what_it_needs(
    nix: Nix, nixpkgs: Path, settings: str, told: str
) -> None:
    modules = Path(__file__).parent.parent / "modules"
    failed = nix.eval_json(f"""
      let
        nixpkgs = (import {nixpkgs}/flake.nix).outputs {{ self = null; }};
        system = nixpkgs.lib.nixosSystem {{
          system = "x86_64-linux";
          modules = [ {modules} {{ holo.{settings}; }} ];
        }};
      in
      map (a: a.message) (nixpkgs.lib.filter (a: !a.assertion) system.config.assertions)
    """)
    assert len(failed) == 1
    assert told in failed[0]


# Orchestrator and gateway.


def test_the_database_is_found_by_a_url_or_by_parts() -> None:
    mongo = Mongo(username="o", cluster_id_file="/run/keys/id", password_file="/run/keys/pw")
    parts = command(
        orchestrator, OrchestratorOptions(enable=True, mongo=mongo), "holo-orchestrator"
    )
    folder = "/run/credentials/holo-orchestrator.service"
    assert parts[1:] == [
        *("orchestrator", "run", "--log-level", "info", "--nats-url", "nats://127.0.0.1:4222"),
        *("--mongo-username", "o", "--mongo-cluster-id-file", f"{folder}/mongo-cluster-id"),
        *("--mongo-password-file", f"{folder}/mongo-password"),
    ]
    whole = command(*FULL["orchestrator"], "holo-orchestrator")
    assert whole[-2:] == ["--mongo-url-file", f"{folder}/mongo-url"]
    assert "--mongo-username" not in whole
    assert whole[7:11] == ["--nats-user", "orch", "--nats-password-file", f"{folder}/nats-password"]


def test_the_gateway_listens_where_it_is_told() -> None:
    options = GatewayOptions(enable=True, address=ALL, port=9000, open_firewall=True)
    line = command(gateway, options, "holo-gateway")
    assert line[5:9] == ["--address", ALL, "--port", "9000"]
    assert alone.in_python(gateway, options)["tcp"] == [9000]
    proxied = options.model_copy(update={"caddy": Caddy(enable=True, server_name="gw.example")})
    made = alone.in_python(gateway, proxied)
    assert made["tcp"] == [443]
    proxy = json.loads(made["etc"]["holo/services/holo-gateway-caddy.json"])
    (route,) = proxy["apps"]["http"]["servers"]["proxy"]["routes"]
    assert route["match"] == [{"host": ["gw.example"]}]
    assert route["handle"][0]["upstreams"] == [{"dial": "127.0.0.1:9000"}]


@pytest.mark.parametrize("given", ["/nix/store/aaa-password", "/nix/store", "relative/path", ""])
def test_a_secret_in_the_store_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=re.escape("password_file")):
        User(password_file=given)
