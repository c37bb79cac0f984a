"""Ports of this computer's loopback that lead into machines, as long as these live."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.traces import assert_gone, forget_namespaces, pids_of, remember_namespaces
from vmtests.places import MachineError, NspawnMachine, Publication, Switch, publish, unpublish
from vmtests.places.place import Place

pytestmark = pytest.mark.needs("nspawn", "busybox", "curl")

ROOT = Path(__file__).parent.parent
SOON = 30.0


@pytest.fixture(autouse=True)
def fresh_traces() -> Iterator[None]:
    yield
    forget_namespaces()


@pytest.fixture
def world() -> Iterator[Switch]:
    with Switch("world") as switch:
        yield switch


def serve(place: Place, folder: str) -> None:
    """Serve files on the loopback of a place; returns when it can be asked."""
    place.succeed(["busybox", "httpd", "-p", "127.0.0.1:8000", "-h", folder])


def get(port: int, path: str) -> str | None:
    ask = ["curl", "-sS", "--max-time", "5", f"http://127.0.0.1:{port}/{path}"]
    done = subprocess.run(ask, check=False, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def closed(port: int) -> bool:
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) != 0:
                return True
        time.sleep(0.02)
    return False


def test_port_leads_to_the_machines_own_loopback_and_ends_with_the_machine() -> None:
    with NspawnMachine("published", files={"/srv/page": "of the machine\n"}) as machine:
        remember_namespaces(*pids_of(machine))
        serve(machine, "/srv")
        first = publish(machine, 0, "127.0.0.1:8000")
        second = publish(machine, 0, "127.0.0.1:8000")
        assert first["port"] != second["port"]
        for publication in (first, second):
            assert get(publication["port"], "page") == "of the machine\n"
        assert get(8000, "page") is None
        machine.shutdown()
    assert_gone("published")
    for publication in (first, second):
        assert closed(publication["port"])
        unpublish(publication)  # which is done


def test_port_is_closed_by_unpublish_and_can_be_had_again(world: Switch, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("x")
    serve(world, str(tmp_path))
    publication = publish(world, 0, "127.0.0.1:8000")
    port = publication["port"]
    with socket.create_connection(("127.0.0.1", port), timeout=SOON) as client:
        client.sendall(b"GET /page HTTP/1.0\r\n")
        unpublish(json.loads(json.dumps(publication)))
        assert closed(port)
        with suppress(ConnectionResetError):  # the connection that was open has ended too
            assert client.recv(1) == b""
    again = publish(world, port, "127.0.0.1:8000")
    assert get(port, "page") == "x"
    unpublish(publication)  # of the first, whose process is another
    assert get(port, "page") == "x"
    unpublish(again)
    assert closed(port)


def test_port_in_use_is_named(world: Switch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            MachineError, match=rf"world: 127\.0\.0\.1:{port}: Address already in use"
        ):
            publish(world, port, "127.0.0.1:8000")


def test_only_loopback_listens(world: Switch) -> None:
    publication = publish(world, 0, "127.0.0.1:8000")
    listeners = Path("/proc/net/tcp").read_text().splitlines()
    mine = [line.split()[1] for line in listeners if f":{publication['port']:04X} " in line[:22]]
    assert mine == [f"0100007F:{publication['port']:04X}"]


def test_connection_comes_before_the_server_and_the_next_one_gets_through(
    world: Switch, tmp_path: Path
) -> None:
    (tmp_path / "page").write_text("x")
    port = publish(world, 0, "127.0.0.1:8000")["port"]
    assert get(port, "page") is None
    serve(world, str(tmp_path))
    assert get(port, "page") == "x"


@pytest.mark.parametrize("victim", ["keeper", "unshare"])
def test_port_is_closed_however_the_place_is_killed(world: Switch, victim: str) -> None:
    remember_namespaces(*pids_of(world))
    port = publish(world, 0, "127.0.0.1:8000")["port"]
    pid = world.namespaces.process.pid
    if victim == "keeper":
        pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    assert closed(port)
    world.kill()
    assert_gone("world", within=SOON)


@pytest.mark.parametrize("detach", [True, False])
def test_port_outlives_the_process_exactly_if_the_place_does(
    detach: bool,  # noqa: FBT001 (a test's parameter)
    tmp_path: Path,
) -> None:
    (tmp_path / "page").write_text("x")
    script = f"""\
import json, sys
sys.path[:0] = [{str(ROOT)!r}]
from vmtests.places import Switch, publish
world = Switch("outlives")
world.start()
world.succeed(["busybox", "httpd", "-p", "127.0.0.1:8000", "-h", {str(tmp_path)!r}])
publication = publish(world, 0, "127.0.0.1:8000")
print(json.dumps([world.record(), publication]), flush=True)
if {detach!r}:
    world.detach()
print(flush=True)
sys.stdin.readline()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        record, publication = json.loads(process.stdout.readline())
        assert get(publication["port"], "page") == "x"
        process.stdout.readline()
        process.kill()
    if detach:
        world = Switch.attach(record)
        assert get(publication["port"], "page") == "x"
        unpublish(publication)
        assert closed(publication["port"])
        world.kill()
    assert closed(publication["port"])
    assert_gone("outlives", within=SOON)


def test_many_connections_at_a_time(world: Switch, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("x" * 100_000)
    serve(world, str(tmp_path))
    port = publish(world, 0, "127.0.0.1:8000")["port"]
    url = f"http://127.0.0.1:{port}/page"
    ask = ["curl", "-sS", "--parallel", "--parallel-max", "50", *([url] * 100)]
    done = subprocess.run(ask, check=True, capture_output=True, timeout=30)
    assert len(done.stdout) == 100 * 100_000


def test_place_that_is_off_cannot_be_published() -> None:
    with pytest.raises(MachineError, match="off: not started"):
        publish(Switch("off"), 0, "127.0.0.1:8000")


def test_record_is_typed_json(world: Switch) -> None:
    publication: Publication = publish(world, 0, "127.0.0.1:8000")
    assert publication["target"] == "127.0.0.1:8000"
    assert json.loads(json.dumps(publication)) == publication
    gc.collect()
    assert not closed_now(publication["port"])


def closed_now(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0
