"""Hosts of a lab on the fleet's networks, with a hub and an internet that are played there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.holo import LABS, holo, lab, run
from tests.support.lab import NEEDS
from vmtests.places import Switch

pytestmark = pytest.mark.needs(*NEEDS, "nft")

FLEET = """\
name: network
hub: hub
hosts:
  hub:
    address: 192.0.2.10
    networks: [192.0.2.0/24]
    containers:
      nats: &web
        units: {web: {exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000", -h, /etc/holo]}}
        forwards: {web: {port: 8000, host_port: 4222, bind: 192.0.2.10}}
  edge:
    address: 192.0.2.20
    networks: [192.0.2.0/24]
    nameservers: [192.0.2.1]
    containers:
      none: &edge {<<: *web, forwards: {web: {port: 8000}}}
      hub: {<<: *edge, egress: hub}
      internet: {<<: *edge, egress: internet}
      peer: {<<: *edge, allowed_peers: [open], forwards: {web: {port: 8000, engine: socat}}}
      open: {<<: *edge, forwards: {web: {port: 8000, engine: socat}}}
  far:
    address: 198.51.100.7
"""
INTERNET = "203.0.113.9"
"""Played by the switch, which has also the address of everybody's router."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("network")


@pytest.fixture(scope="module")
def network(folder: Path) -> Iterator[str]:
    (folder / "fleet.yaml").write_text(FLEET)
    (folder / "www").mkdir()
    (folder / "www" / "identity.env").write_text("the world")
    with lab(folder / "fleet.yaml") as name:
        record = json.loads((LABS / name / "switches" / "fleet.json").read_text())
        switch = Switch.attach(record)
        switch.address("192.0.2.1/24")
        switch.address(f"{INTERNET}/32")
        serve = ["busybox", "httpd", "-p", f"{INTERNET}:80", "-h", str(folder / "www")]
        switch.succeed(serve)
        for host in ("hub", "edge"):
            route = ["ip", "route", "add", INTERNET, "via", "192.0.2.1"]
            holo("exec", "--lab", name, host, "--", *route)
        own = ["busybox", "httpd", "-p", PLACES["the host"], "-h", "/etc/holo/containers/open"]
        holo("exec", "--lab", name, "edge", "--", *own)
        assert reached(name, "edge", PLACES["the host"])
        yield name


def reached(name: str, place: str, address: str) -> bool:
    ask = ["curl", "--silent", "--max-time", "10", f"http://{address}/identity.env"]
    return run("exec", "--lab", name, place, "--", *ask).returncode == 0


PLACES = {
    "the hub": "192.0.2.10:4222",
    "the internet": INTERNET,
    "the host": "192.0.2.20:80",
    "open": "10.0.88.2:8001",
}


def addresses(name: str) -> dict[str, str]:
    rows = json.loads(run("status", "edge", "--lab", name, "--json").stdout)
    return {row["container"]: row["address"] for row in rows if row["unit"] == "web.service"}


def test_hosts_reach_each_other_by_their_addresses(network: str) -> None:
    for host, others in {
        "hub": ["192.0.2.20", "198.51.100.7"],
        "edge": ["192.0.2.10", "198.51.100.7"],
        "far": ["192.0.2.10", "192.0.2.20"],
    }.items():
        for other in others:
            ping = ["busybox", "ping", "-c1", "-W2", other]
            holo("exec", "--lab", network, host, "--", *ping)


@pytest.mark.parametrize(
    ("container", "expected"),
    {
        "none": set(),
        "hub": {"the hub"},
        "internet": {"the hub", "the internet"},
        "peer": {"open"},
        "open": set(),
    }.items(),
)
def test_a_container_reaches_what_the_fleet_says_and_nothing_else(
    network: str,
    container: str,
    expected: set[str],
) -> None:
    places = {**PLACES, "open": f"{addresses(network)['open']}:8001"}
    if container == "open":
        del places["open"]
    found = {place for place, at in places.items() if reached(network, f"edge/{container}", at)}
    assert found == expected


def test_a_host_that_joins_leaves_the_others_running(network: str, folder: Path) -> None:
    boots = ["cat", "/proc/1/stat"]
    before = {host: holo("exec", "--lab", network, host, "--", *boots) for host in ("hub", "far")}
    fleet = folder / "fleet.yaml"
    fleet.write_text(FLEET + "  new: {address: 198.51.100.8}\n")
    holo("up", fleet, "--lab", network)
    after = {host: holo("exec", "--lab", network, host, "--", *boots) for host in ("hub", "far")}
    for host, stat in before.items():
        assert after[host].split()[21] == stat.split()[21]  # when it started
    ping = ["busybox", "ping", "-c1", "-W2", "198.51.100.8"]
    for host in ("hub", "far"):
        holo("exec", "--lab", network, host, "--", *ping)


def test_there_is_no_way_out_of_the_lab(network: str) -> None:
    for host in ("hub", "edge", "far"):
        routes = holo("exec", "--lab", network, host, "--", "ip", "-j", "route")
        assert all(route["dst"] != "default" for route in json.loads(routes))
        assert not reached(network, host, "9.9.9.9")
