"""Services of hosts and containers: what is told of them, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holo_infra.allocate import Allocation, allocate
from holo_infra.check.folders import state_folders
from holo_infra.check.services import UNITS, names_of
from holo_infra.lower import evaluate, lower
from holo_infra.model.fleet import Container, Fleet, Forward, Host
from holo_infra.model.options import Holo
from holo_infra.model.services import (
    NO_SERVICES,
    Gateway,
    HcHttpGw,
    Jetstream,
    NatsServer,
    Services,
)
from holo_infra.source.revalidation import check
from tests.support.cases import told
from tests.support.service_cases import KEY

EVERYTHING: dict[str, dict[str, Any]] = {
    "nats-server": {"caddy": {"enable": True}},
    "host-agent": {"nats": {"hub": {"url": "nats://192.0.2.1"}, "listenPort": 4333}},
    "orchestrator": {"mongo": {"urlFile": "/run/keys/mongo"}},
    "gateway": {"caddy": {"enable": True}},
    "holochain": {"passphraseFile": "/run/keys/passphrase"},
    "hc-http-gw": {},
    "holochain-bootstrap": {"version": "0.4"},
}
"""Options by which each service has all of its units."""
FITTING = {
    "secrets that the container has, sees, or keeps itself": """
hosts:
  alpha:
    nameservers: [192.0.2.53]
    containers:
      a:
        egress: internet
        services:
          holochain: {passphrase_file: passphrase}
          orchestrator:
            mongo: {cluster_id_file: /run/keys/mongo/cluster, password_file: /var/lib/mongo/key}
        bind_mounts: {/run/keys/: {source: /srv/keys}}
        secrets: {passphrase: /run/keys/passphrase}
""",
    "an operator's accounts, which are keys": """
hosts:
  alpha:
    services: {nats_server: {operator_file: /k/operator.jwt, system_account: ABC}}
""",
    "a system account by NATS's own name, and a user for those without a name": """
hosts:
  alpha:
    services:
      nats_server: {system_account: $SYS, no_auth_user: x, accounts: {A: {users: {x: {}}}}}
""",
    "secrets of a host": """
hosts:
  alpha:
    services: {holochain: {passphrase_file: passphrase}, orchestrator: {mongo: {url_file: /k/m}}}
""",
    "conductors whose services are at hand": """
hub: alpha
hosts:
  alpha: {address: 192.0.2.1}
  beta:
    containers:
      a:
        services:
          holochain: &at
            passphrase_file: /var/lib/key
            bootstrap_service_url: http://127.0.0.1:5000
            webrtc_transport_pool_signal_url: ws://localhost:5000
      b:
        egress: hub
        services:
          holochain:
            <<: *at
            bootstrap_service_url: http://192.0.2.1:5000
            webrtc_transport_pool_signal_url: ws://192.0.2.1:5000
      c:
        allowed_peers: [d]
        services: {holochain: {<<: *at, bootstrap_service_url: "http://10.0.88.2:5000"}}
      d: {services: {holochain_bootstrap: {listen_address: 0.0.0.0}}}
      e: {network: shared, services: {holochain: {passphrase_file: /var/lib/key}}}
""",
    "servers each with a domain of its own, and hubs that may be a cluster": """
hosts:
  alpha: {services: {nats_server: {jetstream: {domain: hub}}}}
  beta: {services: {nats_server: {jetstream: {domain: hub}}}}
  gamma:
    services:
      nats_server: {jetstream: {enable: false}}
      host_agent: {nats: {listen_port: 4333, hub: {url: "nats://192.0.2.1"}}}
  delta:
    services: {nats_server: {}, host_agent: {}}
    nameservers: [192.0.2.53]
    containers:
      a: &leaf {egress: internet, services: {nats_server: {hub: {url: "nats://192.0.2.1"}}}}
      b: *leaf
""",
    "gateways of conductors beside them and elsewhere": """
hosts:
  alpha:
    services:
      holochain: {passphrase_file: /k/key, admin_websocket_port: 80}
      hc_http_gw: {admin_websocket_url: "ws://127.0.0.1", allowed_fns_per_app_id: {a: "*"}}
  beta:
    services:
      holochain: {passphrase_file: /k/key}
      hc_http_gw: {admin_websocket_url: "ws://192.0.2.1:8500"}
  gamma:
    services: {hc_http_gw: {admin_websocket_url: "ws://127.0.0.1:8500"}}
""",
    "certificates by other issuers, and for other names": """
hosts:
  alpha: {services: {nats_server: {caddy: {enable: true, issuer: internal}}}}
  beta: {services: {gateway: {caddy: {enable: true, server_name: gw.example.org}}}}
  gamma:
    services:
      gateway: {external_port: 8443, caddy: {enable: true, issuer: internal, server_name: gamma}}
    containers:
      a:
        services:
          gateway: {external_port: 8443, caddy: {enable: true, server_name: gw.example.org}}
        forwards:
          tls: {port: 8443, host_port: 443, bind: 0.0.0.0}
          other: {port: 8443, bind: 0.0.0.0, protocol: udp}
  delta: {services: {nats_server: {websocket: {external_port: 8443}}}}
""",
    "a key for those without a name": f"""
hosts:
  alpha:
    services:
      nats_server: {{no_auth_user: {KEY}, accounts: {{A: {{users: {{x: {{nkey: {KEY}}}}}}}}}}}
""",
    "accounts that only the rest of the configuration has": """
hosts:
  alpha:
    services:
      nats_server:
        hub: {url: "nats://192.0.2.1", account: B}
        system_account: SYS
        extra_attrs: {accounts: {B: {}, SYS: {}}}
""",
    "leaves that reach their hub": """
hub: alpha
hosts:
  alpha: {address: 192.0.2.1}
  beta:
    nameservers: [192.0.2.53]
    containers:
      a: {egress: internet, services: {nats_server: {hub: {url: "wss://hub.example.org"}}}}
      b: {egress: hub, services: {nats_server: {hub: {url: "nats://192.0.2.1:7422"}}}}
      c: {isolated: false, services: {nats_server: {hub: {url: "nats://10.0.87.2:7422"}}}}
      d: {services: {gateway: {nats: {hub: {url: "nats://127.0.0.1:4222"}}}, nats_server: {}}}
      e: {network: shared, services: {host_agent: {nats: {hub: {url: "nats://hub"}}}}}
      f: {services: {orchestrator: {mongo: {url_file: /var/lib/mongo}}, host_agent: {}}}
""",
    "leaves of which an account is joined, or which have none to join": """
hosts:
  alpha:
    services:
      nats_server:
        hub: {url: "tls://192.0.2.1", tls_insecure: true, account: A}
        accounts: {A: {users: {x: {password_file: /k/x}}}}
  beta:
    services:
      nats_server:
        hub: {url: "nats://192.0.2.1"}
        system_account: SYS
        accounts: {SYS: {users: {x: {password_file: /k/x}}}}
      host_agent: {nats: {listen_port: 4333, domain: agent, hub: &any {url: "nats://192.0.2.2"}}}
  gamma:
    services:
      nats_server: {hub: {<<: *any, account: $G}, accounts: {A: {}}}
      gateway: {nats: {hub: {url: "nats://192.0.2.1", tls_insecure: true}}}
""",
    "versions side by side where there is Nix, and one where there is none": """
hosts:
  alpha:
    nameservers: [192.0.2.53]
    containers:
      a: &a {egress: internet, services: {holochain: &h {passphrase_file: /var/lib/key}}}
      b: {<<: *a, services: {holochain: {<<: *h, version: "0.4"}}}
  beta:
    nameservers: [192.0.2.53]
    platform: systemd
    services: {hc_http_gw: {listen_port: 8091}}
    containers:
      a: *a
      b: {<<: *a, services: {holochain: {<<: *h, version: latest}, hc_http_gw: {}}}
  gamma:
    nameservers: [192.0.2.53]
    platform: systemd
    containers:
      a: {<<: *a, services: {holochain: {<<: *h, version: "0.4"}}}
""",
    "folders of their own": """
hosts:
  alpha:
    services:
      nats_server: {jetstream: {store_dir: /var/lib/holo/streams}}
      host_agent:
        nats:
          listen_port: 4333
          domain: agent
          hub: {url: "nats://192.0.2.1"}
          store_dir: /var/lib/holo/streams-of-agent
      gateway: {external_port: 8443}
      holochain: {passphrase_file: /k/key}
    containers:
      a:
        state: /var/lib/streams
        services: {nats_server: {jetstream: {store_dir: /var/lib/holo/streams}}}
      b: {services: {nats_server: {jetstream: {store_dir: /var/lib/holo/host-agent-nats}}}}
""",
    "units whose names are free": """
hosts:
  alpha:
    containers:
      a: {services: {gateway: {}}, units: {nats-server: {exec_start: [busybox]}}}
""",
    "a peer whose service listens on its address": """
hosts:
  alpha:
    containers:
      a: {allowed_peers: [b]}
      b: {services: {gateway: {address: 0.0.0.0}}}
""",
}


@pytest.mark.parametrize("what", FITTING)
def test_nothing_is_told_of_services_that_fit(tmp_path: Path, what: str) -> None:
    assert told(tmp_path, FITTING[what]) == []


@pytest.mark.parametrize("url", ["ws://127.0.0.1:99999", "ws://[", "ws://:8000", "wss://x:0"])
def test_an_odd_address_is_not_guessed_at(tmp_path: Path, url: str) -> None:
    fleet = f"""
hosts:
  alpha:
    services:
      holochain: {{passphrase_file: /k/key, admin_websocket_port: 443}}
      hc_http_gw: {{admin_websocket_url: "{url}"}}
"""
    assert told(tmp_path, fleet) == []


def test_a_name_with_nothing_behind_it_is_no_service(tmp_path: Path) -> None:
    fleet = """
hosts:
  alpha:
    services: {nats_server: , host_agent: ~}
    containers:
      a: {services: {gateway: {}, hc_http_gw: null}}
"""
    found = told(tmp_path, fleet)
    assert {one.code for one in found} == {"HI012"}
    assert [str(one.place).rpartition("yaml:")[2] for one in found] == ["5:29", "5:43", "7:47"]
    assert {one.message for one in found} == {"must be a mapping, and is nothing"}
    assert all("write {}" in one.hint for one in found)


REFUSED = {
    "a secret of the store": ("operator_file: /nix/store/x-key", "not a secret"),
    "a secret of the reader's own process": ("operator_file: /proc/self/environ", "not a secret"),
    "a port that no URL has": ('hub: {url: "nats://hub:65536"}', "not a NATS server's URL"),
    "a subject with a space": ('accounts: {A: {users: {x: {publish: ["a b"]}}}}', "not a subject"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_of_a_text_of_no_form_nothing_is_guessed(tmp_path: Path, what: str) -> None:
    text, message = REFUSED[what]
    (found,) = told(tmp_path, f"hosts: {{alpha: {{services: {{nats_server: {{{text}}}}}}}}}\n")
    assert found.code == "HI013"
    assert message in found.message
    assert "write" not in found.hint


@pytest.mark.parametrize("path", ["/n", "/nixos/x", "/proc.d/x", "/p/proc", "/run/nix", "/process"])
def test_only_the_store_and_proc_are_no_place_for_secrets(path: str) -> None:
    assert NatsServer(operator_file=path).operator_file == path


def test_in_python_none_is_no_service() -> None:
    services = Services(nats_server=None, gateway=Gateway())
    fleet = Fleet(name="f", hosts={"alpha": Host(services=services)})
    assert check(fleet).error is None
    assert services.model_copy(update={"gateway": None}) == NO_SERVICES


def test_the_longest_names_make_a_domain() -> None:
    long = "a" * 63
    assert Jetstream(domain=f"{long}_{long}")
    container = Container(services=Services(nats_server=NatsServer()))
    fleet = Fleet(name="f", hosts={long: Host(containers={long: container})})
    allocation, _ = allocate(fleet, Allocation())
    assert lower(fleet, allocation).hosts[long].options.containers[long].domain == f"{long}_{long}"


def test_the_folders_of_all_services_are_known() -> None:
    for field in UNITS:
        name = Holo.model_fields[field].alias or field
        options = Holo.from_nix({name: {"enable": True, **EVERYTHING[name]}})
        made = evaluate(options)["systemd"]["services"].values()
        folders = {of["serviceConfig"].get("StateDirectory") for of in made} - {None}
        known = state_folders(Services.model_construct(None, **{field: getattr(options, field)}))
        assert {f"/var/lib/{folder}" for folder in folders} == {*known.values()}


def test_the_names_of_all_units_and_users_of_services_are_taken() -> None:
    assert UNITS.keys() == Services.model_fields.keys()
    for field in UNITS:
        name = Holo.model_fields[field].alias or field
        options = Holo.from_nix({name: {"enable": True, **EVERYTHING[name]}})
        made = evaluate(options)["systemd"]["services"]
        of_service = {unit: of for unit, of in made.items() if unit != "holo-firewall"}
        assert of_service.keys() == {*UNITS[field]}
        users = {of["serviceConfig"].get("User", "holo-") for of in of_service.values()}
        assert {*UNITS[field], *(user.removeprefix("holo-") for user in users)} - {""} <= {
            *names_of(field)
        }


def test_a_forward_gets_no_port_on_which_a_service_listens() -> None:
    services = Services(gateway=Gateway(), hc_http_gw=HcHttpGw(listen_port=81))
    on_host = Container(network="shared", services=services)
    web = Container(
        services=Services(nats_server=NatsServer(host="0.0.0.0")),  # noqa: S104 - on purpose
        forwards={
            "nats": Forward(port=4222, engine="socat"),
            "web": Forward(port=8080, engine="socat"),
            "free": Forward(port=8090, engine="socat"),
        },
    )
    host = Host(services=Services(nats_server=NatsServer()), containers={"a": on_host, "b": web})
    allocation, problems = allocate(Fleet(name="f", hosts={"alpha": host}), Allocation())
    assert not problems
    numbers = allocation.hosts["alpha"].containers["b"].forwards
    assert numbers["nats"].host_port not in {4222, 7422}
    assert numbers["nats"].inner_port not in {4222, 7422}
    assert numbers["web"].host_port != 8080
    assert (numbers["free"].host_port, numbers["free"].inner_port) == (8090, 8090)


def test_containers_without_services_share_one_value() -> None:
    # By which the checks of a hundred thousand containers pass them over.
    assert Container().services is NO_SERVICES
    assert Host().services is NO_SERVICES
    assert Container.model_validate({"units": {}}).services is NO_SERVICES
