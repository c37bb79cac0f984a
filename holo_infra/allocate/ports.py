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
from holo_infra.diagnostics import FieldPath, dotted
from holo_infra.model.fleet import Container, Forward

Key = tuple[str, str]
"""A container and a forward of it."""


def host_ports(scope: Scope) -> dict[Key, int]:
    """Each port of a protocol once on the host, by container and forward."""
    wishes: dict[str, list[Wish[Key]]] = {protocol: [] for protocol in PROTOCOLS}
    for name, container in scope.host.containers.items():
        shared = container.network == SHARED
        kept = scope.before.get(name, NOTHING).forwards
        for key, forward in container.forwards.items():
            fixed = forward.port if shared else forward.host_port
            ports = _kept(kept, key, forward, container.forwards) if kept else None
            before = ports.host_port if ports else None
            wishes[forward.protocol].append(((name, key), fixed, before, forward.port))
    heard = _heard_on_host(scope)
    used = used_ports(scope.lock)
    numbers: dict[Key, int] = {}
    for protocol in PROTOCOLS:
        asked = wishes[protocol]
        released = scope.lock.released_ports.get(protocol) or []
        given = assign(asked, PORTS, used[protocol], released, heard[protocol])
        numbers |= given.numbers
        if given.clashes or given.lacking or given.moved:
            ways = {owner: (owner[0], "forwards", owner[1]) for owner, _, _, _ in asked}
            _report(scope, given, ways, heard[protocol], "HI101")
    return numbers


def inner_ports(scope: Scope, name: str, container: Container) -> dict[str, int]:
    """Each port of a protocol once on the container's address, by forward of engine `socat`."""
    before = scope.before.get(name, NOTHING).forwards
    forwards = {key: f for key, f in container.forwards.items() if f.carrier == "socat"}
    if not forwards or container.network == SHARED:  # there nothing listens in between
        return {}
    wishes: list[Wish[str]] = []
    for key, forward in forwards.items():
        ports = _kept(before, key, forward, container.forwards) if before else None
        kept = ports.inner_port if ports else None
        natural = NATURAL_INNER_PORTS.get(forward.port, forward.port)
        wishes.append((key, forward.inner_port, kept, natural))
    # Nearly always everybody has what it would like best.
    numbers = {key: fixed or kept or natural or 0 for key, fixed, kept, natural in wishes}
    heard = _heard_inside(name, container)
    if not heard and len({*numbers.values()}) == len(numbers):
        return numbers
    numbers = {}
    for protocol in PROTOCOLS:
        asked = [wish for wish in wishes if forwards[wish[0]].protocol == protocol]
        taken = {port: scope.way(*way) for (port, of), way in heard.items() if of == protocol}
        given = assign(asked, PORTS, reserved=taken)
        numbers |= given.numbers
        if given.clashes or given.lacking or given.moved:
            ways = {owner: (name, "forwards", owner) for owner, _, _, _ in asked}
            _report(scope, given, ways, taken, "HI102")
    return numbers


def _heard_on_host(scope: Scope) -> dict[str, dict[int, FieldPath]]:
    """Ports on which something listens besides forwards: by protocol, with what says so."""
    heard: dict[str, dict[int, FieldPath]] = {protocol: {} for protocol in PROTOCOLS}
    for way, text in scope.host.listeners():
        _, port, protocol = listener(text)
        heard[protocol].setdefault(port, (*scope.path, *way))
    for name, container in scope.host.containers.items():
        if container.network == SHARED:
            for way, text in container.listeners():
                _, port, protocol = listener(text)
                heard[protocol].setdefault(port, scope.way(name, *way))
    return heard


def _heard_inside(name: str, container: Container) -> dict[tuple[int, str], FieldPath]:
    """Ports and protocols on which services listen on more than 127.0.0.1, and what says so."""
    heard: dict[tuple[int, str], FieldPath] = {}
    for key, forward in container.forwards.items():
        if forward.carrier == "nftables":
            heard[forward.port, forward.protocol] = (name, "forwards", key, "port")
    for way, text in container.listeners():
        address, port, protocol = listener(text)
        if not address.startswith("127."):
            heard[port, protocol] = (name, *way)
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
    heard: Mapping[int, FieldPath],
    code: str,
) -> None:
    field = "host_port" if code == "HI101" else "inner_port"
    for owner, number, other in given.clashes:
        message = f"port {number} is taken by {dotted(scope.way(*ways[other]))}"
        if scope.host.containers[ways[owner][0]].network == SHARED and code == "HI101":
            hint = "let one of the two have another port: the service itself listens on the host"
            scope.tell(code, (*ways[owner], "port"), message, hint)
        else:
            hint = f"leave {field} out of one of the two, or give another number"
            scope.tell(code, (*ways[owner], field), message, hint)
    for owner, number, taker in given.moved:
        now = heard[number] if taker is None else scope.way(*ways[taker])
        scope.tell_moved(ways[owner], f"port {number}", now, field)
    for owner in given.lacking:
        message = f"no port is left between {PORTS[0]} and {PORTS[-1]}"
        scope.tell("HI106", ways[owner], message, "move containers to another host")
