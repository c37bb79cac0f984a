"""Whatever of a lab is killed, at whatever moment: `up` works again, and `down` leaves nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.holo import HOLO, LABS, holo, run, status
from tests.support.lab import NEEDS
from tests.support.traces import traces

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
    holo("down", "--lab", NAME)


def links() -> set[str]:
    told = json.loads(subprocess.check_output(["ip", "-j", "link"], text=True))
    return {link["ifname"] for link in told}


def temporary() -> set[str]:
    return {*map(str, Path(tempfile.gettempdir()).glob("holo-*"))}


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


def assert_nothing_left() -> None:
    """The keeper of a machine that was killed may still be about its end."""
    deadline = time.monotonic() + 5
    while (found := left()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == []


class Killer:
    """Kills `holo` at moments drawn from how long it takes, as far as that is known."""

    def __init__(self, seed: int, seconds: float) -> None:
        self.killed = 0
        self._rng = random.Random(seed)
        self._seconds = seconds

    def kill(self, *words: str | Path) -> None:
        moment = self._rng.uniform(0.1, self._seconds)
        with subprocess.Popen(
            [HOLO, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(moment)
            if process.poll() is None:
                self.killed += 1
            else:
                self._seconds = moment  # it has come to its end before
            process.kill()


def assert_it_answers() -> None:
    ask = ["curl", "--silent", "--max-time", "3", "http://127.0.0.1:8000/identity.env"]
    answer = holo("exec", "--lab", NAME, NAME, "--", *ask)
    assert answer == "HOLO_CONTAINER=web\nHOLO_ADDRESS=10.0.85.2\n"
    assert all(row["is_good"] for row in status(NAME))


@pytest.fixture(scope="module")
def seconds(fleet: Path) -> tuple[float, float]:
    """How long `up` and `down` take here: the moments are drawn from that."""
    begun = time.monotonic()
    holo("up", fleet)
    between = time.monotonic()
    holo("down", "--lab", NAME)
    return between - begun, time.monotonic() - between


def up(fleet: Path) -> None:
    holo("up", fleet)
    assert_it_answers()


def down() -> None:
    holo("down", "--lab", NAME)
    assert_nothing_left()


@pytest.mark.parametrize("half", range(2))
def test_up_may_be_killed_at_any_moment(
    fleet: Path, seconds: tuple[float, float], half: int
) -> None:
    killer = Killer(half, seconds[0])
    for number in range(10):
        killer.kill("up", fleet)
        if number % 2 == half:
            up(fleet)
        down()
    assert killer.killed > 3


def test_down_may_be_killed_at_any_moment(fleet: Path, seconds: tuple[float, float]) -> None:
    killer = Killer(2, seconds[1])
    for number in range(10):
        up(fleet)
        killer.kill("down", "--lab", NAME)
        if number % 2:
            up(fleet)
        down()
    assert killer.killed > 3


def processes() -> list[int]:
    """All processes of the lab: of units, systemd, nspawn, and the machines' keepers."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (process / "cgroup").read_bytes() + (process / "cmdline").read_bytes()
            if f"vmtests-{NAME}-".encode() in told or f"vmtests-holo-{NAME}-".encode() in told:
                found.append(int(process.name))
    return found


@pytest.mark.parametrize("seed", range(3, 5))
def test_any_process_of_a_lab_may_be_killed(fleet: Path, seed: int) -> None:
    rng = random.Random(seed)
    up(fleet)
    for _ in range(10):
        victims = processes()
        assert len(victims) > 10
        victim = rng.choice(victims)
        told = Path(f"/proc/{victim}/cmdline").read_bytes()
        os.kill(victim, signal.SIGKILL)
        time.sleep(rng.uniform(0, 0.3))
        done = run("up", fleet)
        assert done.returncode == 0, (told, done.stderr)
        assert_it_answers()
    down()


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
        os.kill(victim(), signal.SIGKILL)
        if again:
            up(fleet)
    down()
