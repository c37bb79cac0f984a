"""What `up` and `status` tell while a fleet changes: each unit's way, what failed, what is gone."""

from __future__ import annotations

import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.holo import HOLO, LABS, holo, run, status
from tests.support.lab import NEEDS, wait
from tests.support.traces import traces

pytestmark = pytest.mark.needs(*NEEDS, "nft")

NAME = f"progress-{os.getpid()}"
HOST = f"gone{os.getpid()}"
"""One that no other test has: what is left of it is known by its name."""
UNIT = "        units: {web: &web {exec_start: [busybox, httpd, -f, -p, '127.0.0.1:8000', -h, /]}"
MORE = ", more: {exec_start: [sleep, '9999']}"
FLEET = f"""\
name: progress
hosts:
  alpha:
    containers:
      web:
{UNIT}{MORE}}}
        forwards: {{web: {{port: 8000}}}}
"""
NEW = """\
      new:
        units: {web: *web, late: {exec_start: [sleep, '9999'], settings: {ExecStartPre: sleep 3}}}
        forwards: {web: {port: 8000}}
"""
OTHER = f"  {HOST}: {{address: 192.0.2.2}}\n"
LINE = re.compile(r" *(?P<seconds>\d+\.\d) s  (?P<host>\S+)  (?P<unit>\S+)  (?P<state>\S.*)")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("progress") / "fleet.yaml"
    path.write_text(FLEET + OTHER)
    yield path
    holo("down", "--lab", NAME)
    assert not (LABS / NAME).exists()


@pytest.fixture(scope="module")
def first(fleet: Path) -> subprocess.CompletedProcess[str]:
    """How the first `up` ended."""
    return run("up", fleet, "--lab", NAME)


@pytest.fixture
def running(fleet: Path, first: subprocess.CompletedProcess[str]) -> Iterator[Path]:
    """The fleet's file, which a test may change: it is put back, and the lab with it."""
    assert first.returncode == 0, first.stderr
    yield fleet
    fleet.write_text(FLEET)
    holo("up", fleet, "--lab", NAME)


def inside(*command: str) -> str:
    return holo("exec", "--lab", NAME, "alpha/web", "--", *command)


def test_up_tells_each_units_way_to_ready(first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0, first.stderr
    ways: defaultdict[str, list[str]] = defaultdict(list)
    times = []
    for line in first.stderr.splitlines():
        if found := LINE.fullmatch(line):
            assert found["host"] == "alpha"  # the other one has no units
            ways[found["unit"]].append(found["state"])
            times.append(float(found["seconds"]))
    assert {unit: way[-1] for unit, way in ways.items()} == {
        "holo-firewall.service": "active",
        "container@web.service": "running",
        "socket-proxyd-web-web.socket": "listening",
        "web/web.service": "running",
        "web/more.service": "running",
        "ready-web-web.service": "answers",
    }
    # A slow computer may not have asked before it ran.
    assert ways["container@web.service"][-2:] in (["starting", "running"], ["running"])
    assert times == sorted(times)
    for host in ("alpha", HOST):
        assert re.search(rf"^ +\d+\.\d s  {host}: booted$", first.stderr, re.MULTILINE)
    assert "alpha: ready; 3 units started" in first.stderr
    assert "\x1b" not in first.stderr  # for it is no terminal


def test_a_host_that_is_gone_from_the_fleet_is_stopped(running: Path) -> None:
    assert {row["host"] for row in status(NAME)} == {"alpha", HOST}
    assert traces(HOST)
    running.write_text(FLEET)
    done = run("up", running, "--lab", NAME)
    assert done.returncode == 0
    assert re.search(rf"^ +\d+\.\d s  {HOST}: off$", done.stderr, re.MULTILINE)
    assert "alpha: ready; no change" in done.stderr
    assert {row["host"] for row in status(NAME, expected=0)} == {"alpha"}
    wait(lambda: traces(HOST) == [])


def test_a_unit_that_is_gone_from_a_container_is_stopped(running: Path) -> None:
    assert inside("systemctl", "is-active", "more") == "active\n"
    before = inside("systemctl", "show", "web", "--property=MainPID")
    running.write_text(FLEET.replace(MORE, ""))
    done = run("up", running, "--lab", NAME)
    assert done.stderr.endswith("alpha: ready; 1 unit stopped\n")
    show = ["systemctl", "show", "more", "--property=ActiveState,LoadState"]
    assert {*inside(*show).split()} == {"ActiveState=inactive", "LoadState=not-found"}
    assert "sleep" not in inside("ps", "-A", "-o", "args")
    assert inside("systemctl", "show", "web", "--property=MainPID") == before
    units = {row["unit"] for row in status(NAME, expected=0)}
    assert "web.service" in units
    assert "more.service" not in units


def test_status_counts_restarts_after_crashes(running: Path) -> None:
    assert running.exists()

    def restarts() -> int:
        (row,) = (row for row in status(NAME) if row["unit"] == "more.service")
        return int(row["restarts"])

    before = restarts()
    inside("systemctl", "kill", "--signal=KILL", "more")
    wait(lambda: restarts() == before + 1)


def test_watching_shows_what_changes(running: Path) -> None:
    assert running.exists()
    words = ["status", "--lab", NAME, "--watch", "--interval", "0.1"]
    plain = {**os.environ, "NO_COLOR": "1"}
    watching = pexpect.spawn(
        str(HOLO), words, timeout=20, env=plain, encoding="utf-8", dimensions=(40, 160)
    )
    watching.expect(r"more\.service +running")
    inside("systemctl", "stop", "more")
    watching.expect(r"more\.service +inactive")
    inside("systemctl", "start", "more")
    watching.expect(r"more\.service +running")
    watching.sendintr()
    watching.expect(pexpect.EOF)
    watching.close()
    assert watching.exitstatus == 130


def test_a_terminal_shows_what_is_waited_for_on_its_last_line(running: Path) -> None:
    running.write_text(FLEET + NEW)
    up = pexpect.spawn(
        str(HOLO),
        ["up", str(running), "--lab", NAME],
        timeout=30,
        env={**os.environ, "NO_COLOR": "", "TERM": "xterm"},
        encoding="utf-8",
        dimensions=(40, 120),
    )
    up.expect(
        r"\r\x1b\[K  waiting for alpha  \S+ \((inactive|starting|no answer)\), and \d more\r\x1b\[K"
    )
    for unit, state in {
        r"container@new\.service": "running",
        r"ready-new-web\.service": "answers",
    }.items():
        # A line of its own, and below it what is waited for still, if there is anything.
        up.expect(rf"\r\x1b\[K +\d+\.\d s  alpha  {unit}  \x1b\[32m{state}\x1b\[0m\r\n\r\x1b\[K")
    up.expect("alpha: ready; 2 units started")
    assert up.before
    assert up.before.endswith("\r\x1b[K")  # nothing is waited for any more
    up.expect(pexpect.EOF)
    up.close()
    assert up.exitstatus == 0


FAILURES = {
    "a program that is none": (
        "exec_start: [/usr/lib/os-release]",
        "status=203/EXEC",
        "the program is not there, or is no program: correct exec_start, or install it",
    ),
    "a program that is gone when it starts": (
        "exec_start: [sleep, '9'], settings: {RootDirectory: /var/tmp}",
        "status=203/EXEC",
        "the program is not there, or is no program: correct exec_start, or install it",
    ),
    "a path that is not there": (
        "exec_start: [sleep, '9'], settings: {WorkingDirectory: /nowhere}",
        "No such file or directory",
        "a path that it needs is not there",
    ),
    "a path of its sandbox that is not there": (
        "exec_start: [sleep, '9'], settings: {ReadWritePaths: /nowhere}",
        "status=226/NAMESPACE",
        "a sandboxing directive names a path that is not there",
    ),
    "a user that is not there": (
        "exec_start: [sleep, '9'], settings: {User: nobody-knows, DynamicUser: 'false'}",
        "status=217/USER",
        "the user that the unit names is not there",
    ),
    "a right that it lacks": (
        "exec_start: [busybox, httpd, -f, -p, '127.0.0.1:80']",
        "Permission denied",
        "it lacks a right: see Unit.settings",
    ),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_failed_unit_is_told_with_its_log_and_a_hint(running: Path, what: str) -> None:
    unit, logged, hint = FAILURES[what]
    running.write_text(FLEET.replace(MORE, f", bad: {{{unit}}}"))
    done = run("up", running, "--lab", NAME, "--timeout", "3")
    assert done.returncode == 1
    _, told, rest = done.stderr.partition("not ready: alpha  web/bad.service: ")
    assert told, done.stderr
    log, _, hints = rest.partition("\n  hint: ")
    assert logged in log
    assert hints.startswith(f"{hint}\n")
    assert "alpha: not ready; " in done.stderr


def test_what_a_host_lacks_is_told_before_anything_changes(running: Path) -> None:
    running.write_text(FLEET.replace(MORE, ", bad: {exec_start: [/opt/none/program]}"))
    done = run("up", running, "--lab", NAME)
    assert done.returncode == 1
    assert "not there: /opt/none/program\n  hint: install what has /opt/none/program" in done.stderr
    assert inside("systemctl", "is-active", "more") == "active\n"
    running.write_text(
        FLEET.replace(
            "forwards:", "bind_mounts: {/srv: {source: /nowhere}}\n" + " " * 8 + "forwards:"
        )
    )
    done = run("up", running, "--lab", NAME)
    assert done.returncode == 1
    assert "not there, and needed by web: /nowhere\n  hint: put it there: " in done.stderr


def test_a_tree_that_is_none_is_told(fleet: Path) -> None:
    done = run("up", fleet, "--lab", NAME, "--tree", "/nowhere")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "error: /nowhere: no root of a machine\n  hint: give a folder that has usr and etc\n"
    )


def test_a_container_without_units_of_its_own_comes_up(running: Path) -> None:
    running.write_text(f"{FLEET}      idle: {{}}\n")
    assert "alpha: ready; " in run("up", running, "--lab", NAME).stderr


def test_a_host_with_nothing_on_it_is_as_it_should_be(running: Path) -> None:
    running.write_text(FLEET + OTHER)
    holo("up", running, "--lab", NAME)
    assert all(row["is_good"] for row in status(NAME))
