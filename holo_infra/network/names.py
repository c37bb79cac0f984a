"""What the host's units of a forward are called, for plain names and for those of a definition."""

from __future__ import annotations

from collections.abc import Mapping

from holo_infra.model.names import Engine
from nixgen import text

_KINDS: Mapping[Engine, tuple[str, ...]] = {
    "socat": ("service",),
    "socket-proxyd": ("socket", "service"),
    "haproxy": ("socket", "service"),
    "nftables": (),
}


def forward_name(engine: Engine, container: str, forward: str) -> str:
    """The name of a forward's units, without their kind."""
    return text(engine, "-", container, "-", forward)


def forward_units(engine: Engine, container: str, forward: str) -> tuple[str, ...]:
    """The host's units of a forward; of a socket and its service, the socket comes first."""
    name = forward_name(engine, container, forward)
    return tuple(text(name, ".", kind) for kind in _KINDS[engine])


def ready_name(container: str, forward: str) -> str:
    """The name of the unit that asks whether a forward's service is ready, without its kind."""
    return text("ready-", container, "-", forward)


def ready_unit(container: str, forward: str) -> str:
    """The unit that asks whether a forward's service is ready: it can be started if it is."""
    return text(ready_name(container, forward), ".service")
