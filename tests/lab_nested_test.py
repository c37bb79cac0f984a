"""The lab where systemd is the computer's init: such a computer is a machine here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.holo import HOLO
from tests.support.lab import NEEDS
from vmtests.places import NspawnMachine

pytestmark = pytest.mark.needs(*NEEDS, "nft")

ROOT = Path(__file__).parent.parent
FLEET = ROOT / "examples/private/fleet.py"


@pytest.fixture(scope="module")
def computer() -> Iterator[NspawnMachine]:
    """A machine with the project, its virtual environment and that one's Python."""
    folders = {ROOT, Path(sys.prefix), Path(sys.base_prefix)}
    with NspawnMachine("computer", binds={str(folder): folder for folder in folders}) as machine:
        yield machine


def holo(computer: NspawnMachine, *words: str | Path) -> str:
    """What `holo` prints there, run as from a login."""
    command = ["systemd-run", "--quiet", "--scope", str(HOLO), *map(str, words)]
    return computer.succeed(command, timeout=120)


def test_a_lab_runs_and_leaves_nothing(computer: NspawnMachine) -> None:
    assert computer.succeed(["ps", "-p1", "-o", "comm="]) == "systemd\n"
    before = computer.succeed(["find", "/sys/fs/cgroup", "-maxdepth", "1", "-type", "d"])
    holo(computer, "up", FLEET, "--publish", "8000:alpha/holochain1/admin")
    for number in range(3):
        for port in (8000 + number, 8080 + number):
            url = f"http://localhost:{port}/identity.env"
            answer = holo(computer, "exec", "alpha", "--", "curl", "--silent", url)
            address = f"10.0.{85 + number}.2"
            assert answer == f"HOLO_CONTAINER=holochain{number}\nHOLO_ADDRESS={address}\n"
    published = computer.succeed(["curl", "--silent", "http://127.0.0.1:8000/identity.env"])
    assert "HOLO_CONTAINER=holochain1" in published
    holo(computer, "restart", "alpha/holochain2")
    assert "not ready" not in holo(computer, "status")
    # systemd reads all anew, and leaves alone what it did not make.
    computer.systemctl("daemon-reload")
    assert "not ready" not in holo(computer, "status")
    holo(computer, "down")
    after = computer.succeed(["find", "/sys/fs/cgroup", "-maxdepth", "1", "-type", "d"])
    assert after == before
    assert computer.execute(["test", "-e", "/run/holo"]).returncode == 1
    assert "nspawn" not in computer.succeed(["ps", "ax"])
    assert computer.systemctl("--failed", "--no-legend") == ""


def test_who_is_not_root_there_is_told_so(computer: NspawnMachine) -> None:
    for command, told in {
        ("up", FLEET): "only root can run machines\n  hint: run the command as root: sudo holo …",
        ("apply", FLEET, "alpha"): (
            "this computer: only root can do this\n  hint: run the command as root"
        ),
    }.items():
        drop = ["setpriv", "--reuid=65534", "--clear-groups", str(HOLO)]
        done = computer.execute([*drop, *map(str, command)])
        assert (done.returncode, done.stderr.decode()) == (1, f"error: {told}\n")
