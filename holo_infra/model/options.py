"""The options below `holo` in NixOS: what a fleet is lowered to, one value a host or class.

A NixOS user who writes no Python sets these by hand; every number that differs between containers
is an option here, and every name is the one that the units carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from holo_infra.model.names import (
    AbsolutePath,
    ContainerName,
    Engine,
    ForwardName,
    IPv4,
    MemorySize,
    Probe,
    SecretName,
    UnitName,
)
from holo_infra.model.services.gateway import GatewayOptions
from holo_infra.model.services.hc_http_gw import HcHttpGwOptions
from holo_infra.model.services.holochain import HolochainOptions
from holo_infra.model.services.holochain_bootstrap import HolochainBootstrapOptions
from holo_infra.model.services.host_agent import HostAgentOptions
from holo_infra.model.services.nats_server import Domain, NatsServerOptions
from holo_infra.model.services.orchestrator import OrchestratorOptions
from holo_infra.model.unit import UnitOptions
from nixgen import Options, Port, StorePathName, Text, derived, if_, text


class BindMountOptions(Options):
    """A path of the host that a container sees."""

    source: AbsolutePath
    """The path on the host."""

    writable: bool = False
    """Whether the container may write to it."""


class ForwardOptions(Options):
    """The host's half of a forward."""

    protocol: Literal["tcp", "udp"] = "tcp"
    """The transport protocol."""

    engine: Engine = derived(lambda config: if_(config.protocol == "udp", "socat", "socket-proxyd"))
    """What carries the traffic: `socket-proxyd` or `haproxy` (TCP only), a socket of this host and
    a proxy in the container's network; `socat`, a process on either side; `nftables`, the kernel,
    to the container's address."""

    bind: IPv4 = "127.0.0.1"
    """The host's address to listen on; 0.0.0.0: all. With `nftables` none of 127.0.0.0/8."""

    host_port: Port
    """The port on the host."""

    port: Port
    """The service's port: on the container's 127.0.0.1, with `nftables` on its address."""

    inner_port: Port = derived(lambda config: config.port)
    """The port on the container's address, with `socat`."""

    probe: Probe = "tcp"
    """When the service counts as ready: `tcp` once it accepts a connection, `http:PATH` once it
    answers GET PATH with success, `none` at once. No engine but `nftables` carries traffic
    before."""


class LimitOptions(Options):
    """What a container may use at most."""

    memory: MemorySize | None = None
    """Memory, in bytes or with K, M, G, T."""

    cpu_percent: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Processor time, in percent of one core."""

    tasks: Annotated[int, Field(ge=1, le=4_194_304)] | None = None
    """Processes and threads."""


class ContainerOptions(Options):
    """A container, as its host sees it."""

    index: Annotated[int, Field(ge=0, le=99_999)]
    """The container's number on its host: names its network interface, gives its /30."""

    network: Literal["private", "shared"] = "private"
    """Whether it has a network of its own, or the host's."""

    host_address: IPv4 = derived(lambda config: text("10.0.", config.index + 85, ".1"))
    """The host's address on the container's /30."""

    address: IPv4 = derived(lambda config: text("10.0.", config.index + 85, ".2"))
    """The container's address on its /30."""

    domain: Domain | None = None
    """The JetStream domain of a NATS server in it, which it learns as `HOLO_DOMAIN`; without it the
    server takes the container's name."""

    files: bool = False
    """Whether, without `system`, there are configuration files of its services, in
    `/etc/holo/containers/NAME/services`."""

    system: StorePathName | None = None
    """The NixOS system that it boots. Without one it boots from the host's own `/usr` with an
    empty `/etc`, and runs the units in `/etc/holo/containers/NAME/units`."""

    forwards: dict[ForwardName, ForwardOptions] = {}
    """The ports of the host that lead into it."""

    egress: Literal["none", "hub", "internet"] = "none"
    """What it may reach besides its peers: `none` nothing, `hub` the address `holo.hub`, `internet`
    everything but this host and other containers. Holds for private networks."""

    isolated: bool = True
    """Whether it is kept from this host's other containers. Those that are not isolated reach each
    other."""

    allowed_peers: list[ContainerName] = []
    """Containers of this host to which it may open connections, isolated or not."""

    state: AbsolutePath | None = None
    """This host's folder with the container's `/var/lib`: what outlives a restart. By default
    `/var/lib/holo/state/NAME`."""

    limits: LimitOptions = LimitOptions()
    """What it may use at most."""

    bind_mounts: dict[AbsolutePath, BindMountOptions] = {}
    """Paths of the host that it sees, by their path inside."""

    secrets: dict[SecretName, AbsolutePath] = {}
    """Files of this host that hold secrets, by the name under which units ask for them."""

    nspawn_args: list[Text] = []
    """More arguments for systemd-nspawn."""


class ForwarderOptions(Options):
    """The container's half of a forward, where it has one."""

    engine: Literal["socat", "nftables"] = "socat"
    """`socat`: a process that listens on the container's address; `nftables`: the service does."""

    protocol: Literal["tcp", "udp"] = "tcp"
    """The transport protocol."""

    port: Port
    """The service's port: on 127.0.0.1, with `nftables` on the container's address."""

    inner_port: Port = derived(lambda config: config.port)
    """The port to listen on, on the container's address, with `socat`."""

    probe: Probe = "tcp"
    """When the service counts as ready, for `socat`: `tcp` once it accepts a connection,
    `http:PATH` once it answers GET PATH with success, `none` at once. Nothing listens on the
    container's address before."""


class Holo(Options):
    """All options below `holo`."""

    @classmethod
    def from_nix(cls, values: Mapping[str, Any]) -> Self:
        """The options of these values, which have the names that they have in Nix.

        Raises ValidationError.
        """
        return cls.model_validate(values, by_alias=True, by_name=True)

    containers: dict[ContainerName, ContainerOptions] = {}
    """Containers of this host."""

    hub: IPv4 | None = None
    """The address that containers of egress `hub` may reach."""

    nameservers: list[IPv4] = []
    """Who answers questions for names, for containers of egress `internet`."""

    units: dict[UnitName, UnitOptions] = {}
    """Services of this machine, each a hardened unit."""

    forwarders: dict[ForwardName, ForwarderOptions] = {}
    """The inner halves of the forwards that lead into this container: those of engine `socat`,
    which listen on the address that the container's identity gives when it starts, and the ports
    that those of engine `nftables` lead to."""

    nats_server: NatsServerOptions = Field(default=NatsServerOptions(), alias="nats-server")
    """The NATS server: the hub, or a leaf that is joined to it."""

    host_agent: HostAgentOptions = Field(default=HostAgentOptions(), alias="host-agent")
    """The host agent, which carries out what the orchestrator has decided."""

    orchestrator: OrchestratorOptions = OrchestratorOptions()
    """The orchestrator, which places workloads on hosts."""

    gateway: GatewayOptions = GatewayOptions()
    """The HTTP gateway of the fleet."""

    holochain: HolochainOptions = HolochainOptions()
    """A Holochain conductor."""

    hc_http_gw: HcHttpGwOptions = Field(default=HcHttpGwOptions(), alias="hc-http-gw")
    """The HTTP gateway of a conductor."""

    holochain_bootstrap: HolochainBootstrapOptions = Field(
        default=HolochainBootstrapOptions(), alias="holochain-bootstrap"
    )
    """Where conductors find each other, and agree on connections."""
