"""The engine `socket-proxyd`: systemd's own proxy, behind a socket of the host. TCP only."""

from __future__ import annotations

from typing import Any

from holo_infra.model.options import ForwardOptions, Holo
from holo_infra.network.sockets import CONNECTIONS, Proxy, proxies, sockets
from nixgen import define, exe, named, text
from nixgen.systemd import exec_line

PROXYD = named("proxyd", exe("systemd", "systemd-socket-proxyd"))
DESCRIPTORS = 6
"""Of a connection: two sockets, and a pipe each way."""
OTHERS = 64
"""Descriptors besides those of connections, with room to spare."""


@define("socket-proxyd", path="holo")
def socket_proxyd(cfg: Holo) -> dict[str, Any]:
    """Forwards by systemd-socket-proxyd: a socket on the host, a proxy in a container's network."""
    return {
        "systemd": {
            "services": proxies(cfg, "socket-proxyd", _proxy),
            "sockets": sockets(cfg, "socket-proxyd"),
        },
    }


def _proxy(container: str, forward: str, f: ForwardOptions) -> Proxy:  # noqa: ARG001 - a Proxy's maker
    return Proxy(
        {
            "ExecStart": exec_line(
                PROXYD, f"--connections-max={CONNECTIONS}", text("127.0.0.1:", f.port)
            ),
            "LimitNOFILE": DESCRIPTORS * CONNECTIONS + OTHERS,
        }
    )
