"""The lock file `fleet.lock.json`: an allocation as JSON that reads and merges well."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from pydantic import TypeAdapter, ValidationError

from holo_infra.allocate.numbers import Allocation, ContainerNumbers, HostNumbers
from holo_infra.diagnostics import Diagnostic, FieldPath, FleetError, Place, dotted

VERSION = 1


def read_lock(text: str | bytes, place: str) -> Allocation:
    """The allocation that a lock file holds. Raises FleetError naming `place` when it is broken."""
    where = Place(place)
    hint = "take the file back from version control; without it, numbers would be given anew"
    try:
        lock = TypeAdapter(Allocation).validate_json(text)
    except ValidationError as error:
        problems = [
            Diagnostic("HI301", item["loc"], item["msg"], hint, where)
            for item in error.errors(include_url=False)
        ]
        raise FleetError(problems) from None
    if lock.version != VERSION:
        message = f"version {lock.version} of the lock file is not known"
        raise FleetError([Diagnostic("HI302", ("version",), message, "use a newer holo", where)])
    if twice := list(_twice(lock)):
        hint = "give one of the two back its own number, or take it out: it gets a new one"
        problems = [Diagnostic("HI303", path, told, hint, where) for path, told in twice]
        raise FleetError(problems)
    return lock


def _twice(lock: Allocation) -> Iterator[tuple[FieldPath, str]]:
    """Numbers that two owners have, as a careless merge leaves them: a path, and what is wrong."""
    for key in _repeated(_keys(lock)):
        first, *others = [path for path, found in _owners(lock) if found == key]
        for path in others:
            yield path, f"{key[-1]} is also {dotted(first)}"


def _repeated(keys: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
    seen: set[tuple[object, ...]] = set()
    return [key for key in keys if key in seen or seen.add(key)]  # type: ignore[func-returns-value]


def _keys(lock: Allocation) -> Iterator[tuple[object, ...]]:
    """A key for each number, equal where two may not be."""
    for host_name, host in lock.hosts.items():
        for name, container in host.containers.items():
            if container.index is not None:
                yield (host_name, "index", container.index)
            if container.subnet is not None:
                yield ("subnet", container.subnet)
            for ports in container.forwards.values():
                yield (host_name, ports.protocol, ports.host_port)
                yield (host_name, name, ports.protocol, ports.inner_port)


def _owners(lock: Allocation) -> Iterator[tuple[FieldPath, tuple[object, ...]]]:
    """Each number's field, and the key that `_keys` gives for it, in the same order."""
    keys = _keys(lock)
    for host_name, host in lock.hosts.items():
        for name, container in host.containers.items():
            path = ("hosts", host_name, "containers", name)
            if container.index is not None:
                yield (*path, "index"), next(keys)
            if container.subnet is not None:
                yield (*path, "subnet"), next(keys)
            for forward in container.forwards:
                yield (*path, "forwards", forward, "host_port"), next(keys)
                yield (*path, "forwards", forward, "inner_port"), next(keys)


def render_lock(allocation: Allocation) -> str:
    """The lock file's text: a container a line, names in order, so that branches merge by line.

    The names are those of a fleet, and need no escape.
    """
    hosts = ",\n".join(
        f'    "{name}": {_render_host(allocation.hosts[name])}' for name in sorted(allocation.hosts)
    )
    released = json.dumps(allocation.released_subnets)
    return (
        f'{{\n  "version": {VERSION},\n  "hosts": {{\n{hosts}\n  }},\n'
        f'  "released_subnets": {released}\n}}\n'
    )


def _render_host(numbers: HostNumbers) -> str:
    containers = ",\n".join(
        f'        "{name}": {_render_container(numbers.containers[name])}'
        for name in sorted(numbers.containers)
    )
    inside = f"\n{containers}\n      " if containers else ""
    released = json.dumps(numbers.released_indices)
    ports = json.dumps(numbers.released_ports, sort_keys=True)
    return (
        f'{{\n      "containers": {{{inside}}},\n'
        f'      "released_indices": {released},\n      "released_ports": {ports}\n    }}'
    )


def _render_container(numbers: ContainerNumbers) -> str:
    fields = []
    if numbers.index is not None:
        fields.append(f'"index": {numbers.index}')
    if numbers.subnet is not None:
        fields.append(f'"subnet": "{numbers.subnet}"')
    if numbers.home is not None:
        fields.append(f'"home": "{numbers.home}"')
    if numbers.forwards:
        forwards = ", ".join(
            f'"{name}": {{"protocol": "{ports.protocol}", "host_port": {ports.host_port},'
            f' "inner_port": {ports.inner_port}}}'
            for name, ports in sorted(numbers.forwards.items())
        )
        fields.append(f'"forwards": {{{forwards}}}')
    return f"{{{', '.join(fields)}}}"
