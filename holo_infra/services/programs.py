"""What the units of our own programs have in common: hub, secrets, hardening."""

from __future__ import annotations

from typing import Any

from holo_infra.model.services.base import ClientHub, LogLevel
from holo_infra.services.directives import CONFINED, NO_START_LIMIT, SANDBOX
from holo_infra.services.files import credential
from nixgen import coalesce, concat, exe, if_given, only_if, text, when
from nixgen.systemd import exec_line, unit

LOCAL_NATS = "nats://127.0.0.1:4222"


def hub_arguments(unit_name: str, hub: ClientHub) -> list[str]:
    """The arguments that say how a program reaches the hub. Secrets are files."""
    return concat(
        ["--nats-url", coalesce(hub.url, LOCAL_NATS)],
        when(hub.tls_insecure, "--nats-tls-insecure"),
        if_given(hub.user, lambda user: ["--nats-user", user]),
        if_given(
            hub.password_file,
            lambda _: ["--nats-password-file", credential(unit_name, "nats-password")],
        ),
        if_given(
            hub.credentials_file,
            lambda _: ["--nats-credentials-file", credential(unit_name, "nats.creds")],
        ),
        if_given(hub.nkey_file, lambda _: ["--nats-nkey-file", credential(unit_name, "nats.nk")]),
    )


def hub_secrets(hub: ClientHub) -> list[str]:
    """`LoadCredential=` for what the hub is shown."""
    return concat(
        if_given(hub.password_file, lambda file: [text("nats-password:", file)]),
        if_given(hub.credentials_file, lambda file: [text("nats.creds:", file)]),
        if_given(hub.nkey_file, lambda file: [text("nats.nk:", file)]),
    )


def program_unit(  # noqa: PLR0913 - each is what the units differ in
    name: str,
    description: str,
    package: str,
    *,
    command: str,
    log_level: LogLevel,
    arguments: list[str],
    secrets: list[str],
) -> dict[str, Any]:
    """The unit of `holo COMMAND run`, which computes and talks, and has a user of its own."""
    return unit(
        description,
        unit_config=NO_START_LIMIT,
        after=["network-online.target"],
        wants=["network-online.target"],
        wanted_by=["multi-user.target"],
        service=[
            CONFINED,
            SANDBOX,
            {
                "Type": "exec",
                "ExecStart": exec_line(
                    *(exe(package, "holo"), command, "run", "--log-level", log_level),
                    arguments,
                ),
                "LoadCredential": only_if(secrets != [], secrets),
                "User": name,
                "Restart": "always",
                "RestartSec": 2,
                "TimeoutStopSec": 30,
                "StateDirectory": f"holo/{name.removeprefix('holo-')}",
                "StateDirectoryMode": "0700",
                "CapabilityBoundingSet": "",
                "PrivateUsers": True,
                "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
            },
        ],
    )
