"""The lock file `fleet.lock.json`: an allocation as JSON that reads and merges well."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from holo_infra.allocate.numbers import Allocation, ContainerNumbers, HostNumbers
from holo_infra.diagnostics import Diagnostic, FieldPath, FleetError, Place, dotted

VERSION = 1

_TWO_OWNERS = "give one of the two back its own number, or take it out: it gets a new one"
_TWO_RESIDENTS = "give one of the two another home, a name that no other container of the host has"
_WRITTEN_TWICE = "keep one of the two; `holo compile` gives new numbers to what has none"


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
    problems = [Diagnostic("HI303", *told, where) for told in _twice(lock)]
    if not _is_rendered(lock, text):  # as we write it, no key is repeated
        read: _Object = json.loads(text, object_pairs_hook=_Object, parse_int=str, parse_float=str)
        problems += [
            Diagnostic("HI303", path, f"{path[-1]} is there twice", _WRITTEN_TWICE, where)
            for path in _repeated_keys(read)
        ]
    if problems:
        raise FleetError(problems)
    return lock


class _Object(list[tuple[str, Any]]):
    """A JSON object as it is written: of a key that is there twice, a dict would keep the last."""


def _is_rendered(lock: Allocation, text: str | bytes) -> bool:
    rendered = render_lock(lock)
    return text == (rendered if isinstance(text, str) else rendered.encode())


def _repeated_keys(of: _Object, path: FieldPath = ()) -> Iterator[FieldPath]:
    seen = set()
    for key, value in of:
        if key in seen:
            yield (*path, key)
        seen.add(key)
        if isinstance(value, _Object):
            yield from _repeated_keys(value, (*path, key))


def _twice(lock: Allocation) -> Iterator[tuple[FieldPath, str, str]]:
    """What two owners have, as a careless merge leaves it: a path, what is wrong, and a hint."""
    for key in dict.fromkeys(_repeated(_keys(lock))):
        first, *others = [path for path, found in _owners(lock) if found == key]
        for path in others:
            if key[1] == "home":
                yield (
                    path,
                    f"the state folder {key[-1]} is also that of {dotted(first)}",
                    _TWO_RESIDENTS,
                )
            else:
                yield path, f"{key[-1]} is also {dotted(first)}", _TWO_OWNERS


def _repeated(keys: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
    seen: set[tuple[object, ...]] = set()
    return [key for key in keys if key in seen or seen.add(key)]  # type: ignore[func-returns-value]


def _keys(lock: Allocation) -> Iterator[tuple[object, ...]]:
    """A key for each number, equal where two may not be."""
    for host_name, host in lock.hosts.items():
        has_homes = _has_homes(host)
        for name, container in host.containers.items():
            if has_homes:
                yield (host_name, "home", container.home or name)
            if container.index is not None:
                yield (host_name, "index", container.index)
            if container.subnet is not None:
                yield ("subnet", container.subnet)
            for ports in container.forwards.values():
                yield (host_name, ports.protocol, ports.host_port)
                yield (host_name, name, ports.protocol, ports.inner_port)


def _has_homes(host: HostNumbers) -> bool:
    """Whether a container has another state folder than that of its own name."""
    return any(container.home is not None for container in host.containers.values())


def _owners(lock: Allocation) -> Iterator[tuple[FieldPath, tuple[object, ...]]]:
    """Each number's field, and the key that `_keys` gives for it, in the same order."""
    keys = _keys(lock)
    for host_name, host in lock.hosts.items():
        has_homes = _has_homes(host)
        for name, container in host.containers.items():
            path = ("hosts", host_name, "containers", name)
            if has_homes:
                yield (path if container.home is None else (*path, "home")), next(keys)
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
