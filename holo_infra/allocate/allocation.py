"""Numbers for containers and forwards: pure, stable when others come, go or change their order.

An explicit number wins, then the one that the lock keeps, then the natural one (the service's
port), then the next never used, then the longest free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from holo_infra.diagnostics import Diagnostic, FleetError
from holo_infra.model.fleet import Container, Fleet, Forward, Host

OCTET_INDICES = range(171)
"""Scheme `octet`: 10.0.(85+index).0/30, up to 10.0.255.0/30."""

PORTS = range(1024, 32768)
"""Where ports are looked for: above the privileged, below the kernel's ephemeral ones."""

NATURAL_INNER_PORTS = {8000: 8001}
"""The README's: a conductor's admin websocket on 8000 is reached on the container's 8001."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a forward."""

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
    released_ports: tuple[int, ...] = ()


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
        name: _Host(f"hosts.{name}", host, lock.hosts.get(name, HostNumbers()), problems).allocate()
        for name, host in fleet.hosts.items()
    }
    if problems:
        raise FleetError(problems)
    gone = {name: numbers for name, numbers in lock.hosts.items() if name not in hosts}
    return Allocation({**hosts, **gone})


class _Host:
    """The allocation of one host, while it is made."""

    def __init__(
        self,
        path: str,
        host: Host,
        lock: HostNumbers,
        problems: list[Diagnostic],
    ) -> None:
        self.path = path
        self.host = host
        self.lock = lock
        self.problems = problems
        self.owners: dict[int, str] = {}  # host port -> path of the forward that has it

    def allocate(self) -> HostNumbers:
        indices = self._indices()
        ports = self._host_ports()
        containers = {
            name: ContainerNumbers(indices.get(name), self._forwards(name, container, ports))
            for name, container in self.host.containers.items()
        }
        before = self.lock.containers.values()
        old_indices = [numbers.index for numbers in before if numbers.index is not None]
        old_ports = [ports.host for numbers in before for ports in numbers.forwards.values()]
        return HostNumbers(
            containers,
            _released(self.lock.released_indices, old_indices, indices.values()),
            _released(self.lock.released_ports, old_ports, self.owners),
        )

    def _indices(self) -> dict[str, int]:
        private = [n for n, c in self.host.containers.items() if c.network == "private"]
        kept = {name: self._kept(name).index for name in private}
        given = {name: index for name, index in kept.items() if index is not None}
        free = _free(OCTET_INDICES, _locked_indices(self.lock), self.lock.released_indices)
        for name in private:
            if name not in given:
                index = next((index for index in free if index not in given.values()), None)
                if index is None:
                    self._no_index(name)
                    break
                given[name] = index
        return given

    def _no_index(self, name: str) -> None:
        message = f"a host holds {len(OCTET_INDICES)} private containers in 10.0.85.0 - 10.0.255.0"
        hint = "move some containers to another host"
        self.problems.append(Diagnostic(f"{self.path}.containers.{name}", message, hint))

    def _kept(self, container: str) -> ContainerNumbers:
        return self.lock.containers.get(container, ContainerNumbers(None, {}))

    def _all_forwards(self) -> Iterator[tuple[str, str, Container, Forward]]:
        for name, container in self.host.containers.items():
            for forward_name, forward in container.forwards.items():
                yield name, forward_name, container, forward

    def _host_ports(self) -> dict[tuple[str, str], int]:
        """The host's port of each forward: first those that are fixed, then the rest in order."""
        given: dict[tuple[str, str], int] = {}
        wishes: dict[tuple[str, str], int] = {}
        for name, forward_name, container, forward in self._all_forwards():
            path = f"{self.path}.containers.{name}.forwards.{forward_name}.host_port"
            fixed = forward.host_port
            if container.network == "shared":
                fixed = forward.port
                if forward.host_port not in (None, forward.port):
                    message = (
                        f"{forward.host_port} cannot lead to {forward.port}: the network is shared"
                    )
                    hint = f"leave host_port out: the service itself listens on port {forward.port}"
                    self.problems.append(Diagnostic(path, message, hint))
            if fixed is None:
                wishes[name, forward_name] = forward.port
            elif self._claim(fixed, path):
                given[name, forward_name] = fixed
        for (name, forward_name), natural in wishes.items():
            path = f"{self.path}.containers.{name}.forwards.{forward_name}.host_port"
            kept = self._kept(name).forwards.get(forward_name)
            if kept is not None and kept.host not in self.owners:
                self._claim(kept.host, path)
                given[name, forward_name] = kept.host
        for (name, forward_name), natural in wishes.items():
            if (name, forward_name) not in given:
                path = f"{self.path}.containers.{name}.forwards.{forward_name}.host_port"
                candidates = (
                    port for port in self._port_wishes(natural) if port not in self.owners
                )
                port = next(candidates, None)
                if port is None:
                    self.problems.append(Diagnostic(path, "no port of the host is left"))
                    break
                self._claim(port, path)
                given[name, forward_name] = port
        return given

    def _port_wishes(self, natural: int) -> Iterator[int]:
        used = {ports.host for c in self.lock.containers.values() for ports in c.forwards.values()}
        yield natural
        yield from _free(_above(natural), used, self.lock.released_ports)

    def _claim(self, port: int, path: str) -> bool:
        owner = self.owners.setdefault(port, path)
        if owner != path:
            message = f"port {port} is taken by {owner.removesuffix('.host_port')}"
            self.problems.append(Diagnostic(path, message, "leave one of the two out"))
        return owner == path

    def _forwards(
        self,
        name: str,
        container: Container,
        host_ports: Mapping[tuple[str, str], int],
    ) -> dict[str, Ports]:
        """The inner ports: each once on the container's address."""
        taken: dict[tuple[str, int], str] = {}
        inner: dict[str, int] = {}
        for forward_name, forward in container.forwards.items():
            if forward.inner_port is not None:
                key = (forward.protocol, forward.inner_port)
                if key in taken:
                    path = f"{self.path}.containers.{name}.forwards.{forward_name}.inner_port"
                    message = f"port {forward.inner_port} is taken by the forward {taken[key]}"
                    self.problems.append(Diagnostic(path, message, "leave one of the two out"))
                taken[key] = forward_name
                inner[forward_name] = forward.inner_port
        for forward_name, forward in container.forwards.items():
            if forward_name in inner:
                continue
            kept = self._kept(name).forwards.get(forward_name)
            natural = NATURAL_INNER_PORTS.get(forward.port, forward.port)
            wishes = [*([kept.inner] if kept else []), natural, *_above(natural)]
            port = next(port for port in wishes if (forward.protocol, port) not in taken)
            taken[forward.protocol, port] = forward_name
            inner[forward_name] = port
        return {
            forward_name: Ports(host_ports.get((name, forward_name), 0), inner[forward_name])
            for forward_name in container.forwards
        }


def _above(natural: int) -> Iterable[int]:
    """Ports from the natural one upwards, then those below it."""
    start = max(natural + 1, PORTS.start)
    return (*range(start, PORTS.stop), *range(PORTS.start, min(start, PORTS.stop)))


def _free(numbers: Iterable[int], used: set[int], released: tuple[int, ...]) -> Iterator[int]:
    """The numbers never used, in order; then the released ones, the longest free first."""
    once = set(released)
    yield from (number for number in numbers if number not in used and number not in once)
    yield from (number for number in released if number not in used)


def _locked_indices(lock: HostNumbers) -> set[int]:
    return {numbers.index for numbers in lock.containers.values() if numbers.index is not None}


def _released(before: Iterable[int], had: Iterable[int], has: Iterable[int]) -> tuple[int, ...]:
    """The numbers that were given once and are free now, the longest free first."""
    in_use = set(has)
    return tuple(dict.fromkeys(number for number in (*before, *had) if number not in in_use))
