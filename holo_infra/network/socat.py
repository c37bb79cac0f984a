"""The engine `socat`: two tiers, one process a connection on each.

Host port -> inner port on the container's address -> the service on the container's 127.0.0.1. The
inner half listens only once the service is ready, the outer half only once the inner half does: an
open port means that the way is open to its end.
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.options import ContainerOptions, ForwarderOptions, ForwardOptions, Holo
from holo_infra.services.containers import IDENTITY
from holo_infra.services.directives import CONFINED, NO_START_LIMIT, SANDBOX
from nixgen import (
    all_,
    choose,
    concat,
    define,
    each,
    exe,
    flatten,
    if_,
    map_items,
    merge,
    named,
    not_,
    only_if,
    starts_with,
    text,
    when,
    without_prefix,
)
from nixgen.systemd import exec_line, run_time, section, unit

PRIVILEGED = 1024
SOCAT = named("socat", exe("socat", "socat"))
CURL = named("curl", exe("curl", "curl"))
UDP_IDLE = "60"
"""Seconds after which a UDP peer that says nothing is forgotten."""
HALF_CLOSED = "300"
"""Seconds for an answer to a TCP client that has said all it had; socat's own half is too short."""

FORWARDER = section(
    "forwarder",
    {
        "Type": "exec",
        "Restart": "always",
        "KillMode": "mixed",
        "SuccessExitStatus": 143,  # how socat ends on SIGTERM
        "RestrictAddressFamilies": "AF_INET",
    },
)


@define("socat", path="holo", declares=["forwarders"])
def socat(cfg: Holo) -> dict[str, Any]:
    """Forwards by socat: the host's halves, and in a container the inner halves."""
    return {
        "networking": {
            "firewall": {
                "allowedTCPPorts": concat(_inner_ports(cfg, "tcp"), _open_ports(cfg, "tcp")),
                "allowedUDPPorts": concat(_inner_ports(cfg, "udp"), _open_ports(cfg, "udp")),
            },
        },
        "systemd": {
            "services": merge(
                each(
                    cfg.containers,
                    lambda container, c: each(
                        c.forwards,
                        lambda forward, f: {
                            text("socat-", container, "-", forward): only_if(
                                all_(c.network == "private", f.engine == "socat"),
                                _outer(container, c, forward, f),
                            ),
                        },
                    ),
                ),
                each(
                    cfg.forwarders,
                    lambda forward, f: {
                        text("socat-internal-", forward, "-forwarder"): _inner(forward, f),
                    },
                ),
            ),
        },
    }


def _inner_ports(cfg: Holo, protocol: str) -> list[int]:
    return flatten(
        map_items(cfg.forwarders, lambda _, f: when(f.protocol == protocol, f.inner_port)),
    )


def _open_ports(cfg: Holo, protocol: str) -> list[int]:
    """Ports of forwards that other machines are to reach: those not bound to 127.0.0.1 and such."""

    def opened(c: ContainerOptions, f: ForwardOptions) -> list[int]:
        carried = all_(c.network == "private", f.protocol == protocol)
        return when(all_(carried, not_(starts_with("127.", f.bind))), f.host_port)

    return flatten(
        map_items(
            cfg.containers,
            lambda _, c: flatten(map_items(c.forwards, lambda _, f: opened(c, f))),
        ),
    )


def _outer(container: str, c: ContainerOptions, forward: str, f: ForwardOptions) -> dict[str, Any]:
    machine = named("machine", text("container@", container, ".service"))
    return unit(
        text("Forward ", forward, " of container ", container),
        unit_config=NO_START_LIMIT,
        after=[machine],
        binds_to=[machine],
        wanted_by=[machine, "multi-user.target"],
        service=[
            CONFINED,
            SANDBOX,
            FORWARDER,
            _bind_capability(f.host_port),
            {
                "ExecStartPre": _probes(f.protocol, f.probe, c.address, f.inner_port),
                "ExecStart": exec_line(
                    SOCAT,
                    if_(f.protocol == "udp", ["-T", UDP_IDLE], ["-t", HALF_CLOSED]),
                    text(_family(f), "-LISTEN:", f.host_port, ",bind=", f.bind, ",fork,reuseaddr"),
                    text(_family(f), ":", c.address, ":", f.inner_port),
                ),
                "RestartSec": 5,
                "TimeoutStartSec": 300,
                "TimeoutStopSec": 10,
            },
        ],
    )


def _inner(forward: str, f: ForwarderOptions) -> dict[str, Any]:
    return unit(
        text("Inner half of forward ", forward),
        unit_config=NO_START_LIMIT,
        after=["network.target"],
        wanted_by=["multi-user.target"],
        service=[
            CONFINED,
            SANDBOX,
            FORWARDER,
            _bind_capability(f.inner_port),
            {
                "EnvironmentFile": IDENTITY,
                "ExecStartPre": _probes(f.protocol, f.probe, "127.0.0.1", f.port),
                "ExecStart": exec_line(
                    SOCAT,
                    if_(f.protocol == "udp", ["-T", UDP_IDLE], ["-t", HALF_CLOSED]),
                    text(
                        *(_family(f), "-LISTEN:", f.inner_port),
                        *(",bind=", run_time("HOLO_ADDRESS"), ",fork,reuseaddr"),
                    ),
                    text(_family(f), ":127.0.0.1:", f.port),
                ),
                "RestartSec": 2,
                "TimeoutStartSec": 60,
                "TimeoutStopSec": 5,
            },
        ],
    )


def _bind_capability(port: int) -> dict[str, Any]:
    """A port below 1024 needs a capability, which counts for nothing in a user namespace."""
    privileged = named("privileged", port < PRIVILEGED)
    return {
        "AmbientCapabilities": when(privileged, "CAP_NET_BIND_SERVICE"),
        "CapabilityBoundingSet": if_(privileged, "CAP_NET_BIND_SERVICE", ""),
        "PrivateUsers": not_(privileged),
    }


def _family(f: ForwardOptions | ForwarderOptions) -> str:
    return named("family", choose(f.protocol, {"tcp": "TCP4", "udp": "UDP4"}))


def _probes(protocol: str, probe: str, address: str, port: int) -> list[str]:
    """Commands that end once what the half forwards to is ready; TimeoutStartSec limits them.

    Their status is ignored: they try until they succeed or are ended by a signal, and that would
    show a unit which is stopped while it waits as failed.
    """
    return concat(
        when(
            all_(protocol == "tcp", probe == "tcp"),
            exec_line(
                *(SOCAT, "-u", "OPEN:/dev/null"),
                text("TCP4:", address, ":", port, ",forever,interval=0.1"),
                may_fail=True,
            ),
        ),
        when(
            all_(protocol == "tcp", starts_with("http:", probe)),
            exec_line(
                *(CURL, "--silent", "--fail", "--output", "/dev/null", "--max-time", "5"),
                *("--retry", "1000", "--retry-delay", "1", "--retry-all-errors"),
                text("http://", address, ":", port, without_prefix("http:", probe)),
                may_fail=True,
            ),
        ),
    )
