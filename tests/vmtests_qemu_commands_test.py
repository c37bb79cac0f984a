"""Commands in a machine by QEMU: bytes, statuses, and what would harm a mere shell."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from vmtests.backend import CommandTimeout
from vmtests.places import MachineError
from vmtests.qemu import Qemu, debian_image

pytestmark = pytest.mark.needs("qemu", "qemu-img", "mmdebstrap", "mke2fs", "modprobe", "cpio", "ip")
TIMEOUT = 60.0
ALONE = 360


@pytest.fixture(scope="module")
def machine() -> Iterator[Qemu]:
    vm = Qemu("commands", debian_image())
    try:
        vm.start()
        yield vm
    finally:
        vm.crash()


def texts() -> list[bytes]:
    """A thousand, short and long, among them those of bytes that a shell takes for its own."""
    rng = random.Random(6)
    odd = [0, 1, 10, 13, 27, 32, 34, 36, 39, 92, 127, 128, 255]
    found = []
    for number in range(1000):
        size = rng.choice([0, 1, 2, 3, 10, 50])
        found.append(bytes(rng.choices(odd, k=size)) if number % 2 else rng.randbytes(size))
    return found


def test_a_thousand_random_strings_come_out_as_they_are(machine: Qemu) -> None:
    # Some go alone, some of them to both streams; the others together, for starts are slow here.
    whole = texts()
    for number, text in enumerate(whole[:ALONE]):
        if number < ALONE // 10:  # as `Machine.run` asks
            done = machine.run(["bash", "-c", "set -euo pipefail; tee /dev/stderr"], TIMEOUT, text)
            assert (done.returncode, done.stdout, done.stderr) == (0, text, text)
        else:
            done = machine.run(["cat"], TIMEOUT, text)
            assert (done.returncode, done.stdout, done.stderr) == (0, text, b"")
    for size in (3999, 4000, 4001, 9000):
        text = random.Random(size).randbytes(size)
        for data in (text, text.replace(b"\0", b"x"), b"\0" + text, b"\n" * size):
            done = machine.run(
                ["sh", "-c", "cat >/run/x; cat /run/x; cat /run/x >&2"], TIMEOUT, data
            )
            assert (done.stdout, done.stderr) == (data, data)
    for start in range(ALONE, 1000, 80):
        data = b"".join(whole[start : start + 80])
        done = machine.run(["cat"], TIMEOUT, data)
        assert done.stdout == data


def test_status_is_exact(machine: Qemu) -> None:
    wanted = list(range(256))
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: machine.run(["sh", "-c", f"exit {n}"], TIMEOUT), wanted)
        assert [done.returncode for done in found] == wanted
        killed = [1, 2, 3, 6, 9, 13, 15]
        found = pool.map(lambda n: machine.run(["sh", "-c", f"kill -{n} $$"], TIMEOUT), killed)
        assert [-done.returncode for done in found] == killed
    assert machine.run(["no-such-program"], TIMEOUT).returncode == 127


def test_arguments_arrive_as_they_are(machine: Qemu) -> None:
    odd = ["", " ", "a b", "$HOME", "'", '"', "\\", "\n", "\t", "é", "*", "-n", "\x1b[0m", "`", "!"]
    done = machine.run(["printf", "%s\\0", *odd], TIMEOUT)
    assert done.stdout.decode().split("\0")[:-1] == odd
    assert machine.run(["exit", "3"], TIMEOUT).returncode == 127  # a shell's word, and no program


def test_megabytes_pass_both_ways(machine: Qemu) -> None:
    data = random.Random(1).randbytes(10_000_000)
    assert machine.run(["cat"], 120, data).stdout == data


def test_prompts_and_codes_do_no_harm(machine: Qemu) -> None:
    odd = b"\x1bc\x1b[2J\x1b[31mroot@debian:~# \r\nlogin: \x04\x03\x1a\nH 1\nD 1 e0\nS 1\n"
    assert machine.run(["cat"], TIMEOUT, odd).stdout == odd
    script = (
        "for i in 1 2 3; do echo 'D x e0 login: ' >/dev/kmsg; printf '\\033c' >/dev/ttyS0; done"
    )
    assert machine.run(["sh", "-c", f"{script}; echo done"], TIMEOUT).stdout == b"done\n"
    machine.console.wait_for("D x e0", 20)


def test_output_is_awaited_until_all_have_closed_it(machine: Qemu) -> None:
    begun = time.monotonic()
    assert machine.run(["sh", "-c", "(sleep 1; echo late) & echo early"], TIMEOUT).stdout == (
        b"early\nlate\n"
    )
    assert time.monotonic() - begun > 1
    assert machine.run(["sh", "-c", "exec >&-; sleep 1; exit 4"], TIMEOUT).returncode == 4


def test_command_that_hangs_is_killed_and_blocks_no_other(machine: Qemu) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(machine.run, ["sh", "-c", "echo begun; sleep 1000 & sleep 1001"], 5)
        assert machine.run(["echo", "quick"], TIMEOUT).stdout == b"quick\n"
        with pytest.raises(CommandTimeout, match=r"commands: sh -c .*: not done after 5 s") as late:
            slow.result()
    assert late.value.stdout == b"begun\n"
    assert machine.run(["pgrep", "-f", "sleep 100[01]$"], TIMEOUT).returncode == 1
    with pytest.raises(CommandTimeout):  # what has left its group holds the output
        machine.run(["sh", "-c", "setsid sleep 7 & sleep 1000"], 1)
    assert machine.run(["echo", "usable"], TIMEOUT).stdout == b"usable\n"


def test_command_that_kills_its_shells_is_told_and_survived(machine: Qemu) -> None:
    begun = time.monotonic()
    with pytest.raises(MachineError, match="the command's shell was killed"):
        machine.run(["bash", "-c", "kill -9 $PPID; sleep 1000"], TIMEOUT)
    assert machine.run(["echo", "one"], TIMEOUT).stdout == b"one\n"
    with pytest.raises(MachineError, match="shell was killed, and all that ran under it"):
        machine.run(["pkill", "-9", "bash"], TIMEOUT)
    assert machine.run(["echo", "two"], TIMEOUT).stdout == b"two\n"
    assert machine.run(["bash", "-c", "exec sh -c 'exit 5'"], TIMEOUT).returncode == 5
    assert machine.run(["bash", "-c", "kill -9 0"], TIMEOUT).returncode == -9
    assert time.monotonic() - begun < TIMEOUT
