"""Mistakes in numbers - ports, indices, networks: HI1xx."""

from __future__ import annotations

from holo_infra.diagnostics.entry import Entry

_TAKEN = "Two sockets cannot be bound to one port of one address; 0.0.0.0 is every address."

NUMBERS: dict[str, Entry] = {
    "HI101": Entry(
        "a port of the host has two owners",
        _TAKEN + " A port of a protocol belongs to one forward of a host, whatever it binds.",
        "Leave `host_port` out of one of the two, or give it another number; in the host's own"
        " network, let the service listen on another port.",
    ),
    "HI102": Entry(
        "a port of a container's address has two owners",
        _TAKEN,
        "Leave `inner_port` out of one of the two, or give it another number.",
    ),
    "HI103": Entry(
        "a forward cannot translate in the host's own network",
        "A container of network `shared` has the host's network: its service listens on the host,"
        " and nothing stands in between that could change the port or the address, or wait for it.",
        "Leave `host_port`, `inner_port`, `bind`, `engine` and `probe` out.",
    ),
    "HI104": Entry(
        "two listen on one port of the host",
        _TAKEN + " `Host.listens` says what the host itself listens on (sshd by default), its"
        " services say it by their options.",
        "Give one of the two another port or another address.",
    ),
    "HI105": Entry(
        "two listen on one port of a container",
        _TAKEN + " In a container listen its services, its units (`Unit.listens`, and on 127.0.0.1"
        " what is behind each forward) and, on the container's own address, the inner halves of"
        " forwards of engine `socat` and what is behind those of engine `nftables`.",
        "Give one of the two another port, or let the service listen on 127.0.0.1 only.",
    ),
    "HI106": Entry(
        "no port is left",
        "Ports are given from 1024 to 32767, below those that the kernel takes for itself.",
        "Move containers to another host.",
    ),
    "HI107": Entry(
        "no address of scheme `octet` is left",
        "Scheme `octet` has 171 networks a host: 10.0.85.0/30 to 10.0.255.0/30.",
        "Put the host's further containers into a network of scheme `packed`.",
    ),
    "HI108": Entry(
        "the pool of a network is used up",
        "Each container takes a /30, four addresses, of the pool of its network.",
        "Give the network a larger pool, or the containers another network.",
    ),
    "HI109": Entry(
        "an index has two owners",
        "A container's index is unique on its host: it names the network interface and, in scheme"
        " `octet`, gives the address.",
        "Leave `index` out of one of the two, or give it another number.",
    ),
    "HI110": Entry(
        "two containers' subnets overlap",
        "Two links with one address cannot both be routed.",
        "Leave `subnet` out of one of the two, or give the networks pools that do not overlap.",
    ),
    "HI111": Entry(
        "a container's subnet is where something else is",
        "The host would send packets for its neighbours into the container: those for its own"
        " `networks`, for the `address` of any host of the fleet, for its `nameservers`.",
        "Give the container another network or subnet, or correct what the hosts say.",
    ),
    "HI112": Entry(
        "a pool overlaps a network that other software uses",
        "QEMU, Docker, libvirt and others take these networks without asking. Where they run on a"
        " host, packets go astray.",
        "Use another pool, unless none of them will ever run there.",
        "warning",
    ),
    "HI113": Entry(
        "a port lies in the kernel's ephemeral range",
        "Ports 32768 to 60999 are taken by outgoing connections: now and then the forward will find"
        " its port in use when it starts.",
        "Give a `host_port` below 32768, or reserve it (`net.ipv4.ip_local_reserved_ports`).",
        "warning",
    ),
    "HI114": Entry(
        "an index is out of the scheme's range",
        "Scheme `octet` has the indices 0 to 170 (171 would be octet 256), scheme `packed` those"
        " above.",
        "Leave `index` out, or give one of the range.",
    ),
    "HI115": Entry(
        "a subnet does not fit its network",
        "A container's `subnet` is a /30 of the pool of its network; scheme `octet` derives it from"
        " the index.",
        "Leave `subnet` out, or give a /30 of the pool.",
    ),
    "HI116": Entry(
        "a pool or network is not usable",
        "It is written as the address of the network, a slash and the prefix's length; host bits"
        " must be zero, and a pool holds at least one /30 of ordinary addresses.",
        "Correct the address or the length.",
    ),
    "HI117": Entry(
        "a network is not known",
        "A container's network is `private`, `shared`, or a key of `Fleet.networks`.",
        "Correct the name, or add the network.",
    ),
    "HI118": Entry(
        "scheme and pool do not go together",
        "Scheme `packed` cuts subnets from its `pool`; scheme `octet` has its own addresses.",
        "Give `packed` a pool, and `octet` none.",
    ),
    "HI119": Entry(
        "a fixed number takes another's",
        "The lock file keeps the number for one, and the fleet now fixes it for another. The fixed"
        " number wins, the other gets a new one: what used it finds somebody else there.",
        "Fix another number, or give the one that is moved a number that you choose.",
        "warning",
    ),
}
