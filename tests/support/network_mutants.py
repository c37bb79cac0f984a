"""Mutants of a conductor in a network of its own, by the words by which the scenario finds them."""

from __future__ import annotations

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
    PROXY,
    READY,
    SOCKET,
    STATE,
    UNITS,
    Mutant,
)

IP = 'ExecStart="/usr/bin/ip" '
UNBOUND = "somebody listens\nsubtest: before the container's first start its port is closed"
STARTS = "the boot did not come to start container@holochain0.service"
LOOPS = "Failed to start container@holochain0.service"
"""Told by a boot that does not end: systemd starts the container again and again."""
READY_NOW = "the conductor is ready"
ANSWERS = "the forward answers on the host's localhost"
ELSEWHERE = "the forward answers on no other address"
ADDRESSES = "host and container have the two addresses of a /30"
STOPS = "stopping the container closes its port and leaves nothing"
RESTARTS = "after a restart the forward answers again"
KEEPS = "state and configuration outlive the restart"

PRIVATE = {
    "a forward at another port of the host": Mutant(
        SOCKET, "127.0.0.1:8000", "127.0.0.1:8002", ANSWERS
    ),
    "a forward on all addresses": Mutant(SOCKET, "=127.0.0.1:8000", "=0.0.0.0:8000", ELSEWHERE),
    "a forward on the host's end of the link": Mutant(
        SOCKET, "=127.0.0.1:8000", "=10.0.85.1:8000", ANSWERS
    ),
    "a proxy to another port": Mutant(PROXY, '"127.0.0.1:8000"', '"127.0.0.1:8003"', ANSWERS),
    "a proxy that waits for another port": Mutant(
        PROXY, "TCP4:127.0.0.1:8000", "TCP4:127.0.0.1:8003", ANSWERS
    ),
    "a proxy in the host's network": Mutant(
        PROXY, "NetworkNamespacePath=/run/netns/holochain0\n", "", ANSWERS
    ),
    "a question at another port": Mutant(
        READY, "TCP4:127.0.0.1:8000", "TCP4:127.0.0.1:8003", READY_NOW
    ),
    "a conductor at another port": Mutant(CONFIG, '"port":8000', '"port":8003', READY_NOW),
    "a conductor that nobody starts": Mutant(
        f"{INSIDE}/units/multi-user.target.wants/holochain.service", None, "", READY_NOW
    ),
    "a conductor without its passphrase": Mutant(
        CONDUCTOR, "LoadCredential=passphrase:passphrase\n", "", READY_NOW
    ),
    "a container without its secret": Mutant(
        CONTAINER,
        ' "--load-credential=passphrase:/etc/holo-scenario/passphrase"',
        "",
        READY_NOW,
    ),
    "a conductor without its configuration": Mutant(
        CONTAINER, f' "--bind-ro={INSIDE}/services:/etc/holo/services"', "", READY_NOW
    ),
    "a container without its network": Mutant(
        CONTAINER, "BindsTo=netns-holochain0.service\n", "", LOOPS
    ),
    "a container before its network": Mutant(
        CONTAINER,
        "After=network.target netns-holochain0.service\n",
        "Before=netns-holochain0.service\n",
        LOOPS,
    ),
    "no network namespace": Mutant(NAMESPACE, f'{IP}"netns" "add" "holochain0"\n', "", STARTS),
    "no link into the network": Mutant(
        NAMESPACE,
        f'{IP}"link" "add" "holo-0" "type" "veth" "peer" "host0" "netns" "holochain0"\n',
        "",
        STARTS,
    ),
    "another address of the host": Mutant(NAMESPACE, "10.0.85.1/30", "10.0.85.5/30", ADDRESSES),
    "a wider network": Mutant(NAMESPACE, "10.0.85.2/30", "10.0.85.2/24", ADDRESSES),
    "another address of the container": Mutant(
        NAMESPACE, "10.0.85.2/30", "10.0.85.3/29", ADDRESSES
    ),
    "no way out": Mutant(
        NAMESPACE,
        f'{IP}"-n" "holochain0" "route" "add" "default" "via" "10.0.85.1"\n',
        "",
        ADDRESSES,
    ),
    "another identity": Mutant(f"{INSIDE}/identity.env", "10.0.85.2", "10.0.86.2", ADDRESSES),
    "a host that hears its containers": Mutant(
        f"{HOLO}/firewall.nft",
        "    iifname @links reject with icmpx admin-prohibited\n",
        "",
        "the container reaches nothing of its host",
    ),
    "rules that leave a container out": Mutant(
        f"{HOLO}/firewall.nft", '"holo-0"', '"holo-7"', STARTS
    ),
    "an agent that is told of shared networks": Mutant(
        AGENT,
        "NETWORK=true",
        "NETWORK=false",
        "the agent is told that containers have networks of their own",
    ),
    "a socket that does not wait for its container": Mutant(SOCKET, BOUND, "", UNBOUND),
    "a socket that outlives its container": Mutant(SOCKET, BOUND, BOUND_TO_STATE, STOPS),
    "a network that outlives its container": Mutant(
        NAMESPACE, "PartOf=container@holochain0.service\n", "", STOPS
    ),
    "a link that nobody removes": Mutant(NAMESPACE, "ExecStopPost=", "X-Nothing=", STOPS),
    "a socket that starts with the machine only": Mutant(
        f"{UNITS}/container@holochain0.service.wants/socket-proxyd-holochain0-admin.socket",
        None,
        "",
        RESTARTS,
    ),
    "a state that nothing keeps": Mutant(CONTAINER, STATE, "", KEEPS),
}
