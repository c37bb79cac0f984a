"""The services of a fleet: what a user writes of them, and the options that it becomes."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ConfigDict

from holo_infra.model.copies import CheckedCopies
from holo_infra.model.services.base import Caddy, ClientHub, LeafHub, ServiceOptions
from holo_infra.model.services.gateway import Gateway, GatewayNats
from holo_infra.model.services.hc_http_gw import HcHttpGw
from holo_infra.model.services.holochain import Holochain
from holo_infra.model.services.holochain_bootstrap import HolochainBootstrap
from holo_infra.model.services.host_agent import HostAgent, HostNats
from holo_infra.model.services.nats_server import Account, Jetstream, NatsServer, User, Websocket
from holo_infra.model.services.orchestrator import Mongo, Orchestrator, OrchestratorNats


class Services(CheckedCopies):
    """The services of a host or container: those that are named run there."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    nats_server: NatsServer | None = None
    """A NATS server: the hub, or a leaf that is joined to it."""

    host_agent: HostAgent | None = None
    """The host agent, which carries out what the orchestrator has decided."""

    orchestrator: Orchestrator | None = None
    """The orchestrator, which places workloads on hosts."""

    gateway: Gateway | None = None
    """The HTTP gateway of the fleet."""

    holochain: Holochain | None = None
    """A Holochain conductor."""

    hc_http_gw: HcHttpGw | None = None
    """The HTTP gateway of a conductor."""

    holochain_bootstrap: HolochainBootstrap | None = None
    """Where conductors find each other, and agree on connections."""

    def present(self) -> Iterator[tuple[str, ServiceOptions]]:
        """The services that are there, by field."""
        for name in type(self).model_fields:
            if (service := getattr(self, name)) is not None:
                yield name, service


NO_SERVICES = Services()

__all__ = [
    "NO_SERVICES",
    "Account",
    "Caddy",
    "ClientHub",
    "Gateway",
    "GatewayNats",
    "HcHttpGw",
    "Holochain",
    "HolochainBootstrap",
    "HostAgent",
    "HostNats",
    "Jetstream",
    "LeafHub",
    "Mongo",
    "NatsServer",
    "Orchestrator",
    "OrchestratorNats",
    "ServiceOptions",
    "Services",
    "User",
    "Websocket",
]
