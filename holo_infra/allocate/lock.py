"""The lock file `fleet.lock.json`: an allocation as JSON that reads and merges well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from holo_infra.allocate.allocation import (
    OCTET_INDICES,
    Allocation,
    ContainerNumbers,
    HostNumbers,
    Ports,
)
from holo_infra.diagnostics import Diagnostic, FleetError
from holo_infra.model.names import Port

VERSION = 1


Index = Annotated[int, Field(ge=0, lt=len(OCTET_INDICES))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Forward(_Strict):
    protocol: Literal["tcp", "udp"]
    host_port: Port
    inner_port: Port


class _Container(_Strict):
    index: Index | None = None
    forwards: dict[str, _Forward] = {}


class _Host(_Strict):
    containers: dict[str, _Container] = {}
    released_indices: list[Index] = []
    released_ports: dict[str, list[Port]] = {}


class _Lock(_Strict):
    version: int
    hosts: dict[str, _Host]


def read_lock(text: str | bytes, place: str) -> Allocation:
    """The allocation that a lock file holds. Raises FleetError naming `place` when it is broken."""
    hint = "take the file back from version control; without it, numbers would be given anew"
    try:
        lock = _Lock.model_validate_json(text)
    except ValidationError as error:
        problems = [
            Diagnostic(".".join(map(str, item["loc"])), item["msg"], hint, place)
            for item in error.errors(include_url=False)
        ]
        raise FleetError(problems) from None
    if lock.version != VERSION:
        message = f"version {lock.version} of the lock file is not known"
        raise FleetError([Diagnostic("version", message, "use a newer holo", place)])
    if twice := list(_twice(lock)):
        hint = "give one of the two back its own number, or take it out: it gets a new one"
        raise FleetError([Diagnostic(path, told, hint, place) for path, told in twice])
    return Allocation({name: _read_host(host) for name, host in lock.hosts.items()})


def _twice(lock: _Lock) -> Iterator[tuple[str, str]]:
    """Numbers that two owners have, as a careless merge leaves them: a path, and what is wrong."""
    owners: dict[tuple[object, ...], str] = {}
    for host_name, host in lock.hosts.items():
        for name, container in host.containers.items():
            path = f"hosts.{host_name}.containers.{name}"
            keys: list[tuple[str, tuple[object, ...]]] = []
            if container.index is not None:
                keys.append((f"{path}.index", (host_name, "index", container.index)))
            for forward_name, f in container.forwards.items():
                where = f"{path}.forwards.{forward_name}"
                keys.append((f"{where}.host_port", (host_name, f.protocol, f.host_port)))
                keys.append((f"{where}.inner_port", (path, f.protocol, f.inner_port)))
            for where, key in keys:
                owner = owners.setdefault(key, where)
                if owner != where:
                    yield where, f"{key[-1]} is also {owner}"


def _read_host(host: _Host) -> HostNumbers:
    containers = {
        name: ContainerNumbers(
            container.index,
            {
                n: Ports(f.protocol, f.host_port, f.inner_port)
                for n, f in container.forwards.items()
            },
        )
        for name, container in host.containers.items()
    }
    ports = {protocol: tuple(released) for protocol, released in host.released_ports.items()}
    return HostNumbers(containers, tuple(host.released_indices), ports)


def render_lock(allocation: Allocation) -> str:
    """The lock file's text: names in order, so that two branches merge line by line."""
    hosts = {name: _render_host(numbers) for name, numbers in allocation.hosts.items()}
    return json.dumps({"version": VERSION, "hosts": hosts}, indent=2, sort_keys=True) + "\n"


def _render_host(numbers: HostNumbers) -> dict[str, Any]:
    containers = {
        name: {
            "index": container.index,
            "forwards": {
                n: {
                    "protocol": ports.protocol,
                    "host_port": ports.host,
                    "inner_port": ports.inner,
                }
                for n, ports in container.forwards.items()
            },
        }
        for name, container in numbers.containers.items()
    }
    return {
        "containers": containers,
        "released_indices": list(numbers.released_indices),
        "released_ports": {p: list(ports) for p, ports in numbers.released_ports.items() if ports},
    }
