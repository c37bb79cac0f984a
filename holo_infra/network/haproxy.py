"""The engine `haproxy`: HAProxy, behind a socket of the host. TCP only.

A process a forward, because only a process in the container's own namespace needs no privilege to
reach it, and ends with it.
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.options import ForwardOptions, Holo
from holo_infra.network.sockets import CONNECTIONS, HALF_CLOSED, Proxy, carried_by, proxies, sockets
from nixgen import define, each, exe, join, named, only_if, text
from nixgen.systemd import exec_line

HAPROXY = named("haproxy", exe("haproxy", "haproxy"))
CONFIG = "holo/haproxy/"
"""The folder of its configurations, below /etc."""


@define("haproxy", path="holo")
def haproxy(cfg: Holo) -> dict[str, Any]:
    """Forwards by HAProxy: a socket on the host, a proxy in a container's network."""
    return {
        "environment": {
            "etc": each(
                cfg.containers,
                lambda container, c: each(
                    c.forwards,
                    lambda forward, f: {
                        text(CONFIG, container, "-", forward, ".cfg"): only_if(
                            carried_by("haproxy", c, f), {"text": _config(f)}
                        ),
                    },
                ),
            ),
        },
        "systemd": {
            "services": proxies(cfg, "haproxy", _proxy),
            "sockets": sockets(cfg, "haproxy"),
        },
    }


def _config(f: ForwardOptions) -> str:
    lines = [
        "global",
        f"  maxconn {CONNECTIONS}",
        "  nbthread 1",
        "  tune.bufsize 65536",  # with 16384, a third fewer bytes
        "defaults",
        "  mode tcp",
        "  timeout connect 5s",
        # A websocket may say nothing for days, and HAProxy counts to 24. Clients that are gone are
        # found by the socket's keepalive, which what it accepts inherits.
        "  timeout client 24d",
        "  timeout server 24d",
        f"  timeout client-fin {HALF_CLOSED}s",
        f"  timeout server-fin {HALF_CLOSED}s",
        "listen forward",
        "  bind fd@3",
        text("  server service 127.0.0.1:", f.port),
        "",
    ]
    return join("\n", lines)


def _proxy(container: str, forward: str, f: ForwardOptions) -> Proxy:
    path = text("/etc/", CONFIG, container, "-", forward, ".cfg")
    return Proxy(
        {
            # In the foreground, as one process.
            "ExecStart": exec_line(HAPROXY, "-q", "-db", "-f", path),
            "LimitNOFILE": 3 * CONNECTIONS,  # two of a connection, and room to spare
            "SuccessExitStatus": 143,  # how it ends on SIGTERM
        },
        [_config(f)],
    )
