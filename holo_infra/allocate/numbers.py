"""The numbers of a fleet, as the lock file keeps them, and the ranges that they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, with_config

from holo_infra.model.names import ContainerName, IPv4Network, Port

OCTET_INDICES = range(171)
"""Scheme `octet`: 10.0.(85+index).0/30, up to 10.0.255.0/30."""
PACKED_INDICES = range(171, 100_000)
"""Scheme `packed`: the index only names the link, and leaves the addresses of `octet` alone."""

PROTOCOLS: tuple[Literal["tcp", "udp"], ...] = ("tcp", "udp")
PORTS = range(1024, 32768)
"""Where ports are looked for: above the privileged, below the kernel's ephemeral ones."""

NATURAL_INNER_PORTS = {8000: 8001}
"""Holo's own: a conductor's admin websocket on 8000 is reached on the container's 8001."""

_STRICT = ConfigDict(extra="forbid", strict=True)

# The lock file is read into these by pydantic, which checks what it reads. They are not frozen:
# that would make building them three times as dear, and a fleet has hundreds of thousands.


@with_config(_STRICT)
@dataclass(slots=True)
class Ports:
    """The ports of a forward; only engine `socat` has one on the container's address."""

    protocol: Literal["tcp", "udp"]
    host_port: Port
    inner_port: Port | None = None


@with_config(_STRICT)
@dataclass(slots=True)
class ContainerNumbers:
    """What a container was given; neither index nor subnet in the host's own network."""

    index: Annotated[int, Field(ge=0, lt=PACKED_INDICES.stop)] | None = None
    subnet: IPv4Network | None = None
    """Its /30 of a packed network."""
    home: ContainerName | None = None
    """The name of its state folder, where that is not its own: it was renamed."""
    forwards: dict[str, Ports] = field(default_factory=dict)


@with_config(_STRICT)
@dataclass(slots=True)
class HostNumbers:
    """What a host's containers were given, and which numbers were given once, oldest first."""

    containers: dict[str, ContainerNumbers] = field(default_factory=dict)
    released_indices: list[int] = field(default_factory=list)
    released_ports: dict[Literal["tcp", "udp"], list[Port]] = field(default_factory=dict)


@with_config(_STRICT)
@dataclass(slots=True)
class Allocation:
    """The numbers of a whole fleet."""

    version: int = 1
    hosts: dict[str, HostNumbers] = field(default_factory=dict)
    released_subnets: list[IPv4Network] = field(default_factory=list)


NOTHING = ContainerNumbers()
"""Of a container that the lock file does not know."""
