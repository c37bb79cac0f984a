"""Options of the gateway: HTTP for everyone, NATS to the hosts that have the answers."""

from __future__ import annotations

from holo_infra.model.names import IPv4, Port
from holo_infra.model.services.base import (
    Caddy,
    ClientHub,
    Enable,
    LogLevel,
    ServiceOptions,
    UnprivilegedPort,
)
from nixgen import PackageName


class GatewayNats(ServiceOptions):
    """NATS, as the gateway reaches it."""

    hub: ClientHub = ClientHub()
    """The hub; without a `url` at nats://127.0.0.1:4222."""


class Gateway(ServiceOptions):
    """The HTTP gateway of the fleet."""

    package: PackageName = "holo-infra"
    """The package with `holo`."""

    address: IPv4 = "127.0.0.1"
    """The address to listen on; 0.0.0.0: all."""

    port: UnprivilegedPort = 8080
    """The port to listen on."""

    external_port: Port = 443
    """The port on which Caddy serves it with TLS."""

    open_firewall: bool = False
    """Whether NixOS's firewall lets others reach it: `external_port` with Caddy, else `port`."""

    log_level: LogLevel = "info"
    """How much it logs."""

    nats: GatewayNats = GatewayNats()
    """NATS, as it is reached from here."""

    caddy: Caddy = Caddy()
    """A TLS proxy before it."""

    @property
    def listens(self) -> list[str]:
        """What the gateway and its proxy listen on."""
        proxy = [f"0.0.0.0:{self.external_port}"] if self.caddy.enable else []
        return [f"{self.address}:{self.port}", *proxy]

    @property
    def secret_files(self) -> dict[str, str]:
        """What the hub is shown."""
        return {f"nats.hub.{name}": path for name, path in self.nats.hub.secret_files.items()}


class GatewayOptions(Gateway, Enable):
    """The HTTP gateway of the fleet."""
