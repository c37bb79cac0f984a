"""What private containers may reach: nftables rules in a table of our own, loaded as a whole.

By default a container answers its host and nothing else; what it asks is refused at once. Its
peers, the hub and the internet are opened one by one. What other tables of the host say holds too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holo_infra.model.options import ContainerOptions, Holo
from holo_infra.network.nftables import elements, is_exposed, parts
from holo_infra.services.containers import FIREWALL, link_of, reaches_out
from holo_infra.services.directives import CONFINED, SANDBOX_WITH_SYSCTL
from nixgen import (
    all_,
    any_,
    concat,
    define,
    exe,
    flatten,
    if_given,
    join,
    lookup,
    map_items,
    map_list,
    named,
    not_,
    only_if,
    text,
    when,
)
from nixgen.systemd import exec_line, unit

RULES = "holo/firewall.nft"
"""The rules' file below /etc."""
LINK_LOCAL = "169.254.0.0/16"
"""What no router passes on, by RFC 3927."""


@define("firewall", path="holo", declares=["hub", "nameservers"])
def firewall(cfg: Holo) -> dict[str, Any]:
    """What containers in private networks may reach, by nftables."""
    links = named("links", _links(cfg, lambda c: c.network == "private"))
    rules = named("rules", _rules(cfg, links))
    return {
        "environment": {"etc": {RULES: only_if(links != [], {"text": rules})}},
        "systemd": {
            "services": {
                FIREWALL.removesuffix(".service"): only_if(links != [], _unit(cfg, rules)),
            },
        },
    }


def _links(cfg: Holo, belongs: Callable[[ContainerOptions], bool]) -> list[str]:
    """The host's ends of the containers' links, quoted."""
    return flatten(
        map_items(cfg.containers, lambda _, c: when(belongs(c), text('"', link_of(c), '"')))
    )


def _leads_to(egress: str) -> Callable[[ContainerOptions], bool]:
    return lambda c: all_(c.network == "private", c.egress == egress)


def _rules(cfg: Holo, links: list[str]) -> str:
    to_hub = named("toHub", _links(cfg, _leads_to("hub")))
    to_internet = named("toInternet", _links(cfg, _leads_to("internet")))
    together = _links(cfg, lambda c: all_(c.network == "private", not_(c.isolated)))
    together = named("together", together)
    # Nobody outside knows the way back to a container's address.
    leaving = flatten(
        map_items(
            cfg.containers,
            lambda _, c: when(all_(c.network == "private", c.egress != "none"), c.address),
        ),
    )
    leaving = named("leaving", leaving)
    hub = named(
        "hub",
        if_given(
            cfg.hub,
            lambda address: when(
                to_hub != [], text("    iifname @hub ip daddr ", address, " accept")
            ),
        ),
    )
    led = parts(cfg)
    lines = concat(
        # Together these two replace the table in one step, whether it is there or not.
        ["table inet holo", "delete table inet holo", "table inet holo {"],
        elements("set links", "ifname", links),
        elements("set together", "ifname", together),
        elements("set hub", "ifname", to_hub),
        elements("set internet", "ifname", to_internet),
        elements("set leaving", "ipv4_addr", leaving),
        led.sets,
        [
            "  chain input {",
            "    type filter hook input priority filter; policy accept;",
            "    iifname @links ct state established,related accept",
        ],
        hub,
        [
            "    iifname @links reject with icmpx admin-prohibited",
            "  }",
            "  chain forward {",
            "    type filter hook forward priority filter; policy accept;",
        ],
        led.refused,
        [
            "    iifname != @links oifname != @links accept",
            "    ct state established,related accept",
        ],
        led.accepted,
        flatten(map_items(cfg.containers, lambda _, c: _peers(cfg, c))),
        when(together != [], "    iifname @together oifname @together accept"),
        hub,
        # A cloud hands its servers' secrets to whoever asks at such an address.
        when(
            to_internet != [],
            f"    iifname @internet oifname != @links ip daddr != {LINK_LOCAL} accept",
        ),
        ["    reject with icmpx admin-prohibited", "  }"],
        led.chains,
        when(
            leaving != [],
            "  chain postrouting {",
            "    type nat hook postrouting priority srcnat; policy accept;",
            "    ip saddr @leaving oifname != @links masquerade",
            "  }",
        ),
        ["}", ""],
    )
    return join("\n", lines)


def _peers(cfg: Holo, c: ContainerOptions) -> list[str]:
    def rule(name: str) -> list[str]:
        peer = named("peer", lookup(cfg.containers, name))
        way = text('    iifname "', link_of(c), '" oifname "', link_of(peer), '" accept')
        return when(all_(c.network == "private", peer.network == "private"), way)

    return flatten(map_list(c.allowed_peers, rule))


def _unit(cfg: Holo, rules: str) -> dict[str, Any]:
    nft = named("nft", exe("nftables", "nft"))
    forwarding = flatten(
        map_items(
            cfg.containers,
            lambda name, c: when(any_(reaches_out(c), is_exposed(c)), name),
        ),
    )
    load = concat(
        [exec_line(nft, "--file", f"/etc/{RULES}")],
        when(
            forwarding != [],
            exec_line(exe("procps", "sysctl"), "--quiet", "net.ipv4.ip_forward=1"),
        ),
    )
    load = named("load", load)
    return unit(
        "What containers may reach",
        after=["nftables.service", "systemd-sysctl.service"],
        # Whoever loads the host's own rules anew has flushed ours.
        part_of=["nftables.service"],
        wanted_by=["multi-user.target", "nftables.service"],
        unit_config={"ReloadPropagatedFrom": "nftables.service"},
        triggers=[rules],
        reloads=True,
        service=[
            CONFINED,
            SANDBOX_WITH_SYSCTL,
            {
                "Type": "oneshot",
                "RemainAfterExit": True,
                # No ExecStop: while containers run, the rules stay.
                "ExecStart": load,
                "ExecReload": load,
                # Exposed a little more than others: this is the host's network, by its nature.
                "AmbientCapabilities": "CAP_NET_ADMIN",
                "CapabilityBoundingSet": "CAP_NET_ADMIN",
                "IPAddressDeny": "any",
                "RestrictAddressFamilies": "AF_NETLINK",
            },
        ],
    )
