"""Switches: machines that reach each other over them, and nothing else."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.traces import assert_gone, forget_namespaces, pids_of, remember_namespaces
from vmtests.places import MachineError, NspawnMachine, Switch
from vmtests.places.place import Place

pytestmark = pytest.mark.needs("nspawn", "ip", "busybox", "curl")

PING = ["busybox", "ping", "-c1", "-W1"]


@pytest.fixture(autouse=True)
def fresh_traces() -> Iterator[None]:
    yield
    forget_namespaces()


@pytest.fixture
def net() -> Iterator[Switch]:
    with Switch("net") as switch:
        yield switch


def links(place: Place) -> set[str]:
    return {link["ifname"] for link in json.loads(place.succeed(["ip", "-json", "link"]))}


def links_here() -> str:
    return subprocess.run(["ip", "link"], check=True, capture_output=True, text=True).stdout


def test_machines_reach_each_other_and_the_world_and_nothing_else(
    net: Switch, tmp_path: Path
) -> None:
    before = links_here()
    (tmp_path / "page").write_text("from the world\n")
    net.address("192.0.2.1/24")
    net.address("198.51.100.7/32")
    httpd = ["busybox", "httpd", "-f", "-p", "80", "-h", str(tmp_path)]
    with NspawnMachine("reached") as a, Switch("b") as b, net.popen(httpd) as server:
        net.connect(a, "uplink", "192.0.2.21/24")
        net.connect(b, "uplink", "192.0.2.22/24")
        # At once: no look around, no listening, no learning.
        a.succeed([*PING, "192.0.2.22"])
        b.succeed([*PING, "192.0.2.21"])
        net.succeed([*PING, "192.0.2.21"])
        a.succeed(["ip", "route", "add", "198.51.100.7", "via", "192.0.2.1"])
        get = ["curl", "-sS", "--retry", "5", "--retry-connrefused"]
        for address in ("192.0.2.1", "198.51.100.7"):
            assert a.succeed([*get, f"http://{address}/page"]) == "from the world\n"
        for place in (a, net, b):
            assert "default" not in place.succeed(["ip", "route"])
            assert place.execute([*PING, "203.0.113.1"]).returncode != 0
        assert links_here() == before
        assert links(a) == {"lo", "uplink"}
        server.kill()
    assert_gone("reached")


def test_two_interfaces_and_two_families(net: Switch) -> None:
    with Switch("b") as b:
        net.address("2001:db8::1/64")
        net.connect(b, "uplink", "2001:db8::2/64")
        net.connect(b, "other")
        b.succeed([*PING, "2001:db8::1"])  # in no second of asking who else has it
        assert {"uplink", "other"} <= links(b)
        [other] = json.loads(b.succeed(["ip", "-json", "address", "show", "dev", "other"]))
        assert other["addr_info"] == []
        assert "UP" in other["flags"]


def test_cable_can_be_pulled_and_put_back_also_by_another_process(net: Switch) -> None:
    with Switch("b") as b:
        net.address("192.0.2.1/24")
        net.connect(b, "uplink", "192.0.2.22/24")
        # Both as another process finds them, which is as they are found after detaching.
        far, near = Switch.attach(net.record()), Switch.attach(b.record())
        far.disconnect(near, "uplink")
        assert "uplink" not in links(b)
        assert len(links(net)) == 2
        far.connect(near, "uplink", "192.0.2.23/24")
        b.succeed([*PING, "192.0.2.1"])
        net.succeed([*PING, "192.0.2.23"])


def test_interface_that_is_there_is_left_alone(net: Switch) -> None:
    with Switch("b") as b:
        net.connect(b, "uplink", "192.0.2.22/24")
        with pytest.raises(MachineError, match=r"(?s)net: b: uplink: .*File exists"):
            net.connect(b, "uplink", "192.0.2.23/24")
        with pytest.raises(MachineError, match=r"(?s)net: b: lo: .*File exists"):
            net.connect(b, "lo", "192.0.2.23/24")
        with pytest.raises(MachineError, match=r"(?s)net: b: none: .*Cannot find device"):
            net.disconnect(b, "none")
        net.address("192.0.2.1/24")
        net.succeed([*PING, "192.0.2.22"])


def test_names_and_addresses_that_cannot_be_are_refused_and_leave_nothing(net: Switch) -> None:
    with Switch("b") as b:
        for interface in ("", "Uplink", "a b", "a" * 16, "-a"):
            with pytest.raises(ValueError, match=r"interface .*: must be"):
                net.connect(b, interface, "192.0.2.22/24")
        for address in ("192.0.2.22", "192.0.2.300/24", "192.0.2.22/33", "x", "192.0.2.1/24\nx"):
            with pytest.raises(ValueError, match=r"192\.0\.2|x"):
                net.connect(b, "uplink", address)
            with pytest.raises(ValueError, match=r"192\.0\.2|x"):
                net.address(address)
        assert links(b) == {"lo", "bridge"}
        assert links(net) == {"lo", "bridge"}


def test_machine_that_ends_leaves_its_port_free(net: Switch) -> None:
    net.address("192.0.2.1/24")
    for _ in range(2):
        with Switch("b") as b:
            net.connect(b, "uplink", "192.0.2.22/24")
            net.succeed([*PING, "192.0.2.22"])
    deadline = time.monotonic() + 5
    while links(net) != {"lo", "bridge"} and time.monotonic() < deadline:
        time.sleep(0.02)  # the kernel takes networks down on its own time
    assert links(net) == {"lo", "bridge"}


def test_nothing_is_left_of_a_switch_with_its_servers() -> None:
    with Switch("whole") as switch:
        remember_namespaces(*pids_of(switch))
        switch.connect(switch, "loop", "192.0.2.1/24")
        server = switch.popen(["busybox", "httpd", "-f", "-p", "80"])
    with server:
        assert server.wait(5) < 0
    assert_gone("whole")


def test_switch_that_is_off_or_on_already_says_so(net: Switch) -> None:
    with pytest.raises(MachineError, match=r"idle: not started; use `with` or start\(\)"):
        Switch("idle").address("192.0.2.1/24")
    with pytest.raises(MachineError, match="net: already started"):
        net.start()
    with pytest.raises(ValueError, match=r"name 'a/b': must be"):
        Switch("a/b")
    with Switch("b") as b:
        b.namespaces.process.kill()
        assert b.namespaces.wait(5)
        with pytest.raises(MachineError, match="b: it is off"):
            net.connect(b, "uplink")
