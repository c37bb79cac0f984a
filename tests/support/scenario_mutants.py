"""Mutants of all scenarios, each with the words by which its scenario must find it.

They are of a subtest's name, or of the failure.
"""

from __future__ import annotations

from holo_infra.scenarios import SCENARIOS, Scenario, agent_integration
from tests.support.mutant import (
    AGENT,
    BOUND,
    BOUND_TO_STATE,
    CONDUCTOR,
    CONFIG,
    CONTAINER,
    HOLO,
    INSIDE,
    NAMESPACE,
    READY,
    STATE,
    UNITS,
    Mutant,
)
from tests.support.network_mutants import KEEPS, PRIVATE, STARTS

_PREFIX = "extra-container-holochain-"
GATEWAY = f"{INSIDE}/units/hc-http-gw.service"
GATEWAY_SOCKET = f"{UNITS}/socket-proxyd-holochain0-httpgw.socket"
WITH_GATEWAY = {
    "a socket that does not wait for its container": Mutant(
        GATEWAY_SOCKET,
        BOUND,
        "",
        "somebody listens\nsubtest: before the container's first start its ports are closed",
    ),
    "a gateway on all addresses": Mutant(
        GATEWAY,
        "HC_GW_ADDRESS=127.0.0.1",
        "HC_GW_ADDRESS=0.0.0.0",
        "the gateway answers on no other address",
    ),
    "a gateway that asks elsewhere": Mutant(
        GATEWAY, "ws://127.0.0.1:8000", "ws://127.0.0.1:8001", "the gateway asks the conductor"
    ),
    "a gateway at another port": Mutant(
        GATEWAY, "HC_GW_PORT=8090", "HC_GW_PORT=8091", "the gateway answers on the host's localhost"
    ),
    "a gateway without its functions": Mutant(
        GATEWAY,
        "posts/get_all,posts/get",
        "posts/get_all",
        "the gateway may call what the fleet says",
    ),
    "a probe of another path": Mutant(
        f"{UNITS}/ready-holochain0-httpgw.service",
        "/health",
        "/none",
        "gateway and conductor are ready",
    ),
    "a socket that outlives its container": Mutant(
        GATEWAY_SOCKET, BOUND, BOUND_TO_STATE, "stopping the container closes both ports"
    ),
    "a socket that starts with the machine only": Mutant(
        f"{UNITS}/container@holochain0.service.wants/socket-proxyd-holochain0-httpgw.socket",
        None,
        "",
        "after a restart gateway and conductor answer again",
    ),
    "a state that nothing keeps": Mutant(CONTAINER, STATE, "", KEEPS),
    "a state in memory": Mutant(
        CONTAINER,
        STATE,
        STATE.replace("/var/lib/holo/state/holochain0", "/run/lock"),
        "state outlives a reboot of the host",
    ),
}
SHARED = {
    "a container that nobody starts": Mutant(
        f"{UNITS}/multi-user.target.wants/container@holochain0.service", None, "", STARTS
    ),
    "a network of its own": Mutant(
        CONTAINER,
        '"--machine=holochain0"',
        '"--machine=holochain0" "--private-network"',
        "conductor and gateway answer",
    ),
    "an agent that is told of private networks": Mutant(
        AGENT,
        "NETWORK=false",
        "NETWORK=true",
        "the agent is told that containers share the host's network",
    ),
    "a gateway for everyone": Mutant(
        GATEWAY, "HC_GW_ADDRESS=127.0.0.1", "HC_GW_ADDRESS=0.0.0.0", "they listen on localhost only"
    ),
    "a container that is not killed": Mutant(
        CONTAINER, "KillMode=mixed", "KillMode=none", "stopping the container closes its ports"
    ),
    "a container that starts with the machine only": Mutant(
        CONTAINER,
        "[Unit]\n",
        "[Unit]\nRefuseManualStart=true\n",
        "after a restart they answer again",
    ),
    "a state that nothing keeps": Mutant(CONTAINER, STATE, "", KEEPS),
}
WAITS = "Starting socat-holochain0-httpgw.service"
"""Told by a boot that does not end: the outer half waits for the inner one."""
TWO = {
    "no way to a peer": Mutant(
        f"{HOLO}/firewall.nft",
        '    iifname "holo-1" oifname "holo-0" accept\n',
        "",
        "a container reaches a peer that it is allowed",
    ),
    "a way to everyone": Mutant(
        f"{HOLO}/firewall.nft",
        "    reject with icmpx admin-prohibited\n  }\n}",
        "  }\n}",
        "no container reaches another that it is not allowed",
    ),
    "a host that forwards nothing": Mutant(
        f"{UNITS}/holo-firewall.service",
        "ip_forward=1",
        "ip_forward=0",
        "a container reaches a peer that it is allowed",
    ),
    "an inner half at another port": Mutant(
        f"{INSIDE}/units/socat-internal-httpgw-forwarder.service",
        "TCP4-LISTEN:4000",
        "TCP4-LISTEN:4001",
        WAITS,
    ),
    "an outer half for everyone": Mutant(
        f"{UNITS}/socat-holochain0-httpgw.service",
        "bind=127.0.0.1",
        "bind=0.0.0.0",
        "each forward answers",
    ),
    "one state for both": Mutant(
        f"{UNITS}/container@holochain1.service",
        "--bind=/var/lib/holo/state/holochain1:",
        "--bind=/var/lib/holo/state/holochain0:",
        "each container has an address and a state of its own",
    ),
    "a container that stops with the other": Mutant(
        CONTAINER,
        "Description=Container holochain0\n",
        "Description=Container holochain0\nPartOf=container@holochain1.service\n",
        "one that stops leaves the other alone",
    ),
    "a socket that outlives its container": Mutant(
        f"{UNITS}/socket-proxyd-holochain1-admin.socket",
        "BindsTo=container@holochain1.service\n",
        "",
        "one that stops leaves the other alone",
    ),
    "a socket that starts with the machine only": Mutant(
        f"{UNITS}/container@holochain1.service.wants/socket-proxyd-holochain1-admin.socket",
        None,
        "",
        "and comes back",
    ),
}
THREE_STOP = "all three stop and come back at once"
THREE = {
    "a question in the host's network": Mutant(
        f"{UNITS}/ready-holochain1-admin.service",
        "NetworkNamespacePath=/run/netns/holochain1\n",
        "",
        "each forward leads into its own container",
    ),
    "a forward into another container": Mutant(
        f"{UNITS}/socket-proxyd-holochain1-admin.service",
        "/run/netns/holochain1",
        "/run/netns/holochain2",
        "each forward leads into its own container",
    ),
    "a forward at the port of another": Mutant(
        f"{UNITS}/socket-proxyd-holochain2-admin.socket",
        "127.0.0.1:8002",
        "127.0.0.1:8003",
        "all three are ready and answer",
    ),
    "a socket that outlives its container": Mutant(
        f"{UNITS}/socket-proxyd-holochain2-admin.socket",
        "BindsTo=container@holochain2.service\n",
        "",
        THREE_STOP,
    ),
    "a network that outlives its container": Mutant(
        f"{UNITS}/netns-holochain1.service", "PartOf=container@holochain1.service\n", "", THREE_STOP
    ),
    "a socket that starts with the machine only": Mutant(
        f"{UNITS}/container@holochain1.service.wants/socket-proxyd-holochain1-admin.socket",
        None,
        "",
        THREE_STOP,
    ),
}
BUILD = {
    "a directive that systemd does not know": Mutant(
        CONTAINER.replace("container@holochain0", "holo-nats-server"),
        "[Service]\n",
        "[Service]\nNoSuchDirective=1\n",
        "systemd finds nothing wrong with a unit",
    ),
    "a network before the firewall": Mutant(
        NAMESPACE,
        "After=holo-firewall.service\n",
        "",
        "a container comes after its network, and that after the firewall",
    ),
    "a server that fails": Mutant(
        f"{HOLO}/services/holo-nats-server.conf",
        '"port":4222',
        '"port":"none"',
        "all that is to run runs",
    ),
    "a unit that is missing": Mutant(
        READY, None, "", "every unit is there, and systemd can read it"
    ),
}
ERRORS = {
    "a conductor that is not started again": Mutant(
        f"{HOLO}/containers/holochain1/units/holochain.service",
        "Restart=always\n",
        "",
        "a conductor that fails is started again",
    ),
    "a container that is not started again": Mutant(
        f"{UNITS}/container@holochain1.service",
        "Restart=on-failure\n",
        "",
        "a container that fails is started again",
    ),
    "a conductor that takes no passphrase for one": Mutant(
        f"{HOLO}/containers/holochain1/units/holochain.service",
        "*[![:space:]]*",
        "*",
        "with an empty passphrase the conductor does not start",
    ),
}
TAKES = "the conductor of this version takes it"
ASKS = "the gateway of this version answers, and asks the conductor"
OF_A_VERSION = {
    "a conductor without its passphrase": Mutant(
        CONDUCTOR, "LoadCredential=passphrase:passphrase\n", "", TAKES
    ),
    "a conductor without its folder": Mutant(
        CONDUCTOR, "StateDirectory=holo/holochain\n", "", TAKES
    ),
    "a gateway that asks elsewhere": Mutant(
        GATEWAY, "ws://127.0.0.1:8000", "ws://127.0.0.1:8001", ASKS
    ),
    "a gateway at another port": Mutant(GATEWAY, "HC_GW_PORT=8090", "HC_GW_PORT=8091", ASKS),
}
V0_4 = OF_A_VERSION | {
    "the network of 0.5": Mutant(
        CONFIG,
        '"bootstrap_service"',
        '"bootstrap_url"',
        "the configuration has the form of Holochain 0.4",
    ),
    "a conductor with DPKI": Mutant(
        CONFIG,
        '"no_dpki":true',
        '"no_dpki":false',
        "the configuration has the form of Holochain 0.4",
    ),
}
V0_5 = OF_A_VERSION | {
    "the network of 0.4": Mutant(
        CONFIG, '"signal_url"', '"signal_server"', "the configuration has the form of Holochain 0.5"
    ),
}
HUB_CONFIG = f"{HOLO}/services/holo-nats-server.conf"
LEAF_CONFIG = f"{HOLO}/services/holo-host-agent-nats.conf"
STREAMS = (
    '"jetstream":{"domain":"hub","store_dir":"/var/lib/holo/nats-server","sync_interval":"always"},'
)
JOIN = "the leaf servers join the hub"
REMOTE = '"urls":["nats://192.0.2.10:7422"]'
JETSTREAM = '"jetstream":{'
LITTLE = '"jetstream":{"max_file_store":6000,'
"""Room for a hundred messages, and not for three hundred."""
MIRRORED = "what the hub stores is mirrored on every host"
REPORTS = "what a host reports is stored at the hub"
OFF = "while one host is off, the others go on"
BACK = "the host is back, and has every message"
DOMAINS = "each server has a JetStream domain of its own"
AGENTS = {
    "a hub that hears its own machine only": Mutant(
        HUB_CONFIG, '"0.0.0.0"', '"127.0.0.1"', JOIN, "hub"
    ),
    "a leaf that asks at another port": Mutant(
        LEAF_CONFIG, ":7422", ":7423", "joined are ['host1']", "host2"
    ),
    "a leaf that asks another machine": Mutant(
        LEAF_CONFIG, "192.0.2.10", "192.0.2.99", JOIN, "host1"
    ),
    "a hub without streams": Mutant(HUB_CONFIG, STREAMS, "", DOMAINS, "hub"),
    "a hub of another domain": Mutant(
        HUB_CONFIG, '"domain":"hub"', '"domain":"other"', DOMAINS, "hub"
    ),
    "a leaf in the hub's domain": Mutant(
        LEAF_CONFIG, '"domain":"host1"', '"domain":"hub"', DOMAINS, "host1"
    ),
    "a hub that takes anyone for a client": Mutant(
        HUB_CONFIG,
        '"host":"127.0.0.1"',
        '"host":"0.0.0.0"',
        "servers are for clients of their own machine only",
        "hub",
    ),
    "a leaf that is not started again": Mutant(
        f"{UNITS}/holo-host-agent-nats.service",
        "Restart=always\n",
        "",
        "a leaf server that dies comes back",
        "host1",
    ),
    "a leaf that nobody starts": Mutant(
        f"{UNITS}/multi-user.target.wants/holo-host-agent-nats.service",
        None,
        "",
        "the hub's server and the leaf servers start",
        "host2",
    ),
    "a leaf that may not ask for the hub's streams": Mutant(
        LEAF_CONFIG, REMOTE, f'"deny_exports":["$JS.hub.API.>"],{REMOTE}', MIRRORED, "host2"
    ),
    "a leaf that keeps nothing": Mutant(
        LEAF_CONFIG, JETSTREAM, '"jetstream":{"max_file_store":1,', MIRRORED, "host1"
    ),
    "a leaf that may not report": Mutant(
        LEAF_CONFIG, REMOTE, f'"deny_exports":["report.>"],{REMOTE}', REPORTS, "host2"
    ),
    "a hub with little room": Mutant(HUB_CONFIG, JETSTREAM, LITTLE, OFF, "hub"),
    "a leaf with little room": Mutant(LEAF_CONFIG, JETSTREAM, LITTLE, OFF, "host1"),
    "a leaf with little room that was off": Mutant(LEAF_CONFIG, JETSTREAM, LITTLE, BACK, "host2"),
    "a leaf whose messages go with the machine": Mutant(
        LEAF_CONFIG,
        "/var/lib/holo/host-agent-nats",
        "/tmp/nats",  # noqa: S108 (the machine's)
        BACK,
        "host2",
    ),
    "an agent that is told of shared networks": Mutant(
        AGENT,
        "NETWORK=true",
        "NETWORK=false",
        "agents are told that containers have networks of their own",
        "host2",
    ),
}


def _of(name: str) -> Scenario:
    return SCENARIOS[f"{_PREFIX}{name}"]


MUTANTS: list[tuple[Scenario, dict[str, Mutant]]] = [
    (_of("integration-private-network"), PRIVATE),
    (_of("integration-http-gateway"), WITH_GATEWAY),
    (_of("integration-host-network"), SHARED),
    (_of("two-containers"), TWO),
    (_of("three-containers"), THREE),
    (_of("build"), BUILD),
    (_of("error-detection"), ERRORS),
    (_of("0-4"), V0_4),
    (_of("0-5"), V0_5),
    (agent_integration.scenario(2), AGENTS),
]
