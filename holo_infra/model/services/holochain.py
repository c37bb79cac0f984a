"""Options of a Holochain conductor."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from holo_infra.model.names import Port, SecretFile
from holo_infra.model.services.base import Enable, ServiceOptions
from holo_infra.model.services.versions import HolochainVersion
from nixgen import JsonObject, PackageName, matching

_REST = r"""[^[:cntrl:][:space:]"'\\]+"""
HttpUrl = Annotated[str, matching(f"https?://{_REST}", name="httpUrl")]
"""A URL of HTTP, without space, quotes, backslashes and control characters."""
WebsocketUrl = Annotated[str, matching(f"wss?://{_REST}", name="websocketUrl")]
"""A URL of a websocket, likewise."""
IceUrl = Annotated[str, matching(f"(stun|stuns|turn|turns):{_REST}")]
"""A STUN or TURN server, as RFC 7064 and 7065 write it: `stun:stun.example.org:443`."""

FeatureFlag = Annotated[str, matching("[^[:cntrl:]]*([\t\n][^[:cntrl:]]*)*")]
"""Text of a user: of control characters tab and newline only."""
Origins = Annotated[str, matching(_REST)]
"""`*`, or origins with commas between."""
LogFilter = Annotated[str, matching("[A-Za-z0-9_][A-Za-z0-9_:=,./-]*")]
"""A level, or levels of parts of the program: `info,kitsune2=debug`."""


class Holochain(ServiceOptions):
    """A Holochain conductor."""

    version: HolochainVersion = "0.5"
    """The version, which decides the form of the configuration; `latest` is 0.5."""

    package: PackageName = "holochain"
    """The package of the conductor. It has to be of `version`."""

    features: list[FeatureFlag] = Field(default=[], examples=[["unstable-functions"]])
    """Cargo features that the conductor is to be built with. A built conductor has no such switch:
    this is data for the function that makes `package`, and is kept in
    `/etc/holo/services/holochain-features.json`."""

    admin_websocket_port: Port = 8000
    """The port of the admin interface. The conductor binds it to loopback, and asks nobody who
    reaches it for a password."""

    admin_websocket_allowed_origins: Origins = "*"
    """The origins from which browsers may use the admin interface: `*`, or some with commas
    between."""

    bootstrap_service_url: HttpUrl = "https://bootstrap.holo.host"
    """Where peers find each other."""

    webrtc_transport_pool_signal_url: WebsocketUrl = "wss://sbd.holo.host"
    """Where peers agree on a connection."""

    webrtc_transport_pool_ice_servers: list[IceUrl] = Field(
        default=[], examples=[["stun:stun.example.org:3478"]]
    )
    """Servers that tell the conductor its public address; without any those that it has built in.
    One that asks for a password cannot stand here."""

    passphrase_file: SecretFile | None = None
    """A file with the passphrase of the keystore, on its first line, of at most 511 bytes. The
    conductor does not start without one."""

    conductor_config_overrides: JsonObject = Field(
        default={}, examples=[{"db_sync_strategy": "Resilient"}]
    )
    """More of the conductor's configuration, in the names of its version. Below every name it takes
    the place of ours; lists are replaced as a whole. It is no place for secrets."""

    log_level: LogFilter = "info"
    """What the conductor logs (RUST_LOG)."""

    wasm_log_level: LogFilter = "info"
    """What the applications in it log (WASM_LOG)."""

    @property
    def listens(self) -> list[str]:
        """The admin interface. Applications get ports of their own when they are attached."""
        return [f"127.0.0.1:{self.admin_websocket_port}"]

    @property
    def secret_files(self) -> dict[str, str]:
        """The passphrase."""
        return {} if self.passphrase_file is None else {"passphrase_file": self.passphrase_file}


class HolochainOptions(Holochain, Enable):
    """A Holochain conductor."""
