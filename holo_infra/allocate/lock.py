"""The lock file `fleet.lock.json`: an allocation as JSON that reads and merges well."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from holo_infra.allocate.allocation import Allocation, ContainerNumbers, HostNumbers, Ports
from holo_infra.diagnostics import Diagnostic, FleetError
from holo_infra.model.names import Port

VERSION = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Forward(_Strict):
    protocol: Literal["tcp", "udp"]
    host_port: Port
    inner_port: Port


class _Container(_Strict):
    index: int | None = None
    forwards: dict[str, _Forward] = {}


class _Host(_Strict):
    containers: dict[str, _Container] = {}
    released_indices: list[int] = []
    released_ports: dict[str, list[Port]] = {}


class _Lock(_Strict):
    version: int
    hosts: dict[str, _Host]


def read_lock(text: str, place: str) -> Allocation:
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
    return Allocation({name: _read_host(host) for name, host in lock.hosts.items()})


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
