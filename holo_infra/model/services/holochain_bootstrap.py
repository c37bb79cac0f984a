"""Options of the services by which conductors find each other."""

from __future__ import annotations

from holo_infra.model.names import IPv4, Port
from holo_infra.model.services.base import Enable, ServiceOptions
from holo_infra.model.services.holochain import LogFilter
from holo_infra.model.services.versions import HolochainVersion, by_version
from nixgen import PackageName

SIGNAL_APART = by_version({"0.3": True, "0.5": False})
"""Whether the signal service of a version is a second one, on a port of its own."""


class HolochainBootstrap(ServiceOptions):
    """Bootstrap and signal service: conductors find each other, and agree on a connection."""

    version: HolochainVersion = "0.5"
    """The version of the conductors. Since 0.5 one program serves both on `port`; up to 0.4 the
    signal service has `signalPort`."""

    package: PackageName | None = None
    """The package of the program: by default `kitsune2-bootstrap-srv`, up to 0.4 `hc`."""

    listen_address: IPv4 = "127.0.0.1"
    """The address to listen on, without TLS; 0.0.0.0: all."""

    port: Port = 50000
    """The port of the bootstrap service."""

    signal_port: Port = 50001
    """The port of the signal service, up to 0.4."""

    open_firewall: bool = False
    """Whether NixOS's firewall lets others reach the ports."""

    log_level: LogFilter = "info"
    """What the programs log (RUST_LOG)."""

    @property
    def listens(self) -> list[str]:
        """The port, and that of the signal service where it is a second one."""
        ports = [self.port, *([self.signal_port] if SIGNAL_APART[self.version] else [])]
        return [f"{self.listen_address}:{port}" for port in ports]


class HolochainBootstrapOptions(HolochainBootstrap, Enable):
    """Bootstrap and signal service: conductors find each other, and agree on a connection."""
