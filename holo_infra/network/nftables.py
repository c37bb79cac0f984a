"""The engine `nftables`: the kernel itself leads what comes to the host's address into a container.

No process carries it, and the service, which listens on the container's address, sees who its
clients are. Here are the parts of the table that `firewall` makes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from holo_infra.model.options import ContainerOptions, ForwardOptions, Holo
from nixgen import all_, concat, flatten, join, map_items, named, not_, starts_with, text, when

ANY = "0.0.0.0"  # noqa: S104 - the wildcard as it is written, nothing is bound to it


class Parts(NamedTuple):
    """Lines of the table."""

    sets: list[str]
    chains: list[str]
    refused: list[str]
    """Of chain `forward`, before anything is accepted."""
    accepted: list[str]
    """Of chain `forward`."""


def is_exposed(c: ContainerOptions) -> bool:
    """Whether a forward leads to the container's address."""
    return flatten(map_items(c.forwards, lambda name, f: when(_is_carried(c, f), name))) != []


def parts(cfg: Holo) -> Parts:
    """What leads to services, and keeps their packets from going anywhere else."""
    exposed = flatten(map_items(cfg.containers, lambda _, c: when(is_exposed(c), c.address)))
    exposed = named("exposed", exposed)
    of_one = named("ofOne", _each(cfg, _of_one))
    of_all = named("ofAll", _each(cfg, _of_all))
    services = named("services", _each(cfg, _service))
    return Parts(
        sets=concat(
            elements("set exposed", "ipv4_addr", exposed),
            elements("set services", "ipv4_addr . inet_proto . inet_service", services),
            elements(
                "map of_one",
                "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
                of_one,
            ),
            elements("map of_all", "inet_proto . inet_service : ipv4_addr . inet_service", of_all),
        ),
        chains=_chains(exposed, of_one, of_all),
        refused=when(
            exposed != [],
            "    ip daddr @exposed oifname != @links reject with icmpx admin-prohibited",
        ),
        accepted=when(
            exposed != [],
            "    iifname != @links oifname @links ct status dnat"
            " ip daddr . meta l4proto . th dport @services accept",
        ),
    )


def elements(name: str, type_: str, listed: list[str]) -> list[str]:
    """A set or map of the table; nftables has no notation for an empty list of elements."""
    line = text("  ", name, " { type ", type_, "; elements = { ", join(", ", listed), " }; }")
    return when(listed != [], line)


def _chains(exposed: list[str], of_one: list[str], of_all: list[str]) -> list[str]:
    return concat(
        when(
            exposed != [],
            "  chain prerouting {",
            "    type nat hook prerouting priority dstnat; policy accept;",
            # Containers do not reach each other by way of the host.
            "    iifname != @links jump lead",
            "  }",
            "  chain output {",
            "    type nat hook output priority -100; policy accept;",
            "    jump lead",
            "  }",
            "  chain lead {",
            # What has this for its source as well could not leave.
            "    ip daddr 127.0.0.0/8 return",
        ),
        when(of_one != [], _lead("ip daddr . meta l4proto . th dport map @of_one")),
        when(of_all != [], _lead("meta l4proto . th dport map @of_all", "fib daddr type local ")),
        when(
            exposed != [],
            "  }",
            # While a container is down, only the default route leads to its address. By which link
            # the host's own packets leave is known here, and not in a chain of hook output.
            "  chain astray {",
            "    type filter hook postrouting priority filter; policy accept;",
            "    ip daddr @exposed oifname != @links drop",
            "  }",
        ),
    )


def _lead(by: str, where: str = "") -> str:
    return f"    {where}meta l4proto {{ tcp, udp }} dnat ip to {by}"


def _is_carried(c: ContainerOptions, f: ForwardOptions) -> bool:
    return all_(c.network == "private", f.engine == "nftables", not_(starts_with("127.", f.bind)))


def _each(cfg: Holo, element: Callable[[ContainerOptions, ForwardOptions], list[str]]) -> list[str]:
    return flatten(
        map_items(
            cfg.containers,
            lambda _, c: flatten(map_items(c.forwards, lambda _, f: element(c, f))),
        ),
    )


def _of_one(c: ContainerOptions, f: ForwardOptions) -> list[str]:
    to = text(f.bind, " . ", f.protocol, " . ", f.host_port, " : ", c.address, " . ", f.port)
    return when(all_(_is_carried(c, f), f.bind != ANY), to)


def _of_all(c: ContainerOptions, f: ForwardOptions) -> list[str]:
    to = text(f.protocol, " . ", f.host_port, " : ", c.address, " . ", f.port)
    return when(all_(_is_carried(c, f), f.bind == ANY), to)


def _service(c: ContainerOptions, f: ForwardOptions) -> list[str]:
    return when(_is_carried(c, f), text(c.address, " . ", f.protocol, " . ", f.port))
