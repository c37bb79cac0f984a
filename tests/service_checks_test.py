"""Services of hosts and containers: what is told of them, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holo_infra.allocate import Allocation, allocate
from holo_infra.check.services import UNITS, names_of
from holo_infra.lower import evaluate
from holo_infra.model.fleet import Container, Fleet, Forward, Host
from holo_infra.model.options import Holo
from holo_infra.model.services import NO_SERVICES, Gateway, HcHttpGw, NatsServer, Services
from tests.support.cases import told

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
    containers:
      a: {services: {nats_server: {hub: {url: "nats://192.0.2.1"}}}}
      b: {services: {nats_server: {hub: {url: "nats://192.0.2.1"}}}}
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
