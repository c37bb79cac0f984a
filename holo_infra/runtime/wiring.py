"""How the hosts of a fleet are wired in a lab: one wire for all, each with its own address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from holo_infra.model.fleet import Fleet

Wire = tuple[str, tuple[str, ...]]


def wires(fleet: Fleet) -> dict[str, Wire]:
    """For each host with an address: that with its prefix, and hosts' addresses outside of it.

    The prefix is that of the host's network which holds the address, else 32: then every other
    host is reached directly.
    """
    addresses = {name: host.address for name, host in fleet.hosts.items() if host.address}
    found = {}
    for name, address in addresses.items():
        networks = [IPv4Network(network) for network in fleet.hosts[name].networks]
        own = next((n for n in networks if IPv4Address(address) in n), None)
        prefix = own.prefixlen if own else 32
        inside = IPv4Interface(f"{address}/{prefix}").network
        others = sorted({*addresses.values()} - {address})
        beyond = tuple(other for other in others if IPv4Address(other) not in inside)
        found[name] = (f"{address}/{prefix}", beyond)
    return found
