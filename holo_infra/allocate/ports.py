"""Ports of forwards: on the host, and on each container's address."""

from __future__ import annotations

from collections.abc import Mapping

from holo_infra.allocate.numbers import (
    NATURAL_INNER_PORTS,
    NOTHING,
    PORTS,
    PROTOCOLS,
    HostNumbers,
    Ports,
)
from holo_infra.allocate.pool import Given, Owner, Wish, assign
from holo_infra.allocate.scope import SHARED, Scope, known_as, listener
from holo_infra.diagnostics import dotted
from holo_infra.model.fleet import Container, Forward

Key = tuple[str, str]
"""A container and a forward of it."""


def host_ports(scope: Scope) -> dict[Key, int]:
    """Each port of a protocol once on the host, by container and forward."""
    wishes: dict[str, list[Wish[Key]]] = {protocol: [] for protocol in PROTOCOLS}
    heard = [*scope.host.listens]
    for name, container in scope.host.containers.items():
        shared = container.network == SHARED
        kept = scope.before.get(name, NOTHING).forwards
        for key, forward in container.forwards.items():
            fixed = forward.port if shared else forward.host_port
            ports = _kept(kept, key, forward, container.forwards) if kept else None
            before = ports.host_port if ports else None
            wishes[forward.protocol].append(((name, key), fixed, before, forward.port))
        if shared:
            heard += [text for unit in container.units.values() for text in unit.listens]
    reserved = {listener(text)[1:] for text in heard}
    used = used_ports(scope.lock)
    numbers: dict[Key, int] = {}
    for protocol in PROTOCOLS:
        asked = wishes[protocol]
        released = scope.lock.released_ports.get(protocol) or []
        taken = {port for port, of in reserved if of == protocol}
        given = assign(asked, PORTS, used[protocol], released, taken)
        numbers |= given.numbers
        if given.clashes or given.lacking:
            ways = {owner: (owner[0], "forwards", owner[1]) for owner, _, _, _ in asked}
            _report(scope, given, ways, "HI101")
    return numbers


def inner_ports(scope: Scope, name: str, container: Container) -> dict[str, int]:
    """Each port of a protocol once on the container's address, by forward."""
    before = scope.before.get(name, NOTHING).forwards
    forwards = container.forwards
    wishes: list[Wish[str]] = []
    for key, forward in forwards.items():
        ports = _kept(before, key, forward, forwards) if before else None
        kept = ports.inner_port if ports else None
        natural = NATURAL_INNER_PORTS.get(forward.port, forward.port)
        wishes.append((key, forward.inner_port, kept, natural))
    # Nearly always everybody has what it would like best.
    numbers = {key: fixed or kept or natural or 0 for key, fixed, kept, natural in wishes}
    heard = _heard(container)
    if not heard and len({*numbers.values()}) == len(numbers):
        return numbers
    numbers = {}
    for protocol in PROTOCOLS:
        asked = [wish for wish in wishes if forwards[wish[0]].protocol == protocol]
        taken = {port for port, of in heard if of == protocol}
        given = assign(asked, PORTS, reserved=taken)
        numbers |= given.numbers
        if given.clashes or given.lacking:
            ways = {owner: (name, "forwards", owner) for owner, _, _, _ in asked}
            _report(scope, given, ways, "HI102")
    return numbers


def _heard(container: Container) -> set[tuple[int, str]]:
    """Ports and protocols on which units listen on more than 127.0.0.1."""
    heard = set()
    for unit in container.units.values():
        for address, port, protocol in map(listener, unit.listens):
            if not address.startswith("127."):
                heard.add((port, protocol))
    return heard


def used_ports(numbers: HostNumbers) -> dict[str, list[int]]:
    """The ports of a host's forwards, by protocol."""
    used: dict[str, list[int]] = {protocol: [] for protocol in PROTOCOLS}
    for container in numbers.containers.values():
        for ports in container.forwards.values():
            used[ports.protocol].append(ports.host_port)
    return used


def _kept(
    forwards: Mapping[str, Ports],
    name: str,
    forward: Forward,
    present: Mapping[str, Forward],
) -> Ports | None:
    kept = forwards.get(known_as(name, forward.renamed_from, forwards, present))
    return kept if kept is not None and kept.protocol == forward.protocol else None


def _report(
    scope: Scope,
    given: Given[Owner],
    ways: Mapping[Owner, tuple[str, ...]],
    code: str,
) -> None:
    field = "host_port" if code == "HI101" else "inner_port"
    for owner, number, other in given.clashes:
        message = f"port {number} is taken by {dotted(scope.way(*ways[other]))}"
        hint = f"leave {field} out of one of the two, or give another number"
        scope.tell(code, (*ways[owner], field), message, hint)
    for owner in given.lacking:
        message = f"no port is left between {PORTS[0]} and {PORTS[-1]}"
        scope.tell("HI106", ways[owner], message, "move containers to another host")
