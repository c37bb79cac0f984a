"""What the options of all services have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from holo_infra.model.copies import CheckedCopies
from holo_infra.model.names import PORT, SecretFile
from nixgen import Options, matching

UnprivilegedPort = Annotated[int, Field(ge=1024, le=65535)]
"""A port that a service may listen on without any capability."""

LogLevel = Literal["error", "warn", "info", "debug", "trace"]
"""How much a program logs."""

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DnsName = Annotated[str, matching(f"({_LABEL}[.])*{_LABEL}", name="dnsName")]
"""A DNS name, or an IPv4 address."""
NatsUrl = Annotated[
    str,
    matching(f"(nats|tls|ws|wss)://({_LABEL}[.])*{_LABEL}(:{PORT})?(/[A-Za-z0-9._~/-]*)?"),
]
"""Where a NATS server is reached, without a user or password: `wss://hub.example.org:443`."""
AccountName = Annotated[str, matching("[A-Za-z0-9_$][A-Za-z0-9_-]{0,99}")]
"""An account of a NATS server: subjects of one are not seen in another."""


class ServiceOptions(CheckedCopies, Options):
    """Base of a service's options, and of parts of them."""

    model_config = ConfigDict(
        validate_by_alias=False
    )  # options of Nix are in camelCase, fleets not

    @property
    def listens(self) -> list[str]:
        """What the service listens on, as `Host.listens` has it."""
        return []

    @property
    def secret_files(self) -> dict[str, str]:
        """The secrets that it is given, by the path of their field: `passphrase_file`."""
        return {}


class Enable(Options):
    """What a service has besides in NixOS; in a fleet a service is there or not."""

    enable: bool = False
    """Whether the service runs on this machine."""


class Caddy(ServiceOptions):
    """A TLS proxy before a service: Caddy, which gets and renews the certificate itself."""

    enable: bool = False
    """Whether Caddy serves the port that others reach."""

    staging: bool = False
    """Whether the certificate comes from Let's Encrypt's staging service, which nobody trusts and
    which allows many more requests: for trials."""

    issuer: Literal["acme", "internal"] = "acme"
    """Who signs the certificate: `acme` Let's Encrypt; `internal` an authority of Caddy's own, its
    root in `/var/lib/holo/UNIT/pki/authorities/local/root.crt`, for networks without internet."""

    server_name: DnsName = "localhost"
    """The name by which clients reach this machine: the certificate's."""


class Hub(ServiceOptions):
    """The NATS hub, as it is reached from elsewhere."""

    url: NatsUrl | None = None
    """Where the hub is; without it there is none."""

    tls_insecure: bool = False
    """Whether the hub's certificate is taken unchecked: for trials only."""

    credentials_file: SecretFile | None = None
    """A file of credentials (`.creds`): a user's JWT and its seed."""

    @property
    def secret_files(self) -> dict[str, str]:
        """What the hub is shown."""
        names = ("credentials_file", "password_file", "nkey_file")
        found = {name: getattr(self, name, None) for name in names}
        return {name: path for name, path in found.items() if path is not None}


class LeafHub(Hub):
    """The NATS hub, as a leaf server joins it: at its port for leaves, or at its websocket."""

    account: AccountName | None = None
    """The account whose users are joined to the hub; by default that of servers without accounts,
    `$G`."""

    nkey_file: SecretFile | None = None
    """A file in NATS's own syntax with the line `nkey: "SU…"`, the seed of a user's key; it is not
    used with `credentials_file`."""


class ClientHub(Hub):
    """The NATS hub, as a client reaches it."""

    user: Annotated[str, matching("[A-Za-z0-9_.@-]{1,100}")] | None = None
    """The user at the hub."""

    password_file: SecretFile | None = None
    """A file with the user's password, on its first line."""

    nkey_file: SecretFile | None = None
    """A file with the seed of a user's key."""
