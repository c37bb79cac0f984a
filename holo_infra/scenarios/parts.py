"""Parts of which scenarios' fleets are made. Knows no script."""

from __future__ import annotations

from holo_infra.model.fleet import Container, Forward
from holo_infra.model.services import HcHttpGw, Holochain, Services
from holo_infra.model.services.versions import HolochainVersion

PASSPHRASE = "/etc/holo-scenario/passphrase"  # noqa: S105 (a path)
"""On a host: a file for containers that are not to have a passphrase of their own."""
SECRETS = {PASSPHRASE: "a passphrase of all\n"}
GATE = "/run/holo-scenario-gate"
GATED = {
    "/etc/systemd/system.control/container@holochain0.service.d/gate.conf": (
        f"[Unit]\nConditionPathExists={GATE}\n"
    )
}
"""Keeps the boot from starting the container, until `steps.open_gate`.

In this folder because NixOS's /etc/systemd/system cannot be added to: it is one link.
"""
ADMIN = 8000
GATEWAY = 8090
APPS = {"forum": "posts/get_all,posts/get"}


def services(version: HolochainVersion = "0.5", *, gateway: bool = False) -> Services:
    """A conductor, and its gateway where one is asked for."""
    return Services(
        holochain=Holochain(version=version, passphrase_file="passphrase"),  # noqa: S106 (a path)
        hc_http_gw=HcHttpGw(allowed_fns_per_app_id=APPS) if gateway else None,
    )


def conductor(
    version: HolochainVersion = "0.5", *, passphrase: str = PASSPHRASE, host_port: int | None = None
) -> Container:
    """A conductor in a network of its own, its admin interface led to the host's."""
    return Container(
        services=services(version),
        forwards={"admin": Forward(port=ADMIN, host_port=host_port)},
        secrets={"passphrase": passphrase},
    )


def with_gateway(version: HolochainVersion = "0.5") -> Container:
    """A conductor and its HTTP gateway, which the host has at port 8080."""
    probe = "http:/health"
    return Container(
        services=services(version, gateway=True),
        forwards={
            "admin": Forward(port=ADMIN),
            "httpgw": Forward(port=GATEWAY, host_port=8080, probe=probe),
        },
        secrets={"passphrase": PASSPHRASE},
    )
