"""The scripts that a stack runs on machines, with stand-ins for the programs that they call."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import holo_infra.deploy

HERE = Path(holo_infra.deploy.__file__).parent


def run(
    name: str, folder: Path, *words: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", (HERE / name).read_text(), name, *words],
        input=stdin,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        check=False,
    )


def stand_in(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_secret_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "nats"
    old, new = b"old\n", b"new secret\nof two lines, and END."
    assert run("put.sh", tmp_path, str(file), stdin=old + b"END.").returncode == 0
    for length in range(len(new) + 4):
        cut = (new + b"END.")[:length]
        done = run("put.sh", tmp_path, str(file), stdin=cut)
        if cut.endswith(b"END."):  # as if that were all of it
            assert (done.returncode, file.read_bytes()) == (0, cut.removesuffix(b"END."))
            run("put.sh", tmp_path, str(file), stdin=old + b"END.")
        else:
            assert (done.returncode, file.read_bytes()) == (1, old)
    assert run("put.sh", tmp_path, str(file), stdin=new + b"END.").returncode == 0
    assert file.read_bytes() == new
    assert file.stat().st_mode & 0o777 == 0o600
    assert not file.with_name("nats.new").exists()


def test_a_secret_that_is_the_same_is_no_change(tmp_path: Path) -> None:
    file, mark = tmp_path / "nats", tmp_path / "nats.changed"
    file.write_text("same")
    file.chmod(0o644)
    assert run("put.sh", tmp_path, str(file), stdin=b"sameEND.").returncode == 0
    assert (mark.exists(), file.stat().st_mode & 0o777) == (False, 0o600)
    assert run("put.sh", tmp_path, str(file), stdin=b"otherEND.").returncode == 0
    assert mark.exists()


SYSTEMCTL = """\
for word; do unit=$word; done
case "$*" in
*ActiveState*) cat "$STATES/$unit.state" ;;
*InactiveExit*) cat "$STATES/$unit.since" ;;
*) echo "$1 $unit" >> "$STATES/log"; test "$unit" != broken ;;
esac"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATES", str(tmp_path))
    stand_in(tmp_path, "systemctl", SYSTEMCTL)
    for file in ("one", "two"):
        (tmp_path / f"{file}.changed").touch()
        os.utime(tmp_path / f"{file}.changed", (1000, 1000))
    states = [("runs", "active", 900), ("waits", "activating", 1000), ("failed", "failed", 10)]
    states += [("since", "active", 1001), ("off", "inactive", 0), ("broken", "active", 1)]
    for unit, state, since in states:
        (tmp_path / f"{unit}.state").write_text(f"{state}\n")
        (tmp_path / f"{unit}.since").write_text(f"@{since}\n" if since else "\n")
    return tmp_path


def reread(machine: Path, *pairs: tuple[str, str]) -> tuple[int, list[str]]:
    words = [word for file, unit in pairs for word in (str(machine / file), unit)]
    done = run("reread.sh", machine, *words)
    log = machine / "log"
    return done.returncode, log.read_text().splitlines() if log.exists() else []


def test_units_that_have_read_what_was_there_are_started_anew(machine: Path) -> None:
    units = ("runs", "waits", "failed", "since", "off")
    pairs = [("one", unit) for unit in units]
    assert reread(machine, *pairs) == (0, ["restart runs", "restart waits", "restart failed"])
    assert not (machine / "one.changed").exists()
    assert (machine / "two.changed").exists()


def test_a_unit_of_a_file_that_is_the_same_is_left_alone(machine: Path) -> None:
    (machine / "one.changed").unlink()
    assert reread(machine, ("one", "runs"), ("two", "failed")) == (0, ["restart failed"])


def test_a_unit_that_does_not_start_is_started_anew_by_the_next_run(machine: Path) -> None:
    status, log = reread(machine, ("one", "broken"))
    assert (status, log) == (1, ["restart broken"])
    assert (machine / "one.changed").exists()


@pytest.mark.parametrize(("ends", "status"), [(0, 0), (1, 1), (2, 0)])
def test_a_first_boot_is_over_with_warnings_too(tmp_path: Path, ends: int, status: int) -> None:
    stand_in(tmp_path, "cloud-init", f'echo "$2"; [ "$2" = --long ] || exit {ends}')
    done = run("booted.sh", tmp_path)
    assert done.returncode == status
    assert done.stdout.decode().split() == ["--wait", *(["--long"] if status else [])]
