"""A hub and hosts with NATS leaf servers: streams from the hub, one host off and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from holo_infra.model.fleet import Fleet, Host
from holo_infra.model.services import HostAgent, HostNats, Jetstream, LeafHub, NatsServer, Services
from holo_infra.scenarios.scenario import Scenario
from holo_infra.scenarios.steps import ANSWER, PATIENCE, agent_says_private
from vmtests.script import retry, subtest

if TYPE_CHECKING:
    from vmtests import Machine

HUB_ADDRESS = "192.0.2.10"
HUB = "holo-nats-server.service"
LEAF = "holo-host-agent-nats.service"
NATS = "PATH=$PATH:/opt/holo-scenarios/bin holo-scenario-nats"
"""A small client. The folder is that of machines without Nix."""


def fleet(hosts: int) -> Fleet:
    """A hub and so many hosts."""
    network = ["192.0.2.0/24"]
    hub = NatsServer(jetstream=Jetstream(domain="hub"), monitor_port=8222, open_firewall=True)
    leaf = HostNats(hub=LeafHub(url=f"nats://{HUB_ADDRESS}:7422"))
    agent = Services(host_agent=HostAgent(auto_start=False, nats=leaf))
    return Fleet(
        name="agents",
        hub="hub",
        hosts={
            "hub": Host(address=HUB_ADDRESS, networks=network, services=Services(nats_server=hub)),
            **{
                f"host{number}": Host(
                    address=f"192.0.2.{20 + number}", networks=network, services=agent
                )
                for number in range(1, hosts + 1)
            },
        },
    )


def joined(hub: Machine) -> set[str]:
    """The names of the leaf servers that are joined to the hub."""
    status, told = hub.execute(f"curl --silent --fail --max-time {ANSWER} 127.0.0.1:8222/leafz")
    return {leaf["name"] for leaf in json.loads(told).get("leafs") or []} if status == 0 else set()


def script(hub: Machine, *hosts: Machine) -> None:
    """The last host is the one that is off for a while."""
    names = {host.name for host in hosts}

    with subtest("the hub's server and the leaf servers start"):
        hub.wait_for_unit(HUB, timeout=PATIENCE)
        for host in hosts:
            host.wait_for_unit(LEAF, timeout=PATIENCE)

    with subtest("the leaf servers join the hub"):

        def all_are_there(last_try: bool) -> bool:  # noqa: FBT001 (the driver's)
            there = joined(hub)
            assert there == names or not last_try, f"joined are {sorted(there)}"
            return there == names

        retry(all_are_there, PATIENCE)

    with subtest("each server has a JetStream domain of its own"):
        for machine in (hub, *hosts):
            domain = machine.succeed(f"{NATS} domain").strip()
            assert domain == machine.name, f"the domain of {machine.name} is {domain!r}"

    with subtest("servers are for clients of their own machine only"):
        hosts[0].fail(f"timeout {ANSWER} bash -c 'exec 3<>/dev/tcp/192.0.2.10/4222'")
        hub.fail(f"timeout {ANSWER} bash -c 'exec 3<>/dev/tcp/192.0.2.21/4222'")

    with subtest("what the hub stores is mirrored on every host"):
        hub.succeed(f"{NATS} add WORK 'work.>'")
        hub.succeed(f"{NATS} publish work.all 1 100")
        for host in hosts:
            host.succeed(f"{NATS} mirror COPY WORK hub")
        for host in hosts:
            host.wait_until_succeeds(f"{NATS} holds COPY 1 100", timeout=PATIENCE)

    with subtest("what a host reports is stored at the hub"):
        hub.succeed(f"{NATS} add REPORTS 'report.>'")
        for number, host in enumerate(hosts):
            first, last = 10 * number + 1, 10 * number + 10
            host.succeed(f"{NATS} publish report.{host.name} {first} {last}")
        hub.wait_until_succeeds(f"{NATS} holds REPORTS 1 {10 * len(hosts)}", timeout=PATIENCE)

    with subtest("a leaf server that dies comes back"):
        hosts[0].succeed(f"systemctl kill --signal=KILL {LEAF}")
        hosts[0].wait_until_succeeds(f"{NATS} holds COPY 1 100", timeout=PATIENCE)

    with subtest("while one host is off, the others go on"):
        hosts[-1].shutdown()
        hub.succeed(f"{NATS} publish work.all 101 300")
        for host in hosts[:-1]:
            host.wait_until_succeeds(f"{NATS} holds COPY 1 300", timeout=PATIENCE)

    with subtest("the host is back, and has every message"):
        hosts[-1].start()
        hosts[-1].wait_for_unit(LEAF, timeout=PATIENCE)
        hosts[-1].wait_until_succeeds(f"{NATS} holds COPY 1 300", timeout=PATIENCE)

    with subtest("agents are told that containers have networks of their own"):
        for host in hosts:
            assert agent_says_private(host) == "true", agent_says_private(host)


def scenario(hosts: int) -> Scenario:
    """The scenario with so many hosts."""
    return Scenario(
        name="holo-agent-integration-nixos",
        fleet=fleet(hosts),
        script=script,
        packages=("holo-scenario-nats",),
    )


SCENARIO = scenario(5)
