"""What containers may reach, on a real systemd, in a world with a hub and an internet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from holo_infra import Container, Fleet, Forward, Host, Unit
from holo_infra.plan import write
from holo_infra.targets.systemd import systemd
from tests.support import fleets, lab
from tests.support.lab import NEEDS, fetch, machine
from vmtests import NspawnMachine

# One machine at a time for each test worker: the kernel limits what all of them watch.
pytestmark = [pytest.mark.needs(*NEEDS, "nft"), pytest.mark.xdist_group("reach")]


HUB, INTERNET, HOST = "192.0.2.1", "198.51.100.9", "192.0.2.7"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    serve = ["busybox", "httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/etc/holo"]

    def container(**fields: Any) -> Container:
        units, forwards = {"web": Unit(exec_start=serve)}, {"web": Forward(port=8080)}
        return Container(units=units, forwards=forwards, **fields)

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


@pytest.mark.parametrize("name", REACHED)
def test_a_container_reaches_what_the_fleet_says_and_nothing_else(
    world: NspawnMachine,
    name: str,
) -> None:
    leader = world.succeed(["machinectl", "show", name, "--property=Leader", "--value"]).strip()
    enter = ["nsenter", f"--target={leader}", "--net", "curl", "-sS", "--max-time", "1"]
    places = {n: f"10.0.{octet}.2:8080" for n, octet in ADDRESSES.items() if n != name}
    places |= {HUB: HUB, INTERNET: INTERNET, "the host": f"10.0.{ADDRESSES[name]}.1:8080"}
    answers = {
        place: world.execute([*enter, f"http://{address}/identity.env"]).stdout.decode()
        for place, address in places.items()
    }
    assert {place for place, answer in answers.items() if answer} == REACHED[name]
    for place, answer in answers.items():
        told = "the world" if place in {HUB, INTERNET} else f"HOLO_CONTAINER={place}\n"
        assert not answer or answer.startswith(told)


def test_a_container_with_a_way_out_asks_the_hosts_name_servers(world: NspawnMachine) -> None:
    asked = {}
    for name in ("alone", "toworld"):
        leader = world.succeed(["machinectl", "show", name, "--property=Leader", "--value"]).strip()
        asked[name] = world.execute(["cat", f"/proc/{leader}/root/etc/resolv.conf"]).stdout
    assert asked == {"alone": b"", "toworld": b"nameserver 198.51.100.53\n"}


def test_rules_loaded_anew_cut_no_container_off(world: NspawnMachine) -> None:
    before = world.succeed(["nft", "list", "table", "inet", "holo"])
    assert "masquerade" in before
    world.succeed(["nft", "flush", "ruleset"])
    world.systemctl("reload", "holo-firewall")
    assert world.succeed(["nft", "list", "table", "inet", "holo"]) == before
    assert fetch(world, "127.0.0.1:8080") is not None
    assert world.systemctl("is-active", "container@alone") == "active\n"


def test_rules_may_be_restarted_under_running_containers(world: NspawnMachine) -> None:
    since = "--property=ActiveEnterTimestampMonotonic"
    before = world.systemctl("show", "container@alone", since)
    world.systemctl("restart", "holo-firewall")
    assert "masquerade" in world.succeed(["nft", "list", "table", "inet", "holo"])
    assert world.systemctl("show", "container@alone", since) == before


def test_no_container_starts_without_rules(world: NspawnMachine) -> None:
    drop_in = "/run/systemd/system/holo-firewall.service.d/never.conf"
    never = f"mkdir -p {drop_in.rpartition('/')[0]} && printf '[Unit]\\nConditionPathExists=/no' > "
    world.systemctl("stop", "holo-firewall")
    world.succeed(["sh", "-c", never + drop_in])
    world.systemctl("daemon-reload")
    assert world.execute(["systemctl", "restart", "container@open1"]).returncode != 0
    assert world.execute(["systemctl", "is-active", "netns-open1"]).stdout != b"active\n"
    world.succeed(["rm", drop_in])
    world.systemctl("daemon-reload")
    world.systemctl("start", "container@open1")
    world.wait_for_unit("socat-open1-web.service")
    assert "masquerade" in world.succeed(["nft", "list", "table", "inet", "holo"])


def test_a_containers_state_outlives_its_restart(world: NspawnMachine) -> None:
    def state() -> str:
        leader = world.succeed(["machinectl", "show", "open0", "--property=Leader", "--value"])
        return f"/proc/{leader.strip()}/root/var/lib/kept"

    world.succeed(["touch", state()])
    world.systemctl("restart", "container@open0")
    world.wait_for_unit("socat-open0-web.service")
    assert world.succeed(["ls", state()]).strip().endswith("kept")
    assert world.succeed(["ls", "/var/lib/holo/state/open0/kept"])
