"""Lowers a fleet to values of the options below `holo`: one a host, one a class of containers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from holo_infra.allocate import Allocation, ContainerNumbers
from holo_infra.model.fleet import Container, Fleet, Host
from holo_infra.model.options import (
    BindMountOptions,
    ContainerOptions,
    ForwarderOptions,
    ForwardOptions,
    Holo,
)


@dataclass(frozen=True, slots=True)
class LoweredHost:
    """A host: its options, and the class of each of its containers."""

    model: Host
    options: Holo
    classes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LoweredFleet:
    """A fleet: its hosts, and the content of each class of containers."""

    name: str
    hosts: Mapping[str, LoweredHost]
    classes: Mapping[str, Holo]


def lower(fleet: Fleet, allocation: Allocation) -> LoweredFleet:
    """What runs in the fleet. Containers of equal content share a class."""
    hosts: dict[str, LoweredHost] = {}
    classes: dict[str, Holo] = {}
    for host_name, host in fleet.hosts.items():
        containers: dict[str, ContainerOptions] = {}
        of_container: dict[str, str] = {}
        for name, container in host.containers.items():
            numbers = allocation.hosts[host_name].containers[name]
            containers[name] = _container(container, numbers)
            content = _content(container, numbers)
            of_container[name] = _class_name(content, host)
            classes[of_container[name]] = content
        hosts[host_name] = LoweredHost(host, Holo(containers=containers), of_container)
    return LoweredFleet(fleet.name, hosts, classes)


def _container(container: Container, numbers: ContainerNumbers) -> ContainerOptions:
    private = container.network == "private"
    forwards = {
        name: ForwardOptions(
            engine=forward.engine,
            protocol=forward.protocol,
            bind=forward.bind,
            host_port=numbers.forwards[name].host,
            inner_port=numbers.forwards[name].inner,
            probe=forward.probe,
        )
        for name, forward in container.forwards.items()
        if private
    }
    mounts = {
        inside: BindMountOptions(source=mount.source, writable=mount.writable)
        for inside, mount in container.bind_mounts.items()
    }
    return ContainerOptions(
        index=numbers.index or 0,
        network=container.network,
        forwards=forwards,
        bind_mounts=mounts,
    )


def _content(container: Container, numbers: ContainerNumbers) -> Holo:
    """What is in a container, without anything that is its own: no name, no address."""
    forwarders = {
        name: ForwarderOptions(
            protocol=forward.protocol,
            inner_port=numbers.forwards[name].inner,
            port=forward.port,
            probe=forward.probe,
        )
        for name, forward in container.forwards.items()
        if container.network == "private" and forward.engine == "socat"
    }
    return Holo(units=container.units, forwarders=forwarders)


def _class_name(content: Holo, host: Host) -> str:
    """A name of a class: readable by its units, unique by its content and platform."""
    told = json.dumps([content.model_dump(), host.system, host.state_version], sort_keys=True)
    digest = hashlib.sha256(told.encode()).hexdigest()[:8]
    units = "-".join(sorted(content.units)) or "empty"
    return f"{units[:40]}-{digest}"
