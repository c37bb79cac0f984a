"""Options of the NATS server: the hub, or a leaf that is joined to it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import field_validator

from holo_infra.model.names import IPv4, Port, SecretFile
from holo_infra.model.services.base import (
    AccountName,
    Caddy,
    Enable,
    LeafHub,
    ServiceOptions,
    UnprivilegedPort,
)
from nixgen import JsonObject, PackageName, matching

UserName = Annotated[str, matching("[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}")]
"""A user of a NATS server."""
UserKey = Annotated[str, matching("U[A-Z2-7]{55}")]
"""The public half of a user's nkey."""
AccountKey = Annotated[str, matching("A[A-Z2-7]{55}")]
"""The public half of an account's nkey."""
Jwt = Annotated[str, matching("[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]+")]
"""A signed claim, as `nsc` makes it."""
_WORD = "([*]|[A-Za-z0-9_$-]+)"
_SUBJECT = f"({_WORD}[.])*({_WORD}|>)"
Subject = Annotated[str, matching(_SUBJECT)]
"""A subject, with wildcards: `WORKLOAD.*.update`."""
Subscription = Annotated[str, matching(f"{_SUBJECT}( [A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*)?")]
"""A subject, and perhaps the name of the only queue: `WORKLOAD.*.update agents`."""
Domain = Annotated[str, matching("[A-Za-z0-9][A-Za-z0-9_-]{0,126}")]
"""A JetStream domain: what `$JS.<domain>.API` addresses; as long as `HOST_CONTAINER` may be."""
StorageSize = Annotated[str, matching("[1-9][0-9]{0,9}[KMGT]")]
"""Bytes with K, M, G, T: multiples of 1024."""
StateFolder = Annotated[str, matching("/var/lib/[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)+")]
"""A folder two levels or more below /var/lib, which systemd makes for the service."""


_VARIABLE = re.compile("@{[A-Za-z_][A-Za-z0-9_]*}@")


def check_marks(value: object) -> None:
    """Raises ValueError for data that is not what it says once NATS's variables are put in."""
    match value:
        case str() if ("@{" in value or "}@" in value) and not _VARIABLE.fullmatch(value):
            message = f"{value!r} holds a part of a variable: write `@{{NAME}}@`, and nothing else"
            raise ValueError(message)
        case list():
            for item in value:
                check_marks(item)
        case dict():
            for name, item in value.items():
                if name.startswith("@"):
                    message = f"no setting of NATS begins with @: {name!r}"
                    raise ValueError(message)
                check_marks(name)
                check_marks(item)
        case _:
            pass


class Jetstream(ServiceOptions):
    """Streams that outlive a restart."""

    enable: bool = True
    """Whether the server stores streams."""

    domain: Domain | None = None
    """The server's domain. Hub and leaves need different ones; by default it is the machine's name,
    in a container of a fleet `HOST_CONTAINER`."""

    store_dir: StateFolder = "/var/lib/holo/nats-server"
    """Where streams are stored."""

    max_storage: StorageSize | None = None
    """What streams may take on the disk: `20G`; by default three quarters of what is free."""


class Websocket(ServiceOptions):
    """NATS over websockets, for clients behind firewalls."""

    enable: bool = False
    """Whether the server takes websockets; with `caddy.enable` it does."""

    host: IPv4 = "127.0.0.1"
    """The address to listen on, without TLS."""

    port: UnprivilegedPort = 4223
    """The port to listen on."""

    external_port: Port = 443
    """The port on which Caddy serves it with TLS."""

    open_firewall: bool = False
    """Whether NixOS's firewall lets others reach `external_port`."""


class User(ServiceOptions):
    """A user of an account."""

    nkey: UserKey | None = None
    """The public half of the key by which it proves who it is."""

    password_file: SecretFile | None = None
    """A file in NATS's own syntax with the line `password: "…"`, plain or hashed by bcrypt."""

    publish: list[Subject] | None = None
    """The subjects to which it may publish; null: all."""

    subscribe: list[Subscription] | None = None
    """The subjects to which it may subscribe; null: all."""

    allow_responses: bool = False
    """Whether it may answer each request that it was sent."""


class Account(ServiceOptions):
    """An account: users who see each other's messages."""

    jetstream: bool = True
    """Whether it may have streams."""

    users: dict[UserName, User] = {}
    """Its users, by name; one with an `nkey` has its name for readers only."""


class NatsServer(ServiceOptions):
    """A NATS server: the hub, or with `hub.url` a leaf that is joined to it."""

    package: PackageName = "nats-server"
    """The package of the server, of version 2.10 or later."""

    host: IPv4 = "127.0.0.1"
    """The address to listen on for clients; 0.0.0.0: all."""

    port: UnprivilegedPort = 4222
    """The port for clients."""

    leafnode_host: IPv4 = "0.0.0.0"  # noqa: S104 - leaves come from other machines
    """The address on which a hub listens for leaves."""

    leafnode_port: UnprivilegedPort = 7422
    """The port on which a hub listens for leaves."""

    monitor_port: UnprivilegedPort | None = None
    """The port for `/healthz` and other questions, on 127.0.0.1."""

    open_firewall: bool = False
    """Whether NixOS's firewall lets others reach `port` and `leafnode_port`."""

    hub: LeafHub = LeafHub()
    """The hub that this server joins as a leaf: at its port for leaves, or at its websocket."""

    jetstream: Jetstream = Jetstream()
    """Streams that outlive a restart."""

    websocket: Websocket = Websocket()
    """NATS over websockets."""

    caddy: Caddy = Caddy()
    """A TLS proxy before the websocket."""

    accounts: dict[AccountName, Account] = {}
    """Who may do what; without accounts everyone who reaches the server may do all."""

    no_auth_user: UserName | None = None
    """The user that is taken to be meant when a client names none."""

    operator_file: SecretFile | None = None
    """A file with the operator's JWT: accounts come as JWTs that it has signed, by
    `$SYS.REQ.CLAIMS.UPDATE`, and not from `accounts`."""

    system_account: AccountName | None = None
    """The account of the server itself: a name in `accounts`, with an operator a key."""

    resolver_preload: dict[AccountKey, Jwt] = {}
    """Accounts' JWTs that the server knows from the first start, with an operator."""

    extra_attrs: JsonObject = {}
    """More of the server's configuration, which takes the place of ours. A text `@{NAME}@` is the
    variable `$NAME` of NATS; no other text can hold `@{` or `}@`, and no name begins with `@`."""

    @field_validator("extra_attrs")
    @classmethod
    def _marks_are_whole(cls, values: dict[str, Any]) -> dict[str, Any]:
        check_marks(values)
        return values

    @property
    def listens(self) -> list[str]:
        """What the server and its proxy listen on."""
        websocket, caddy = self.websocket, self.caddy.enable
        found = [
            (f"{self.host}:{self.port}", True),
            (f"{self.leafnode_host}:{self.leafnode_port}", self.hub.url is None),
            (f"127.0.0.1:{self.monitor_port}", self.monitor_port is not None),
            (f"{websocket.host}:{websocket.port}", websocket.enable or caddy),
            (f"0.0.0.0:{websocket.external_port}", caddy),
        ]
        return [listener for listener, is_used in found if is_used]

    @property
    def secret_files(self) -> dict[str, str]:
        """The operator's JWT, passwords, and what the hub is shown."""
        users = {
            f"accounts.{account}.users.{name}.password_file": user.password_file
            for account, of in self.accounts.items()
            for name, user in of.users.items()
        }
        hub = {f"hub.{name}": path for name, path in self.hub.secret_files.items()}
        found = {"operator_file": self.operator_file, **hub, **users}
        return {name: path for name, path in found.items() if path is not None}


class NatsServerOptions(NatsServer, Enable):
    """A NATS server: the hub, or with `hub.url` a leaf that is joined to it."""
