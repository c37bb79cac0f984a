"""What a fleet compiles to, installed: every unit is there, well-formed and at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holo_infra.model.fleet import Container, Fleet, Forward, Host
from holo_infra.model.services import HostAgent, Jetstream, NatsServer, Services
from holo_infra.scenarios.parts import ADMIN, GATEWAY, PASSPHRASE, SECRETS, services
from holo_infra.scenarios.scenario import Scenario
from holo_infra.scenarios.steps import (
    ANSWER,
    PATIENCE,
    in_container,
    inside,
    is_ready,
    shown,
)
from vmtests.script import subtest

if TYPE_CHECKING:
    from vmtests import Machine

FLEET = Fleet(
    name="build",
    hosts={
        "host": Host(
            services=Services(
                nats_server=NatsServer(jetstream=Jetstream(domain="host"), monitor_port=8222),
                host_agent=HostAgent(auto_start=False),
            ),
            containers={
                "holochain0": Container(
                    services=services(gateway=True),
                    forwards={
                        "admin": Forward(port=ADMIN),
                        "httpgw": Forward(
                            port=GATEWAY, host_port=8080, engine="socat", probe="http:/health"
                        ),
                        "again": Forward(
                            port=GATEWAY, host_port=8081, engine="haproxy", probe="http:/health"
                        ),
                    },
                    secrets={"passphrase": PASSPHRASE},
                ),
                "holochain1": Container(
                    network="shared",
                    services=Services(
                        holochain=services().holochain.model_copy(  # type: ignore[union-attr] # it has one
                            update={"admin_websocket_port": 8100}
                        )
                    ),
                    secrets={"passphrase": PASSPHRASE},
                ),
            },
        ),
    },
)
FORWARDS = [
    "haproxy-holochain0-again.socket",
    "socat-holochain0-httpgw.service",
    "socket-proxyd-holochain0-admin.socket",
]
CONTAINERS = ["container@holochain0.service", "container@holochain1.service"]
RUNNING = [
    *CONTAINERS,
    "holo-firewall.service",
    "holo-nats-server.service",
    "netns-holochain0.service",
    *FORWARDS,
]
ON_DEMAND = [
    "haproxy-holochain0-again.service",
    "holo-host-agent.service",
    "ready-holochain0-admin.service",
    "ready-holochain0-again.service",
    "ready-holochain0-httpgw.service",
    "socket-proxyd-holochain0-admin.service",
]
INSIDE = [
    "hc-http-gw.service",
    "holochain.service",
    "socat-internal-httpgw-forwarder.service",
]


def script(host: Machine) -> None:
    """First what is on the disk, then what it does."""
    host.wait_for_unit("multi-user.target", timeout=PATIENCE)

    with subtest("every unit is there, and systemd can read it"):
        for unit in [*RUNNING, *ON_DEMAND]:
            state = shown(host, unit, "LoadState", "NeedDaemonReload")
            assert state == {"LoadState": "loaded", "NeedDaemonReload": "no"}, f"{unit}: {state}"

    with subtest("systemd finds nothing wrong with a unit"):
        # Of the agent, the program is not on every machine; of instances, templates are asked for.
        left_out = ("holo-host-agent.service", *CONTAINERS)
        units = [unit for unit in [*RUNNING, *ON_DEMAND] if unit not in left_out]
        told = host.succeed(f"systemd-analyze verify --recursive-errors=no {' '.join(units)} 2>&1")
        wrong = [line for line in told.splitlines() if any(unit in line for unit in units)]
        assert wrong == [], wrong

    with subtest("what starts with the machine is wanted at boot"):
        for unit in [unit for unit in RUNNING if unit != "netns-holochain0.service"]:
            assert "multi-user.target" in shown(host, unit, "WantedBy")["WantedBy"].split(), unit

    with subtest("a container comes after its network, and that after the firewall"):
        after = shown(host, "container@holochain0.service", "After")["After"].split()
        assert "netns-holochain0.service" in after, after
        after = shown(host, "netns-holochain0.service", "After")["After"].split()
        assert "holo-firewall.service" in after, after

    with subtest("all that is to run runs"):
        for unit in RUNNING:
            host.wait_for_unit(unit, timeout=PATIENCE)
        healthy = f"curl --silent --fail --max-time {ANSWER} http://127.0.0.1:8222/healthz"
        host.wait_until_succeeds(healthy, timeout=PATIENCE)
        for forward in ("admin", "again", "httpgw"):
            host.wait_until_succeeds(is_ready("holochain0", forward), timeout=PATIENCE)

    with subtest("units of a container are there, and run"):
        for unit in INSIDE:
            wait = f"{in_container('holochain0')} systemctl --quiet is-active {unit}"
            host.wait_until_succeeds(wait, timeout=PATIENCE)

    with subtest("no unit has failed, and none has been started twice"):
        for unit in [unit for unit in RUNNING if unit.endswith(".service")]:
            assert shown(host, unit, "NRestarts") == {"NRestarts": "0"}, unit
        failed = host.succeed("systemctl --failed --no-legend").strip()
        assert failed == "", failed
        for container in ("holochain0", "holochain1"):
            failed = inside(host, container, "systemctl --failed --no-legend").strip()
            assert failed == "", failed


SCENARIO = Scenario(
    name="extra-container-holochain-build", fleet=FLEET, script=script, files=SECRETS
)
