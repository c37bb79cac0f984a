"""Where snapshots of booted images are kept: made once, there while they are used, then removed."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmtests.places import MachineError
from vmtests.qemu import warm

FOREVER = float("inf")


class Owner:
    """What a snapshot is used by."""


def make(folder: Path) -> None:
    (folder / "state").write_text("made")


def test_processes_that_want_one_snapshot_make_it_once(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from vmtests.qemu import warm\n"
        "class Owner: pass\n"
        "def make(folder):\n"
        "    time.sleep(1); print('made'); (folder / 'state').touch()\n"
        "owner = Owner()\n"
        "found = warm.find_or_make('a', make, float('inf'), owner, Path(sys.argv[1]))\n"
        "assert (found / 'state').exists()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    tests = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [test.communicate(timeout=60)[0] for test in tests]
    assert sorted(told) == ["", "", "made\n"]
    assert [test.returncode for test in tests] == [0, 0, 0]


def test_old_ones_go_unless_they_are_used(tmp_path: Path) -> None:
    owner, others = Owner(), Owner()
    used = warm.find_or_make("used", make, FOREVER, owner, tmp_path)
    other = warm.find_or_make("other", make, FOREVER, others, tmp_path)
    del others
    gc.collect()
    for path in (used, other):
        os.utime(path, (0, 0))
    for number in range(warm.KEPT):
        warm.find_or_make(str(number), make, FOREVER, Owner(), tmp_path)
    assert used.exists()
    assert not other.exists()
    assert warm.find_or_make("other", make, FOREVER, owner, tmp_path) == other
    assert (other / "state").read_text() == "made"
    assert sum(path.is_dir() for path in tmp_path.iterdir()) <= warm.KEPT + 1


def test_one_that_fails_is_no_snapshot_and_the_next_may_succeed(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "state").write_text("half")
        raise MachineError("no boot")

    owner = Owner()
    with pytest.raises(MachineError, match="no boot"):
        warm.find_or_make("a", fail, FOREVER, owner, tmp_path)
    found = warm.find_or_make("a", make, FOREVER, owner, tmp_path)
    assert (found / "state").read_text() == "made"


def test_who_waits_for_another_is_told_in_time(tmp_path: Path) -> None:
    def wait(_folder: Path) -> None:
        with pytest.raises(MachineError, match="another process makes a snapshot"):
            warm.find_or_make("b", make, time.monotonic() + 0.2, owner, tmp_path)

    owner = Owner()
    warm.find_or_make("a", wait, FOREVER, owner, tmp_path)
