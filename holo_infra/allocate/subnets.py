"""The /30s of packed networks: each once in the fleet, cut from the network's pool one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from holo_infra.allocate.addresses import SUBNET, Block, block, is_aligned
from holo_infra.allocate.numbers import NOTHING, Allocation, HostNumbers
from holo_infra.allocate.pool import Given, Wish, assign
from holo_infra.allocate.scope import Scope
from holo_infra.diagnostics import dotted
from holo_infra.model.fleet import Network

Key = tuple[str, str]
"""A host and a container of it."""


def give_subnets(
    scopes: Mapping[str, Scope],
    networks: Mapping[str, Network],
    lock: Allocation,
    hosts: Mapping[str, HostNumbers],
) -> list[str]:
    """Gives every container of a packed network its /30, and returns those that are free again."""
    held = [c.subnet for h in lock.hosts.values() for c in h.containers.values() if c.subnet]
    used = set()
    for network, pool in _pools(networks):
        asked = list(_wishes(scopes, network, pool))
        slots = range(pool.size // SUBNET)
        given = assign(asked, slots, _slots(held, pool), _slots(lock.released_subnets, pool))
        for (host, name), slot in given.numbers.items():
            subnet = str(_subnet(pool, slot))
            hosts[host].containers[name].subnet = subnet
            used.add(subnet)
        _report(scopes, network, pool, given)
    once = dict.fromkeys([*lock.released_subnets, *held])
    return [subnet for subnet in once if subnet not in used]


def _pools(networks: Mapping[str, Network]) -> Iterator[tuple[str, Block]]:
    """The pools that can be cut; `check` tells what is wrong with others."""
    for name, network in networks.items():
        if network.scheme == "packed" and network.pool is not None:
            pool = block(network.pool)
            if is_aligned(pool):
                yield name, pool


def _wishes(scopes: Mapping[str, Scope], network: str, pool: Block) -> Iterator[Wish[Key]]:
    for host, scope in scopes.items():
        for name, container in scope.host.containers.items():
            if container.network == network:
                kept = scope.before.get(name, NOTHING).subnet
                yield (host, name), _slot(container.subnet, pool), _slot(kept, pool), None


def _subnet(pool: Block, slot: int) -> Block:
    return Block(pool.start + slot * SUBNET, SUBNET)


def _slots(subnets: list[str], pool: Block) -> list[int]:
    return [slot for subnet in subnets if (slot := _slot(subnet, pool)) is not None]


def _slot(subnet: str | None, pool: Block) -> int | None:
    """A /30's place in the pool; None where it is none of the pool."""
    if subnet is None:
        return None
    found = block(subnet)
    if found.size != SUBNET or not is_aligned(found) or not found.overlaps(pool):
        return None
    return (found.start - pool.start) // SUBNET


def _report(scopes: Mapping[str, Scope], network: str, pool: Block, given: Given[Key]) -> None:
    for (host, name), slot, (other_host, other) in given.clashes:
        message = f"{_subnet(pool, slot)} is that of {dotted(scopes[other_host].way(other))}"
        hint = "leave subnet out of one of the two, or give another /30"
        scopes[host].tell("HI110", (name, "subnet"), message, hint)
    for (host, name), slot, taker in given.moved:
        if taker is not None:  # always: nothing else is reserved
            other_host, other = taker
            now = scopes[other_host].way(other)
            scopes[host].tell_moved((name,), str(_subnet(pool, slot)), now, "subnet")
    for host, name in given.lacking:
        message = f"network {network} has {pool.size // SUBNET} subnets in {pool}, all are taken"
        scopes[host].tell("HI108", (name,), message, "give the network a larger pool")
