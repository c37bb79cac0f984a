"""Compiled hosts run by a real systemd, in a machine with containers nested in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holo_infra import Container, Fleet, Forward, Host, Unit
from holo_infra.plan import write
from holo_infra.targets.systemd import systemd
from tests.support import fleets
from tests.support.lab import NEEDS, fetch, machine, wait
from vmtests.places import NspawnMachine

pytestmark = pytest.mark.needs(*NEEDS)


# The example, as it runs with engine `socat`; `engines_test` has the others.

FORWARDS = {
    8000: "holochain0",
    8080: "holochain0",
    8001: "holochain1",
    8081: "holochain1",
    8002: "holochain2",
    8082: "holochain2",
}


@pytest.fixture(scope="module")
def alpha(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    folder = tmp_path_factory.mktemp("private")
    write(systemd(fleets.lowered(fleets.private("socat"))), folder)
    with machine(folder, "alpha") as running:
        for unit in (
            f"socat-holochain{n}-{f}.service" for n in range(3) for f in ("admin", "httpgw")
        ):
            running.wait_for_unit(unit)
        yield running


def test_each_forward_gives_its_own_containers_bytes(alpha: NspawnMachine) -> None:
    for port, container in FORWARDS.items():
        index = container[-1]
        identity = f"HOLO_CONTAINER={container}\nHOLO_ADDRESS=10.0.{85 + int(index)}.2\n"
        assert fetch(alpha, f"127.0.0.1:{port}") == identity


def test_the_service_is_reached_by_the_inner_port_only(alpha: NspawnMachine) -> None:
    assert fetch(alpha, "10.0.85.2:8001") is not None
    assert fetch(alpha, "10.0.85.2:8000") is None  # the service itself is on 127.0.0.1
    assert fetch(alpha, "10.0.85.1:8000") is None  # the host's half is on 127.0.0.1 too


def test_a_forward_follows_its_container(alpha: NspawnMachine) -> None:
    units = ["socat-holochain1-admin", "socat-holochain1-httpgw", "netns-holochain1"]
    alpha.systemctl("restart", "container@holochain1")
    wait(lambda: fetch(alpha, "127.0.0.1:8001") is not None)
    alpha.systemctl("stop", "container@holochain1")

    def states() -> list[str]:
        return [alpha.execute(["systemctl", "is-active", u]).stdout.decode().strip() for u in units]

    wait(lambda: states() == ["inactive"] * 3)
    assert fetch(alpha, "127.0.0.1:8001") is None
    assert "holochain1" not in alpha.succeed(["ip", "netns"])
    assert fetch(alpha, "127.0.0.1:8000") is not None  # the others are not touched
    alpha.systemctl("start", "container@holochain1")
    wait(lambda: fetch(alpha, "127.0.0.1:8001") is not None)


def test_a_killed_container_comes_back_with_its_forwards(alpha: NspawnMachine) -> None:
    for _ in range(6):  # more than systemd's own limit of starts
        alpha.systemctl("restart", "container@holochain0")
    wait(lambda: fetch(alpha, "127.0.0.1:8080") is not None)
    alpha.systemctl("kill", "--signal=KILL", "container@holochain0")
    wait(lambda: fetch(alpha, "127.0.0.1:8080") is None)
    wait(lambda: fetch(alpha, "127.0.0.1:8080") is not None)
    wait(lambda: fetch(alpha, "127.0.0.1:8000") is not None)
    assert alpha.systemctl("--failed", "--no-legend") == ""


def test_a_forward_opens_only_when_the_service_is_ready(alpha: NspawnMachine) -> None:
    inside = ["systemctl", "--machine=holochain2"]
    alpha.succeed([*inside, "stop", "admin"])
    alpha.systemctl("restart", "--no-block", "socat-holochain2-admin")
    alpha.succeed([*inside, "restart", "--no-block", "socat-internal-admin-forwarder"])
    wait(lambda: fetch(alpha, "127.0.0.1:8002") is None)
    state = [*inside, "is-active", "socat-internal-admin-forwarder"]
    wait(lambda: alpha.execute(state).stdout == b"activating\n")
    done = alpha.execute(["curl", "-sS", "--max-time", "3", "http://10.0.87.2:8001/"])
    assert b"Couldn't connect" in done.stderr  # refused, not accepted and dropped
    alpha.succeed([*inside, "start", "admin"])
    wait(lambda: fetch(alpha, "127.0.0.1:8002") is not None)


# Other kinds of forwards and networks.


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    echo = ["socat", "UDP4-LISTEN:5353,bind=127.0.0.1,fork", "PIPE"]
    web = ["busybox", "httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/etc/holo"]
    own = ["busybox", "httpd", "-f", "-p", "127.0.0.1:9000", "-h", "/etc/holo"]
    private = Container(
        units={"echo": Unit(exec_start=echo)},
        forwards={"dns": Forward(port=5353, protocol="udp")},
    )
    privileged = Container(
        units={"web": Unit(exec_start=web)},
        forwards={"web": Forward(port=8080, host_port=443, inner_port=81, engine="socat")},
    )
    answer = "SYSTEM:cat >/dev/null; sleep 1.5; echo answer"
    late = ["socat", "-t", "9", "TCP4-LISTEN:7000,bind=127.0.0.1,fork,reuseaddr", answer]
    slow = Container(
        # Also the name of a user of the system.
        units={"daemon": Unit(exec_start=late)},
        forwards={"late": Forward(port=7000, engine="socat")},
    )
    shared = Container(
        network="shared",
        units={"web": Unit(exec_start=own)},
        forwards={"web": Forward(port=9000)},
    )
    containers = {"private": private, "privileged": privileged, "shared": shared, "slow": slow}
    fleet = Fleet(name="mixed", hosts={"alpha": Host(containers=containers)})
    folder = tmp_path_factory.mktemp("mixed")
    write(systemd(fleets.lowered(fleet)), folder)
    with machine(folder, "alpha") as running:
        for name in containers:
            running.wait_for_unit(f"container@{name}.service")
        yield running


def test_a_udp_forward_carries_datagrams_both_ways(mixed: NspawnMachine) -> None:
    mixed.wait_for_unit("socat-private-dns.service")
    ask = ["sh", "-c", "printf hello | socat -t 2 - UDP4:127.0.0.1:5353"]
    wait(lambda: mixed.succeed(ask) == "hello")


def test_both_halves_of_a_forward_may_have_privileged_ports(mixed: NspawnMachine) -> None:
    wait(lambda: fetch(mixed, "127.0.0.1:443") is not None)
    assert "HOLO_CONTAINER=privileged" in str(fetch(mixed, "127.0.0.1:443"))


def test_a_container_in_the_shared_network_needs_no_forwarder(mixed: NspawnMachine) -> None:
    wait(lambda: fetch(mixed, "127.0.0.1:9000") is not None)
    identity = "HOLO_CONTAINER=shared\nHOLO_ADDRESS=127.0.0.1\n"
    assert fetch(mixed, "127.0.0.1:9000") == identity
    units = mixed.systemctl("list-units", "--all", "--plain", "--no-legend", "socat-*", "netns-*")
    names = {line.split()[0] for line in units.splitlines()}
    assert names == {
        *("netns-private.service", "netns-privileged.service", "netns-slow.service"),
        *("socat-private-dns.service", "socat-privileged-web.service", "socat-slow-late.service"),
    }


def test_private_containers_do_not_reach_each_other(mixed: NspawnMachine) -> None:
    wait(lambda: fetch(mixed, "10.0.86.2:81") is not None)  # from the host
    for address in ("10.0.86.2:81", "10.0.86.1:443"):
        url = f"http://{address}/identity.env"
        leader = mixed.succeed(["machinectl", "show", "private", "--property=Leader", "--value"])
        entered = ["nsenter", f"--target={leader.strip()}", "--net", "curl", "-sS", "-m", "3", url]
        done = mixed.execute(entered)
        assert done.returncode in {7, 28}, done  # no route, or no answer


def test_a_client_that_has_said_all_still_gets_its_answer(mixed: NspawnMachine) -> None:
    mixed.wait_for_unit("socat-slow-late.service")
    ask = ["sh", "-c", "printf q | socat -t 9 - TCP4:127.0.0.1:7000"]
    assert mixed.succeed(ask) == "answer\n"


def test_a_unit_runs_under_a_user_of_its_own_whatever_its_name(mixed: NspawnMachine) -> None:
    show = ["systemctl", "--machine=slow", "show", "--value", "daemon"]
    assert mixed.succeed([*show, "--property=User"]) == "holo-daemon\n"
    process = mixed.succeed([*show, "--property=MainPID"]).strip()
    leader = mixed.succeed(["machinectl", "show", "slow", "--property=Leader", "--value"]).strip()
    status = mixed.succeed(
        ["nsenter", f"--target={leader}", "--all", "cat", f"/proc/{process}/status"]
    )
    (uid,) = (line.split()[1] for line in status.splitlines() if line.startswith("Uid:"))
    assert 61184 <= int(uid) <= 65519  # of systemd's dynamic users
