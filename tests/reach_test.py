"""What containers may reach, on a real systemd, in a world with a hub and an internet."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from holo_infra import Container, Fleet, Forward, Host, Unit
from holo_infra.plan import write
from holo_infra.targets.systemd import systemd
from tests.support import fleets, lab
from tests.support.lab import NEEDS, fetch, machine, wait
from vmtests.places import NspawnMachine

pytestmark = pytest.mark.needs(*NEEDS, "nft")


ECHO = 5300
"""The port of a service that gives back what it gets by UDP."""
HUB, INTERNET, HOST = "192.0.2.1", "198.51.100.9", "192.0.2.7"
METADATA = "169.254.169.254"
"""Where a cloud tells a server, and whoever else asks, what it is to know."""
BEYOND = (HUB, INTERNET, METADATA)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    serve = ["busybox", "httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/etc/holo"]

    def container(**fields: Any) -> Container:
        forward = Forward(port=8080, engine="socat")  # peers reach it at the container's address
        units = {"web": Unit(exec_start=serve)}
        return Container(units=units, forwards={"web": forward}, **fields)

    containers = {
        "alone": container(),
        "tohub": container(egress="hub"),
        "toworld": container(egress="internet"),
        "friend": container(allowed_peers=["alone"]),
        "open0": container(isolated=False),
        "open1": container(isolated=False),
    }
    hosts = {
        "alpha": Host(containers=containers, address=HOST, nameservers=["198.51.100.53"]),
        "hub": Host(address=HUB),
    }
    fleet = Fleet(name="world", hub="hub", hosts=hosts)
    folder = tmp_path_factory.mktemp("world")
    write(systemd(fleets.lowered(fleet)), folder / "out")
    (folder / "www").mkdir()
    (folder / "www" / "identity.env").write_text("the world")
    with machine(folder / "out", "alpha", {"/srv": folder / "www"}) as running:
        for command in lab.world(HOST, HUB, INTERNET):
            running.succeed(command)
        running.succeed(["ip", "-n", "world", "address", "add", f"{METADATA}/32", "dev", "outside"])
        running.succeed(["ip", "route", "add", METADATA, "via", HUB])
        # Something to be reached: on the host at all its addresses, and by UDP, there and beyond.
        running.succeed(["busybox", "httpd", "-p", "9000", "-h", "/srv"])
        beyond = ["ip", "netns", "exec", "world"]
        bound = [(beyond, f",bind={address}") for address in BEYOND]
        for own, address in (([], ""), *bound):
            echo = ["socat", f"UDP4-LISTEN:{ECHO}{address},fork,reuseaddr", "PIPE"]
            running.succeed(["systemd-run", "--quiet", *own, *echo])
        for name in containers:
            running.wait_for_unit(f"socat-{name}-web.service")
        yield running


ADDRESSES = {"alone": 85, "tohub": 86, "toworld": 87, "friend": 88, "open0": 89, "open1": 90}
REACHED = {
    "alone": set(),
    "friend": {"alone"},
    "open0": {"open1"},
    "open1": {"open0"},
    "tohub": {HUB},
    "toworld": {HUB, INTERNET},
}


def enter(world: NspawnMachine, name: str) -> list[str]:
    """What begins a command of the host in a container's network."""
    leader = world.succeed(["machinectl", "show", name, "--property=Leader", "--value"]).strip()
    return ["nsenter", f"--target={leader}", "--net"]


@pytest.mark.parametrize("name", REACHED)
def test_a_container_reaches_what_the_fleet_says_and_nothing_else(
    world: NspawnMachine,
    name: str,
) -> None:
    ask = [*enter(world, name), "curl", "-sS", "--max-time", "1"]
    places = {n: f"10.0.{octet}.2:8080" for n, octet in ADDRESSES.items() if n != name}
    places |= {place: place for place in BEYOND}
    places |= {f"the host, {own}": f"{own}:9000" for own in (HOST, f"10.0.{ADDRESSES[name]}.1")}
    pages = {
        place: world.execute([*ask, f"http://{address}/identity.env"]).stdout.decode()
        for place, address in places.items()
    }
    assert {place for place, answer in pages.items() if answer} == REACHED[name]
    for place, answer in pages.items():
        told = "the world" if place in BEYOND else f"HOLO_CONTAINER={place}\n"
        assert not answer or answer.startswith(told)


@pytest.mark.parametrize("protocol", ["udp", "icmp"])
@pytest.mark.parametrize("name", REACHED)
def test_no_protocol_leads_further_than_tcp(world: NspawnMachine, name: str, protocol: str) -> None:
    places = {place: place for place in BEYOND}
    places |= {f"the host, {own}": own for own in (HOST, f"10.0.{ADDRESSES[name]}.1")}
    if protocol == "icmp":  # containers have no service by UDP
        places |= {n: f"10.0.{octet}.2" for n, octet in ADDRESSES.items() if n != name}
    inside = enter(world, name)
    with ThreadPoolExecutor() as pool:  # for who is not reached, nobody answers
        told = pool.map(lambda address: answers(world, inside, protocol, address), places.values())
    reached = {place for place, is_reached in zip(places, told, strict=True) if is_reached}
    assert reached == REACHED[name] & {*places}


def answers(world: NspawnMachine, enter: list[str], protocol: str, address: str) -> bool:
    """Whether something answers at an address, by UDP at the port of the echo."""
    if protocol == "icmp":
        ping = ["busybox", "ping", "-c1", "-W1", address]
        return world.execute([*enter, *ping]).returncode == 0
    ask = f"printf hello | socat -t 1 - UDP4:{address}:{ECHO}"
    return world.execute([*enter, "sh", "-c", ask]).stdout == b"hello"


def test_who_is_no_container_reaches_what_containers_do_not(world: NspawnMachine) -> None:
    # So that they would reach it, too, if they were let.
    for protocol in ("udp", "icmp"):
        for address in (*BEYOND, HOST, *(f"10.0.{n}.1" for n in ADDRESSES.values())):
            assert answers(world, [], protocol, address)
        assert answers(world, ["ip", "netns", "exec", "world"], protocol, HOST)
    for address in (HOST, *(f"10.0.{n}.1" for n in ADDRESSES.values())):
        assert fetch(world, f"{address}:9000") == "the world"
    for address in BEYOND:
        assert fetch(world, address) == "the world"
    for octet in ADDRESSES.values():
        assert answers(world, [], "icmp", f"10.0.{octet}.2")
        assert fetch(world, f"10.0.{octet}.2:8080") is not None


def test_a_container_with_a_way_out_asks_the_hosts_name_servers(world: NspawnMachine) -> None:
    asked = {}
    for name in ("alone", "toworld"):
        leader = world.succeed(["machinectl", "show", name, "--property=Leader", "--value"]).strip()
        asked[name] = world.execute(["cat", f"/proc/{leader}/root/etc/resolv.conf"]).stdout
    assert asked == {"alone": b"", "toworld": b"nameserver 198.51.100.53\n"}


def rules(world: NspawnMachine) -> str:
    return world.execute(["nft", "list", "table", "inet", "holo"]).stdout.decode()


def test_rules_may_be_loaded_anew_under_running_containers(world: NspawnMachine) -> None:
    since = "--property=ActiveEnterTimestampMonotonic"
    running = world.systemctl("show", "container@alone", since)
    before = rules(world)
    assert "masquerade" in before
    world.succeed(["nft", "flush", "ruleset"])
    world.systemctl("reload", "holo-firewall")
    assert rules(world) == before
    world.systemctl("restart", "holo-firewall")
    assert rules(world) == before
    assert fetch(world, "127.0.0.1:8080") is not None
    assert world.systemctl("show", "container@alone", since) == running


def test_rules_stay_while_containers_run(world: NspawnMachine) -> None:
    before = rules(world)
    world.systemctl("stop", "holo-firewall")
    assert rules(world) == before
    world.systemctl("start", "holo-firewall")


def test_loading_the_hosts_own_rules_anew_brings_ours_back(world: NspawnMachine) -> None:
    unit = (
        "[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/usr/sbin/nft flush ruleset\\n"
    )
    stop = "ExecStop=/usr/sbin/nft flush ruleset\\n"
    path = "/etc/systemd/system/nftables.service"
    before = rules(world)
    world.succeed(["sh", "-c", f"printf '{unit}{stop}' > {path}"])
    world.systemctl("daemon-reload")
    world.systemctl("start", "nftables")
    world.systemctl("reload", "holo-firewall")
    for verbs in (["restart"], ["stop", "start"]):
        for verb in verbs:
            world.systemctl(verb, "nftables")
        wait(lambda: rules(world) == before)
    world.succeed(["rm", path])
    world.systemctl("daemon-reload")


def test_a_reload_opens_ways_that_are_new(world: NspawnMachine) -> None:
    world.succeed(["sysctl", "--quiet", "net.ipv4.ip_forward=0"])
    world.systemctl("reload", "holo-firewall")
    assert world.succeed(["sysctl", "--values", "net.ipv4.ip_forward"]) == "1\n"


@pytest.mark.parametrize("lost", ["the table", "its link"])
def test_no_container_starts_without_rules_for_it(world: NspawnMachine, lost: str) -> None:
    remove = {
        "the table": ["nft", "delete", "table", "inet", "holo"],
        # As when it came to the host, and the rules have not been loaded since.
        "its link": ["nft", "delete", "element", "inet", "holo", "links", '{ "holo-5" }'],
    }
    world.succeed(remove[lost])
    assert world.execute(["systemctl", "restart", "container@open1"]).returncode != 0
    assert world.execute(["systemctl", "is-active", "netns-open1"]).stdout != b"active\n"
    world.systemctl("reload", "holo-firewall")
    world.systemctl("start", "container@open1")
    world.wait_for_unit("socat-open1-web.service")


def test_a_containers_state_outlives_its_restart(world: NspawnMachine) -> None:
    def state() -> str:
        leader = world.succeed(["machinectl", "show", "open0", "--property=Leader", "--value"])
        return f"/proc/{leader.strip()}/root/var/lib/kept"

    world.succeed(["touch", state()])
    world.systemctl("restart", "container@open0")
    world.wait_for_unit("socat-open0-web.service")
    assert world.succeed(["ls", state()]).strip().endswith("kept")
    assert world.succeed(["ls", "/var/lib/holo/state/open0/kept"])
