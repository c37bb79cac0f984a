"""The example in a lab, where another engine carries the forwards of each container."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.holo import holo, lab, run, status
from tests.support.lab import NEEDS, REFUSED, wait

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.needs(*NEEDS, "nft", "haproxy")

HOST = "192.0.2.20"
LOOPBACK = "127.0.0.1"
HELPER = f"""\
ENGINES = ["haproxy", "socat", "nftables"]
WHERE = ["127.0.0.1", "127.0.0.1", "0.0.0.0"]  # where services listen
BIND = ["127.0.0.1", "127.0.0.1", "{HOST}"]


def container(number"""
CHANGES = {
    "def container(number": HELPER,
    **{
        f'"127.0.0.1:{port}", "-h", "/etc/holo"]': (
            f'f"{{WHERE[number]}}:{port}", "-h", "/etc/holo"],'
            f' listens=[f"{{WHERE[number]}}:{port}"]'
        )
        for port in (8000, 4000)
    },
    "Forward(port=8000": (
        "Forward(engine=ENGINES[number], bind=BIND[number], port=8000, host_port=8000 + number"
    ),
    "Forward(port=4000": "Forward(engine=ENGINES[number], bind=BIND[number], port=4000",
    '"alpha": Host(': f'"beta": Host(address="192.0.2.21"), "alpha": Host(address="{HOST}", ',
}


class Ports(NamedTuple):
    """The forwards of a container."""

    at: str
    admin: int
    httpgw: int


FORWARDS = {
    "holochain0": Ports(LOOPBACK, 8000, 8080),
    "holochain1": Ports(LOOPBACK, 8001, 8081),
    "holochain2": Ports(HOST, 8002, 8082),
}
ENGINES = ["haproxy", "socat", "nftables"]


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("engines")
    text = (ROOT / "examples/private/fleet.py").read_text()
    for old, new in CHANGES.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "fleet.py").write_text(text)
    shutil.copy(ROOT / "examples/private/fleet.lock.json", folder)
    publish = [word for one in FORWARDS for word in ("--publish", f"0:alpha/{one}/admin")]
    with lab(folder / "fleet.py", *publish) as running:
        yield running


def identity(container: str) -> str:
    return f"HOLO_CONTAINER={container}\nHOLO_ADDRESS=10.0.{85 + int(container[-1])}.2\n"


def fetch(name: str, place: str, at: str) -> tuple[int, str]:
    """How curl ends at a place of the lab, and what it got."""
    ask = ["curl", "--silent", "--max-time", "10", f"http://{at}/identity.env"]
    done = run("exec", "--lab", name, place, "--", *ask)
    return done.returncode, done.stdout


@pytest.mark.parametrize("container", FORWARDS, ids=ENGINES)
def test_each_forward_gives_its_own_containers_bytes(name: str, container: str) -> None:
    at, *ports = FORWARDS[container]
    for port in ports:
        assert fetch(name, "alpha", f"{at}:{port}") == (0, identity(container))
        # Another host reaches what is bound to the host's address, and nothing else.
        expected = (0, identity(container)) if at == HOST else (REFUSED, "")
        assert fetch(name, "beta", f"{HOST}:{port}") == expected
    rows = status(name, "alpha/" + container, expected=0)
    assert {row["unit"] for row in rows if row["unit"].startswith("forward ")} == {
        "forward admin",
        "forward httpgw",
    }


def test_a_published_port_leads_to_each(name: str) -> None:
    table = run("status", "--lab", name).stdout.splitlines()
    published = dict(line.split(" -> ")[::-1] for line in table if " -> " in line)
    assert {*published} == {f"alpha/{container}/admin" for container in FORWARDS}
    for container in FORWARDS:
        url = f"http://{published[f'alpha/{container}/admin']}/identity.env"
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.read().decode() == identity(container)


def test_the_host_listens_where_forwards_are_bound_only(name: str) -> None:
    lines = holo("exec", "--lab", name, "alpha", "--", "ss", "-Hltn").splitlines()
    assert {line.split()[3] for line in lines} == {
        f"{LOOPBACK}:{port}" for port in (8000, 8080, 8001, 8081)
    }


@pytest.mark.parametrize("container", FORWARDS, ids=ENGINES)
def test_readiness_is_false_while_the_service_is_stopped(name: str, container: str) -> None:
    place = f"alpha/{container}"

    def state() -> str:
        rows = status(name, place)
        return str(next(row["state"] for row in rows if row["unit"] == "forward admin"))

    before = state()
    assert before.endswith("ready")
    assert "not" not in before
    holo("exec", "--lab", name, place, "--", "systemctl", "stop", "admin")
    assert state().endswith("not ready")
    assert run("status", place, "--lab", name).returncode == 1
    holo("exec", "--lab", name, place, "--", "systemctl", "start", "admin")
    wait(lambda: state() == before)


@pytest.mark.parametrize("container", FORWARDS, ids=ENGINES)
def test_a_restarted_container_carries_traffic_again(name: str, container: str) -> None:
    holo("restart", "--lab", name, f"alpha/{container}")
    for other, (at, *ports) in FORWARDS.items():
        for port in ports:
            assert fetch(name, "alpha", f"{at}:{port}") == (0, identity(other))
