"""The life of a machine by QEMU: boots that fail, consoles that are lost, snapshots, reboots."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from vmtests.places import MachineError, Result
from vmtests.qemu import Image, Qemu, debian_image

pytestmark = pytest.mark.needs("qemu", "qemu-img", "mmdebstrap", "mke2fs", "modprobe", "cpio", "ip")
ROOT = Path(__file__).parent.parent
TIMEOUT = 60.0


@pytest.fixture(scope="module")
def machine() -> Iterator[Qemu]:
    vm = Qemu("life", debian_image())
    try:
        vm.start()
        yield vm
    finally:
        vm.crash()


@pytest.fixture
def other() -> Iterator[Qemu]:
    vm = Qemu("extra", debian_image())
    yield vm
    vm.crash()
    assert_gone("extra")


def assert_gone(name: str) -> None:
    """No process stands in a cgroup of such a machine, save for the moment that its end takes."""
    mark = f"vmtests-{name}-".encode()
    deadline = time.monotonic() + 10
    while left := [path for path in Path("/proc").glob("[0-9]*/cgroup") if mark in _read(path)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes() + (path.parent / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


def out(machine: Qemu, command: str) -> str:
    done: Result = machine.run(["bash", "-c", command], TIMEOUT)
    assert done.returncode == 0, done
    return done.stdout.decode().strip()


def image_with(words: str) -> Image:
    image = debian_image()
    return dataclasses.replace(image, command_line=f"{image.command_line} {words}")


def test_copies_of_a_snapshot_are_machines_of_their_own(machine: Qemu, other: Qemu) -> None:
    other.start()
    assert "Linux version" not in other.console.text  # it has not booted
    identities = "uname -n; cat /etc/hostname /etc/machine-id; head -c 16 /dev/urandom | od -x"
    mine, its = (out(vm, identities).splitlines() for vm in (machine, other))
    assert (mine[:2], its[:2]) == (["life"] * 2, ["extra"] * 2)
    assert mine[2] != its[2]
    assert mine[3] != its[3]
    for vm in (machine, other):
        assert abs(float(out(vm, "date +%s.%N")) - time.time()) < 5
        out(vm, "logger -t test hello; journalctl --sync")
        assert "hello" in out(vm, "journalctl -t test")
        assert out(vm, "systemctl is-system-running") == "running"


def test_restore_brings_back_files_processes_and_the_hour(machine: Qemu) -> None:
    out(machine, "echo before >/srv/file; setsid sleep 1000 >/dev/null 2>&1 & sync")
    machine.snapshot("a")
    out(machine, "echo after >/srv/file; pkill -x sleep; touch /srv/new")
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(machine.run, ["sleep", "1000"], None)
        time.sleep(1)
        machine.restore("a")
        with pytest.raises(MachineError, match="gone back to a snapshot"):
            lost.result()
    assert out(machine, "cat /srv/file; ls /srv; pgrep -c -f 'sleep 1000$'") == "before\nfile\n1"
    assert abs(float(out(machine, "date +%s.%N")) - time.time()) < 5
    machine.restore("a")
    assert out(machine, "ls /srv") == "file"
    with pytest.raises(MachineError, match="life: there is no snapshot none"):
        machine.restore("none")
    with pytest.raises(ValueError, match="snapshot 'A B'"):
        machine.snapshot("A B")
    assert out(machine, "echo usable") == "usable"


def test_reboot_shutdown_and_crash_keep_the_disk(machine: Qemu) -> None:
    boot = "cat /proc/sys/kernel/random/boot_id"
    first = out(machine, f"echo kept >/srv/kept; sync; {boot}")
    machine.reboot()
    second = out(machine, boot)
    assert first != second
    assert out(machine, "cat /srv/kept; uname -n") == "kept\nlife"
    machine.shutdown()
    assert machine.wait_for_shutdown(0)
    assert "reboot: Power down" in machine.console.text
    with pytest.raises(MachineError, match="life: it is off"):
        machine.run(["true"], TIMEOUT)
    assert_gone("life")
    machine.start()
    assert out(machine, "cat /srv/kept; echo crashed >/srv/kept; sync") == "kept"
    machine.crash()
    assert_gone("life")
    machine.start()
    assert out(machine, "cat /srv/kept") == "crashed"


def test_panic_is_told_at_once_with_the_consoles_last_lines(other: Qemu) -> None:
    other.start()
    begun = time.monotonic()
    with pytest.raises(MachineError, match="Kernel panic - not syncing: sysrq"):
        other.run(["sh", "-c", "echo c >/proc/sysrq-trigger; sleep 1000"], 120)
    assert time.monotonic() - begun < 60
    with pytest.raises(MachineError, match="panic"):
        other.run(["true"], TIMEOUT)


def test_panic_in_the_boot_is_told_at_once() -> None:
    vm = Qemu("extra", image_with("init=/no/init"), fresh=True)
    begun = time.monotonic()
    with pytest.raises(MachineError, match=r"(?s)panic.*extra|extra.*panic"):
        vm.start(200)
    assert time.monotonic() - begun < 100
    assert_gone("extra")


def test_boot_that_hangs_is_told_in_time_with_the_consoles_last_lines() -> None:
    vm = Qemu("extra", image_with("init=/usr/bin/yes"), fresh=True)
    begun = time.monotonic()
    with pytest.raises(MachineError, match=r"(?s)extra: no login within the time given\n.*\w"):
        vm.start(25)
    assert time.monotonic() - begun < 90
    assert_gone("extra")


def test_qemu_that_dies_is_told_at_once(other: Qemu) -> None:
    other.start()
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(other.run, ["sleep", "1000"], None)
        time.sleep(1)
        other.place.namespaces.process.kill()
        with pytest.raises(MachineError, match=r"extra: sleep 1000: the (machine|channel) "):
            lost.result(20)
    with pytest.raises(MachineError, match="it is off"):
        other.run(["true"], TIMEOUT)


def test_qemu_that_hangs_is_told_in_time(other: Qemu) -> None:
    other.start()
    (pid,) = (other.place.namespaces.cgroup / "cgroup.procs").read_text().split()
    os.kill(int(pid), signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(MachineError, match=r"extra: true: .*(does not answer|takes no more data)"):
        other.run(["true"], 2)
    assert not other.wait_for_shutdown(0.1)
    assert time.monotonic() - begun < 30


def test_console_that_is_lost_is_told_at_once_and_commands_still_run(other: Qemu) -> None:
    other.start()
    with ThreadPoolExecutor(1) as pool:
        never = pool.submit(other.console.wait_for, "never printed", 120)
        lose_console(other)
        with pytest.raises(MachineError, match="the console is closed"):
            never.result(20)
    assert out(other, "echo usable") == "usable"


def test_console_that_is_lost_in_the_boot_is_told_at_once() -> None:
    vm = Qemu("extra", debian_image(), fresh=True)
    with ThreadPoolExecutor(1) as pool:
        boot = pool.submit(vm.start, 200)
        deadline = time.monotonic() + 60
        while not (vm.is_on and "Linux version" in vm.console.text):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        with suppress(MachineError):  # QEMU may have been ended for it before it answers
            lose_console(vm)
        with pytest.raises(MachineError, match=r"extra: the console was closed.*\n\[ +\d+\."):
            boot.result(20)
    assert_gone("extra")


def lose_console(machine: Qemu) -> None:
    machine._monitor().monitor("chardev-change console null", TIMEOUT)


def test_kvm_works_or_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmtests.qemu.backend.KVM_TIMEOUT", 5.0)
    vm = Qemu("extra", debian_image(), accel="kvm", fresh=True)
    begun = time.monotonic()
    with suppress(MachineError):
        vm.start()
        assert out(vm, "echo up") == "up"
    vm.crash()
    assert time.monotonic() - begun < 40
    assert_gone("extra")


def test_processes_start_from_one_snapshot_at_once() -> None:
    code = (
        "import sys; from vmtests.qemu import *; vm = Qemu(sys.argv[1], debian_image());"
        "vm.start(); print(vm.run(['cat', '/etc/hostname', '/etc/machine-id'], 60).stdout.decode())"
    )
    names = ["left", "right"]
    tests = [
        subprocess.Popen(
            [sys.executable, "-c", code, name], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for name in names
    ]
    told = [test.communicate(timeout=120)[0].split() for test in tests]
    assert [words[0] for words in told] == names
    assert told[0][1] != told[1][1]
    for name in names:
        assert_gone(name)


def test_nothing_is_left_of_a_test_that_is_killed() -> None:
    code = (
        "from vmtests.qemu import *; vm = Qemu('vm-killed', debian_image()); vm.start();"
        "print('up', flush=True); vm.run(['sleep', '1000'], None)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as test:
        assert test.stdout is not None
        assert test.stdout.readline() == b"up\n"
        os.kill(test.pid, signal.SIGKILL)
    assert_gone("vm-killed")


def test_image_that_lacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Qemu("extra", Image(tmp_path / "none")).start()
    with pytest.raises(ValueError, match="accel 'xen'"):
        Qemu("extra", debian_image(), accel="xen")
