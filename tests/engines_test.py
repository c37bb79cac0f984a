"""Every engine of forwards on a real systemd: who is reached, by which way only, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from holo_infra import Container, Fleet, Forward, Host, Unit
from holo_infra.model.names import Engine
from holo_infra.network import forward_units, ready_unit
from holo_infra.plan import write
from holo_infra.targets.systemd import systemd
from tests.support import fleets, lab, server
from tests.support.holo import holo
from tests.support.lab import NEEDS, fetch, is_refused, machine, wait
from vmtests.places import NspawnMachine

pytestmark = pytest.mark.needs(*NEEDS, "nft", "haproxy")

PORTS = {8000 + n: f"holochain{n}" for n in range(3)} | {
    8080 + n: f"holochain{n}" for n in range(3)
}
NAMES = [f"holochain{n}" for n in range(3)]


def identity(container: str) -> str:
    return f"HOLO_CONTAINER={container}\nHOLO_ADDRESS=10.0.{85 + int(container[-1])}.2\n"


def is_ready(host: NspawnMachine, container: str, forward: str) -> bool:
    return host.execute(["systemctl", "start", ready_unit(container, forward)]).returncode == 0


def state(host: NspawnMachine, unit: str) -> str:
    return host.execute(["systemctl", "is-active", unit]).stdout.decode().strip()


Way = Literal["bundle", "ssh"]
"""How the units come to a machine: put there before it boots, or by `holo apply --to ssh://…`."""


@pytest.fixture(
    scope="module",
    params=["bundle", pytest.param("ssh", marks=pytest.mark.needs(*server.NEEDS))],
)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@contextmanager
def running_on(
    way: Way, folder: Path, fleet: Fleet, world: list[list[str]]
) -> Iterator[NspawnMachine]:
    """A machine with the only host of a fleet, and the world around it."""
    (host,) = fleet.hosts
    (folder / "www").mkdir()
    (folder / "www" / "identity.env").write_text("the world")
    if way == "bundle":
        write(systemd(fleets.lowered(fleet)), folder / "out")
        with machine(folder / "out", host, {"/srv": folder / "www"}) as running:
            for command in world:
                running.succeed(command)
            yield running
        return
    path = folder / "fleet.yaml"  # of which JSON is a part
    path.write_text(json.dumps(fleet.model_dump(mode="json", exclude_defaults=True)))
    with server.server(folder) as edge:
        edge.machine.succeed(["sh", "-c", "printf 'the world' > /srv/identity.env"])
        for command in world:
            edge.machine.succeed(command)
        holo("apply", path, host, *edge.to)
        yield edge.machine


# Three containers, as examples/private has them.


PROXIES = pytest.mark.parametrize(
    "engine", ["socket-proxyd", "haproxy"], indirect=True, scope="module"
)
"""For what only engines with a socket of their own do; machine_test has more of socat's."""
HERE = pytest.mark.parametrize("way", ["bundle"], indirect=True, scope="module")
"""For what takes long, or a Python on the machine, and is the same however units came there."""


@pytest.fixture(scope="module", params=["socat", "socket-proxyd", "haproxy"])
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


@pytest.fixture(scope="module")
def alpha(
    way: Way, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NspawnMachine]:
    folder = tmp_path_factory.mktemp("private")
    with running_on(way, folder, fleets.private(engine), []) as running:
        for name in NAMES:
            for forward in ("admin", "httpgw"):
                running.wait_for_unit(forward_units(engine, name, forward)[0])
        for port in PORTS:  # the first connection starts a proxy, and may wait for the service
            wait(lambda port=port: fetch(running, f"127.0.0.1:{port}") is not None)  # type: ignore[misc]
        yield running


def test_each_forward_gives_its_own_containers_bytes(alpha: NspawnMachine) -> None:
    assert {port: fetch(alpha, f"127.0.0.1:{port}") for port in PORTS} == {
        port: identity(name) for port, name in PORTS.items()
    }


def heard(host: NspawnMachine, *enter: str) -> set[str]:
    """Where TCP is listened to, on the host or in a namespace of it; sshd is the machine's own."""
    lines = host.succeed([*enter, "ss", "-Hltn"]).splitlines()
    return {at for line in lines if not (at := line.split()[3]).endswith(":22")}


def test_a_service_is_reached_by_no_other_address(alpha: NspawnMachine, engine: Engine) -> None:
    assert heard(alpha) == {f"127.0.0.1:{port}" for port in PORTS}
    for number, name in enumerate(NAMES):
        inside = f"10.0.{85 + number}.2"
        loopback = {"127.0.0.1:8000", "127.0.0.1:4000"}
        inner = {f"{inside}:8001", f"{inside}:4000"} if engine == "socat" else set()
        assert heard(alpha, "ip", "netns", "exec", name) == loopback | inner
        if engine == "socat":
            assert fetch(alpha, f"{inside}:8001") == identity(name)
            assert fetch(alpha, f"{inside}:4000") == identity(name)
        for port in (8000, 8001, 4000, 8080 + number):
            assert is_refused(alpha, f"10.0.{85 + number}.1:{port}")
            if f"{inside}:{port}" not in inner:
                assert is_refused(alpha, f"{inside}:{port}")


def test_readiness_is_that_of_the_service_at_the_time_of_the_question(alpha: NspawnMachine) -> None:
    inside = ["systemctl", "--machine=holochain2"]
    assert is_ready(alpha, "holochain2", "admin")
    assert is_ready(alpha, "holochain2", "httpgw")
    alpha.succeed([*inside, "stop", "admin"])
    assert not is_ready(alpha, "holochain2", "admin")
    assert is_ready(alpha, "holochain2", "httpgw")
    alpha.succeed([*inside, "stop", "gateway"])
    assert not is_ready(alpha, "holochain2", "httpgw")
    alpha.succeed([*inside, "start", "admin", "gateway"])
    wait(lambda: is_ready(alpha, "holochain2", "admin"))
    wait(lambda: is_ready(alpha, "holochain2", "httpgw"))
    assert state(alpha, ready_unit("holochain2", "admin")) == "inactive"  # nothing is left running
    assert alpha.systemctl("--failed", "--no-legend") == ""
    journal = ["journalctl", "--no-pager", f"--unit={ready_unit('holochain2', 'admin')}"]
    logged = alpha.succeed(journal).splitlines()
    # A probe's own words may come to the journal when its unit, and with
    # it LogLevelMax=, has gone already.
    assert not [line for line in logged if "systemd[" in line]
    assert len(logged) <= 3


def test_an_http_probe_asks_for_its_path(alpha: NspawnMachine) -> None:
    unit = "/run/systemd/system/gateway.service.d"
    serve = "/usr/bin/busybox httpd -f -p 127.0.0.1:4000 -h /usr"  # where it is not
    text = f"[Service]\\nExecStart=\\nExecStart={serve}\\n"
    inside = ["systemd-run", "--machine=holochain2", "--wait", "--quiet", "sh", "-c"]
    alpha.succeed([*inside, f"mkdir -p {unit}; printf '{text}' > {unit}/x.conf"])
    for command in (["daemon-reload"], ["restart", "gateway"]):
        alpha.succeed(["systemctl", "--machine=holochain2", *command])
    enter = ["ip", "netns", "exec", "holochain2"]
    ask = [*enter, "curl", "-sS", "-m", "3", "-I", "http://127.0.0.1:4000/identity.env"]
    wait(lambda: b" 404 " in alpha.execute(ask).stdout)
    assert not is_ready(alpha, "holochain2", "httpgw")  # it accepts connections
    alpha.systemctl("restart", "container@holochain2")
    wait(lambda: is_ready(alpha, "holochain2", "httpgw"))


def test_a_forward_stops_and_starts_with_its_container(
    alpha: NspawnMachine,
    engine: Engine,
) -> None:
    units = [u for f in ("admin", "httpgw") for u in forward_units(engine, "holochain1", f)]
    assert fetch(alpha, "127.0.0.1:8001") == identity("holochain1")
    alpha.systemctl("restart", "container@holochain1")
    wait(lambda: fetch(alpha, "127.0.0.1:8001") == identity("holochain1"))
    alpha.systemctl("stop", "container@holochain1")
    wait(lambda: {state(alpha, unit) for unit in [*units, "netns-holochain1"]} == {"inactive"})
    assert is_refused(alpha, "127.0.0.1:8001")
    assert not is_ready(alpha, "holochain1", "admin")
    assert fetch(alpha, "127.0.0.1:8000") == identity("holochain0")  # the others are not touched
    alpha.systemctl("start", "container@holochain1")
    wait(lambda: fetch(alpha, "127.0.0.1:8001") == identity("holochain1"))
    for _ in range(6):  # more than systemd's own limit of starts
        alpha.systemctl("restart", "container@holochain1")
    wait(lambda: fetch(alpha, "127.0.0.1:8081") == identity("holochain1"))
    alpha.systemctl("kill", "--signal=KILL", "container@holochain1")
    wait(lambda: fetch(alpha, "127.0.0.1:8081") is None)
    wait(lambda: fetch(alpha, "127.0.0.1:8081") == identity("holochain1"))
    assert alpha.systemctl("--failed", "--no-legend") == ""


@PROXIES
def test_traffic_waits_for_a_service_that_is_not_ready_yet(
    alpha: NspawnMachine,
    engine: Engine,
) -> None:
    *_, service = forward_units(engine, "holochain0", "httpgw")
    inside = "systemctl --machine=holochain0"
    alpha.systemctl("stop", service)
    alpha.succeed(["sh", "-c", f"{inside} stop gateway"])
    ask = "curl -sS --max-time 20 http://127.0.0.1:8080/identity.env"
    told = alpha.succeed(["sh", "-c", f"(sleep 2; {inside} start gateway) & {ask}; wait"])
    assert told == identity("holochain0")


@PROXIES
@HERE
def test_a_proxy_that_fails_leaves_no_dead_socket(alpha: NspawnMachine, engine: Engine) -> None:
    socket, service = forward_units(engine, "holochain0", "admin")
    alpha.systemctl("kill", "--signal=KILL", service)
    wait(lambda: fetch(alpha, "127.0.0.1:8000") == identity("holochain0"))
    folder = f"/run/systemd/system/{service}.d"
    text = "[Service]\\nNetworkNamespacePath=/run/netns/gone\\nRestartSec=100ms\\n"
    alpha.succeed(["sh", "-c", f"mkdir -p {folder}; printf '{text}' > {folder}/x.conf"])
    alpha.systemctl("daemon-reload")
    alpha.systemctl("stop", service)
    ask = ["curl", "-sS", "--max-time", "10", "http://127.0.0.1:8000/"]
    assert alpha.execute(ask).returncode == 28  # it waits, while the proxy fails again and again
    restarts = int(alpha.systemctl("show", "--property=NRestarts", "--value", service))
    assert 5 < restarts < 120  # more than the usual limit, and slowed down
    assert state(alpha, socket) == "active"
    alpha.succeed(["rm", "-r", folder])
    alpha.systemctl("daemon-reload")
    wait(lambda: fetch(alpha, "127.0.0.1:8000") == identity("holochain0"))


@PROXIES
@HERE
def test_a_proxy_has_descriptors_for_all_its_connections(alpha: NspawnMachine) -> None:
    many = """
import socket
held = [socket.create_connection(("127.0.0.1", 8000)) for _ in range(1500)]
held[-1].sendall(b"GET /identity.env HTTP/1.0\\r\\n\\r\\n")
answer = b""
while more := held[-1].recv(4096):
    answer += more
print(answer.decode())
"""
    assert identity("holochain0") in alpha.succeed(["/usr/bin/python3", "-c", many])


# What half-closed connections, other addresses and the kernel do.

HOST, HUB, INTERNET = "192.0.2.20", "192.0.2.10", "198.51.100.9"
LATE = {"socat": 7001, "socketproxyd": 7002, "haproxy": 7003}


@pytest.fixture(scope="module")
def beta(way: Way, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    answer = "SYSTEM:cat >/dev/null; sleep 1.5; echo answer"
    late = ["socat", "-t", "9", "TCP4-LISTEN:7000,bind=127.0.0.1,fork,reuseaddr", answer]
    engines: dict[str, Engine] = {
        "socat": "socat",
        "socketproxyd": "socket-proxyd",
        "haproxy": "haproxy",
    }
    forwards = {
        name: Forward(port=7000, host_port=port, bind=HOST, engine=engines[name])
        for name, port in LATE.items()
    }

    def serve(port: int) -> Unit:
        command = ["busybox", "httpd", "-f", "-p", f"0.0.0.0:{port}", "-h", "/etc/holo"]
        return Unit(exec_start=command, listens=[f"0.0.0.0:{port}"])

    def exposed(port: int, bind: str) -> Forward:
        return Forward(port=9000, host_port=port, bind=bind, engine="nftables")

    echo = ["socat", "UDP4-RECVFROM:5353,fork", "PIPE"]
    led = Container(
        units={
            "web": serve(9000),
            "more": serve(9001),  # no forward leads there
            "echo": Unit(exec_start=echo, listens=["0.0.0.0:5353/udp"]),
        },
        forwards={
            "one": exposed(80, HOST),
            "all": exposed(81, "0.0.0.0"),  # noqa: S104 - on purpose
            "udp": Forward(port=5353, bind=HOST, protocol="udp", engine="nftables"),
        },
    )
    containers = {
        "late": Container(units={"late": Unit(exec_start=late)}, forwards=forwards),
        "led0": led,
        "other": Container(
            egress="internet", units={"idle": Unit(exec_start=["sleep", "infinity"])}
        ),
    }
    beta = Host(address=HOST, nameservers=["198.51.100.53"], containers=containers)
    fleet = Fleet(name="beta", hosts={"beta": beta})
    world = lab.world(HOST, HUB, INTERNET)
    with running_on(way, tmp_path_factory.mktemp("beta"), fleet, world) as running:
        for name in containers:
            running.wait_for_unit(f"container@{name}.service")
        running.wait_for_unit("socat-late-socat.service")
        wait(lambda: is_ready(running, "led0", "one"))
        yield running


def asked_from(host: NspawnMachine, namespace: str, address: str) -> str:
    enter = ["ip", "netns", "exec", namespace, "curl", "-sS", "--max-time", "2"]
    return host.execute([*enter, f"http://{address}/identity.env"]).stdout.decode()


@pytest.mark.parametrize("name", LATE)
def test_only_socket_proxyd_forgets_a_client_that_has_said_all(
    beta: NspawnMachine,
    name: str,
) -> None:
    ask = f"printf q | socat -t 9 - TCP4:{HOST}:{LATE[name]}"
    told = beta.succeed(["ip", "netns", "exec", "world", "sh", "-c", ask])
    assert told == ("" if name == "socketproxyd" else "answer\n")


LED = "HOLO_CONTAINER=led0\nHOLO_ADDRESS=10.0.86.2\n"


def test_the_kernel_leads_from_the_hosts_address_to_the_service(beta: NspawnMachine) -> None:
    for port in (80, 81):
        assert asked_from(beta, "world", f"{HOST}:{port}") == LED
        assert fetch(beta, f"{HOST}:{port}") == LED  # the host itself
    assert fetch(beta, "127.0.0.1:81") is None
    beta.systemctl("reload", "holo-firewall")
    assert asked_from(beta, "world", f"{HOST}:80") == LED
    assert asked_from(beta, "world", f"{HOST}:9000") == ""
    ask = f"printf hello | socat -t 2 - UDP4:{HOST}:5353"
    for enter in ([], ["ip", "netns", "exec", "world"]):
        assert beta.succeed([*enter, "sh", "-c", ask]) == "hello"
    pids = beta.execute(["pgrep", "-f", "LISTEN:8[01]|proxyd.*9000"])
    assert pids.stdout == b""


def test_the_service_sees_who_its_client_is(beta: NspawnMachine) -> None:
    watch = ["ip", "netns", "exec", "led0", "ss", "-tnH", "state", "time-wait", "sport", "= :9000"]
    asked_from(beta, "world", f"{HOST}:80")
    assert any(f"{HUB}:" in line for line in beta.succeed(watch).splitlines())


def test_the_kernel_leads_to_forwarded_ports_only(beta: NspawnMachine) -> None:
    route = ["ip", "-n", "world", "route", "replace", "10.0.86.0/30", "via", HOST]
    beta.succeed(route)  # a neighbour that tries
    assert asked_from(beta, "world", "10.0.86.2:9001") == ""
    assert asked_from(beta, "world", "10.0.86.2:9000") == ""
    beta.succeed(["ip", "-n", "world", "route", "del", "10.0.86.0/30"])


def test_containers_do_not_reach_each_other_by_way_of_the_kernels_forwards(
    beta: NspawnMachine,
) -> None:
    assert asked_from(beta, "other", INTERNET) == "the world"
    for address in (f"{HOST}:80", f"{HOST}:81", "10.0.87.1:81", "10.0.86.2:9000", "10.0.86.1:81"):
        assert asked_from(beta, "other", address) == ""
    assert asked_from(beta, "led0", f"{HOST}:81") == ""


def test_what_leads_to_a_container_that_is_down_leaves_by_no_link(beta: NspawnMachine) -> None:
    # The default route leads to a neighbour that would answer for the container.
    beta.succeed(["ip", "route", "replace", "default", "via", HUB])
    beta.succeed(["ip", "-n", "world", "address", "add", "10.0.86.2/32", "dev", "outside"])
    beta.succeed(["ip", "-n", "world", "link", "set", "lo", "up"])
    serve = ["ip", "netns", "exec", "world", "busybox", "httpd", "-p", "9000", "-h", "/srv"]
    beta.succeed(serve)
    assert asked_from(beta, "world", "10.0.86.2:9000") == "the world"
    beta.systemctl("stop", "container@led0")
    wait(lambda: state(beta, "netns-led0") == "inactive")
    watch = ["ip", "netns", "exec", "world", "nft"]
    for command in (
        "add table ip seen",
        "add chain ip seen first { type filter hook prerouting priority -300; }",
        "add rule ip seen first ip daddr 10.0.86.2 counter",
    ):
        beta.succeed([*watch, *command.split()])
    assert fetch(beta, f"{HOST}:80") is None
    assert asked_from(beta, "world", f"{HOST}:80") == ""
    assert not is_ready(beta, "led0", "one")
    seen = beta.succeed([*watch, "list", "table", "ip", "seen"])
    assert "counter packets 0" in seen
    beta.systemctl("start", "container@led0")
    wait(lambda: asked_from(beta, "world", f"{HOST}:80") == LED)
    assert fetch(beta, f"{HOST}:81") == LED
