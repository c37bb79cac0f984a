"""holo-infra: a typed description of NixOS hosts and their containers, compiled and run."""

from holo_infra.model.fleet import BindMount, Container, Fleet, Forward, Host, Limits, Network
from holo_infra.model.services import (
    Gateway,
    HcHttpGw,
    Holochain,
    HolochainBootstrap,
    HostAgent,
    NatsServer,
    Orchestrator,
    Services,
)
from holo_infra.model.unit import Unit

__all__ = [
    "BindMount",
    "Container",
    "Fleet",
    "Forward",
    "Gateway",
    "HcHttpGw",
    "Holochain",
    "HolochainBootstrap",
    "Host",
    "HostAgent",
    "Limits",
    "NatsServer",
    "Network",
    "Orchestrator",
    "Services",
    "Unit",
]
