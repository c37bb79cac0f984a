"""Whatever of a lab is killed, at whatever moment: `up` works again, and `down` leaves nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.holo import HOLO, LABS, holo, run, status
from tests.support.lab import NEEDS
from tests.support.traces import (
    NAMESPACES,
    forget_namespaces,
    remember_namespaces_of,
    traces,
)

pytestmark = pytest.mark.needs(*NEEDS, "nft")

NAME = f"kill{os.getpid()}"
"""Of the lab, and of its host."""
FLEET = f"""\
name: {NAME}
hosts:
  {NAME}:
    address: 192.0.2.1
    containers:
      web:
        units: {{web: {{exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000", -h, /etc/holo]}}}}
        forwards: {{web: {{port: 8000}}}}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("kill") / "fleet.yaml"
    path.write_text(FLEET)
    yield path
    forget_namespaces()
    holo("down", "--lab", NAME)


def links() -> set[str]:
    told = json.loads(subprocess.check_output(["ip", "-j", "link"], text=True))
    return {link["ifname"] for link in told}


def temporary() -> set[str]:
    # But for what ssh's connections are kept in, which stays, and may be another test's.
    found = Path(tempfile.gettempdir()).glob("holo-*")
    return {str(path) for path in found if not path.name.startswith("holo-ssh-")}


LINKS_BEFORE = links()
TEMPORARY_BEFORE = temporary()


def left() -> list[str]:
    """What there is of the lab: processes, control groups, mounts, files, links, rules."""
    found = traces(NAME) + traces(f"holo-{NAME}")
    found += [str(LABS / NAME)] if (LABS / NAME).exists() else []
    found += sorted(temporary() - TEMPORARY_BEFORE)
    found += sorted(links() - LINKS_BEFORE)
    names = subprocess.check_output(["ip", "netns"], text=True).split()
    found += [name for name in names if name == "web"]
    rules = subprocess.run(
        ["nft", "list", "table", "inet", "holo"], capture_output=True, check=False
    )
    return found + (["rules"] if rules.returncode == 0 else [])


def processes() -> list[int]:
    """All processes of the lab: of units, systemd, nspawn, and the machines' keepers."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (process / "cgroup").read_bytes() + (process / "cmdline").read_bytes()
            if f"vmtests-{NAME}-".encode() in told or f"vmtests-holo-{NAME}-".encode() in told:
                found.append(int(process.name))
    return found


def processes_of_units() -> dict[str, list[int]]:
    """Of the lab's processes those of units, on the host or in the container, by unit."""
    found: dict[str, list[int]] = {}
    for pid in processes():
        with suppress(OSError):
            group = Path(f"/proc/{pid}/cgroup").read_text().strip()
            units = [part for part in group.split("/") if part.endswith(".service")]
            if units:
                found.setdefault("/".join(units), []).append(pid)
    return found


def assert_nothing_left() -> None:
    """The keeper of a machine that was killed may still be about its end."""
    deadline = time.monotonic() + 30
    while (found := left()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == []
    forget_namespaces()


def test_what_lives_on_in_a_namespace_of_a_lab_is_seen() -> None:
    assert_nothing_left()
    unshare = ["unshare", "--net", "--mount", "--uts", "sleep", "9"]
    with subprocess.Popen(unshare) as lives:
        link = Path(f"/proc/{lives.pid}/ns/net")
        while link.readlink() == Path("/proc/self/ns/net").readlink():
            time.sleep(0.01)  # until it has unshared
        remember_namespaces_of([lives.pid])
        assert {name.partition(":")[0] for name in NAMESPACES} == {"net", "mnt", "uts"}
        # One that has a descriptor of it only.
        with link.open("rb") as kept, subprocess.Popen(["sleep", "9"], stdin=kept) as holds:
            for process in (lives, holds):
                (found,) = {told for told in left() if told.startswith(f"/proc/{process.pid}:")}
                assert "sleep" in found
                process.kill()
                process.wait()
    assert_nothing_left()
    assert NAMESPACES == []


ENDS = {
    signal.SIGKILL: {-signal.SIGKILL},
    signal.SIGTERM: {-signal.SIGTERM},
    signal.SIGINT: {130, -signal.SIGINT},
}
"""How a command ends that a signal has interrupted; by Ctrl-C while it is being loaded, at once."""


class Killer:
    """Ends `holo` at moments drawn from how long it usually takes, as far as that is known."""

    def __init__(self, seed: int, usual: float) -> None:
        self._rng = random.Random(seed)
        self._usual = usual
        self._rounds = 0
        self._interrupted = 0

    def end(self, sent: signal.Signals, *words: str | Path) -> None:
        moment = self._rng.uniform(0.1, 0.9) * self._usual
        with subprocess.Popen(
            [HOLO, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(moment)
            remember_namespaces_of(processes())
            process.send_signal(sent)
            status = process.wait(60)
            remember_namespaces_of(processes())
        self._rounds += 1
        if status in ENDS[sent]:
            self._interrupted += 1
        else:
            assert status == 0, (words, sent, status)
            self._usual = 0.6 * min(self._usual, moment)  # it has come to its end before

    def check(self) -> None:
        """Of these commands enough were really on their way."""
        assert self._interrupted >= 0.5 * self._rounds


PUBLISH = ["--publish", f"0:{NAME}/web/web"]


def up(fleet: Path) -> None:
    """A lab of which all answers, from this computer too."""
    assert_it_answers(holo("up", fleet, *PUBLISH))


def assert_it_answers(told: str) -> None:
    identity = "HOLO_CONTAINER=web\nHOLO_ADDRESS=10.0.85.2\n"
    published, _, _ = told.partition(" -> ")
    with urllib.request.urlopen(f"http://{published}/identity.env", timeout=10) as answer:
        assert answer.read().decode() == identity
    assert all(row["is_good"] for row in status(NAME))


def down() -> None:
    holo("down", "--lab", NAME)
    assert_nothing_left()


@pytest.fixture(scope="module")
def seconds(fleet: Path) -> tuple[float, float]:
    """How long `up` and `down` take here: the moments are drawn from that."""
    begun = time.monotonic()
    holo("up", fleet, *PUBLISH)
    between = time.monotonic()
    holo("down", "--lab", NAME)
    return between - begun, time.monotonic() - between


@pytest.mark.parametrize(
    ("sent", "rounds"), {signal.SIGKILL: 18, signal.SIGINT: 5, signal.SIGTERM: 5}.items()
)
def test_up_may_be_ended_at_any_moment(
    fleet: Path, seconds: tuple[float, float], sent: signal.Signals, rounds: int
) -> None:
    killer = Killer(sent, seconds[0])
    for number in range(rounds):
        killer.end(sent, "up", fleet, *PUBLISH)
        if number % 3 == 0:
            up(fleet)
        down()
    killer.check()


def test_processes_of_units_and_then_down_may_be_killed_at_any_moment(
    fleet: Path, seconds: tuple[float, float]
) -> None:
    rng = random.Random(3)
    killer = Killer(2, seconds[1])
    killed: Counter[str] = Counter()
    for number in range(18):
        up(fleet)
        units = processes_of_units()
        unit = min(sorted(units), key=lambda name: (killed[name], rng.random()))
        victim = rng.choice(units[unit])
        remember_namespaces_of(processes())
        # Those of the host, of its keeper, of the switch and of the container.
        assert len(NAMESPACES) > 12
        told = Path(f"/proc/{victim}/cmdline").read_bytes()
        os.kill(victim, signal.SIGKILL)
        killed[unit] += 1
        time.sleep(rng.uniform(0, 0.3))
        done = run("up", fleet, *PUBLISH)
        assert done.returncode == 0, (unit, told, done.stderr)
        assert_it_answers(done.stdout)
        killer.end(signal.SIGKILL, "down", "--lab", NAME)
        if number % 6 == 0:
            up(fleet)
        down()
    killer.check()
    names = {unit.rpartition("/")[2] for unit in killed}
    assert {"container@web.service", "socket-proxyd-web-web.service", "web.service"} <= names


def keeper() -> int:
    record = json.loads((LABS / NAME / "machines" / f"{NAME}.json").read_text())
    return int(record["machine"]["pid"])


def host_init() -> int:
    record = json.loads((LABS / NAME / "machines" / f"{NAME}.json").read_text())
    return int(record["machine"]["leader"])


def switch() -> int:
    (record,) = (LABS / NAME / "switches").glob("*.json")
    return int(json.loads(record.read_text())["pid"])


@pytest.mark.parametrize("victim", [keeper, host_init, switch])
def test_what_holds_a_lab_may_be_killed(fleet: Path, victim: Callable[[], int]) -> None:
    for again in (True, False):
        up(fleet)
        remember_namespaces_of(processes())
        os.kill(victim(), signal.SIGKILL)
        if again:
            up(fleet)
        down()


def test_after_all_of_it_a_fresh_lab_comes_up(fleet: Path) -> None:
    assert_nothing_left()
    up(fleet)
    down()
