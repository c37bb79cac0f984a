"""The services of a fleet: what a user writes of them, and the options that it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from holo_infra.model.copies import CheckedCopies
from holo_infra.model.services.base import Caddy, ClientHub, LeafHub, ServiceOptions
from holo_infra.model.services.gateway import Gateway, GatewayNats
from holo_infra.model.services.hc_http_gw import HcHttpGw
from holo_infra.model.services.holochain import Holochain
from holo_infra.model.services.holochain_bootstrap import HolochainBootstrap
from holo_infra.model.services.host_agent import HostAgent, HostNats
from holo_infra.model.services.nats_server import Account, Jetstream, NatsServer, User, Websocket
from holo_infra.model.services.orchestrator import Mongo, Orchestrator, OrchestratorNats

WRITTEN = "written"
"""The key of a validation's context that says whether the values come from a text."""


def _never_null(schema: dict[str, Any]) -> None:
    """For a text, changes a schema that has null for what is not there."""
    for field in schema["properties"].values():
        field["anyOf"] = [of for of in field["anyOf"] if of != {"type": "null"}]
        del field["default"]


class Services(CheckedCopies):
    """The services of a host or container: those that are named run there."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra=_never_null,
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

    @field_validator("*", mode="before")
    @classmethod
    def _is_something(cls, value: object, info: ValidationInfo) -> object:
        """Of a name with nothing behind it in a text, nobody knows whether the service is meant."""
        if value is None and info.context is not None and info.context.get(WRITTEN):
            raise PydanticKnownError("model_type", {"class_name": cls.__name__})
        return value

    def present(self) -> Iterator[tuple[str, ServiceOptions]]:
        """The services that are there, by field."""
        for name in type(self).model_fields:
            if (service := getattr(self, name)) is not None:
                yield name, service


NO_SERVICES = Services()

__all__ = [
    "NO_SERVICES",
    "WRITTEN",
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
