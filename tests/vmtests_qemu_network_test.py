"""Networks between machines by QEMU and others: cut, lossy, slow."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from vmtests import Nspawn, Vlan
from vmtests.places import MachineError
from vmtests.qemu import Qemu, debian_image

pytestmark = pytest.mark.needs(
    "qemu", "qemu-img", "mmdebstrap", "mke2fs", "modprobe", "cpio", "ip", "nft", "nspawn"
)
TIMEOUT = 60.0


@pytest.fixture(scope="module")
def machine() -> Iterator[Qemu]:
    vm = Qemu("one", debian_image())
    try:
        vm.start()
        yield vm
    finally:
        vm.crash()


@pytest.fixture(scope="module")
def net(machine: Qemu) -> Iterator[Vlan]:
    with Vlan("net") as vlan:
        machine.connect(vlan, "eth1", "192.0.2.1/24")
        yield vlan


def reaches(machine: Qemu, address: str) -> bool:
    # A ping gives up when its address has been asked for in vain, be it before.
    again = f"for try in $(seq 10); do ping -q -c1 -w2 {address} && exit; done; exit 1"
    return machine.run(["bash", "-c", again], TIMEOUT).returncode == 0


def lacks(machine: Qemu, address: str) -> bool:
    done = machine.run(["ping", "-q", "-c2", "-w2", address], TIMEOUT)
    return done.returncode != 0 and b" 0 received" in done.stdout


def fastest(machine: Qemu, address: str) -> float:
    """Milliseconds until an answer."""
    said = machine.run(["ping", "-q", "-c3", address], TIMEOUT).stdout.decode()
    found = re.search(r"= ([\d.]+)/", said)
    assert found is not None, said
    return float(found[1])


def carrier(machine: Qemu, interface: str) -> str:
    done = machine.run(["cat", f"/sys/class/net/{interface}/carrier"], TIMEOUT)
    return done.stdout.decode().strip()


def test_two_machines_reach_each_other_with_addresses_of_their_own(
    machine: Qemu, net: Vlan
) -> None:
    other = Qemu("two", debian_image())
    try:
        other.start()
        other.connect(net, "uplink", "192.0.2.2/24")
        other.connect(net, "six", "2001:db8::2/64")
        assert reaches(machine, "192.0.2.2")
        assert reaches(other, "192.0.2.1")
        show = ["cat", "/sys/class/net/eth1/address"]
        mine = machine.run(show, TIMEOUT).stdout
        its = other.run([show[0], "/sys/class/net/uplink/address"], TIMEOUT).stdout
        assert mine != its
        net.address("2001:db8::1/64")
        assert reaches(other, "2001:db8::1")
        other.connect(net, "third")
        other.connect(net, "fourth")
        with pytest.raises(MachineError, match="two: fifth: has 4 cards"):
            other.connect(net, "fifth")
    finally:
        other.crash()


def test_machine_of_nspawn_is_on_the_same_network(machine: Qemu, net: Vlan) -> None:
    other = Nspawn("three")
    try:
        other.start()
        other.connect(net, "eth1", "192.0.2.3/24")
        assert reaches(machine, "192.0.2.3")
        assert not reaches(machine, "203.0.113.1")
    finally:
        other.crash()


def test_cable_is_cut_and_mended(machine: Qemu, net: Vlan) -> None:
    net.address("192.0.2.9/24")
    assert reaches(machine, "192.0.2.9")
    machine.block()
    assert lacks(machine, "192.0.2.9")
    assert carrier(machine, "eth1") == "0"
    begun = time.monotonic()
    machine.unblock()
    assert reaches(machine, "192.0.2.9")
    assert time.monotonic() - begun < 15  # one on an idle computer
    assert carrier(machine, "eth1") == "1"
    net.cut(machine.place, "eth1")
    assert lacks(machine, "192.0.2.9")
    net.mend(machine.place, "eth1")
    assert reaches(machine, "192.0.2.9")


def test_cable_loses_all_or_some(machine: Qemu, net: Vlan) -> None:
    net.address("192.0.2.10/24")
    assert reaches(machine, "192.0.2.10")
    machine.lose(100)
    assert lacks(machine, "192.0.2.10")
    assert carrier(machine, "eth1") == "1"
    machine.lose(0)
    assert reaches(machine, "192.0.2.10")


def test_cable_is_slow(machine: Qemu, net: Vlan) -> None:
    net.address("192.0.2.11/24")
    assert reaches(machine, "192.0.2.11")
    assert reaches(machine, "192.0.2.11")
    machine.slow(300)
    assert fastest(machine, "192.0.2.11") >= 299
    machine.slow(0)
    assert fastest(machine, "192.0.2.11") < 299


def test_cables_are_there_after_a_restore(machine: Qemu, net: Vlan) -> None:
    net.address("192.0.2.12/24")
    machine.snapshot("joined")
    machine.run(["ip", "link", "delete", "dev", "eth1"], TIMEOUT)
    machine.restore("joined")
    assert reaches(machine, "192.0.2.12")
