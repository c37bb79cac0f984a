"""The engine `socat`: two tiers, one process a connection on each.

Host port -> inner port on the container's address -> the service on the container's 127.0.0.1. The
inner half listens only once the service is ready, the outer half only once the inner half does: an
open port means that the way is open to its end.
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.options import ContainerOptions, ForwarderOptions, ForwardOptions, Holo
from holo_infra.network.names import forward_name
from holo_infra.network.probes import SOCAT, until_ready
from holo_infra.network.sockets import BACKLOG, HALF_CLOSED, IDLE
from holo_infra.services.containers import IDENTITY, container_unit
from holo_infra.services.directives import CONFINED, NO_START_LIMIT, SANDBOX, bind_capability
from nixgen import (
    all_,
    choose,
    define,
    each,
    if_,
    merge,
    named,
    only_if,
    text,
)
from nixgen.systemd import exec_line, run_time, section, unit

UDP_IDLE = "60"
"""Seconds after which a UDP peer that says nothing is forgotten."""

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
        "systemd": {
            "services": merge(
                each(
                    cfg.containers,
                    lambda container, c: each(
                        c.forwards,
                        lambda forward, f: {
                            forward_name("socat", container, forward): only_if(
                                all_(c.network == "private", f.engine == "socat"),
                                _outer(container, c, forward, f),
                            ),
                        },
                    ),
                ),
                each(
                    cfg.forwarders,
                    lambda forward, f: {
                        text("socat-internal-", forward, "-forwarder"): only_if(
                            f.engine == "socat", _inner(forward, f)
                        ),
                    },
                ),
            ),
        },
    }


def _outer(container: str, c: ContainerOptions, forward: str, f: ForwardOptions) -> dict[str, Any]:
    machine = named("machine", container_unit(container))
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
            bind_capability(f.host_port),
            {
                "ExecStartPre": until_ready(f.protocol, f.probe, c.address, f.inner_port),
                "ExecStart": exec_line(
                    SOCAT,
                    if_(f.protocol == "udp", ["-T", UDP_IDLE], ["-t", HALF_CLOSED]),
                    text(_family(f), "-LISTEN:", f.host_port, ",bind=", f.bind, _forking(f)),
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
            bind_capability(f.inner_port),
            {
                "EnvironmentFile": IDENTITY,
                "ExecStartPre": until_ready(f.protocol, f.probe, "127.0.0.1", f.port),
                "ExecStart": exec_line(
                    SOCAT,
                    if_(f.protocol == "udp", ["-T", UDP_IDLE], ["-t", HALF_CLOSED]),
                    text(
                        *(_family(f), "-LISTEN:", f.inner_port),
                        *(",bind=", run_time("HOLO_ADDRESS"), _forking(f)),
                    ),
                    text(_family(f), ":127.0.0.1:", f.port),
                ),
                "RestartSec": 2,
                "TimeoutStartSec": 60,
                "TimeoutStopSec": 5,
            },
        ],
    )


def _forking(f: ForwardOptions | ForwarderOptions) -> str:
    """A process a connection. By itself socat lets five wait until it has forked, no more."""
    # Who is gone without a word is found by the kernel's questions.
    tcp = f",fork,reuseaddr,keepalive,keepidle={IDLE},backlog={BACKLOG}"
    return named("forking", choose(f.protocol, {"tcp": tcp, "udp": ",fork,reuseaddr"}))


def _family(f: ForwardOptions | ForwarderOptions) -> str:
    return named("family", choose(f.protocol, {"tcp": "TCP4", "udp": "UDP4"}))
