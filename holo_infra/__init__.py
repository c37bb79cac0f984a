"""holo-infra: a typed description of NixOS hosts and their containers, compiled and run."""

from holo_infra.model.fleet import BindMount, Container, Fleet, Forward, Host, Limits, Network
from holo_infra.model.unit import Unit

__all__ = [
    "BindMount",
    "Container",
    "Fleet",
    "Forward",
    "Host",
    "Limits",
    "Network",
    "Unit",
]
