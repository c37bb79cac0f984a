"""Networks and subnets: well formed, apart from each other, and from what else is around."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

from holo_infra.allocate import Allocation, ContainerNumbers
from holo_infra.allocate.addresses import SUBNET, Block, block, is_aligned, number, octet
from holo_infra.allocate.numbers import OCTET_INDICES
from holo_infra.allocate.scope import SHARED, networks_of
from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.model.fleet import Container, Fleet, Host, Network
from holo_infra.network.firewall import LINK_LOCAL

SUSPECTS = {
    "10.0.2.0/24": "QEMU's user network and VirtualBox's NAT",
    "10.0.3.0/24": "LXC's bridge",
    "10.42.0.0/16": "k3s",
    "10.88.0.0/16": "Podman's bridge",
    "172.17.0.0/16": "Docker's bridge",
    "192.168.49.0/24": "minikube",
    "192.168.122.0/24": "libvirt's default network",
}
"""Networks that software takes without asking, and which."""

_UNUSABLE = [block(network) for network in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")]
_OCTETS = frozenset(octet(index).start // SUBNET for index in OCTET_INDICES)


class Around(NamedTuple):
    """Addresses that no container may have."""

    found: Mapping[int, tuple[str, FieldPath]]
    """The address and whose it is, by the number of its /30."""
    meets_octets: bool
    """Whether one is among those of scheme `octet`."""


def check_addresses(fleet: Fleet, allocation: Allocation) -> Iterator[Diagnostic]:
    """What is wrong with networks, pools, subnets and addresses."""
    yield from _pools(fleet)
    networks = networks_of(fleet)
    addresses: dict[str, str] = {}
    for name, host in fleet.hosts.items():
        if host.address is not None:
            other = addresses.setdefault(host.address, name)
            if other != name:
                message = f"{host.address} is the address of hosts.{other}"
                where = ("hosts", name, "address")
                yield Diagnostic("HI211", where, message, "correct one of the two")
    of_hosts = _around((address, ("hosts", name, "address")) for address, name in addresses.items())
    for name, host in fleet.hosts.items():
        path = ("hosts", name)
        yield from _host(path, host, allocation.hosts[name].containers, networks, of_hosts)
        if host.nameservers:
            yield from _nameservers(path, host)


def _around(addresses: Iterable[tuple[str, FieldPath]]) -> Around:
    found = {number(address) // SUBNET: (address, owner) for address, owner in addresses}
    return Around(found, not _OCTETS.isdisjoint(found))


def _pools(fleet: Fleet) -> Iterator[Diagnostic]:
    pools: dict[str, Block] = {}
    for name, network in fleet.networks.items():
        path = ("networks", name)
        if name == SHARED:
            message = "`shared` is the host's own network, and needs no description"
            yield Diagnostic("HI118", path, message, "give the network another name")
        elif network.scheme == "octet":
            if network.pool is not None:
                message = "scheme octet has its own addresses, 10.0.85.0/30 to 10.0.255.0/30"
                hint = "leave pool out, or write scheme: packed"
                yield Diagnostic("HI118", (*path, "pool"), message, hint)
        elif network.pool is None:
            hint = "add a pool, e.g. 10.64.0.0/16"
            yield Diagnostic("HI118", path, "scheme packed needs a pool", hint)
        elif (fault := _unusable(block(network.pool))) or block(network.pool).size < SUBNET:
            fault = fault or "a pool holds at least one /30"
            hint = "give the network's first address and a length up to 30, e.g. 10.64.0.0/16"
            yield Diagnostic("HI116", (*path, "pool"), f"{network.pool}: {fault}", hint)
        else:
            pools[name] = block(network.pool)
            yield from _suspects((*path, "pool"), pools[name])
    for (one, pool), (other, rival) in combinations(pools.items(), 2):
        if pool.overlaps(rival):
            message = f"{rival} overlaps the pool {pool} of networks.{one}"
            hint = "give the two pools that do not overlap"
            yield Diagnostic("HI110", ("networks", other, "pool"), message, hint)


def _unusable(network: Block) -> str | None:
    if not is_aligned(network):
        return "bits of the host are not zero"
    if any(network.overlaps(other) for other in _UNUSABLE):
        return "these are no ordinary addresses"
    return None


def _suspects(path: FieldPath, pool: Block) -> Iterator[Diagnostic]:
    for network, who in SUSPECTS.items():
        if pool.overlaps(block(network)):
            message = f"{pool} overlaps {network}, which {who} takes"
            hint = "use another pool, unless that never runs on the fleet's hosts"
            yield Diagnostic("HI112", path, message, hint)


def _host(
    path: FieldPath,
    host: Host,
    given: Mapping[str, ContainerNumbers],
    networks: Mapping[str, Network],
    of_hosts: Around,
) -> Iterator[Diagnostic]:
    own: list[tuple[FieldPath, Block]] = []
    for position, text in enumerate(host.networks):
        where = (*path, "networks", position)
        if fault := _unusable(block(text)):
            hint = "give the network's first address and its length, e.g. 192.168.1.0/24"
            yield Diagnostic("HI116", where, f"{text}: {fault}", hint)
        else:
            own.append((where, block(text)))
    servers = enumerate(host.nameservers)
    of_servers = _around((server, (*path, "nameservers", n)) for n, server in servers)
    packed = {name: block(c.subnet) for name, c in given.items() if c.subnet is not None}
    if own or packed or of_hosts.meets_octets or of_servers.meets_octets:
        octets = _octets(host, given, networks)
        yield from _overlaps(path, octets, packed)
        around = (of_hosts, of_servers)
        yield from _intruders(path, {**octets, **packed}, own, around)
    for name, container in host.containers.items():
        if container.network not in networks and container.network != SHARED:
            known = ", ".join(sorted({*networks, SHARED}))
            message = f"there is no network {container.network}"
            hint = f"use one of {known}, or add it to the fleet's networks"
            yield Diagnostic("HI117", (*path, "containers", name, "network"), message, hint)
        elif container.subnet is not None and container.network != SHARED:
            network = networks[container.network]
            yield from _subnet((*path, "containers", name), container, network)


def _octets(
    host: Host,
    given: Mapping[str, ContainerNumbers],
    networks: Mapping[str, Network],
) -> dict[str, Block]:
    """The subnets of a host's containers of scheme `octet`."""
    names = {name for name, network in networks.items() if network.scheme == "octet"}
    return {
        name: octet(index)
        for name, container in host.containers.items()
        if container.network in names and (index := given[name].index) is not None
    }


def _intruders(
    path: FieldPath,
    subnets: Mapping[str, Block],
    own: list[tuple[FieldPath, Block]],
    around: tuple[Around, Around],
) -> Iterator[Diagnostic]:
    """Subnets in which something else is, beside the container."""
    of_hosts, of_servers = (addresses.found for addresses in around)
    for name, subnet in subnets.items():
        fault = None
        slot = subnet.start // SUBNET
        if found := of_hosts.get(slot) or of_servers.get(slot):
            fault = f"holds {found[0]} of {dotted(found[1])}"
        for owner, taken in own:
            if subnet.overlaps(taken):
                fault = f"lies in {taken} of {dotted(owner)}"
        if fault:
            hint = "give the container another index, subnet or network"
            yield Diagnostic("HI111", (*path, "containers", name), f"{subnet} {fault}", hint)


def _overlaps(
    path: FieldPath,
    octets: Mapping[str, Block],
    packed: Mapping[str, Block],
) -> Iterator[Diagnostic]:
    """Overlaps of a host's subnets with each other."""
    owners = {subnet.start: name for name, subnet in octets.items()}
    for name, subnet in packed.items():
        if other := owners.get(subnet.start):
            message = f"{subnet} is that of {dotted((*path, 'containers', other))}"
            hint = "give the network a pool outside 10.0.85.0 to 10.0.255.255"
            yield Diagnostic("HI110", (*path, "containers", name), message, hint)


def _subnet(path: FieldPath, container: Container, network: Network) -> Iterator[Diagnostic]:
    subnet = block(container.subnet or "")
    where = (*path, "subnet")
    if network.scheme == "octet":
        message = "scheme octet derives the subnet from the index"
        yield Diagnostic("HI115", where, message, "give an index, or a network of scheme packed")
    elif subnet.size != SUBNET or not is_aligned(subnet):
        message = f"{container.subnet} is not a /30"
        hint = "give an address divisible by four, and /30: 10.64.0.8/30"
        yield Diagnostic("HI115", where, message, hint)
    elif network.pool is not None and not subnet.overlaps(block(network.pool)):
        message = f"{container.subnet} is not in the pool {network.pool} of {container.network}"
        yield Diagnostic("HI115", where, message, "give a /30 of the pool, or leave subnet out")


def _nameservers(path: FieldPath, host: Host) -> Iterator[Diagnostic]:
    """Name servers that the host can ask, and its containers cannot."""
    containers = host.containers.values()
    if not any(c.egress == "internet" and c.network != SHARED for c in containers):
        return
    for position, server in enumerate(host.nameservers):
        fault = None
        if server == host.address:
            fault = "the host's own address"
        elif any(Block(number(server), 1).overlaps(other) for other in _UNUSABLE):
            fault = "no address on a network"
        elif Block(number(server), 1).overlaps(block(LINK_LOCAL)):
            fault = "link-local, and no container is led there"
        if fault:
            message = f"containers cannot reach {server}: it is {fault}"
            hint = "give the address of a server that is reached through the network"
            yield Diagnostic("HI218", (*path, "nameservers", position), message, hint)
