"""Containers as units of our own: a network namespace with a /30, and systemd-nspawn in it.

NixOS's `containers.<name>` is not used: it renders through scripts of its own, sets
point-to-point addresses, and passes bind mounts unquoted.
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.options import BindMountOptions, ContainerOptions, Holo
from holo_infra.services.directives import CONFINED, NO_START_LIMIT
from nixgen import (
    all_,
    any_,
    coalesce,
    concat,
    define,
    each,
    exe,
    flatten,
    given,
    if_,
    if_given,
    join,
    map_items,
    map_list,
    named,
    not_,
    only_if,
    text,
    when,
)
from nixgen.systemd import as_written, exec_line, mount_path, unit

IDENTITY = "/etc/holo/identity.env"
"""Inside a container: the environment file that says what differs between containers of a class."""

LINK = "holo-"
"""How the names of the host's ends of links begin. systemd-networkd would take `ve-…` for its own:
its 80-container-ve.network gives such a link addresses, a DHCP server and a way out."""

FIREWALL = "holo-firewall.service"
"""The unit that loads the rules for what containers may reach."""

FILES = "/etc/holo/containers"
"""On a host: a folder for each container, with its identity and, without NixOS, its units."""


NOT_INSIDE = (
    *("systemd-firstboot.service", "systemd-machine-id-commit.service"),
    *("systemd-logind.service", "systemd-user-sessions.service"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"),
    *("systemd-journal-flush.service", "systemd-remount-fs.service"),
    *("systemd-tmpfiles-setup-dev.service", "dev-hugepages.mount"),
    "sys-fs-fuse-connections.mount",
)
"""Of the units that every boot of systemd has: those that a container from `/usr` would wait for in
vain. Nobody logs in, nothing is kept over a shutdown, devices are nspawn's."""


def container_unit(name: str) -> str:
    """The unit that runs a container. The name may be known, or recorded in a definition."""
    return text("container@", name, ".service")


def namespace_unit(name: str) -> str:
    """The unit that makes the network namespace of a private container."""
    return text("netns-", name, ".service")


@define("containers", path="holo", declares=["containers"])
def containers(cfg: Holo) -> dict[str, Any]:
    """Containers of this host, each with its network namespace, by systemd-nspawn."""
    return {
        # A host that asks for addresses on all its links must not ask here.
        "networking": {
            "dhcpcd": {
                "denyInterfaces": flatten(map_items(cfg.containers, lambda _, c: _links(c))),
            },
        },
        "environment": {
            "etc": each(
                cfg.containers,
                lambda name, c: {
                    text("holo/containers/", name, "/identity.env"): {"text": _identity(name, c)},
                    text("holo/containers/", name, "/resolv.conf"): only_if(
                        _resolves(cfg, c),
                        {"text": _resolv_conf(cfg)},
                    ),
                },
            ),
        },
        "systemd": {
            "services": each(
                cfg.containers,
                lambda name, c: {
                    text("netns-", name): only_if(c.network == "private", _namespace(name, c)),
                    text("container@", name): _container(cfg, name, c),
                },
            ),
        },
    }


def _identity(name: str, c: ContainerOptions) -> str:
    address = if_(c.network == "private", c.address, "127.0.0.1")
    # In quotes of its own, which NATS reads: no domain is taken for a number.
    domain = if_(given(c.domain), text("HOLO_DOMAIN='\"", coalesce(c.domain, ""), "\"'\n"), "")
    return text("HOLO_CONTAINER=", name, "\nHOLO_ADDRESS=", address, "\n", domain)


def link_of(c: ContainerOptions) -> str:
    """The host's end of a container's link."""
    return text(LINK, c.index)


def _links(c: ContainerOptions) -> list[str]:
    return when(c.network == "private", link_of(c))


def reaches_out(c: ContainerOptions) -> bool:
    """Whether the host forwards packets that the container sends."""
    leaves = any_(c.egress != "none", not_(c.isolated), c.allowed_peers != [])
    return all_(c.network == "private", leaves)


def _resolves(cfg: Holo, c: ContainerOptions) -> bool:
    """Whether the container may ask the host's name servers."""
    return all_(c.network == "private", c.egress == "internet", cfg.nameservers != [])


def _resolv_conf(cfg: Holo) -> str:
    return join("", map_list(cfg.nameservers, lambda address: text("nameserver ", address, "\n")))


def _namespace(name: str, c: ContainerOptions) -> dict[str, Any]:
    ip = named("ip", exe("iproute2", "ip"))
    link = named("link", link_of(c))
    clean = [
        exec_line(ip, "link", "delete", link, may_fail=True),
        exec_line(ip, "netns", "delete", name, may_fail=True),
    ]
    return unit(
        text("Network namespace of container ", name),
        unit_config=NO_START_LIMIT,
        # Not StopWhenUnneeded: that stops it between a crash of the container and its restart, and
        # the container with it.
        part_of=[container_unit(name)],
        # No packet of the container's before there are rules for it: ExecStartPre fails without.
        # Not Requires: rules that are loaded anew would take the containers down.
        after=[FIREWALL],
        wants=[FIREWALL],
        service=[
            CONFINED,
            {
                "Type": "oneshot",
                "RemainAfterExit": True,
                "ExecStartPre": [
                    exec_line(
                        *(exe("nftables", "nft"), "get", "element", "inet", "holo", "links"),
                        text('{ "', link, '" }'),
                    ),
                    *clean,  # what a crash has left
                ],
                "StandardOutput": "null",  # nft tells what it finds
                "StandardError": "journal",
                "ExecStart": [
                    exec_line(ip, "netns", "add", name),
                    exec_line(
                        ip, "link", "add", link, "type", "veth", "peer", "host0", "netns", name
                    ),
                    exec_line(ip, "address", "add", text(c.host_address, "/30"), "dev", link),
                    exec_line(ip, "link", "set", link, "up"),
                    exec_line(
                        ip, "-n", name, "address", "add", text(c.address, "/30"), "dev", "host0"
                    ),
                    exec_line(ip, "-n", name, "link", "set", "host0", "up"),
                    exec_line(ip, "-n", name, "link", "set", "lo", "up"),
                    # Without a way out too: it answers peers. The firewall says who else is heard.
                    exec_line(ip, "-n", name, "route", "add", "default", "via", c.host_address),
                ],
                "ExecStopPost": clean,
                # Exposed to 4: `ip netns add` mounts the namespace for all of the host to see, so
                # the unit can have no mount namespace of its own, and needs two capabilities.
                "CapabilityBoundingSet": "CAP_NET_ADMIN CAP_SYS_ADMIN",
                "DevicePolicy": "closed",
                "IPAddressDeny": "any",
                "KeyringMode": "private",
                "ProtectClock": True,
                "ProtectHostname": True,
                "RestrictAddressFamilies": "AF_NETLINK",
                "RestrictNamespaces": "net mnt",
                "SystemCallFilter": "@system-service @mount",
            },
        ],
    )


def _container(cfg: Holo, name: str, c: ContainerOptions) -> dict[str, Any]:
    namespace = named("namespace", namespace_unit(name))
    private = c.network == "private"
    limits = c.limits
    folder = named("folder", text(FILES, "/", name))
    root = named("root", text("holo/containers/", name))
    state = named("state", coalesce(c.state, text("/var/lib/holo/state/", name)))
    return unit(
        text("Container ", name),
        unit_config=NO_START_LIMIT,
        after=concat(["network.target"], when(private, namespace)),
        binds_to=when(private, namespace),
        wanted_by=["multi-user.target"],
        # Files that are mounted, and stay what they were until then.
        triggers=concat([_identity(name, c)], when(_resolves(cfg, c), _resolv_conf(cfg))),
        # Exposed to 9.5: systemd-nspawn makes the namespaces, mounts and devices of a machine, and
        # is itself the sandbox of what runs in it, which inherits what is forbidden here.
        service=[
            {
                "Type": "notify",
                "ExecStartPre": exec_line(exe("coreutils", "mkdir"), "--parents", state),
                "ExecStart": exec_line(
                    exe("systemd", "systemd-nspawn"),
                    *("--quiet", "--keep-unit", "--notify-ready=yes", "--kill-signal=SIGRTMIN+3"),
                    *("--settings=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off"),
                    text("--machine=", name),
                    text("--bind-ro=", folder, "/identity.env:", IDENTITY),
                    when(
                        private,
                        text("--network-namespace-path=/run/netns/", name),
                        "--capability=CAP_NET_ADMIN",  # as nspawn gives with --private-network
                    ),
                    when(
                        _resolves(cfg, c),
                        text("--bind-ro=", folder, "/resolv.conf:/etc/resolv.conf"),
                    ),
                    text("--bind=", mount_path(state), ":/var/lib"),
                    map_items(c.bind_mounts, _bind_mount),
                    map_items(
                        c.secrets, lambda name, path: text("--load-credential=", name, ":", path)
                    ),
                    c.nspawn_args,
                    if_given(
                        c.system,
                        lambda system: [
                            *(text("--directory=/var/lib/", root), "--bind-ro=/nix/store"),
                            text(system, "/init"),
                        ],
                    ),
                    when(
                        all_(not_(given(c.system)), c.files),
                        text("--bind-ro=", folder, "/services:/etc/holo/services"),
                    ),
                    when(
                        not_(given(c.system)),
                        *("--directory=/", "--volatile=yes", "--boot"),
                        text("--bind-ro=", folder, "/units:/etc/systemd/system"),
                        text("--bind-ro=", folder, "/presets:/etc/systemd/system-preset"),
                        "systemd.firstboot=off",  # an empty /etc would make init ask questions
                        *(f"systemd.mask={name}" for name in NOT_INSIDE),
                    ),
                ),
                "StateDirectory": [root, text(root, "/usr")],
                "StateDirectoryMode": "0755",
                "KillMode": "mixed",
                "Restart": "on-failure",
                "RestartSec": 2,
                "RestartForceExitStatus": 133,  # the container asks for a reboot
                "SuccessExitStatus": 133,
                "TimeoutStartSec": 300,
                "MemoryMax": only_if(given(limits.memory), coalesce(limits.memory, "infinity")),
                "CPUQuota": only_if(
                    given(limits.cpu_percent),
                    as_written(text(coalesce(limits.cpu_percent, 100), "%")),
                ),
                "TasksMax": only_if(given(limits.tasks), coalesce(limits.tasks, 1)),
                "Delegate": True,
                "Slice": "machine.slice",
                "DevicePolicy": "closed",
                "DeviceAllow": ["char-pts rw", "/dev/net/tun rwm"],
            }
        ],
    )


def _bind_mount(inside: str, mount: BindMountOptions) -> str:
    paths = text(mount_path(mount.source), ":", mount_path(inside))
    return text(if_(mount.writable, "--bind=", "--bind-ro="), paths)
