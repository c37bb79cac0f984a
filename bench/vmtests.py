"""What machines of tests cost: boot, a command, waiting, snapshots, a suite of tests.

    python -P bench/vmtests.py [--tests 20] > bench/vmtests.md

Root only; the parts of qemu need it installed, and make its image where there is none. All is
measured in one run, and what it is compared with as well: the NixOS test driver's way to wait is to
look once a second, and a suite without snapshots boots its machines for each test.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median

from vmtests import Machine, Nspawn, start_all
from vmtests.qemu import Qemu, debian_image
from vmtests.script import INTERVAL

RUNS = 7
COMMANDS = 200
EVENTS = 20
MACHINES = 3
HEAD = ("| | time | |", "| --- | ---: | --- |")
BOOT_AIM, TRIP_AIM, RESTORE_AIM, SUITE_AIM = 1.5, 0.002, 0.5, 5.0


def main() -> int:
    """Measures, and prints the report as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--tests", type=int, default=20, help="of the suite")
    options = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("qemu-system-x86_64") is None:
        sys.stderr.write("needs root, and qemu-system-x86_64\n")
        return 1
    talk, sys.stdout = sys.stdout, sys.stderr  # machines tell what they do
    lines = [*header(), *nspawn(), *waiting(), *qemu(), *suite(options.tests)]
    talk.write("\n".join(lines) + "\n")
    return 0


def header() -> list[str]:
    """What the figures were measured on."""
    return [
        "# What machines of tests cost",
        "",
        f"Made by `just bench-vmtests`, {os.cpu_count()} cores, Linux {platform.release()}, Python",
        f"{platform.python_version()}. Only ratios carry over to other computers.",
        "",
    ]


def nspawn() -> list[str]:
    """Boot and round trip of nspawn machines."""
    boots = []
    for number in range(RUNS):
        machine = Machine(Nspawn(f"boot{number}"))
        boots.append(seconds(partial(machine.succeed, "true")))
        machine.release()
    with Machine(Nspawn("trip")) as machine:
        machine.connect()
        trip = each(lambda: machine.backend.run(["true"], 10))
        bash = each(lambda: machine.execute("true"))
    here, shell, enter = (
        each(partial(subprocess.run, argv, check=True, capture_output=True))
        for argv in (["true"], ["bash", "-c", "set -euo pipefail; true"], ["nsenter", "true"])
    )
    boot = median(boots)
    return [
        "## nspawn",
        "",
        *HEAD,
        row(f"boot to the first command, median of {RUNS}", f"{boot:.2f} s", aim(boot, BOOT_AIM)),
        row(
            f"a program, of {COMMANDS}",
            f"{trip * 1000:.2f} ms",
            f"{trip / here:.1f} times the same on this computer; {aim(trip, TRIP_AIM)}",
        ),
        row(
            "a command of bash's, as `execute` and `succeed` run it",
            f"{bash * 1000:.2f} ms",
            f"{bash / shell:.1f} times the same on this computer; {aim(bash, TRIP_AIM)}",
        ),
        "",
        f"On this computer itself `true` takes {here * 1000:.2f} ms, as a command of bash's",
        f"{shell * 1000:.2f} ms, and {enter * 1000:.2f} ms behind an nsenter, as in machines.",
        "",
    ]


def waiting() -> list[str]:
    """How late a wait notices, beside one that looks once a second."""
    drawn = random.Random(6)  # noqa: S311 (repeatable)
    moments = [drawn.uniform(0.2, 2.2) for _ in range(EVENTS)]
    with Machine(Nspawn("wait")) as machine:
        machine.connect()
        ours, theirs = ([late(machine, at, by) for at in moments] for by in (INTERVAL, 1.0))
    return [
        "## Waiting",
        "",
        f"A wait for a file told of it {mean(ours):.3f} s after it was there, on average of",
        f"{EVENTS} moments; looking once a second, as the NixOS test driver does,",
        f"{mean(theirs):.3f} s: **{mean(theirs) / mean(ours):.1f} times** as late.",
        "",
    ]


def late(machine: Machine, at: float, interval: float) -> float:
    """Seconds from a file's being there until a wait that looks at such intervals returns."""
    machine.succeed("rm -f /tmp/event")
    happened: list[float] = []

    def happen() -> None:
        machine.backend.run(["touch", "/tmp/event"], 10)  # noqa: S108 (the machine's)
        happened.append(time.monotonic())

    timer = threading.Timer(at, happen)
    timer.start()
    if interval == INTERVAL:
        machine.wait_for_file("/tmp/event", timeout=60)  # noqa: S108 (the same)
    else:
        while machine.execute("test -e /tmp/event")[0] != 0:
            time.sleep(interval)
    noticed = time.monotonic()
    timer.join()
    return max(0.0, noticed - happened[0])


def qemu() -> list[str]:
    """Boots, round trip and snapshots of an emulated machine."""
    image = debian_image()
    with Machine(Qemu("fresh", image, fresh=True)) as machine:
        fresh = seconds(lambda: machine.succeed("true"))
        trip = each(lambda: machine.backend.run(["true"], 60), 30)
        save = seconds(lambda: machine.snapshot("one"))
        restores = [seconds(lambda: machine.restore("one")) for _ in range(RUNS)]
    Machine(Qemu("warm", image)).release()
    warm = []
    for number in range(RUNS):
        machine = Machine(Qemu(f"warm{number}", image))
        warm.append(seconds(partial(machine.succeed, "true")))
        machine.release()
    restore = median(restores)
    return [
        "## qemu, emulated in software",
        "",
        *HEAD,
        row("boot to the first command", f"{fresh:.1f} s", ""),
        row(
            "a new QEMU from a warm snapshot, to the first command",
            f"{median(warm):.2f} s",
            f"{fresh / median(warm):.0f} times as fast as a boot",
        ),
        row("a command", f"{trip * 1000:.0f} ms", ""),
        row("a snapshot", f"{save:.2f} s", ""),
        row(
            f"restored in place, median of {RUNS}",
            f"{restore:.2f} s",
            f"{fresh / restore:.0f} times as fast as a boot; {aim(restore, RESTORE_AIM)}",
        ),
        "",
    ]


def suite(tests: int) -> list[str]:
    """A suite of tests, each on three machines as they were after their boot."""
    with_snapshots = seconds(lambda: run_suite(tests, restored(tests)))
    booting = seconds(lambda: run_suite(tests, booted(tests)))
    ratio = booting / with_snapshots
    return [
        "## A suite",
        "",
        f"{tests} tests on {MACHINES} qemu machines took {with_snapshots:.0f} s with machines that",
        f"were restored for each, their boot included, and {booting:.0f} s where each test booted",
        f"them: **{ratio:.1f} times** as long (the aim, {SUITE_AIM:g} times, is"
        + (" met)." if ratio >= SUITE_AIM else " missed)."),
    ]


def run_suite(tests: int, machines: Iterator[Sequence[Machine]]) -> None:
    """Run tests that find nothing of the one before."""
    for number, trio in zip(range(tests), machines, strict=True):
        for machine in trio:
            machine.fail("test -e /srv/mark")
            machine.succeed(f"echo {number} >/srv/mark", "systemctl is-active multi-user.target")


def restored(tests: int) -> Iterator[Sequence[Machine]]:
    """The same machines, as they were after their boot."""
    with trio() as machines:
        for machine in machines:
            machine.snapshot("booted")
        for _ in range(tests):
            at_once([partial(machine.restore, "booted") for machine in machines])
            yield machines


def booted(tests: int) -> Iterator[Sequence[Machine]]:
    """Machines that have just booted."""
    for _ in range(tests):
        with trio() as machines:
            yield machines


@contextmanager
def trio() -> Iterator[Sequence[Machine]]:
    """Three machines that were booted from nothing, at once."""
    image = debian_image()
    with ExitStack() as stack:
        machines = [Machine(Qemu(f"m{n}", image, fresh=True)) for n in range(MACHINES)]
        for machine in machines:
            stack.callback(machine.release)
        start_all(machines)
        for machine in machines:
            machine.connect()
        yield machines


def at_once(actions: Sequence[Callable[[], object]]) -> None:
    """Do them in parallel."""
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def seconds(action: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def each(action: Callable[[], object], count: int = COMMANDS) -> float:
    """Seconds for one of many."""
    action()
    return seconds(lambda: [action() for _ in range(count)]) / count


def mean(values: Sequence[float]) -> float:
    """The average."""
    return sum(values) / len(values)


def row(*cells: str) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def aim(value: float, at_most: float) -> str:
    """What was aimed at, and whether it was met."""
    return f"aim {at_most * 1000:g} ms: {'met' if value < at_most else 'missed'}"


if __name__ == "__main__":
    sys.exit(main())
