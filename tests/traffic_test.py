"""What forwards do with traffic, whatever engine carries it: a compiled host on a real systemd."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from holo_infra import BindMount, Container, Fleet, Forward, Host, Unit
from holo_infra.model.names import Engine
from holo_infra.plan import write
from holo_infra.targets.systemd import systemd
from tests.support import fleets, traffic
from tests.support.lab import NEEDS, machine, wait
from vmtests.places import NspawnMachine

pytestmark = pytest.mark.needs(*NEEDS, "nft", "haproxy")

MIB, GIB = 1 << 20, 1 << 30
PROGRAM = "/srv/traffic.py"
HOST = "192.0.2.7"
PLACES: dict[Engine, str] = {
    "socat": "127.0.0.1:7001",
    "socket-proxyd": "127.0.0.1:7002",
    "haproxy": "127.0.0.1:7003",
    "nftables": f"{HOST}:7004",
}
PROCESSES: dict[Engine, tuple[str, ...]] = {
    "socat": ("socat-work-socat.service", "socat-internal-socat-forwarder.service"),
    "socket-proxyd": ("socket-proxyd-work-socketproxyd.service",),
    "haproxy": ("haproxy-work-haproxy.service",),
    "nftables": (),
}
"""The units whose processes carry a forward's bytes."""
DESCRIPTORS: dict[Engine, int] = {"socat": 4, "socket-proxyd": 6, "haproxy": 2, "nftables": 0}
"""Of a connection, at least."""
each_engine = pytest.mark.parametrize("engine", PLACES)
WHOLE: Engine = "socket-proxyd"
"""The engine that knows no half of a connection: with one half it closes both."""
each_engine_with_halves = pytest.mark.parametrize("engine", [e for e in PLACES if e != WHOLE])


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    serve = ["/usr/bin/python3", PROGRAM, "serve", "127.0.0.1:7000", "0.0.0.0:7100"]
    work = Container(
        units={"service": Unit(exec_start=serve, settings={"LimitNOFILE": "16384"})},
        bind_mounts={PROGRAM: BindMount(source=PROGRAM)},
        forwards={
            engine.replace("-", ""): Forward(
                engine=engine,
                port=7100 if engine == "nftables" else 7000,
                host_port=traffic.place_of(place)[1],
                bind=traffic.place_of(place)[0],
            )
            for engine, place in PLACES.items()
        },
    )
    fleet = Fleet(name="traffic", hosts={"alpha": Host(containers={"work": work})})
    folder = tmp_path_factory.mktemp("traffic")
    write(systemd(fleets.lowered(fleet)), folder)
    with machine(folder, "alpha", {PROGRAM: Path(traffic.__file__)}) as running:
        running.succeed(["ip", "address", "add", f"{HOST}/32", "dev", "lo"])
        for place in PLACES.values():
            wait(lambda place=place: echoes(running, place))  # type: ignore[misc]
        yield running


def argv(client: str, *arguments: object) -> list[str]:
    return ["/usr/bin/python3", PROGRAM, client, *map(str, arguments)]


def run(host: NspawnMachine, client: str, *arguments: object) -> Any:
    return json.loads(host.succeed(argv(client, *arguments)).splitlines()[-1])


def echoes(host: NspawnMachine, place: str) -> bool:
    return bool(run(host, "echo", place, "hello") == "hello")


@contextmanager
def once_there(
    host: NspawnMachine, client: str, *arguments: object
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """A client that has told on a line that all its connections are there, and its end."""
    pipe = subprocess.PIPE
    with host.popen(argv(client, *arguments), stdin=pipe, stderr=pipe) as command:
        assert command.stdout is not None
        line = command.stdout.readline().decode().strip()
        assert line, command.communicate(timeout=60)

        def end() -> Any:
            output, errors = command.communicate(b"\n", timeout=60)
            assert command.returncode == 0, errors.decode()
            return json.loads(output)

        try:
            yield line, end
        finally:
            command.kill()


Footprint = dict[str, tuple[int, int]]


def footprint(host: NspawnMachine, engine: Engine) -> Footprint:
    """Processes and descriptors of each unit that carries an engine's forward."""
    found = run(host, "footprint", *PROCESSES[engine])
    return {unit: (of["processes"], of["descriptors"]) for unit, of in found.items()}


@pytest.fixture
def settled(host: NspawnMachine, engine: Engine) -> Iterator[None]:
    """Before a test and after it, an engine carries traffic and has the same few processes."""
    assert echoes(host, PLACES[engine])
    before, earlier = footprint(host, engine), None
    end = time.monotonic() + 10
    while before != earlier and time.monotonic() < end:  # what has carried that may be about to end
        time.sleep(0.1)
        before, earlier = footprint(host, engine), before
    yield
    assert echoes(host, PLACES[engine])
    end = time.monotonic() + 10
    while (after := footprint(host, engine)) != before and time.monotonic() < end:
        time.sleep(0.1)
    assert after == before
    wait(lambda: run(host, "unreaped") == 0)


@each_engine
@pytest.mark.usefixtures("settled")
def test_a_gibibyte_arrives_as_it_was_sent(host: NspawnMachine, engine: Engine) -> None:
    assert run(host, "down", PLACES[engine], GIB)["digest"] == traffic.digest_of(GIB)
    assert run(host, "up", PLACES[engine], GIB // 8)["digest"] == traffic.digest_of(GIB // 8)


@each_engine
@pytest.mark.usefixtures("settled")
def test_of_a_thousand_connections_each_has_its_own_bytes_and_none_leaves_a_trace(
    host: NspawnMachine, engine: Engine
) -> None:
    before = footprint(host, engine)
    with once_there(host, "crowd", PLACES[engine], 1000) as (seen, end):
        assert seen == "1000"  # by the service, at one time
        held = footprint(host, engine)
        grown = sum(held[unit][1] - before[unit][1] for unit in held)
        assert grown >= 1000 * DESCRIPTORS[engine]  # these are the processes that carry them
        assert end() == {"echoed": 1000}


@each_engine
@pytest.mark.usefixtures("settled")
def test_slow_clients_lose_nothing(host: NspawnMachine, engine: Engine) -> None:
    told = run(host, "slow", PLACES[engine], 50, 16 * MIB)
    assert told == {"digest": traffic.digest_of(16 * MIB), "echoed": 1000}


@each_engine_with_halves
@pytest.mark.usefixtures("settled")
def test_a_client_that_has_said_all_gets_its_answer(host: NspawnMachine, engine: Engine) -> None:
    answer = run(host, "finished", PLACES[engine], 4 * MIB)
    assert answer == traffic.digest_of(4 * MIB)


@each_engine_with_halves
@pytest.mark.usefixtures("settled")
def test_a_service_that_has_said_all_hears_the_client_out(
    host: NspawnMachine, engine: Engine
) -> None:
    heard = run(host, "outlived", PLACES[engine], engine, 4 * MIB)
    assert heard == {"said": "bye", "got": traffic.digest_of(4 * MIB)}


@pytest.mark.parametrize("engine", [WHOLE])
@pytest.mark.usefixtures("settled")
def test_socket_proxyd_ends_a_connection_once_a_side_has_said_all(
    host: NspawnMachine, engine: Engine
) -> None:
    # A limit that docs/limitations.md tells of: what has been said arrives, and nothing after it.
    assert run(host, "finished", PLACES[engine], 4 * MIB) == ""
    heard = run(host, "outlived", PLACES[engine], engine, 4 * MIB)
    assert heard == {"said": "bye", "got": traffic.digest_of(0)}


@each_engine
@pytest.mark.usefixtures("settled")
def test_clients_that_say_nothing_hold_nobody_up(host: NspawnMachine, engine: Engine) -> None:
    with once_there(host, "silent", PLACES[engine], 100) as (there, end):
        assert there == "there"
        wait(lambda: run(host, "ask", PLACES[engine], "open") == "100")
        assert echoes(host, PLACES[engine])
        assert run(host, "down", PLACES[engine], MIB)["digest"] == traffic.digest_of(MIB)
        assert end() == {"held": 100}
    wait(lambda: run(host, "ask", PLACES[engine], "open") == "0")


SOCKETS: dict[Engine, str] = {
    "socket-proxyd": "socket-proxyd-work-socketproxyd",
    "haproxy": "haproxy-work-haproxy",
}


def accepted(host: NspawnMachine, engine: Engine) -> list[str]:
    """What the host has accepted for an engine's forward, with the kernel's timers."""
    _, port = traffic.place_of(PLACES[engine])
    return host.succeed(["ss", "-tonH", "state", "established", f"sport = :{port}"]).splitlines()


@pytest.mark.parametrize("engine", [*SOCKETS, "socat"])
@pytest.mark.usefixtures("settled")
def test_who_says_nothing_for_long_is_asked_whether_it_is_there(
    host: NspawnMachine, engine: Engine
) -> None:
    with once_there(host, "silent", PLACES[engine], 3) as (_, end):
        # Socat asks for it once it has begun a process for the connection.
        wait(lambda: "".join(accepted(host, engine)).count("timer:") == 3)
        found = accepted(host, engine)
        end()
    assert len(found) == 3
    # Some ten minutes after the last word.
    kept = ("timer:(keepalive,9min", "timer:(keepalive,10min,")
    assert [line for line in found if not any(timer in line for timer in kept)] == []


@pytest.mark.parametrize("engine", SOCKETS)
@pytest.mark.usefixtures("settled")
def test_a_client_that_is_gone_without_a_word_is_forgotten(
    host: NspawnMachine, engine: Engine
) -> None:
    place, socket = PLACES[engine], f"{SOCKETS[engine]}.socket"
    _, port = traffic.place_of(place)
    folder = f"/run/systemd/system/{socket}.d"
    text = "[Socket]\\nKeepAliveTimeSec=6\\nKeepAliveIntervalSec=1\\nKeepAliveProbes=3\\n"
    host.succeed(["sh", "-c", f"mkdir -p {folder}; printf '{text}' > {folder}/x.conf"])
    anew = ["sh", "-c", f"systemctl daemon-reload; systemctl restart {socket}"]
    host.succeed(anew)
    try:
        with once_there(host, "silent", place, 3):
            wait(lambda: run(host, "ask", place, "open") == "3")
            ports = {line.split()[3].rpartition(":")[2] for line in accepted(host, engine)}
            # From now on nothing of theirs arrives, neither that they close nor that they are gone.
            lose = f"tcp dport {port} tcp sport {{ {', '.join(ports)} }} drop"
            for rule in (
                "table inet lost",
                "chain inet lost input { type filter hook input priority -300; }",
                f"rule inet lost input {lose}",
            ):
                host.succeed(["nft", "add", *rule.split()])
            host.succeed(["pkill", "-KILL", "-f", f"traffic.py silent {place}"])
        assert len(ports) == 3
        assert run(host, "ask", place, "open") == "3"
        wait(lambda: run(host, "ask", place, "open") == "0", 60)
    finally:
        host.execute(["nft", "delete", "table", "inet", "lost"])
        host.succeed(["rm", "-r", folder])
        host.succeed(anew)


@each_engine
@pytest.mark.usefixtures("settled")
def test_clients_that_vanish_leave_nothing(host: NspawnMachine, engine: Engine) -> None:
    assert run(host, "vanish", PLACES[engine], 30) == {"gone": 90}
    wait(lambda: run(host, "ask", PLACES[engine], "open") == "0")  # the service is told


@each_engine
@pytest.mark.usefixtures("settled")
def test_connections_that_the_service_resets_end(host: NspawnMachine, engine: Engine) -> None:
    assert run(host, "refused", PLACES[engine], 30) == {"ended": 60}


@each_engine
@pytest.mark.usefixtures("settled")
def test_a_restart_of_the_service_ends_its_connections(host: NspawnMachine, engine: Engine) -> None:
    with once_there(host, "until_end", PLACES[engine], 10) as (there, end):
        assert there == "there"
        host.systemctl("--machine=work", "restart", "service")
        assert end() == {"ended": 20}
    wait(lambda: echoes(host, PLACES[engine]))


def test_forwards_stop_and_start_with_their_container(host: NspawnMachine) -> None:
    with ExitStack() as stack:
        clients = [
            stack.enter_context(once_there(host, "until_end", p, 3)) for p in PLACES.values()
        ]
        assert [there for there, _ in clients] == ["there"] * len(PLACES)
        host.systemctl("stop", "container@work")
        assert [end() for _, end in clients] == [{"ended": 6}] * len(PLACES)
    assert [place for place in PLACES.values() if echoes(host, place)] == []
    left = [of for engine in PLACES for of in footprint(host, engine).values()]
    assert set(left) == {(0, 0)}
    host.systemctl("start", "container@work")
    for place in PLACES.values():
        wait(lambda place=place: echoes(host, place))  # type: ignore[misc]
    assert host.systemctl("--failed", "--no-legend") == ""
