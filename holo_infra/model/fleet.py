"""What a user writes: a fleet of hosts, their containers, the forwards into these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from holo_infra.model.names import (
    AbsolutePath,
    ContainerName,
    ForwardName,
    HostName,
    IPv4,
    Port,
    Probe,
    UnitName,
)
from holo_infra.model.unit import Unit
from nixgen import matching


class Model(BaseModel):
    """Base of a fleet's parts: frozen, strict, no unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )


class BindMount(Model):
    """A path of the host that a container sees."""

    source: AbsolutePath
    """The path on the host; it must exist when the container starts."""

    writable: bool = False
    """Whether the container may write to it."""


class Forward(Model):
    """A port of the host that leads to a service in a container.

    Its tiers: host port -> `inner_port` on the container's address -> `port` on the
    container's 127.0.0.1. Numbers that are not given are allocated and kept in the lock file.
    """

    port: Port
    """The service's port on the container's 127.0.0.1."""

    host_port: Port | None = None
    """The port on the host; by default the service's own where it is free."""

    inner_port: Port | None = None
    """The port on the container's address; by default 8001 for 8000, else the service's own."""

    bind: IPv4 = "127.0.0.1"
    """The host's address to listen on."""

    protocol: Literal["tcp", "udp"] = "tcp"
    """The transport protocol."""

    engine: Literal["socat"] = "socat"
    """What carries the traffic."""

    probe: Probe = "tcp"
    """When the service counts as ready: `tcp` once it accepts a connection inside the container
    (TCP forwards only), `http:PATH` once it answers GET PATH with success, `none` at once."""


class Container(Model):
    """A systemd-nspawn container on a host."""

    network: Literal["private", "shared"] = "private"
    """`private`: a /30 network of its own, reached through forwards; `shared`: the host's own."""

    units: dict[UnitName, Unit] = {}
    """The services that run in it."""

    forwards: dict[ForwardName, Forward] = {}
    """The ports of the host that lead into it."""

    bind_mounts: dict[AbsolutePath, BindMount] = {}
    """Paths of the host that it sees, by their path inside."""


class Host(Model):
    """A machine that carries containers."""

    system: Literal["x86_64-linux", "aarch64-linux"] = "x86_64-linux"
    """The platform, as Nix names it."""

    state_version: Annotated[str, matching("[0-9][0-9][.][0-9][0-9]")] = "26.05"
    """NixOS's `system.stateVersion` of the host and its containers: the release it began with."""

    containers: dict[ContainerName, Container] = {}
    """The containers it carries."""


class Fleet(Model):
    """Everything that is described together: compiled, locked and deployed as one."""

    name: Annotated[str, matching("[a-z][a-z0-9-]*")]
    """The fleet's name."""

    hosts: dict[HostName, Host] = Field(default={})
    """Its machines."""
