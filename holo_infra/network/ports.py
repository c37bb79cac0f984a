"""Ports that NixOS's own firewall lets in, for forwards of all engines."""

from __future__ import annotations

from typing import Any

from holo_infra.model.options import ContainerOptions, ForwardOptions, Holo
from nixgen import all_, concat, define, flatten, if_, map_items, not_, starts_with, when


@define("ports", path="holo")
def ports(cfg: Holo) -> dict[str, Any]:
    """Ports of forwards that the firewall of NixOS lets in."""
    return {
        "networking": {
            "firewall": {
                "allowedTCPPorts": concat(_of_container(cfg, "tcp"), _of_host(cfg, "tcp")),
                "allowedUDPPorts": concat(_of_container(cfg, "udp"), _of_host(cfg, "udp")),
            },
        },
    }


def _of_container(cfg: Holo, protocol: str) -> list[int]:
    """What listens on a container's address: the inner half, or the service itself."""
    return flatten(
        map_items(
            cfg.forwarders,
            lambda _, f: when(
                f.protocol == protocol, if_(f.engine == "socat", f.inner_port, f.port)
            ),
        ),
    )


def _of_host(cfg: Holo, protocol: str) -> list[int]:
    """Ports that other machines are to reach: those not bound to 127.0.0.1 and its like.

    What nftables leads on never comes to the host's own input.
    """

    def opened(c: ContainerOptions, f: ForwardOptions) -> list[int]:
        carried = all_(c.network == "private", f.protocol == protocol, f.engine != "nftables")
        return when(all_(carried, not_(starts_with("127.", f.bind))), f.host_port)

    return flatten(
        map_items(
            cfg.containers,
            lambda _, c: flatten(map_items(c.forwards, lambda _, f: opened(c, f))),
        ),
    )
