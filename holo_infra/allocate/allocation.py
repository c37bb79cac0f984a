"""Numbers for containers and forwards: pure, stable when others come, go or change their order.

`pool` has the rule; here is what is numbered: private containers of a host, and ports of a
protocol, on the host and on each container's address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from holo_infra.allocate.pool import Given, Wish, assign
from holo_infra.diagnostics import Diagnostic, FleetError
from holo_infra.model.fleet import Container, Fleet, Forward, Host

OCTET_INDICES = range(171)
"""Scheme `octet`: 10.0.(85+index).0/30, up to 10.0.255.0/30."""

PROTOCOLS = ("tcp", "udp")
PORTS = range(1024, 32768)
"""Where ports are looked for: above the privileged, below the kernel's ephemeral ones."""

NATURAL_INNER_PORTS = {8000: 8001}
"""Holo's own: a conductor's admin websocket on 8000 is reached on the container's 8001."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a forward."""

    protocol: str
    host: int
    inner: int


@dataclass(frozen=True, slots=True)
class ContainerNumbers:
    """What a container was given; `index` is None in the host's own network."""

    index: int | None
    forwards: Mapping[str, Ports]


@dataclass(frozen=True, slots=True)
class HostNumbers:
    """What a host's containers were given, and which numbers were given once, oldest first."""

    containers: Mapping[str, ContainerNumbers] = field(default_factory=dict)
    released_indices: tuple[int, ...] = ()
    released_ports: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By protocol."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """The numbers of a whole fleet."""

    hosts: Mapping[str, HostNumbers] = field(default_factory=dict)


def allocate(fleet: Fleet, lock: Allocation) -> Allocation:
    """Numbers for everything in the fleet, those of the lock kept.

    Raises FleetError, with all of them, where numbers clash or there are none left.
    """
    problems: list[Diagnostic] = []
    hosts = {
        name: _host(f"hosts.{name}", host, lock.hosts.get(name, HostNumbers()), problems)
        for name, host in fleet.hosts.items()
    }
    if problems:
        raise FleetError(problems)
    gone = {name: numbers for name, numbers in lock.hosts.items() if name not in hosts}
    return Allocation({**hosts, **gone})


def _host(path: str, host: Host, lock: HostNumbers, problems: list[Diagnostic]) -> HostNumbers:
    indices = _indices(path, host, lock, problems)
    host_ports = _host_ports(path, host, lock, problems)
    containers = {}
    for name, container in host.containers.items():
        kept = lock.containers.get(name, ContainerNumbers(None, {})).forwards
        where = f"{path}.containers.{name}"
        inner = _inner_ports(where, container, kept, problems)
        forwards = {
            forward_name: Ports(
                forward.protocol,
                host_ports.get(f"{where}.forwards.{forward_name}", 0),
                inner.get(f"{where}.forwards.{forward_name}", 0),
            )
            for forward_name, forward in container.forwards.items()
        }
        containers[name] = ContainerNumbers(indices.get(name), forwards)
    numbers = HostNumbers(containers)
    released_ports = {
        protocol: _released(
            lock.released_ports.get(protocol, ()),
            _used_ports(lock, protocol),
            _used_ports(numbers, protocol),
        )
        for protocol in PROTOCOLS
    }
    released_indices = _released(lock.released_indices, _used_indices(lock), _used_indices(numbers))
    return HostNumbers(containers, released_indices, released_ports)


def _indices(
    path: str,
    host: Host,
    lock: HostNumbers,
    problems: list[Diagnostic],
) -> dict[str, int]:
    wishes = [
        Wish(name, kept=lock.containers[name].index if name in lock.containers else None)
        for name, container in host.containers.items()
        if container.network == "private"
    ]
    given = assign(wishes, OCTET_INDICES, _used_indices(lock), lock.released_indices)
    for name in given.lacking:
        message = f"a host holds {len(OCTET_INDICES)} private containers in 10.0.85.0 - 10.0.255.0"
        hint = "move some containers to another host"
        problems.append(Diagnostic(f"{path}.containers.{name}", message, hint))
    return given.numbers


def _host_ports(
    path: str,
    host: Host,
    lock: HostNumbers,
    problems: list[Diagnostic],
) -> dict[str, int]:
    """Each port of a protocol once on the host."""
    numbers: dict[str, int] = {}
    for protocol in PROTOCOLS:
        wishes = []
        for name, container in host.containers.items():
            kept = lock.containers.get(name, ContainerNumbers(None, {})).forwards
            for forward_name, forward in container.forwards.items():
                where = f"{path}.containers.{name}.forwards.{forward_name}"
                if forward.protocol == protocol:
                    fixed = _fixed_host_port(where, container, forward, problems)
                    locked = _kept(kept, forward_name, protocol)
                    wishes.append(Wish(where, fixed, locked.host if locked else None, forward.port))
        released = lock.released_ports.get(protocol, ())
        given = assign(wishes, PORTS, _used_ports(lock, protocol), released)
        _report(given, "host_port", "the host", problems)
        numbers |= given.numbers
    return numbers


def _fixed_host_port(
    where: str,
    container: Container,
    forward: Forward,
    problems: list[Diagnostic],
) -> int | None:
    if container.network == "private":
        return forward.host_port
    if forward.host_port not in (None, forward.port):
        message = (
            f"{forward.host_port} cannot lead to {forward.port}: the network is the host's own"
        )
        hint = f"leave host_port out: the service itself listens on port {forward.port}"
        problems.append(Diagnostic(f"{where}.host_port", message, hint))
    if forward.inner_port is not None or forward.bind != "127.0.0.1":
        message = "the network is the host's own: nothing listens in between"
        hint = "leave bind and inner_port out: the service itself listens on the host"
        problems.append(Diagnostic(where, message, hint))
    return forward.port


def _inner_ports(
    path: str,
    container: Container,
    kept: Mapping[str, Ports],
    problems: list[Diagnostic],
) -> dict[str, int]:
    """Each port of a protocol once on the container's address."""
    numbers: dict[str, int] = {}
    for protocol in PROTOCOLS:
        wishes = []
        for name, forward in container.forwards.items():
            if forward.protocol == protocol:
                locked = _kept(kept, name, protocol)
                natural = NATURAL_INNER_PORTS.get(forward.port, forward.port)
                where = f"{path}.forwards.{name}"
                wishes.append(
                    Wish(where, forward.inner_port, locked.inner if locked else None, natural)
                )
        given = assign(wishes, PORTS)
        _report(given, "inner_port", "the container", problems)
        numbers |= given.numbers
    return numbers


def _kept(forwards: Mapping[str, Ports], name: str, protocol: str) -> Ports | None:
    kept = forwards.get(name)
    return kept if kept is not None and kept.protocol == protocol else None


def _report(given: Given, field_name: str, place: str, problems: list[Diagnostic]) -> None:
    for owner, number, other in given.clashes:
        message = f"port {number} is taken by {other}"
        hint = f"leave {field_name} out of one of the two, or give another number"
        problems.append(Diagnostic(f"{owner}.{field_name}", message, hint))
    for owner in given.lacking:
        message = f"no port of {place} is left between {PORTS.start} and {PORTS.stop - 1}"
        problems.append(Diagnostic(f"{owner}.{field_name}", message, "move containers elsewhere"))


def _used_indices(numbers: HostNumbers) -> list[int]:
    containers = numbers.containers.values()
    return [container.index for container in containers if container.index is not None]


def _used_ports(numbers: HostNumbers, protocol: str) -> list[int]:
    return [
        ports.host
        for container in numbers.containers.values()
        for ports in container.forwards.values()
        if ports.protocol == protocol
    ]


def _released(before: Iterable[int], had: Iterable[int], has: Iterable[int]) -> tuple[int, ...]:
    """The numbers that were given once and are free now, the longest free first."""
    in_use = set(has)
    return tuple(dict.fromkeys(number for number in (*before, *had) if number not in in_use))
