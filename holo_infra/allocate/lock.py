"""The lock file `fleet.lock.json`: an allocation as JSON that reads and merges well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from holo_infra.allocate.numbers import Allocation, ContainerNumbers, HostNumbers, Ports
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
    owners: dict[tuple[object, ...], _Place] = {}
    for key, place in _numbers(lock):
        first = owners.setdefault(key, place)
        if first is place:
            continue
        if key[1] == "home":
            message = f"the state folder {key[-1]} is also that of {dotted(_path(first))}"
            yield _path(place), message, _TWO_RESIDENTS
        else:
            yield _path(place), f"{key[-1]} is also {dotted(_path(first))}", _TWO_OWNERS


_Place = tuple[str, ...]
"""Host, container, and the field below it: there are hundreds of thousands."""


def _path(place: _Place) -> FieldPath:
    host, container, *field = place
    return ("hosts", host, "containers", container, *field)


def _numbers(lock: Allocation) -> Iterator[tuple[tuple[object, ...], _Place]]:
    """Each number with a key that is equal where two may not be, and its place."""
    for host_name, host in lock.hosts.items():
        # Without one of another name, each has the folder of its own.
        has_homes = any(container.home is not None for container in host.containers.values())
        for name, container in host.containers.items():
            if has_homes:
                field = () if container.home is None else ("home",)
                yield (host_name, "home", container.home or name), (host_name, name, *field)
            if container.index is not None:
                yield (host_name, "index", container.index), (host_name, name, "index")
            if container.subnet is not None:
                yield ("subnet", container.subnet), (host_name, name, "subnet")
            for forward, ports in container.forwards.items():
                way = (host_name, name, "forwards", forward)
                yield (host_name, ports.protocol, ports.host_port), (*way, "host_port")
                if ports.inner_port is not None:
                    yield (host_name, name, ports.protocol, ports.inner_port), (*way, "inner_port")


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


def _render_inner(ports: Ports) -> str:
    return "" if ports.inner_port is None else f', "inner_port": {ports.inner_port}'


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
            f'"{name}": {{"protocol": "{ports.protocol}", "host_port": {ports.host_port}'
            f"{_render_inner(ports)}}}"
            for name, ports in sorted(numbers.forwards.items())
        )
        fields.append(f'"forwards": {{{forwards}}}')
    return f"{{{', '.join(fields)}}}"
