"""The shape of an engine with a socket on the host and a proxy in the container's network.

systemd holds the socket and hands it to the proxy with the first connection. The proxy joins the
container's namespace when it starts, and leads to the service's 127.0.0.1: nothing listens on the
container's address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from holo_infra.model.names import Engine
from holo_infra.model.options import ContainerOptions, ForwardOptions, Holo
from holo_infra.network.names import forward_name, forward_units
from holo_infra.network.probes import until_ready
from holo_infra.services.containers import container_unit
from holo_infra.services.directives import CONFINED, NO_START_LIMIT, SANDBOX
from nixgen import all_, each, only_if, text
from nixgen.systemd import section, unit

CONNECTIONS = 4096
"""How many connections a forward carries at a time."""
BACKLOG = 4096
"""How many wait to be accepted: as many as Linux lets wait unless it is told otherwise."""
IDLE = 600
"""Seconds of silence after which a client is asked whether it is still there."""
HALF_CLOSED = "300"
"""Seconds for an answer to a client that has said all it had; socat's own half is too short."""

PROXY = section(
    "proxy",
    {
        "Type": "exec",
        "Restart": "always",
        "RestartSec": 2,
        "TimeoutStartSec": 300,
        "TimeoutStopSec": 10,
        "KillMode": "mixed",
        "CapabilityBoundingSet": "",
        "PrivateUsers": True,
        "RestrictAddressFamilies": "AF_INET",
        # The socket is not the unit's own, so whom it hears is not said here.
        "IPAddressAllow": "localhost",
        "IPAddressDeny": "any",
    },
)


class Proxy(NamedTuple):
    """What one engine's service has of its own."""

    service: Mapping[str, Any]
    triggers: Sequence[str] | None = None
    """The text of the files that it reads."""


def carried_by(engine: Engine, c: ContainerOptions, f: ForwardOptions) -> bool:
    """Whether an engine of this kind carries a forward."""
    return all_(c.network == "private", f.protocol == "tcp", f.engine == engine)


def sockets(cfg: Holo, engine: Engine) -> dict[str, Any]:
    """The sockets of an engine's forwards."""
    return each(
        cfg.containers,
        lambda container, c: each(
            c.forwards,
            lambda forward, f: {
                forward_name(engine, container, forward): only_if(
                    carried_by(engine, c, f), _socket(container, forward, f)
                ),
            },
        ),
    )


def proxies(
    cfg: Holo,
    engine: Engine,
    proxy: Callable[[str, str, ForwardOptions], Proxy],
) -> dict[str, Any]:
    """The services of an engine's forwards; `proxy` gives what is each one's own."""
    return each(
        cfg.containers,
        lambda container, c: each(
            c.forwards,
            lambda forward, f: {
                forward_name(engine, container, forward): only_if(
                    carried_by(engine, c, f),
                    _service(engine, container, forward, f, proxy(container, forward, f)),
                ),
            },
        ),
    )


def _socket(container: str, forward: str, f: ForwardOptions) -> dict[str, Any]:
    machine = container_unit(container)
    return unit(
        text("Forward ", forward, " of container ", container),
        # Without the dependencies that sockets have: these come before what containers come after.
        unit_config={**NO_START_LIMIT, "DefaultDependencies": False},
        before=["shutdown.target"],
        conflicts=["shutdown.target"],
        after=[machine],
        binds_to=[machine],
        wanted_by=[machine, "multi-user.target"],
        listen_streams=[text(f.bind, ":", f.host_port)],
        socket={
            "Backlog": BACKLOG,
            "FreeBind": True,  # the host's address may come later
            "KeepAlive": True,
            "KeepAliveTimeSec": IDLE,
            "NoDelay": True,
            # However often the proxy ends: RestartSec= slows it down, and a socket that has failed
            # is a port that is closed for good.
            "TriggerLimitIntervalSec": 0,
        },
    )


def _service(
    engine: Engine,
    container: str,
    forward: str,
    f: ForwardOptions,
    proxy: Proxy,
) -> dict[str, Any]:
    machine = container_unit(container)
    socket, _ = forward_units(engine, container, forward)
    return unit(
        text("Proxy of forward ", forward, " of container ", container),
        unit_config=NO_START_LIMIT,
        after=[machine, socket],
        binds_to=[machine],
        requires=[socket],
        triggers=proxy.triggers,
        service=[
            CONFINED,
            SANDBOX,
            PROXY,
            {
                "NetworkNamespacePath": text("/run/netns/", container),
                "ExecStartPre": until_ready(f.protocol, f.probe, "127.0.0.1", f.port),
                **proxy.service,
            },
        ],
    )
