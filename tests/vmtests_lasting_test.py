"""Machines and switches that outlive the process that started them, and what kills them."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.traces import (
    assert_gone,
    forget_namespaces,
    pids_of,
    remember_namespaces,
    traces,
)
from vmtests.places import MachineError, NspawnMachine, Switch, sweep
from vmtests.places.place import Place
from vmtests.places.process import Process

pytestmark = pytest.mark.needs("nspawn", "ip")

ROOT = Path(__file__).parent.parent
SOON = 30.0


@pytest.fixture(autouse=True)
def fresh_traces() -> Iterator[None]:
    yield
    forget_namespaces()


def process(place: str, disk: Path, *, pauses: bool = False) -> subprocess.Popen[bytes]:
    """Another process, which starts a place, writes its record and detaches it.

    At each pause it says what comes next and waits for a line.
    """
    script = f"""\
import json, sys
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}]
from vmtests.places import NspawnMachine, Switch
def pause(what):
    if {pauses!r}:
        print(what, flush=True)
        sys.stdin.readline()
place = {place}
pause("start")
place.start()
pause("write")
new = Path({str(disk)!r} + ".new")
new.write_text(json.dumps(place.record()))
new.rename({str(disk)!r})
pause("detach")
place.detach()
pause("exit")
"""
    return subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def kill_before(step: str, running: subprocess.Popen[bytes]) -> None:
    with running:
        assert running.stdout is not None
        assert running.stdin is not None
        while running.stdout.readline().decode().strip() != step:
            running.stdin.write(b"\n")
            running.stdin.flush()
        running.kill()


def test_detached_machine_outlives_its_process_and_another_can_do_all_with_it(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "record"
    with process("NspawnMachine('lasting')", disk) as other:
        assert other.wait(60) == 0
    machine = NspawnMachine.attach(json.loads(disk.read_text()))
    try:
        remember_namespaces(*pids_of(machine))
        assert machine.succeed(["uname", "-n"]) == "lasting\n"
        machine.wait_for_unit("multi-user.target")
        assert "Reached target" in machine.journal("multi-user.target")
        assert "Multi-User System" in machine.console()
        assert machine.systemctl("is-system-running") == "running\n"
        machine.shutdown()
    finally:
        machine.kill()
    assert_gone("lasting")


def test_process_that_detached_can_go_on_with_the_machine_and_end_it() -> None:
    machine = NspawnMachine("goes-on")
    machine.start()
    remember_namespaces(*pids_of(machine))
    record = json.loads(json.dumps(machine.record()))
    machine.detach()
    machine.detach()  # which changes nothing
    assert machine.succeed(["uname", "-n"]) == "goes-on\n"
    del machine
    gc.collect()
    again = NspawnMachine.attach(record)
    assert NspawnMachine.attach(record).succeed(["uname", "-n"]) == "goes-on\n"
    with pytest.raises(MachineError, match="still runs; attach and kill it"):
        sweep(record)
    again.kill()
    again.kill()
    assert_gone("goes-on")
    with pytest.raises(MachineError, match="goes-on: gone: it has ended or was killed"):
        NspawnMachine.attach(record)
    sweep(record)


@pytest.mark.parametrize("place", ["NspawnMachine('early')", "Switch('early')"])
@pytest.mark.parametrize("step", ["write", "detach"])
def test_nothing_is_left_of_a_process_killed_before_it_detached(
    place: str, step: str, tmp_path: Path
) -> None:
    kill_before(step, process(place, tmp_path / "record", pauses=True))
    assert_gone("early", within=SOON)


def test_whenever_a_process_is_killed_what_runs_on_has_its_record_on_disk(tmp_path: Path) -> None:
    seed = random.Random(1)
    ends: set[str] = set()
    for number in range(60):
        if number >= 12 and {"runs on", "gone"} <= ends:
            break
        disk = tmp_path / str(number)
        with process("Switch('any-time')", disk, pauses=True) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            other.stdout.readline()
            other.stdin.write(b"\n" * 3)
            other.stdin.flush()
            time.sleep(seed.uniform(0.0, 0.12 * (1 + number // 12)))  # later, if it is slow
            other.kill()
        deadline = time.monotonic() + SOON
        while traces("any-time") and not disk.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        if disk.exists():
            record = json.loads(disk.read_text())
            time.sleep(0.2)  # for a keeper that has heard of the death, but not yet ended
            try:
                Switch.attach(record).kill()
                ends.add("runs on")
            except MachineError:
                ends.add("gone, with a record")
        else:
            ends.add("gone")
        assert_gone("any-time", within=SOON)
    assert {"runs on", "gone"} <= ends, "the moments were badly chosen"


# kill -9


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def unshare(place: Place) -> int:
    return place.namespaces.process.pid


def keeper(place: Place) -> int:
    return children(unshare(place))[0]


def nspawn(place: Place) -> int:
    return children(keeper(place))[0]


def leader(place: Place) -> int:
    return place.pid


@pytest.mark.parametrize("victim", [unshare, keeper, nspawn, leader])
def test_of_a_detached_machine_killed_anywhere_at_most_the_cgroup_is_left(
    victim: Callable[[Place], int],
) -> None:
    name = f"killed-{victim.__name__}"
    machine = NspawnMachine(name)
    machine.start()
    remember_namespaces(*pids_of(machine))
    record = machine.record()
    machine.detach()
    assert traces(name), "the test would not notice what is left"
    os.kill(victim(machine), signal.SIGKILL)
    assert machine.namespaces.wait(SOON)
    del machine
    gc.collect()
    deadline = time.monotonic() + SOON
    while (left := traces(name)) and time.monotonic() < deadline:
        if all(trace.endswith(f"/{record['cgroup']}") for trace in left):
            break
        time.sleep(0.02)
    assert [trace for trace in left if not trace.endswith(f"/{record['cgroup']}")] == []
    assert left == [] or victim in {unshare, keeper}
    with pytest.raises(MachineError, match="gone"):
        NspawnMachine.attach(record)
    sweep(record)
    assert_gone(name)
    sweep(record)


@pytest.mark.parametrize("victim", [unshare, keeper])
def test_of_a_detached_switch_killed_anywhere_at_most_the_cgroup_is_left(
    victim: Callable[[Place], int],
) -> None:
    switch = Switch("cut")
    switch.start()
    remember_namespaces(*pids_of(switch))
    record = switch.record()
    switch.detach()
    with switch.popen(["sh", "-c", "echo; exec sleep 4243"]) as server:
        assert server.stdout is not None
        server.stdout.readline()
        os.kill(victim(switch), signal.SIGKILL)
        assert server.wait(SOON) == -signal.SIGKILL
    assert switch.namespaces.wait(SOON)
    sweep(record)
    assert_gone("cut", within=SOON)


def test_one_that_was_killed_is_cleared_by_its_own_kill() -> None:
    machine = NspawnMachine("cleared")
    machine.start()
    machine.detach()
    os.kill(keeper(machine), signal.SIGKILL)
    machine.kill()
    assert_gone("cleared")


def test_process_with_a_number_used_again_is_not_taken_for_the_recorded_one() -> None:
    with Switch("number") as switch:
        record = switch.record()
        assert Process.find(record) is not None
        for other in ({"started": record["started"] - 1}, {"boot": "another"}):
            assert Process.find({**record, **other}) is None  # type: ignore[typeddict-item]
        with pytest.raises(MachineError, match="number: gone"):
            Switch.attach({**record, "started": 1})


def test_number_that_is_now_a_threads_or_nobodys_is_no_process() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        record = Process(os.getpid()).record()
        assert Process.find(record) is not None
        assert Process.find({**record, "pid": thread.native_id}) is None
    finally:
        done.set()
        thread.join()
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert Process.find({**record, "pid": ended.pid}) is None


@pytest.mark.parametrize("cgroup", ["user.slice", "vmtests-a/../../user.slice", ""])
def test_sweep_refuses_a_cgroup_that_is_no_machines(cgroup: str) -> None:
    with Switch("other") as switch:
        record = switch.record()
    record["cgroup"] = cgroup
    with pytest.raises(ValueError, match=r"cgroup .*: no machine's"):
        sweep(record)


def test_lasting_machine_keeps_no_file_of_the_process_open() -> None:
    # Else a pipeline that started a lab would wait for the lab's end.
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)  # noqa: FBT003 (it takes no keyword)
    switch = Switch("quiet")
    switch.start()
    switch.detach()
    try:
        os.close(writing)
        assert os.read(reading, 1) == b""
        assert Path(f"/proc/{keeper(switch)}/cwd").readlink() == Path("/")
    finally:
        os.close(reading)
        switch.kill()
