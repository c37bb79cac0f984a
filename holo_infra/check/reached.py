"""What services reach from their containers, and by what name and port others reach them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from holo_infra.allocate.scope import SHARED
from holo_infra.diagnostics import Diagnostic, FieldPath
from holo_infra.model.fleet import Container
from holo_infra.model.services import Gateway, NatsServer, Services

_ASKED = 443
"""Where Let's Encrypt asks for a proof: its challenge TLS-ALPN-01 has no other port (RFC 8737)."""


def authority(url: str) -> tuple[str, int | None]:
    """Host and port of a URL; empty where it has none that can be read."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", None
    return host, port or (443 if parts.scheme in {"wss", "https"} else 80)


def is_loopback(host: str) -> bool:
    """Whether a URL's host is the machine itself."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def check_reach(
    path: FieldPath, services: Services, container: Container, hub: str | None
) -> Iterator[Diagnostic]:
    """Tells of what services need, and do not get at from a network of their own."""
    if container.egress == "internet" or (container.egress == "hub" and hub is None):
        return  # of a hub that is missing other checks tell
    has_peers = bool(container.allowed_peers) or not container.isolated
    told = set()
    for field, url in _needed(services):
        host, _ = authority(url)
        at_peer = has_peers and host[:1].isdecimal()
        at_hub = container.egress == "hub" and host == hub
        if field[0] not in told and not (is_loopback(host) or at_peer or at_hub):
            told.add(field[0])
            message = f"{url} cannot be reached: the container's egress is {container.egress}"
            hint = "give the container egress internet, or hub for what is at the hub's address"
            if field[0] == "holochain":
                hint = "give the container egress internet, or the conductor a service at the hub"
            yield Diagnostic("HI230", (*path, *field), message, hint)


def _needed(services: Services) -> Iterator[tuple[tuple[str, ...], str]]:
    """The fields of services that say where something is that they need."""
    conductor = services.holochain
    if conductor is not None:
        for field in ("bootstrap_service_url", "webrtc_transport_pool_signal_url"):
            yield ("holochain", field), getattr(conductor, field)
    for key in ("host_agent", "orchestrator", "gateway", "nats_server"):
        if (service := getattr(services, key)) is not None:
            way = ("hub",) if key == "nats_server" else ("nats", "hub")
            hub = service.hub if key == "nats_server" else service.nats.hub
            if hub.url is not None:
                yield (key, *way, "url"), hub.url


def check_certificate(
    path: FieldPath, service: NatsServer | Gateway, container: Container | None
) -> Iterator[Diagnostic]:
    """Tells of a certificate for which Let's Encrypt would ask in vain."""
    caddy = service.caddy
    if not caddy.enable or caddy.issuer != "acme":
        return
    name = caddy.server_name
    if "." not in name or name.rpartition(".")[2].isdecimal():
        message = f"Let's Encrypt gives no certificate for {name}"
        hint = "give server_name a DNS name, or issuer internal"
        yield Diagnostic("HI231", (*path, "caddy", "server_name"), message, hint)
    way: FieldPath = ("websocket",) if isinstance(service, NatsServer) else ()
    served = service.websocket if isinstance(service, NatsServer) else service
    ports = _outside(served.external_port, container)
    if _ASKED not in ports:
        message = f"Let's Encrypt asks at port {_ASKED}, and this is at {ports[0]}"
        hint = f"serve it on {_ASKED}, or give issuer internal"
        yield Diagnostic("HI231", (*path, *way, "external_port"), message, hint)


def _outside(port: int, container: Container | None) -> list[int]:
    """The ports of the host by which others reach a port of a service."""
    if container is None or container.network == SHARED:
        return [port]
    forwards = container.forwards.values()
    leading = [f for f in forwards if f.port == port and f.protocol == "tcp"]
    return [f.host_port or f.port for f in leading] or [port]
