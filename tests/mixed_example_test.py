"""The host of examples/mixed that has no Nix, as it is written, on a real systemd."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from holo_infra.cli import main
from tests.support import fleets, lab
from tests.support.lab import NEEDS, fetch, machine, wait
from vmtests.places import NspawnMachine

pytestmark = pytest.mark.needs(*NEEDS, "nft")


EDGE, EDGE_HUB, INTERNET = "192.0.2.21", "192.0.2.10", "198.51.100.9"
WEB = "HOLO_CONTAINER=web\nHOLO_ADDRESS=10.0.85.2\n"
WATCH = "HOLO_CONTAINER=watch\nHOLO_ADDRESS=10.0.86.2\n"
EDGE_UNITS = [
    *(f"container@{name}.service" for name in ("echo", "metrics", "watch", "web")),
    *(f"socat-{name}.service" for name in ("echo-tcp", "echo-udp", "web-pages")),
    "socket-proxyd-watch-watch.socket",
]


@pytest.fixture(scope="module")
def edge1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    folder = tmp_path_factory.mktemp("edge1")
    shutil.copytree(fleets.ROOT / "examples" / "mixed", folder, dirs_exist_ok=True)
    assert main(["compile", str(folder / "fleet.yaml"), "--out", str(folder / "out")]) == 0
    (folder / "www").mkdir()
    (folder / "www" / "identity.env").write_text("the world")
    with machine(folder / "out", "edge1", {"/srv": folder / "www"}) as running:
        # The host's address comes after its forwards, as it does where a lease takes long.
        for command in lab.world(EDGE, EDGE_HUB, INTERNET):
            running.succeed(command)
        for name in EDGE_UNITS:
            running.wait_for_unit(name)
        yield running


def fetch_from(host: NspawnMachine, name: str, address: str) -> str:
    """What a container, by its name, or the world gets from an address; nothing where it fails."""
    enter = ["ip", "netns", "exec", name, "curl", "-sS", "--max-time", "1"]
    return host.execute([*enter, f"http://{address}/identity.env"]).stdout.decode()


def test_each_forward_of_the_mixed_example_gives_its_own_containers_bytes(
    edge1: NspawnMachine,
) -> None:
    wait(lambda: fetch(edge1, f"{EDGE}:8081") is not None)
    assert fetch(edge1, "127.0.0.1:8080") == WEB
    assert fetch(edge1, f"{EDGE}:8081") == WEB
    assert fetch(edge1, "127.0.0.1:8081") is None
    assert fetch(edge1, "127.0.0.1:9000") == WATCH
    metrics = "HOLO_CONTAINER=metrics\nHOLO_ADDRESS=127.0.0.1\n"
    assert fetch(edge1, "127.0.0.1:9100") == metrics
    for protocol in ("TCP4", "UDP4"):
        ask = f"printf {protocol} | socat -t 2 - {protocol}:127.0.0.1:7000"
        assert edge1.succeed(["sh", "-c", ask]) == protocol


def test_other_machines_reach_only_the_forward_that_is_bound_to_the_hosts_address(
    edge1: NspawnMachine,
) -> None:
    wait(lambda: fetch(edge1, f"{EDGE}:8081") is not None)
    answers = {port: fetch_from(edge1, "world", f"{EDGE}:{port}") for port in (8080, 8081, 9000)}
    assert answers == {8080: "", 8081: WEB, 9000: ""}


PLACES = {
    "the hub": EDGE_HUB,
    "the internet": INTERNET,
    "web": "10.0.85.2:4000",
    "watch": "10.0.86.2:9000",
    "the host": f"{EDGE}:8081",
}
EDGE_REACHED = {
    "echo": {},
    "watch": {"the hub": "the world", "web": WEB},
    "web": {"the hub": "the world", "the internet": "the world"},
}


@pytest.mark.parametrize("name", EDGE_REACHED)
def test_a_container_of_the_mixed_example_reaches_what_it_says_and_nothing_else(
    edge1: NspawnMachine,
    name: str,
) -> None:
    places = {place: address for place, address in PLACES.items() if place != name}
    answers = {place: fetch_from(edge1, name, address) for place, address in places.items()}
    assert {place: told for place, told in answers.items() if told} == EDGE_REACHED[name]
    # The container `echo` is none that answers HTTP.
    ask = "printf hello | socat -t 1 - TCP4:10.77.0.14:7000,connect-timeout=1"
    done = edge1.execute(["ip", "netns", "exec", name, "sh", "-c", ask])
    assert (done.stdout == b"hello") == (name in {"echo", "watch"})


def test_limits_and_settings_of_the_mixed_example_are_in_force(edge1: NspawnMachine) -> None:
    properties = ["MemoryMax", "CPUQuotaPerSecUSec", "TasksMax"]
    asked = [f"--property={name}" for name in properties]
    shown = edge1.systemctl("show", *asked, "container@web").splitlines()
    assert set(shown) == {"MemoryMax=268435456", "CPUQuotaPerSecUSec=500ms", "TasksMax=64"}
    pages = edge1.systemctl("--machine=web", "show", "--property=MemoryMax", "pages")
    assert pages == "MemoryMax=67108864\n"
    edge1.succeed(["test", "-d", "/var/lib/edge1/web/private/holo/units/pages"])
    leader = edge1.succeed(["machinectl", "show", "web", "--property=Leader", "--value"]).strip()
    assert edge1.succeed(["cat", f"/proc/{leader}/root/etc/resolv.conf"]) == "nameserver 9.9.9.9\n"
    assert edge1.systemctl("--failed", "--no-legend") == ""
