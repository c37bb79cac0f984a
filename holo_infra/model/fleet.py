"""What a user writes: a fleet of hosts, their containers, the forwards into these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from holo_infra.model.copies import CheckedCopies
from holo_infra.model.names import (
    AbsolutePath,
    ContainerName,
    Engine,
    ForwardName,
    HostName,
    IPv4,
    IPv4Network,
    Listener,
    MemorySize,
    ModulePath,
    NetworkName,
    Port,
    Probe,
    SecretName,
    UnitName,
)
from holo_infra.model.services import NO_SERVICES, Services
from holo_infra.model.unit import Unit
from nixgen import Text, matching

Listening = tuple[tuple[str | int, ...], str]
"""The way to what says that something listens, and where it does: a text of type Listener."""


class Model(CheckedCopies):
    """Base of a fleet's parts: frozen, strict, no unknown fields.

    Empty dicts and lists come from a default_factory: a plain `{}` would be copied in depth, for
    each of a hundred thousand containers.
    """

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


DEFAULT_ENGINES: Mapping[str, Engine] = {"tcp": "socket-proxyd", "udp": "socat"}
"""By protocol."""


class Forward(Model):
    """A port of the host that leads to a service in a container.

    Numbers that are not given are allocated and kept in the lock file.
    """

    port: Port
    """The service's port: on the container's 127.0.0.1, with engine `nftables` on its address."""

    host_port: Port | None = None
    """The port on the host; by default the service's own where it is free."""

    inner_port: Port | None = None
    """The port on the container's address, with engine `socat`: host port -> `inner_port` ->
    `port`. By default 8001 for 8000, else the service's own."""

    bind: IPv4 = "127.0.0.1"
    """The host's address to listen on; 0.0.0.0: all. Engine `nftables` needs one that is not
    127.0.0.1."""

    protocol: Literal["tcp", "udp"] = "tcp"
    """The transport protocol."""

    engine: Engine | None = None
    """What carries the traffic: `socket-proxyd` or `haproxy` (TCP), a socket of the host and a
    proxy in the container's network; `socat`, a process on either side; `nftables`, the kernel.
    By default `socket-proxyd` for TCP, `socat` for UDP."""

    probe: Probe = "tcp"
    """When the service counts as ready: `tcp` once it accepts a connection inside the container
    (TCP forwards only), `http:PATH` once it answers GET PATH with success, `none` at once."""

    renamed_from: ForwardName | None = None
    """The name that it had before: its ports go on under the new one."""

    @property
    def carrier(self) -> Engine:
        """What carries the traffic, given or by default."""
        return self.engine or DEFAULT_ENGINES[self.protocol]


class Limits(Model):
    """What a container may use at most; without a limit, all that the host has."""

    memory: MemorySize | None = None
    """Memory, in bytes or with K, M, G, T: systemd's `MemoryMax=`."""

    cpu_percent: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Processor time, in percent of one core: systemd's `CPUQuota=`."""

    tasks: Annotated[int, Field(ge=1, le=4_194_304)] | None = None
    """Processes and threads: systemd's `TasksMax=`."""


class Container(Model):
    """A systemd-nspawn container on a host."""

    network: NetworkName = "private"
    """`private`, or a key of the fleet's `networks`: a /30 network of its own, reached through
    forwards; `shared`: the host's own network."""

    index: Annotated[int, Field(ge=0, le=99_999)] | None = None
    """Its number on the host, by default allocated: names the network interface and gives the
    address of scheme `octet`."""

    subnet: IPv4Network | None = None
    """Its /30 of a network of scheme `packed`, by default allocated: the host has the first
    address, the container the second."""

    units: dict[UnitName, Unit] = Field(default_factory=dict)
    """What runs in it: programs of yours, each a unit."""

    services: Services = NO_SERVICES
    """What runs in it: services that are known by their options."""

    forwards: dict[ForwardName, Forward] = Field(default_factory=dict)
    """The ports of the host that lead into it."""

    egress: Literal["none", "hub", "internet"] = "none"
    """What its services may reach: `none` nothing outside the container, `hub` the address of the
    fleet's hub, `internet` everything but the host and other containers."""

    isolated: bool = True
    """Whether it is kept from the host's other containers; those that are not isolated reach each
    other."""

    allowed_peers: list[ContainerName] = Field(default_factory=list)
    """Containers of the same host to which it may open connections, isolated or not."""

    state: AbsolutePath | None = None
    """The host's folder for what outlives a restart, the container's `/var/lib`; by default
    `/var/lib/holo/state/` and the container's first name. It stays when the container goes."""

    limits: Limits = Limits()
    """What it may use at most."""

    bind_mounts: dict[AbsolutePath, BindMount] = Field(default_factory=dict)
    """Paths of the host that it sees, by their path inside."""

    secrets: dict[SecretName, AbsolutePath] = Field(default_factory=dict)
    """Files of the host that hold secrets, by the name under which units ask for them."""

    nspawn_args: list[Text] = Field(default_factory=list)
    """More arguments for systemd-nspawn, each a word: for what has no field here."""

    renamed_from: ContainerName | None = None
    """The name that it had before: its numbers and its state go on under the new one."""

    def listeners(self) -> Iterator[Listening]:
        """What its units and services listen on, forwards apart."""
        for name, unit in self.units.items():
            for position, text in enumerate(unit.listens):
                yield ("units", name, "listens", position), text
        if self.services is not NO_SERVICES:
            yield from _of_services(self.services)


class Host(Model):
    """A machine that carries containers."""

    platform: Literal["nixos", "systemd"] = "nixos"
    """What is deployed to it: its NixOS configuration, or plain units for any systemd."""

    provider: Literal["existing", "hetzner"] = "existing"
    """Where a stack of Pulumi has the machine from: `existing` is reached by SSH; `hetzner` is a
    server of Hetzner Cloud that the stack makes, whose disk and boot loader NixOS is told."""

    address: IPv4 | None = None
    """The address at which the fleet's other hosts reach it."""

    networks: list[IPv4Network] = Field(default_factory=list)
    """The networks that it is part of: no container may have an address in them."""

    listens: list[Listener] = Field(default_factory=lambda: ["0.0.0.0:22"])
    """What listens on it besides containers and forwards; by default sshd."""

    nameservers: list[IPv4] = Field(default_factory=list)
    """Who answers questions for names, for containers of egress `internet`."""

    system: Literal["x86_64-linux", "aarch64-linux"] = "x86_64-linux"
    """Processor and kernel, as Nix names them."""

    state_version: Annotated[str, matching("[0-9][0-9][.][0-9][0-9]")] = "26.05"
    """NixOS's `system.stateVersion` of the host and its containers: the release it began with."""

    imports: list[ModulePath] = Field(default_factory=list)
    """NixOS modules of yours in the output folder, with what makes the host bootable: file systems,
    boot loader, users. `holo compile` leaves these files alone."""

    services: Services = NO_SERVICES
    """What runs on it besides containers: services that are known by their options."""

    drain: list[Text] = Field(default_factory=list)
    """A command, word by word, that a stack of Pulumi runs on it as root before it takes the host
    away: what hands its work to others. While it fails the host stays."""

    containers: dict[ContainerName, Container] = Field(default_factory=dict)
    """The containers it carries."""

    renamed_from: HostName | None = None
    """The name that it had before: its containers' numbers and state go on under the new one."""

    def listeners(self) -> Iterator[Listening]:
        """What listens on it besides containers and forwards: its services, and all it names."""
        for position, text in enumerate(self.listens):
            yield ("listens", position), text
        yield from _of_services(self.services)


def _of_services(services: Services) -> Iterator[Listening]:
    for name, service in services.present():
        for text in service.listens:
            yield ("services", name), text


class Network(Model):
    """Where containers' addresses come from."""

    scheme: Literal["octet", "packed"] = "octet"
    """`octet`: 10.0.(85+index).0/30, 171 a host, the same on every host; `packed`: one /30 after
    the other from `pool`, each once in the fleet."""

    pool: IPv4Network | None = None
    """The addresses that scheme `packed` gives out."""


class Fleet(Model):
    """Everything that is described together: compiled, locked and deployed as one."""

    name: Annotated[str, matching("[a-z][a-z0-9-]*")]
    """The fleet's name."""

    hub: HostName | None = None
    """The host that carries the NATS hub: what containers of egress `hub` reach."""

    networks: dict[NetworkName, Network] = Field(default_factory=dict)
    """Networks besides `private`, which is of scheme `octet` unless it stands here."""

    hosts: dict[HostName, Host] = Field(default_factory=dict)
    """Its machines."""
