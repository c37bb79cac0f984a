"""Networks between machines: a bridge in a network namespace of its own, without a way out."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self

from vmtests.places.enter import Door
from vmtests.places.keeper import POLL
from vmtests.places.namespace import MachineError, Namespaces, Record, run_among
from vmtests.places.place import Place

SWITCH_TIMEOUT = 30.0
BRIDGE = "bridge"
_INTERFACE = re.compile(r"[a-z][a-z0-9-]{0,14}")
_NET = ["--net"]
_IP = ("ip", "-batch", "-")
# Forwards from the first moment, without a look around: no loops, no groups, no addresses that the
# kernel makes up, announces and first tries.
_BRIDGE = f"""\
link set dev lo up
link add name {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0
link set dev {BRIDGE} addrgenmode none up
"""


class SwitchRecord(Record):
    """What another process needs to find a switch again, or what is left of it; JSON."""

    name: str


class Switch(Place):
    """A switch that machines can be connected to, and of which nothing is left after the block.

    Commands run beside it, with this computer's files and programs: they see its bridge as the
    interface `bridge` and, when that has an address, the machines connected. So servers and clients
    can stand there which play the rest of the world.

        with Switch("net") as switch, NspawnMachine("a") as machine:
            switch.address("192.0.2.1/24")
            switch.connect(machine, "uplink", "192.0.2.21/24")
            assert machine.succeed(["ping", "-c1", "192.0.2.1"])
    """

    @classmethod
    def attach(cls, record: SwitchRecord) -> Self:
        """The switch of a record, wherever it was started; MachineError if it is gone."""
        switch = cls(record["name"])
        try:
            switch._namespaces = Namespaces.attach(record)
        except MachineError as error:
            raise MachineError(f"{switch.name}: {error}") from None
        return switch

    def record(self) -> SwitchRecord:
        """What `attach` and, when the switch is gone, `sweep` take."""
        return {**self.namespaces.record(), "name": self.name}

    def start(self, timeout: float = SWITCH_TIMEOUT) -> None:
        """Make it; MachineError after `timeout` seconds and where that fails."""
        if self._namespaces is not None:
            raise MachineError(f"{self.name}: already started; kill() comes first")
        space = Namespaces.create(self.name, timeout)
        try:
            space.run(*_IP, stdin=_BRIDGE)
        except BaseException:
            space.end()
            raise
        self._namespaces = space

    def address(self, address: str) -> None:
        """Give the bridge an address with the length of its network, as in "192.0.2.1/24"."""
        self.namespaces.run(*_IP, stdin=_add(address, BRIDGE))

    def connect(self, machine: Place, interface: str, address: str | None = None) -> None:
        """Put an interface into a machine, or into another switch, that leads to this one.

        `interface`: `[a-z][a-z0-9-]*`, 15 characters, new there. `address`: it gets that, with the
        length of its network, as in "192.0.2.21/24". Returns when packets pass.
        """
        if not _INTERFACE.fullmatch(interface):
            raise ValueError(f"interface {interface!r}: must be [a-z][a-z0-9-]*, 15 characters")
        inside = f"link set dev {interface} addrgenmode none up\n"
        if address is not None:
            inside += _add(address, interface)
        pid, own, port = machine.pid, self.pid, port_of(machine, interface)
        # Made from here with one end there: never in this computer's own network, not even shortly.
        outside = (
            f"link add name {port} type veth peer name {interface}"
            f" address {_mac(machine, interface)} netns {pid}\n"
            f"link set dev {port} master {BRIDGE} addrgenmode none up\n"
        )
        with self._telling(machine, interface):
            self.namespaces.run(*_IP, stdin=outside)
            try:
                run_among(pid, _NET, _IP, inside)
                self._await([(pid, interface), (own, port), (own, BRIDGE)])
            except BaseException:
                self.disconnect(machine, interface)
                raise

    def disconnect(self, machine: Place, interface: str) -> None:
        """Pull the cable; the interface is gone from the machine."""
        with self._telling(machine, interface):
            self.namespaces.run("ip", "link", "delete", "dev", port_of(machine, interface))

    def _await(self, ends: Iterable[tuple[int, str]]) -> None:
        """Return when the kernel lets packets through, which it does on its own time.

        Before, it drops them, and a first packet that asks for an address is repeated after 1 s.
        """
        deadline = time.monotonic() + SWITCH_TIMEOUT
        for pid, device in ends:
            while not _passes(pid, device):
                if time.monotonic() > deadline:
                    raise MachineError(f"{device} is not up after {SWITCH_TIMEOUT:g} s")
                time.sleep(POLL / 10)

    @contextmanager
    def _telling(self, machine: Place, interface: str) -> Iterator[None]:
        try:
            yield
        except MachineError as error:
            raise MachineError(f"{self.name}: {machine.name}: {interface}: {error}") from None

    def _door(self) -> Door:
        return Door(self.namespaces.process.pid, ["--mount", "--net"])


def _passes(pid: int, device: str) -> bool:
    """Whether a device is up and, where it is a port of a bridge, that forwards."""
    show = ["ip", "-json", "-details", "link", "show", "dev", device]
    [link] = json.loads(run_among(pid, _NET, show))
    port = link.get("linkinfo", {}).get("info_slave_data", {})
    return bool(link["operstate"] == "UP" and port.get("state", "forwarding") == "forwarding")


def port_of(machine: Place, interface: str) -> str:
    """The bridge's end of a cable: any process finds its name again."""
    cable = f"{machine.namespaces.record()['cgroup']} {interface}"
    return f"p{hashlib.sha256(cable.encode()).hexdigest()[:12]}"


def _mac(machine: Place, interface: str) -> str:
    """The interface's own address, of those for local use: the same after each boot, as on a card.

    Else neighbours would send to the former one until they have given it up.
    """
    digest = hashlib.sha256(f"{machine.name} {interface}".encode()).hexdigest()
    return ":".join(["02", *(digest[at : at + 2] for at in range(0, 10, 2))])


def _add(address: str, interface: str) -> str:
    """What `ip` is to do; ValueError where the address is none or has no length."""
    if "/" not in address:
        raise ValueError(f"address {address!r}: must have the length of its network, as in /24")
    given = ipaddress.ip_interface(address)
    # Else an IPv6 address is first asked after for a second, in which nobody can use it.
    how = " nodad" if given.version == 6 else ""  # noqa: PLR2004 (of IPv6)
    return f"address add {given.with_prefixlen} dev {interface}{how}\n"
