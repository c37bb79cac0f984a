"""A compiled host as a machine with a real systemd, and what tests ask of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from vmtests.places import NspawnMachine

NEEDS = ("nspawn", "socat", "ip", "busybox", "curl")
"""What every such machine needs of this computer."""


def machine(bundle: Path, host: str, binds: dict[str, Path] | None = None) -> NspawnMachine:
    """The machine of one host of a compiled fleet; `binds` are folders that it sees besides."""
    folder = bundle / "systemd" / host
    units = folder / "host"
    return NspawnMachine(
        host,
        files={
            f"/etc/systemd/system/{path.name}": path.read_text()
            for kind in ("service", "socket")
            for path in units.glob(f"*.{kind}")
        },
        binds={
            **{f"/etc/holo/{p.name}": p for p in folder.iterdir() if p != units},
            **{f"/etc/systemd/system/{path.name}": path for path in units.glob("*.wants")},
            **(binds or {}),
        },
    )


def wait(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.05)


def fetch(host: NspawnMachine, address: str) -> str | None:
    """The identity that answers at an address; None where nothing does."""
    done = host.execute(["curl", "-sS", "--max-time", "10", f"http://{address}/identity.env"])
    return done.stdout.decode() if done.returncode == 0 else None


REFUSED = 7
"""How curl ends where nothing listens; 28 is that nobody answers."""


def is_refused(host: NspawnMachine, address: str) -> bool:
    """Whether a connection to an address is refused at once."""
    return (
        host.execute(["curl", "-sS", "--max-time", "3", f"http://{address}/"]).returncode == REFUSED
    )


def world(host: str, hub: str, internet: str) -> list[list[str]]:
    """Commands that give a machine its address, and neighbours: a hub and the internet, which serve
    /srv. All of it is in the machine's own namespaces.
    """
    commands = [
        "ip netns add world",
        "ip link add uplink type veth peer name outside netns world",
        f"ip address add {host}/24 dev uplink",
        "ip link set uplink up",
        f"ip -n world address add {hub}/24 dev outside",
        f"ip -n world address add {internet}/32 dev outside",
        "ip -n world link set outside up",
        f"ip route add {internet} via {hub}",
        "ip netns exec world busybox httpd -p 80 -h /srv",
    ]
    return [command.split() for command in commands]
