"""Lowers a fleet to values of the options below `holo`: one a host, one a class of containers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic.alias_generators import to_camel

from holo_infra.allocate.addresses import block, quad
from holo_infra.allocate.numbers import Allocation, ContainerNumbers, Ports
from holo_infra.allocate.scope import SHARED
from holo_infra.model.fleet import DEFAULT_ENGINES, Container, Fleet, Forward, Host, Limits
from holo_infra.model.options import ForwarderOptions, Holo
from holo_infra.model.services import NO_SERVICES, Services
from holo_infra.model.unit import Unit, UnitOptions

STATES = "/var/lib/holo/state"
"""Where the state of containers is kept on a host."""

NO_LIMITS = Limits()

Settings = dict[str, Any]
"""Options that differ from their defaults, by the names that they have in Nix."""


@dataclass(frozen=True, slots=True)
class LoweredHost:
    """A host: what is set below `holo`, and the class of each of its containers."""

    model: Host
    settings: Settings
    classes: Mapping[str, str]

    @property
    def options(self) -> Holo:
        """The settings with all defaults, checked. Costs as much as reading a fleet anew."""
        return Holo.from_nix(self.settings)


@dataclass(frozen=True, slots=True)
class Class:
    """What containers of equal content share."""

    content: Holo
    system: str
    state_version: str


@dataclass(frozen=True, slots=True)
class LoweredFleet:
    """A fleet: its hosts, and the content of each class of containers."""

    name: str
    hosts: Mapping[str, LoweredHost]
    classes: Mapping[str, Class]


def lower(fleet: Fleet, allocation: Allocation) -> LoweredFleet:
    """What runs in the fleet. Containers of equal content share a class."""
    classes = _Classes()
    hub = fleet.hosts[fleet.hub].address if fleet.hub in fleet.hosts else None
    hosts = {
        name: _host(name, host, allocation.hosts[name].containers, hub, classes)
        for name, host in fleet.hosts.items()
    }
    return LoweredFleet(fleet.name, hosts, classes.made)


def _host(
    host_name: str,
    host: Host,
    numbers: Mapping[str, ContainerNumbers],
    hub: str | None,
    classes: _Classes,
) -> LoweredHost:
    of_container: dict[str, str] = {}
    containers: Settings = {}
    egress = set()
    for name in sorted(host.containers):
        container = host.containers[name]
        made = containers[name] = _container(container, numbers[name])
        if container.services != NO_SERVICES:
            made["files"] = True
            if container.services.nats_server or container.services.host_agent:
                made["domain"] = f"{host_name}_{name}"  # no name has a `_`
        of_container[name] = classes.of(container, numbers[name], host)
        egress.add(container.egress)
    settings: Settings = {"containers": containers} if containers else {}
    settings |= _of_host(host.services, host_name)
    if hub is not None and "hub" in egress:
        settings["hub"] = hub
    if host.nameservers and "internet" in egress:
        settings["nameservers"] = host.nameservers
    return LoweredHost(host, settings, of_container)


def _container(container: Container, numbers: ContainerNumbers) -> Settings:
    made: Settings = {"index": numbers.index or 0}
    if container.network == SHARED:
        made["network"] = SHARED
    else:
        _private(made, container, numbers)
    if container.state is not None:
        made["state"] = container.state
    elif numbers.home is not None:
        made["state"] = f"{STATES}/{numbers.home}"
    if container.limits != NO_LIMITS:
        limits = container.limits.model_dump(exclude_none=True)
        made["limits"] = {to_camel(name): limit for name, limit in limits.items()}
    if container.bind_mounts:
        made["bindMounts"] = {
            inside: {"source": mount.source, **({"writable": True} if mount.writable else {})}
            for inside, mount in sorted(container.bind_mounts.items())
        }
    if container.secrets:
        made["secrets"] = dict(sorted(container.secrets.items()))
    if container.nspawn_args:
        made["nspawnArgs"] = container.nspawn_args
    return made


def _private(made: Settings, container: Container, numbers: ContainerNumbers) -> None:
    """Adds what concerns a network of the container's own."""
    if numbers.subnet is not None:
        start = block(numbers.subnet).start
        made["hostAddress"], made["address"] = quad(start + 1), quad(start + 2)
    if forwards := container.forwards:
        made["forwards"] = {
            name: _forward(f, numbers.forwards[name]) for name, f in forwards.items()
        }
        if len(forwards) > 1:
            made["forwards"] = dict(sorted(made["forwards"].items()))
    if container.egress != "none":
        made["egress"] = container.egress
    if not container.isolated:
        made["isolated"] = False
    if container.allowed_peers:
        made["allowedPeers"] = container.allowed_peers


def _forward(forward: Forward, ports: Ports) -> Settings:
    made: Settings = {"hostPort": ports.host_port, "port": forward.port}
    if ports.inner_port not in (None, forward.port):
        made["innerPort"] = ports.inner_port
    if forward.carrier != DEFAULT_ENGINES[forward.protocol]:
        made["engine"] = forward.carrier
    if forward.protocol != "tcp":
        made["protocol"] = forward.protocol
    if forward.bind != "127.0.0.1":
        made["bind"] = forward.bind
    if forward.probe != "tcp":
        made["probe"] = forward.probe
    return made


class _Half(NamedTuple):
    """A forward's half in its container, by the names of its options."""

    engine: Literal["socat", "nftables"]
    protocol: Literal["tcp", "udp"]
    port: int
    inner_port: int
    probe: str


def _half(forward: Forward, ports: Ports) -> _Half | None:
    """The half of a forward that is in its container; None where there is none."""
    match forward.carrier:
        case "socat":
            inner = ports.inner_port or forward.port
            return _Half("socat", forward.protocol, forward.port, inner, forward.probe)
        case "nftables":
            return _Half("nftables", forward.protocol, forward.port, forward.port, "tcp")
        case _:
            return None


class _Classes:
    """Finds the class of each container; most are known by what they look like at a glance."""

    def __init__(self) -> None:
        self.made: dict[str, Class] = {}
        self._names: dict[Any, str] = {}

    def of(self, container: Container, numbers: ContainerNumbers, host: Host) -> str:
        """The name of a container's class, which is made where there is none yet."""
        same: list[Any] = [host.system, host.state_version]
        services = container.services
        if services != NO_SERVICES:
            same.append(services.model_dump_json())
        if container.network != SHARED:
            for name, f in container.forwards.items():
                if half := _half(f, numbers.forwards[name]):
                    same += (name, half)
        # Most fleets share units among containers; those read from YAML have the same ones anew.
        units = container.units
        glance = (*units, *map(id, units.values()), *same)
        found = self._names.get(glance)
        if found is None:
            key = (*units, *(unit.model_dump_json() for unit in units.values()), *same)
            found = self._names.get(key)
            if found is None:
                class_ = Class(_content(container, numbers), host.system, host.state_version)
                found = self._names[key] = _class_name(class_)
                if self.made.setdefault(found, class_) != class_:
                    raise ValueError(f"two contents of one digest: {found}")
            self._names[glance] = found
        return found


def _content(container: Container, numbers: ContainerNumbers) -> Holo:
    """What is in a container, without anything that is its own: no name, no address."""
    forwarders = {
        name: ForwarderOptions(**half._asdict())
        for name, forward in container.forwards.items()
        if container.network != SHARED and (half := _half(forward, numbers.forwards[name]))
    }
    units = {name: _unit(unit) for name, unit in container.units.items()}
    services = _services(container.services)
    if not services:
        return Holo(units=units, forwarders=forwarders)
    return Holo.from_nix({"units": units, "forwarders": forwarders, **services})


def _of_host(services: Services, host: str) -> Settings:
    """The options of a host's services; a NATS server's domain is the host's name in the fleet.

    A machine may be called otherwise, and two alike.
    """
    made = _services(services)
    if services.nats_server is not None:
        made["nats-server"].setdefault("jetstream", {}).setdefault("domain", host)
    if services.host_agent is not None and services.host_agent.nats.hub.url is not None:
        made["host-agent"]["nats"].setdefault("domain", host)
    return made


def _services(services: Services) -> Settings:
    """The options of services, as far as they were set to other than their defaults."""
    return {
        Holo.model_fields[name].alias or name: {
            "enable": True,
            **service.model_dump(by_alias=True, exclude_unset=True, exclude_defaults=True),
        }
        for name, service in services.present()
    }


def _unit(unit: Unit) -> UnitOptions:
    """A unit without what only its neighbours want to know."""
    return UnitOptions.model_validate(unit.model_dump(exclude={"listens"}))


def _class_name(class_: Class) -> str:
    """A name of a class: readable by its units, unique by its content and platform."""
    content = class_.content
    told = json.dumps(
        [content.model_dump(exclude_defaults=True), class_.system, class_.state_version],
        sort_keys=True,
    )
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    services = (name for name in Services.model_fields if getattr(content, name).enable)
    units = "-".join([*sorted(content.units), *services]).replace("_", "-") or "empty"
    return f"{units[:40]}-{digest}"
