"""The program `vmtests`: shells on the machines of a fleet, from a terminal or a pipe; scripts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.lab import NEEDS, wait
from tests.support.traces import traces

pytestmark = pytest.mark.needs(*NEEDS, "nft")

VMTESTS = Path(sys.executable).parent / "vmtests"
HOST = f"shell{os.getpid()}"
FLEET = f"""\
name: looked-at
hosts:
  {HOST}:
    address: 192.0.2.1
    networks: [192.0.2.0/24]
    containers:
      web: {{units: {{page: {{exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000", -h, /etc]}}}}}}
  other:
    address: 192.0.2.2
    networks: [192.0.2.0/24]
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shell") / "fleet.yaml"
    path.write_text(FLEET)
    return path


def is_left() -> bool:
    return any(f"vmtests-{HOST}-" in trace for trace in traces(HOST))


def piped(*arguments: object, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [VMTESTS, *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def terminal(fleet: Path) -> Iterator[pexpect.spawn[str]]:
    """The shell at a terminal, at its first prompt."""
    child = pexpect.spawn(str(VMTESTS), ["shell", str(fleet)], encoding="utf-8", timeout=20)
    child.delaybeforesend = None
    try:
        child.expect("vmtests> ")
        yield child
    finally:
        child.close(force=True)


def test_hosts_and_containers_are_looked_into_from_a_terminal(
    terminal: pexpect.spawn[str],
) -> None:
    assert f"{HOST}/web  running" in (terminal.before or "")
    assert "other  192.0.2.2/24  nspawn" in (terminal.before or "")

    terminal.sendline(HOST)
    terminal.expect(f"root@{HOST}:.*# ")
    terminal.sendline("tty")
    terminal.expect("/dev/pts/")
    terminal.expect("# ")
    terminal.sendline("sh -c 'echo $((6*7)); exec sleep 100'")
    terminal.expect("\r42\r\n")
    terminal.sendcontrol("c")
    terminal.expect("# ")
    terminal.sendline("ip -br address show uplink; exit")
    terminal.expect("192.0.2.1/24")
    terminal.expect("vmtests> ")

    terminal.sendline(f"{HOST}/web")
    terminal.expect("root@web:.*# ")
    terminal.sendline("systemctl is-active page; exit")
    terminal.expect("\ractive\r\n")
    terminal.expect("vmtests> ")

    terminal.sendline("other echo $((6*7)) | tr 4 5")
    terminal.expect("\n52\r\n")
    terminal.sendline(f"{HOST}/none")
    terminal.expect("error: .*none: no such container runs")
    terminal.expect("vmtests> ")
    terminal.sendcontrol("c")
    terminal.expect("vmtests> ")
    terminal.sendline("help")
    terminal.expect("end all machines")
    assert is_left(), "the test would not notice what is left"
    terminal.sendeof()
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0
    assert not is_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_when_the_shell_is_ended(
    terminal: pexpect.spawn[str], number: signal.Signals
) -> None:
    assert is_left()
    terminal.sendline(HOST)
    terminal.expect(f"root@{HOST}:.*# ")
    terminal.kill(number)
    wait(lambda: not is_left())


def test_commands_come_from_a_pipe(fleet: Path) -> None:
    text = f"""\
        other uname -n
        {HOST}/web uname -n
        nowhere
        {HOST}
        uname -n && x=1
        echo "$x"
        exit 5
        list
        other "not closed
        other sh -c 'echo to-error >&2; exit 3'
        """
    done = piped("shell", fleet, text=text)
    assert done.stdout.splitlines() == [
        "other",
        "web",
        HOST,
        "1",
        f"{HOST}  192.0.2.1/24  nspawn",
        f"{HOST}/web  running",
        "other  192.0.2.2/24  nspawn",
    ]
    assert f"error: no host nowhere; hosts: {HOST}, other" in done.stderr
    assert "error: No closing quotation" in done.stderr
    assert "to-error" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 3
    assert not is_left()


def test_a_shell_on_one_host_ends_with_its_status(fleet: Path) -> None:
    done = piped("shell", fleet, f"{HOST}/web", text="uname -n; exit 9")
    assert (done.stdout, done.returncode) == ("web\n", 9)
    assert not is_left()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shell", "no.yaml"], "error: no.yaml: there is no such file"),
        (["shell", "FLEET", "moon"], "error: fleet looked-at has no host moon\n  hosts: "),
        (["shell", "FLEET", "--tree=/no"], "/no"),
        (["run", "no.py", "FLEET"], "error: no.py: No such file or directory"),
    ],
)
def test_what_cannot_be_is_told(fleet: Path, arguments: list[str], told: str) -> None:
    done = piped(*(fleet if word == "FLEET" else word for word in arguments))
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_test_script_runs_against_a_fleet(fleet: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""\
start_all()
{HOST}.wait_for_unit("container@web.service")
with subtest("others are reached"):
    other.succeed("busybox httpd -h /etc")
    {HOST}.wait_until_succeeds("curl -s http://192.0.2.2/")
print("it ran")
""")
    done = piped("run", script, fleet, "--artefacts", tmp_path / "kept")
    assert done.returncode == 0, done.stderr
    assert "it ran" in done.stdout
    assert (tmp_path / "kept" / "other" / "console.log").is_file()
    assert not is_left()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('other.succeed("exit 4")', "other: command `exit 4` failed (exit code 4)"),
        ("other.wait()", "AttributeError: 'Machine' object has no attribute 'wait'"),
        ("other.succeed(", "SyntaxError: "),
    ],
)
def test_a_script_that_fails_is_told_with_its_line(
    fleet: Path, tmp_path: Path, line: str, told: str
) -> None:
    script = tmp_path / "script.py"
    script.write_text(f'log.info("begins")\n{line}\n')
    done = piped("run", script, fleet)
    assert done.returncode == 1
    assert f"{script}:2: {told}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not is_left()
