"""Two conductors on one host, apart from each other but for what the fleet allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holo_infra.model.fleet import Container, Fleet, Forward, Host
from holo_infra.scenarios.parts import ADMIN, GATEWAY, PASSPHRASE, SECRETS, conductor, services
from holo_infra.scenarios.scenario import Scenario
from holo_infra.scenarios.steps import (
    ANSWER,
    PATIENCE,
    inside,
    listening,
    open_websocket,
)
from vmtests.script import subtest

if TYPE_CHECKING:
    from vmtests import Machine

FLEET = Fleet(
    name="two-containers",
    hosts={
        "host": Host(
            containers={
                "holochain0": Container(
                    services=services(gateway=True),
                    forwards={
                        "admin": Forward(port=ADMIN, host_port=8000),
                        "httpgw": Forward(
                            port=GATEWAY,
                            inner_port=4000,
                            host_port=8080,
                            engine="socat",
                            probe="http:/health",
                        ),
                    },
                    secrets={"passphrase": PASSPHRASE},
                ),
                "holochain1": conductor(host_port=8001).model_copy(
                    update={"allowed_peers": ["holochain0"]}
                ),
            }
        ),
    },
)
HEALTH = f"curl --silent --fail --max-time {ANSWER} http://"


def script(host: Machine) -> None:
    """The second container may ask the first one's gateway, and nothing the other way."""
    with subtest("both containers start with the machine"):
        for name in ("holochain0", "holochain1"):
            host.wait_for_unit(f"container@{name}.service", timeout=PATIENCE)

    with subtest("each forward answers"):
        for port in (8000, 8001):
            host.wait_until_succeeds(open_websocket(port), timeout=PATIENCE)
            assert listening(host, port) == {"127.0.0.1"}, listening(host, port)
        host.wait_until_succeeds(f"{HEALTH}127.0.0.1:8080/health", timeout=PATIENCE)
        assert listening(host, 8080) == {"127.0.0.1"}, listening(host, 8080)

    with subtest("each container has an address and a state of its own"):
        for name, address in (("holochain0", "10.0.85.2"), ("holochain1", "10.0.86.2")):
            there = host.succeed(f"ip -n {name} -4 -brief address show dev host0").split()
            assert there[2:] == [f"{address}/30"], there
            inside(host, name, f"touch /var/lib/holo/holochain/{name}")
        for name in ("holochain0", "holochain1"):
            files = inside(host, name, "ls /var/lib/holo/holochain").split()
            assert [file for file in files if file.startswith("holochain")] == [name], files

    with subtest("a container reaches a peer that it is allowed"):
        ask = f"ip netns exec holochain1 {HEALTH}10.0.85.2:4000/health"
        host.wait_until_succeeds(ask, timeout=PATIENCE)

    with subtest("no container reaches another that it is not allowed"):
        listen = "socat TCP4-LISTEN:9999,fork,reuseaddr PIPE"
        host.succeed(f"systemd-run --collect --unit=own ip netns exec holochain1 {listen}")
        connect = f"timeout {ANSWER} bash -c 'exec 3<>/dev/tcp/10.0.86.2/9999'"
        host.wait_until_succeeds(f"ip netns exec holochain1 {connect}", timeout=PATIENCE)
        host.fail(f"ip netns exec holochain0 {connect}")
        host.succeed("systemctl stop own.service")

    with subtest("one that stops leaves the other alone"):
        host.succeed("systemctl stop container@holochain1.service", timeout=PATIENCE)
        host.wait_for_closed_port(8001, timeout=PATIENCE)
        host.succeed(open_websocket(8000))
        host.succeed(f"{HEALTH}127.0.0.1:8080/health")

    with subtest("and comes back"):
        host.succeed("systemctl start container@holochain1.service", timeout=PATIENCE)
        host.wait_until_succeeds(open_websocket(8001), timeout=PATIENCE)


SCENARIO = Scenario(
    name="extra-container-holochain-two-containers",
    fleet=FLEET,
    script=script,
    files=SECRETS,
    packages=("socat",),
)
