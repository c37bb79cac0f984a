"""Everything that listens, on each host and in each container, against everything beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from holo_infra.allocate import Allocation, ContainerNumbers
from holo_infra.allocate.addresses import block, number, octet, quad
from holo_infra.allocate.numbers import OCTET_INDICES
from holo_infra.allocate.scope import SHARED, listener
from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.model.fleet import Container, Fleet, Forward, Host

ANY = "0.0.0.0"  # noqa: S104 - the wildcard as it is written, nothing is bound to it
LOOPBACK = "127.0.0.1"
EPHEMERAL = range(32768, 61000)
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
        others = [*_of_host(path, host, allocation.hosts[name].containers)]
        yield from _clashes("HI104", others)
        by_port = _by_port(others)
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
                if port >= EPHEMERAL.start:
                    yield from _ephemeral((*where, "forwards", key), forward, port)
                if forward.bind != LOOPBACK and not _has(host, forward.bind):
                    yield _unknown((*where, "forwards", key, "bind"), forward.bind)
            # Else its services are on 127.0.0.1, and its forwards are not.
            if _listens_beyond(container):
                yield from _clashes("HI105", [*_of_container(where, container, numbers)])


def _listens_beyond(container: Container) -> bool:
    """Whether a service may listen on more than 127.0.0.1."""
    return any(True for _ in container.listeners()) or any(
        forward.engine == "nftables" for forward in container.forwards.values()
    )


def _by_port(listeners: list[Listener]) -> dict[tuple[str, int], list[Listener]]:
    found: dict[tuple[str, int], list[Listener]] = {}
    for one in listeners:
        found.setdefault((one.protocol, one.port), []).append(one)
    return found


def _of_host(
    path: FieldPath,
    host: Host,
    numbers: Mapping[str, ContainerNumbers],
) -> Iterator[Listener]:
    """What listens on the host besides forwards."""
    for way, text in host.listeners():
        address, port, protocol = listener(text)
        yield Listener(protocol, port, address, (*path, *way))
    for name, container in host.containers.items():
        if container.network == SHARED:
            # Of a port that another forward has as well, `allocate` has told already.
            told = {
                (forward.port, forward.protocol)
                for key, forward in container.forwards.items()
                if not numbers[name].forwards[key].host_port
            }
            for found in _of_services((*path, "containers", name), container, LOOPBACK):
                if (found.port, found.protocol) not in told:
                    yield found


def _of_container(
    path: FieldPath,
    container: Container,
    numbers: ContainerNumbers,
) -> Iterator[Listener]:
    services = [*_of_services(path, container, _address(numbers))]
    yield from services
    beyond = {service.port for service in services if not service.address.startswith("127.")}
    for key, ports in numbers.forwards.items():
        if ports.inner_port in beyond:  # else nothing can be in its way
            owner = (*path, "forwards", key, "inner_port")
            yield Listener(ports.protocol, ports.inner_port, _address(numbers), owner)


def _address(numbers: ContainerNumbers) -> str:
    """A container's address; where it could not be given, `allocate` has told."""
    if numbers.subnet is not None:
        return quad(block(numbers.subnet).start + 2)
    if numbers.index is not None and numbers.index in OCTET_INDICES:
        return quad(octet(numbers.index).start + 2)
    return "its own address"


def _of_services(path: FieldPath, container: Container, own: str) -> Iterator[Listener]:
    """What units and services say, and what is behind forwards of which neither says anything.

    `own` is the address on which those behind engine `nftables` listen.
    """
    told = set()
    for way, text in container.listeners():
        address, port, protocol = listener(text)
        told.add((port, protocol))
        yield Listener(protocol, port, address, (*path, *way))
    for key, forward in container.forwards.items():
        service = (forward.port, forward.protocol)
        if service not in told:
            told.add(service)
            owner = (*path, "forwards", key, "port")
            address = own if forward.engine == "nftables" else LOOPBACK
            yield Listener(forward.protocol, forward.port, address, owner)


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
        given = {
            "bind": forward.bind != LOOPBACK,
            "engine": forward.engine is not None,
            "inner_port": forward.inner_port is not None,
            "probe": forward.probe != "tcp",
        }
        for field in (field for field, is_given in given.items() if is_given):
            message = "the network is the host's: nothing listens in between"
            hint = f"leave {field} out: the service itself listens on the host"
            yield Diagnostic("HI103", (*where, field), message, hint)
        yield from _ephemeral(where, forward, forward.port)


def _ephemeral(path: FieldPath, forward: Forward, port: int) -> Iterator[Diagnostic]:
    """Tells of a host's port that may be in use when it is needed."""
    if port in EPHEMERAL:
        where = path if forward.host_port is None else (*path, "host_port")
        message = f"port {port} is one that the kernel gives to connections"
        hint = f"use a port of the host that is below {EPHEMERAL.start}"
        yield Diagnostic("HI113", where, message, hint)


def _unknown(path: FieldPath, address: str) -> Diagnostic:
    message = f"the host says of no address or network of its own that holds {address}"
    hint = "correct bind, or add the network to the host's networks"
    return Diagnostic("HI214", path, message, hint)


def _has(host: Host, address: str) -> bool:
    """Whether the host has an address, as far as it says which it has."""
    if address == ANY or address.startswith("127.") or not (host.address or host.networks):
        return True
    inside = any(
        block(network).start <= number(address) < block(network).end for network in host.networks
    )
    return inside or address == host.address
