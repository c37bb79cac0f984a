# Scenario holo-agent-integration-nixos. Made by `python -m holo_infra.scenarios` from
# holo_infra.scenarios.agent_integration; do not edit.

import json

HUB = "holo-nats-server.service"
PATIENCE = 600
LEAF = "holo-host-agent-nats.service"
ANSWER = 15
NATS = "PATH=$PATH:/opt/holo-scenarios/bin holo-scenario-nats"


def joined(hub):
    """The names of the leaf servers that are joined to the hub."""
    status, told = hub.execute(f"curl --silent --fail --max-time {ANSWER} 127.0.0.1:8222/leafz")
    return {leaf["name"] for leaf in json.loads(told).get("leafs") or []} if status == 0 else set()


def shown(host, unit, *properties):
    """Properties of a unit."""
    asked = " ".join(f"--property={name}" for name in properties)
    lines = host.succeed(f"systemctl show {asked} '{unit}'").splitlines()
    return {line.partition("=")[0]: line.partition("=")[2] for line in lines}


def agent_says_private(host):
    """What the host agent is told of its containers' networks."""
    words = shown(host, "holo-host-agent.service", "Environment")["Environment"].split()
    told = dict(word.split("=", 1) for word in words)
    return told.get("IS_CONTAINER_ON_PRIVATE_NETWORK", "nothing")


def script(hub, *hosts):
    """The last host is the one that is off for a while."""
    names = {host.name for host in hosts}

    with subtest("the hub's server and the leaf servers start"):
        hub.wait_for_unit(HUB, timeout=PATIENCE)
        for host in hosts:
            host.wait_for_unit(LEAF, timeout=PATIENCE)

    with subtest("the leaf servers join the hub"):

        def all_are_there(last_try):  # noqa: FBT001 (the driver's)
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


start_all()
script(hub, host1, host2, host3, host4, host5)
