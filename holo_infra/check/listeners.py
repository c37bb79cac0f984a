"""Everything that listens, on each host and in each container, against everything beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from holo_infra.allocate import Allocation, ContainerNumbers
from holo_infra.allocate.addresses import block, number
from holo_infra.allocate.scope import SHARED, listener
from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.model.fleet import Container, Fleet, Forward, Host

ANY = "0.0.0.0"  # noqa: S104 - the wildcard as it is written, nothing is bound to it
LOOPBACK = "127.0.0.1"
EPHEMERAL = frozenset(range(32768, 61000))
"""Linux's `net.ipv4.ip_local_port_range`, unless it is changed."""


class Listener(NamedTuple):
    """A socket that something will listen on."""

    protocol: str
    port: int
    address: str
    owner: FieldPath

    def clashes(self, other: Listener) -> bool:
        """Whether the second of the two cannot be bound: 0.0.0.0 is every address."""
        addresses = {self.address, other.address}
        return len(addresses) == 1 or ANY in addresses


def check_listeners(fleet: Fleet, allocation: Allocation) -> Iterator[Diagnostic]:
    """What cannot listen beside something else, on hosts and in containers."""
    for name, host in fleet.hosts.items():
        path = ("hosts", name)
        others = [*_of_host(path, host)]
        yield from _clashes("HI104", others)
        by_port: dict[tuple[str, int], list[Listener]] = {}
        for other in others:
            by_port.setdefault((other.protocol, other.port), []).append(other)
        for container_name, container in host.containers.items():
            where = (*path, "containers", container_name)
            if container.network == SHARED:
                yield from _shared(where, container)
                continue
            numbers = allocation.hosts[name].containers[container_name]
            for key, forward in container.forwards.items():
                # `allocate` keeps forwards apart, so only the others are looked at.
                port = numbers.forwards[key].host_port
                if found := by_port.get((forward.protocol, port)):
                    owner = (*where, "forwards", key, "host_port")
                    listener_ = Listener(forward.protocol, port, forward.bind, owner)
                    yield from _clash("HI104", listener_, found)
                if forward.bind != LOOPBACK or forward.host_port in EPHEMERAL:
                    yield from _forward((*where, "forwards", key), host, forward)
            # Without a word of its units, its services are on 127.0.0.1, its forwards are not.
            for unit in container.units.values():
                if unit.listens:
                    yield from _clashes("HI105", [*_of_container(where, container, numbers)])
                    break


def _of_host(path: FieldPath, host: Host) -> Iterator[Listener]:
    """What listens on the host besides forwards."""
    for position, text in enumerate(host.listens):
        address, port, protocol = listener(text)
        yield Listener(protocol, port, address, (*path, "listens", position))
    for name, container in host.containers.items():
        if container.network == SHARED:
            yield from _of_services((*path, "containers", name), container)


def _of_container(
    path: FieldPath,
    container: Container,
    numbers: ContainerNumbers,
) -> Iterator[Listener]:
    yield from _of_services(path, container)
    for key, ports in numbers.forwards.items():
        if ports.inner_port:
            owner = (*path, "forwards", key, "inner_port")
            yield Listener(ports.protocol, ports.inner_port, "its own address", owner)


def _of_services(path: FieldPath, container: Container) -> Iterator[Listener]:
    """What units say, and the services behind forwards of which no unit says anything."""
    told = set()
    for name, unit in container.units.items():
        for position, text in enumerate(unit.listens):
            address, port, protocol = listener(text)
            told.add((port, protocol))
            owner = (*path, "units", name, "listens", position)
            yield Listener(protocol, port, address, owner)
    for key, forward in container.forwards.items():
        service = (forward.port, forward.protocol)
        if service not in told:
            told.add(service)
            owner = (*path, "forwards", key, "port")
            yield Listener(forward.protocol, forward.port, LOOPBACK, owner)


def _clashes(code: str, listeners: list[Listener]) -> Iterator[Diagnostic]:
    """Each listener that an earlier one is in the way of."""
    seen: dict[tuple[str, int], list[Listener]] = {}
    for found in listeners:
        others = seen.setdefault((found.protocol, found.port), [])
        yield from _clash(code, found, others)
        others.append(found)


def _clash(code: str, found: Listener, others: list[Listener]) -> Iterator[Diagnostic]:
    """The first of the others that is in the way."""
    for other in others:
        both = {found.owner[-1], other.owner[-1]}
        if found.clashes(other) and both != {"inner_port"}:  # which `allocate` keeps apart
            message = (
                f"port {found.port} of {found.address} is taken by {dotted(other.owner)}"
                f" ({other.address}:{other.port})"
            )
            hint = "give one of the two another port or address"
            yield Diagnostic(code, found.owner, message, hint)
            return


def _shared(path: FieldPath, container: Container) -> Iterator[Diagnostic]:
    for key, forward in container.forwards.items():
        where = (*path, "forwards", key)
        if forward.host_port not in (None, forward.port):
            message = (
                f"{forward.host_port} cannot lead to {forward.port}: the network is the host's"
            )
            hint = f"leave host_port out: the service itself listens on port {forward.port}"
            yield Diagnostic("HI103", (*where, "host_port"), message, hint)
        if forward.inner_port is not None or forward.bind != LOOPBACK:
            message = "the network is the host's: nothing listens in between"
            hint = "leave bind and inner_port out: the service itself listens on the host"
            yield Diagnostic("HI103", where, message, hint)


def _forward(path: FieldPath, host: Host, forward: Forward) -> Iterator[Diagnostic]:
    if forward.host_port is not None and forward.host_port in EPHEMERAL:
        message = f"port {forward.host_port} is one that the kernel gives to connections"
        hint = f"use a port below {min(EPHEMERAL)}"
        yield Diagnostic("HI113", (*path, "host_port"), message, hint)
    if forward.bind != LOOPBACK and not _has(host, forward.bind):
        message = f"the host says of no address or network of its own that holds {forward.bind}"
        hint = "correct bind, or add the network to the host's networks"
        yield Diagnostic("HI214", (*path, "bind"), message, hint)


def _has(host: Host, address: str) -> bool:
    """Whether the host has an address, as far as it says which it has."""
    if address == ANY or address.startswith("127.") or not (host.address or host.networks):
        return True
    inside = any(
        block(network).start <= number(address) < block(network).end for network in host.networks
    )
    return inside or address == host.address
