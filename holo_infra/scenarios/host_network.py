"""A conductor and its gateway in a container that shares its host's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holo_infra.model.fleet import Container, Fleet, Host
from holo_infra.model.services import HostAgent, Services
from holo_infra.scenarios.parts import GATED, PASSPHRASE, SECRETS, services
from holo_infra.scenarios.scenario import Scenario
from holo_infra.scenarios.steps import (
    ANSWER,
    PATIENCE,
    agent_says_private,
    before_first_start,
    conductor_config,
    inside,
    listening,
    open_gate,
    open_websocket,
)
from vmtests.script import subtest

if TYPE_CHECKING:
    from vmtests import Machine

FLEET = Fleet(
    name="host-network",
    hosts={
        "host": Host(
            services=Services(
                host_agent=HostAgent(auto_start=False, container_private_network=False)
            ),
            containers={
                "holochain0": Container(
                    network="shared",
                    services=services(gateway=True),
                    secrets={"passphrase": PASSPHRASE},
                ),
            },
        ),
    },
)
CONTAINER = "container@holochain0.service"
HEALTH = f"curl --silent --fail --max-time {ANSWER} http://127.0.0.1:8090/health"


def script(host: Machine) -> None:
    """From the boot of the host to a second start of the container."""
    with subtest("before the container's first start its ports are closed"):
        before_first_start(host, CONTAINER, [8000, 8090])

    with subtest("the container starts with the machine"):
        open_gate(host)
        host.wait_for_unit(CONTAINER, timeout=PATIENCE)

    with subtest("conductor and gateway answer on the host's localhost"):
        host.wait_until_succeeds(open_websocket(8000), timeout=PATIENCE)
        host.wait_until_succeeds(HEALTH, timeout=PATIENCE)

    with subtest("they listen on localhost only"):
        assert listening(host, 8000) <= {"127.0.0.1", "[::1]"}, listening(host, 8000)
        assert listening(host, 8090) == {"127.0.0.1"}, listening(host, 8090)

    with subtest("the container has the host's network and no other"):
        of_host = host.succeed("readlink /proc/self/ns/net")
        assert inside(host, "holochain0", "readlink /proc/self/ns/net") == of_host
        assert host.succeed("ip netns list") == ""
        identity = inside(host, "holochain0", "cat /etc/holo/identity.env").splitlines()
        assert identity == ["HOLO_CONTAINER=holochain0", "HOLO_ADDRESS=127.0.0.1"], identity

    with subtest("the agent is told that containers share the host's network"):
        assert agent_says_private(host) == "false", agent_says_private(host)

    with subtest("stopping the container closes its ports"):
        inside(host, "holochain0", "touch /var/lib/holo/holochain/kept")
        config = conductor_config(host, "holochain0")
        host.succeed(f"systemctl stop {CONTAINER}", timeout=PATIENCE)
        host.wait_for_closed_port(8000, timeout=PATIENCE)
        host.wait_for_closed_port(8090, timeout=PATIENCE)

    with subtest("after a restart they answer again"):
        host.succeed(f"systemctl start {CONTAINER}", timeout=PATIENCE)
        host.wait_until_succeeds(open_websocket(8000), timeout=PATIENCE)
        host.wait_until_succeeds(HEALTH, timeout=PATIENCE)

    with subtest("state and configuration outlive the restart"):
        inside(host, "holochain0", "test -e /var/lib/holo/holochain/kept")
        assert conductor_config(host, "holochain0") == config


SCENARIO = Scenario(
    name="extra-container-holochain-integration-host-network",
    fleet=FLEET,
    script=script,
    files=SECRETS | GATED,
    also=("pkgs-extra-container-holochain-integration-host-network",),
)
