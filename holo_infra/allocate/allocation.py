"""Numbers for a fleet: pure, stable when containers come, go, move or are renamed.

`pool` has the rule; here is what is numbered of each host. Ports are in `ports`, the /30s of packed
networks in `subnets`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count

from holo_infra.allocate.numbers import (
    NOTHING,
    OCTET_INDICES,
    PACKED_INDICES,
    PROTOCOLS,
    Allocation,
    ContainerNumbers,
    HostNumbers,
    Ports,
)
from holo_infra.allocate.pool import Given, Wish, assign
from holo_infra.allocate.ports import host_ports, inner_ports, used_ports
from holo_infra.allocate.scope import Scope, known_as, networks_of
from holo_infra.allocate.subnets import give_subnets
from holo_infra.diagnostics import Diagnostic, dotted
from holo_infra.model.fleet import Fleet, Host, Network


def allocate(fleet: Fleet, lock: Allocation) -> tuple[Allocation, list[Diagnostic]]:
    """Numbers for everything in the fleet, those of the lock kept; and what is wrong.

    Where something is wrong, some numbers are missing from the allocation.
    """
    problems: list[Diagnostic] = []
    networks = networks_of(fleet)
    scopes = {name: _scope(name, fleet, lock, problems) for name in fleet.hosts}
    hosts = {name: _host(scope, networks) for name, scope in scopes.items()}
    released = give_subnets(scopes, networks, lock, hosts)
    return Allocation(hosts=hosts, released_subnets=released), problems


def _scope(name: str, fleet: Fleet, lock: Allocation, problems: list[Diagnostic]) -> Scope:
    """A host, and what the lock file knows of it and its containers."""
    host = fleet.hosts[name]
    known = known_as(name, host.renamed_from, lock.hosts, fleet.hosts)
    numbers = lock.hosts.get(known) or HostNumbers()
    before = {}
    if kept := numbers.containers:
        for key, container in host.containers.items():
            known = known_as(key, container.renamed_from, kept, host.containers)
            before[key] = kept.get(known, NOTHING)
    return Scope(("hosts", name), host, numbers, before, problems)


def _host(scope: Scope, networks: Mapping[str, Network]) -> HostNumbers:
    lock = scope.lock
    indices = _indices(scope, networks)
    outer = host_ports(scope)
    homes = _homes(scope.host, lock)
    containers = {}
    for name, container in scope.host.containers.items():
        inner = inner_ports(scope, name, container)
        forwards = {
            key: Ports(forward.protocol, outer.get((name, key), 0), inner.get(key))
            for key, forward in container.forwards.items()
        }
        containers[name] = ContainerNumbers(indices.get(name), None, homes.get(name), forwards)
    numbers = HostNumbers(containers)
    numbers.released_indices = _released(
        lock.released_indices, _used_indices(lock), _used_indices(numbers)
    )
    had, has = used_ports(lock), used_ports(numbers)
    for protocol in PROTOCOLS:
        earlier = lock.released_ports.get(protocol) or []
        if released := _released(earlier, had[protocol], has[protocol]):
            numbers.released_ports[protocol] = released
    return numbers


def _indices(scope: Scope, networks: Mapping[str, Network]) -> dict[str, int]:
    """Each index once on the host; those of the two schemes never meet."""
    ranges: dict[str, range] = {"octet": OCTET_INDICES, "packed": PACKED_INDICES}
    wishes: dict[str, list[Wish[str]]] = {scheme: [] for scheme in ranges}
    schemes = {name: network.scheme for name, network in networks.items()}
    for name, container in scope.host.containers.items():
        scheme = schemes.get(container.network)
        if scheme is None:
            continue
        numbers = ranges[scheme]
        kept = scope.before.get(name, NOTHING).index
        if kept is not None and kept not in numbers:
            kept = None  # its network has another scheme now
        if container.index is not None and container.index not in numbers:
            message = f"scheme {scheme} has the indices {numbers[0]} to {numbers[-1]}"
            scope.tell("HI114", (name, "index"), message, "leave index out")
        wishes[scheme].append((name, container.index, kept, None))
    used = _used_indices(scope.lock)
    indices: dict[str, int] = {}
    for of, asked in wishes.items():
        if asked:
            given = assign(asked, ranges[of], used, scope.lock.released_indices)
            _report(scope, given, of, len(ranges[of]))
            indices |= given.numbers
    return indices


def _report(scope: Scope, given: Given[str], scheme: str, number: int) -> None:
    for name, index, other in given.clashes:
        message = f"index {index} is that of {dotted(scope.way(other))}"
        hint = "leave index out of one of the two, or give another number"
        scope.tell("HI109", (name, "index"), message, hint)
    for name, index, taker in given.moved:
        if taker is not None:  # always: nothing else is reserved
            scope.tell_moved((name,), f"index {index}", scope.way(taker), "index")
    for name in given.lacking:
        message = f"a host has {number} containers of scheme {scheme}, and no more"
        hint = "give it a network of scheme packed, with a pool"
        scope.tell("HI107", (name,), message, hint)


def _homes(host: Host, lock: HostNumbers) -> dict[str, str]:
    """The names of state folders that are not their container's own.

    A folder stays with a container that is renamed; a new one of the old name gets another, which
    is nobody's name either.
    """
    kept = lock.containers
    homes: dict[str, str] = {}
    new: list[str] = []
    lost: dict[str, str] = {}  # with a lock file that was lost: those renamed, and from what
    for name, container in host.containers.items():
        known = name
        if container.renamed_from is not None:
            known = known_as(name, container.renamed_from, kept, host.containers)
            if known not in kept:
                lost[name] = container.renamed_from
                continue
        if known in kept:
            homes[name] = kept[known].home or known
        else:
            new.append(name)
    taken = set(homes.values())
    for name, known in lost.items():
        if known in taken:
            new.append(name)
        else:
            homes[name] = known
            taken.add(known)
    for name in new:
        if name in taken:
            others = (f"{name}-{number}" for number in count(2))
            homes[name] = next(o for o in others if o not in taken and o not in host.containers)
            taken.add(homes[name])
    return {name: home for name, home in homes.items() if home != name}


def _used_indices(numbers: HostNumbers) -> list[int]:
    containers = numbers.containers.values()
    return [container.index for container in containers if container.index is not None]


def _released(before: Iterable[int], had: Iterable[int], has: Iterable[int]) -> list[int]:
    """The numbers that were given once and are free now, the longest free first."""
    in_use = set(has)
    return list(dict.fromkeys(number for number in (*before, *had) if number not in in_use))
