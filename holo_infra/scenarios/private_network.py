"""A conductor in a container with a network of its own, from before its start to its restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holo_infra.model.fleet import Fleet, Host
from holo_infra.model.services import HostAgent, Services
from holo_infra.scenarios.parts import GATED, SECRETS, conductor
from holo_infra.scenarios.scenario import Scenario
from holo_infra.scenarios.steps import (
    ANSWER,
    PATIENCE,
    agent_says_private,
    before_first_start,
    conductor_config,
    inside,
    is_ready,
    listening,
    open_gate,
    open_websocket,
    shown,
)
from vmtests.script import subtest

if TYPE_CHECKING:
    from vmtests import Machine

FLEET = Fleet(
    name="private-network",
    hosts={
        "host": Host(
            services=Services(host_agent=HostAgent(auto_start=False)),
            containers={"holochain0": conductor()},
        ),
    },
)
CONTAINER = "container@holochain0.service"


def script(host: Machine) -> None:
    """From the boot of the host to a second start of the container."""
    with subtest("before the container's first start its port is closed"):
        before_first_start(host, CONTAINER, [8000])

    with subtest("the container starts with the machine"):
        open_gate(host)
        host.wait_for_unit(CONTAINER, timeout=PATIENCE)

    with subtest("the conductor is ready"):
        host.wait_until_succeeds(is_ready("holochain0", "admin"), timeout=PATIENCE)
        state = inside(host, "holochain0", "systemctl show --property=ActiveState holochain")
        assert state == "ActiveState=active\n", state
        assert shown(host, CONTAINER, "NRestarts")["NRestarts"] == "0", "it took several starts"

    with subtest("the forward answers on the host's localhost"):
        host.wait_until_succeeds(open_websocket(8000), timeout=PATIENCE)

    with subtest("the forward answers on no other address"):
        assert listening(host, 8000) == {"127.0.0.1"}, listening(host, 8000)
        for address in ("10.0.85.1", "10.0.85.2"):
            host.fail(open_websocket(8000, address))

    with subtest("host and container have the two addresses of a /30"):
        on_host = host.succeed("ip -4 -brief address show dev holo-0").split()
        assert on_host[2:] == ["10.0.85.1/30"], on_host
        there = host.succeed("ip -n holochain0 -4 -brief address show dev host0").split()
        assert there[2:] == ["10.0.85.2/30"], there
        route = host.succeed("ip -n holochain0 route show default").split()
        assert route[:3] == ["default", "via", "10.0.85.1"], route
        identity = inside(host, "holochain0", "cat /etc/holo/identity.env").splitlines()
        assert identity == ["HOLO_CONTAINER=holochain0", "HOLO_ADDRESS=10.0.85.2"], identity

    with subtest("the container reaches nothing of its host"):
        host.succeed("systemd-run --collect --unit=own socat TCP4-LISTEN:9999,fork,reuseaddr PIPE")
        to_host = f"timeout {ANSWER} bash -c 'exec 3<>/dev/tcp/10.0.85.1/9999'"
        host.wait_until_succeeds(to_host, timeout=PATIENCE)
        host.fail(f"ip netns exec holochain0 {to_host}")
        host.succeed("systemctl stop own.service")

    with subtest("the agent is told that containers have networks of their own"):
        assert agent_says_private(host) == "true", agent_says_private(host)

    with subtest("stopping the container closes its port and leaves nothing"):
        inside(host, "holochain0", "touch /var/lib/holo/holochain/kept")
        config = conductor_config(host, "holochain0")
        host.succeed(f"systemctl stop {CONTAINER}", timeout=PATIENCE)
        host.wait_for_closed_port(8000, timeout=PATIENCE)
        assert listening(host, 8000) == set(), "the forward outlives its container"
        host.fail(open_websocket(8000))
        host.wait_until_fails("ip link show dev holo-0", timeout=PATIENCE)
        host.wait_until_fails("ip netns list | grep -w holochain0", timeout=PATIENCE)

    with subtest("after a restart the forward answers again"):
        host.succeed(f"systemctl start {CONTAINER}", timeout=PATIENCE)
        host.wait_until_succeeds(open_websocket(8000), timeout=PATIENCE)

    with subtest("state and configuration outlive the restart"):
        inside(host, "holochain0", "test -e /var/lib/holo/holochain/kept")
        assert conductor_config(host, "holochain0") == config


SCENARIO = Scenario(
    name="extra-container-holochain-integration-private-network",
    fleet=FLEET,
    script=script,
    files=SECRETS | GATED,
    packages=("socat",),
    also=("pkgs-extra-container-holochain-integration-private-network",),
)
