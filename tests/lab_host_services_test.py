"""A host's own services in a lab: what is told of them, and what is put right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from holo_infra.cli.fleet import compile_fleet
from holo_infra.runtime.bundle import make_bundle
from holo_infra.runtime.drift import drift
from holo_infra.runtime.embedded import Embedded
from holo_infra.runtime.lab import Lab
from holo_infra.runtime.machine import LabMachine
from tests.support.holo import holo, lab, run, status
from tests.support.lab import NEEDS, wait

pytestmark = pytest.mark.needs(*NEEDS, "nft")

UNIT = "holo-nats-server.service"
PLACES = {"edge": "/etc/holo/services", "edge/nats": "/etc/holo/containers/nats/services"}
"""Where NATS servers run, and where their host has their configuration."""


def server(password_file: str) -> dict[str, Any]:
    user = {"alice": {"password_file": password_file}}
    return {"nats_server": {"accounts": {"APP": {"users": user}}}}


FLEET = {
    "name": "own",
    "hosts": {
        "edge": {
            "services": {**server("/etc/keys/host"), "host_agent": {"auto_start": False}},
            "containers": {
                "nats": {
                    "services": server("alice"),
                    "secrets": {"alice": "/etc/keys/container"},
                    "forwards": {"nats": {"port": 4222, "host_port": 4223}},
                },
            },
        },
    },
}


class Running(NamedTuple):
    """The lab of this file."""

    name: str
    fleet: Path
    keys: Path

    @property
    def up(self) -> list[str | Path]:
        """The words of `holo up`."""
        return ["up", self.fleet, "--lab", self.name, "--bind", f"/etc/keys={self.keys}"]

    def on(self, place: str, *command: str) -> str:
        """What a command prints at a place."""
        return holo("exec", "--lab", self.name, place, "--", *command)

    def pids(self) -> dict[str, str]:
        """The main processes of the servers, and of the container."""
        show = ["systemctl", "show", "--property=MainPID", "--value"]
        found = {place: self.on(place, *show, UNIT).strip() for place in PLACES}
        return {**found, "container": self.on("edge", *show, "container@nats").strip()}

    def rows(
        self, *place: str, expected: int | None = None
    ) -> dict[tuple[str | None, str], dict[str, Any]]:
        """What `holo status` tells, by container and unit."""
        rows = status(self.name, *place, expected=expected)
        return {(row["container"], row["unit"]): row for row in rows}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("own")
    keys = folder / "keys"
    keys.mkdir()
    for name in ("host", "container"):
        (keys / name).write_text('password: "a-password"\n')
    file = folder / "fleet.yaml"
    file.write_text(yaml.safe_dump(FLEET))
    with lab(file, "--bind", f"/etc/keys={keys}") as name:
        yield Running(name, file, keys)


def test_status_tells_of_a_hosts_own_services_and_where_they_listen(own: Running) -> None:
    rows = own.rows("edge", expected=0)
    row = rows[None, UNIT]
    assert (row["state"], row["is_good"]) == ("running", True)
    assert row["address"] == "*:7422, 127.0.0.1:4222"
    assert rows["nats", UNIT]["address"] == rows["nats", "container@nats.service"]["address"]
    table = holo("status", "--lab", own.name)
    assert re.search(rf"^edge +\*:7422, 127\.0\.0\.1:4222 +{UNIT} +running ", table, re.MULTILINE)


def test_status_of_a_container_tells_of_no_service_of_its_host(own: Running) -> None:
    rows = own.rows("edge/nats", expected=0)
    assert {*rows} == {
        ("nats", "container@nats.service"),
        ("nats", UNIT),
        ("nats", "forward nats"),
    }


def test_a_service_that_nobody_starts_is_told_and_is_no_fault(own: Running) -> None:
    row = own.rows("edge", expected=0)[None, "holo-host-agent.service"]
    assert (row["state"], row["is_good"]) == ("inactive", True)


def test_a_service_of_a_host_that_was_stopped_is_a_fault_until_up_starts_it(own: Running) -> None:
    own.on("edge", "systemctl", "stop", UNIT)
    row = own.rows(expected=1)[None, UNIT]
    assert (row["state"], row["is_good"], row["address"]) == ("inactive", False, None)
    holo(*own.up)
    assert own.rows(expected=0)[None, UNIT]["is_good"]


@pytest.mark.parametrize("name", [UNIT, "holo-nats-server"])
def test_logs_of_a_unit_of_a_host_are_of_that_alone(own: Running, name: str) -> None:
    lines = holo("logs", "--lab", own.name, f"edge/{name}").splitlines()
    assert any(f" edge {UNIT}: " in line and "Server is ready" in line for line in lines)
    assert all(re.search(rf" edge ({UNIT}|init\.scope): ", line) for line in lines)


def test_logs_of_the_unit_that_runs_a_container_are_its_hosts(own: Running) -> None:
    text = holo("logs", "--lab", own.name, "edge/container@nats")
    assert " edge container@nats.service: Started " in text


def test_logs_of_a_container_are_those_inside(own: Running) -> None:
    text = holo("logs", "--lab", own.name, f"edge/nats/{UNIT}")
    assert f" edge/nats {UNIT}: " in text


def test_restart_of_a_unit_of_a_host_touches_nothing_else(own: Running) -> None:
    before = own.pids()
    done = run("restart", "--lab", own.name, "edge/holo-nats-server")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("edge/holo-nats-server: ready\n")
    after = own.pids()
    assert {place for place in before if after[place] != before[place]} == {"edge"}


@pytest.mark.parametrize("command", ["logs", "restart"])
def test_a_name_of_neither_container_nor_unit_is_told_with_what_there_is(
    own: Running, command: str
) -> None:
    done = run(command, "--lab", own.name, "edge/web")
    assert done.returncode == 1
    assert done.stderr == (
        "error: host edge has no container or unit web\n"
        "  hint: containers: nats; units: holo-firewall.service, holo-host-agent.service,"
        " holo-nats-server.service\n"
    )
    done = run(command, "--lab", own.name, f"edge/web/{UNIT}")
    assert done.stderr == "error: host edge has no container web\n  hint: containers: nats\n"


def drifts(own: Running) -> list[tuple[str, str, str]]:
    """What `holo drift` would tell of the host as the lab compiled it."""
    compiled = compile_fleet(own.fleet)
    programs = Embedded(None)
    lowered = programs.shown(compiled.lowered)
    bundle = make_bundle(lowered, "edge", programs)
    found = drift(LabMachine(Lab(own.name).machine("edge")), bundle, lowered.hosts["edge"])
    return [(one.kind, one.name, one.found) for one in found]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", ["changed", "missing"])
def test_a_services_file_of_another_hand_is_told_put_right_and_read_again(
    own: Running, place: str, way: str
) -> None:
    file = f"{PLACES[place]}/holo-nats-server.conf"
    seen = "/etc/holo/services/holo-nats-server.conf"
    before, text = own.pids(), own.on("edge", "cat", file)
    assert own.on(place, "cat", seen) == text
    assert drifts(own) == []
    spoil = {"changed": f"sed -i s/APP/OTHER/ {file}", "missing": f"rm {file}"}[way]
    own.on("edge", "sh", "-c", spoil)
    assert drifts(own) == [("file", file, way)]
    done = run(*own.up, "--json")
    assert done.returncode == 0, done.stderr
    unit = UNIT if place == "edge" else f"nats/{UNIT}"
    told = json.loads(done.stdout)["hosts"]["edge"]
    assert (told["restarted"], told["started"], told["stopped"]) == ([unit], [], [])
    assert own.on(place, "cat", seen) == text
    after = own.pids()
    assert {which for which in before if after[which] != before[which]} == {place}
    assert drifts(own) == []


def test_a_services_file_that_has_brought_its_server_down_is_mended(own: Running) -> None:
    file = f"{PLACES['edge/nats']}/holo-nats-server.conf"
    own.on("edge", "sh", "-c", f"echo 'port: none' > {file}")
    own.on("edge/nats", "sh", "-c", f"systemctl restart {UNIT} || true")
    wait(lambda: own.rows()["nats", UNIT]["state"] == "restarting")
    holo(*own.up)
    assert own.rows(expected=0)["nats", UNIT]["is_good"]


def test_a_secret_of_a_host_that_is_not_there_is_told_before_anything_is_changed(
    own: Running,
) -> None:
    text = own.fleet.read_text()
    own.fleet.write_text(text.replace("/etc/keys/host", "/etc/keys/nobodys"))
    before = own.pids()
    try:
        done = run(*own.up)
    finally:
        own.fleet.write_text(text)
    assert done.returncode == 1
    assert f"edge: not there, and needed by {UNIT}: /etc/keys/nobodys" in done.stderr
    assert "hint: put it there" in done.stderr
    assert own.pids() == before
    assert drifts(own) == []


def test_a_service_whose_secret_has_gone_is_told_with_the_secret(own: Running) -> None:
    key = own.keys / "host"
    text = key.read_text()
    key.unlink()
    try:
        done = run("restart", "--lab", own.name, "edge/holo-nats-server")
    finally:
        key.write_text(text)
    assert done.returncode == 1
    assert f"not ready: edge  {UNIT}: " in done.stderr
    assert "hint: no secret is at /etc/keys/host: put it there" in done.stderr
    wait(lambda: own.rows()[None, UNIT]["is_good"])
    holo(*own.up)


def test_a_secret_that_a_container_lacks_is_told_with_where_it_is_named(own: Running) -> None:
    text = own.fleet.read_text()
    own.fleet.write_text(text.replace("password_file: alice", "password_file: /var/lib/secret"))
    try:
        done = run(*own.up, "--timeout", "3")
        assert done.returncode == 1
        assert f"not ready: edge  nats/{UNIT}: " in done.stderr
        assert (
            "hint: container nats has no secret /var/lib/secret: give it one in its `secrets`"
            in done.stderr
        )
    finally:
        own.fleet.write_text(text)
        holo(*own.up)
