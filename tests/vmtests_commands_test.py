"""Commands in machines that read, that run on, and that a person types to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from vmtests.places import MachineError, NspawnMachine

pytestmark = pytest.mark.needs("nspawn")

ROOT = Path(__file__).parent.parent
SOON = 30.0


@pytest.fixture(scope="module")
def host() -> Iterator[NspawnMachine]:
    with NspawnMachine("commands") as machine:
        yield machine


def runs(machine: NspawnMachine, pattern: str) -> bool:
    return machine.execute(["pgrep", "-f", pattern]).returncode == 0


def gone(machine: NspawnMachine, pattern: str) -> bool:
    deadline = time.monotonic() + SOON
    while (left := runs(machine, pattern)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not left


def test_command_reads_exact_bytes_also_many_and_slowly(host: NspawnMachine) -> None:
    data = bytes(range(256)) * 4096
    assert host.execute(["cat"], stdin=data).stdout == data
    # Slower than any one step of a wait.
    slow = host.execute(["sh", "-c", "sleep 0.3; cat | wc -c"], stdin=data)
    assert int(slow.stdout) == len(data)
    assert host.execute(["cat"]).stdout == b""
    assert host.execute(["true"], stdin=data).returncode == 0  # reads nothing of it


def test_archive_is_unpacked_in_the_machine(host: NspawnMachine, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("content")
    pack = ["tar", "--create", "--directory", str(tmp_path), "."]
    archive = subprocess.run(pack, check=True, stdout=subprocess.PIPE).stdout
    host.succeed(["mkdir", "/srv/unpacked"])
    host.succeed(["tar", "--extract", "--directory", "/srv/unpacked"], stdin=archive)
    assert host.succeed(["cat", "/srv/unpacked/a file"]) == "content"


def test_command_that_runs_on_gives_its_output_as_it_comes(host: NspawnMachine) -> None:
    follow = ["journalctl", "--follow", "--no-tail", "--output=cat", "--identifier=marker"]
    with host.popen(follow) as command:
        assert command.stdout is not None
        for number in range(3):
            host.succeed(["logger", "--tag=marker", f"line {number}"])
            assert command.stdout.readline() == f"line {number}\n".encode()
        command.terminate()
        assert command.wait(SOON) == -signal.SIGTERM
    assert gone(host, "journalctl.*identifier=marker")


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_command_that_runs_on_is_ended_with_all_that_it_started(
    host: NspawnMachine, end: str
) -> None:
    with host.popen(["sh", "-c", "sleep 4244 & sleep 4244; echo never"]) as command:
        while not runs(host, "sleep 424[4]"):
            time.sleep(0.02)
        getattr(command, end)()
        assert command.stdout is not None
        assert command.stdout.read() == b""  # its end: nobody is left who holds the pipe
    assert command.returncode < 0
    assert gone(host, "sleep 424[4]")
    command.terminate()  # of one that has ended: nothing


def test_command_that_runs_on_is_killed_when_the_block_raises(host: NspawnMachine) -> None:
    def block() -> None:
        with host.popen(["sleep", "4248"]):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()
    assert gone(host, "sleep 424[8]")


def test_command_that_runs_on_does_not_hold_up_the_power_off() -> None:
    with NspawnMachine("followed") as machine, machine.popen(["sleep", "4245"]) as command:
        reaping = threading.Thread(target=command.wait)
        reaping.start()
        begun = time.monotonic()
        machine.shutdown()
        assert time.monotonic() - begun < 15
        reaping.join()
        with pytest.raises(MachineError, match="followed: not started"):
            machine.popen(["true"])


INTERACT = """\
import sys
sys.path[:0] = [{root!r}]
from vmtests.places import NspawnMachine
print("status", NspawnMachine.attach({record!r}).interact({argv!r}))
"""


@pytest.fixture(scope="module")
def lasting() -> Iterator[NspawnMachine]:
    machine = NspawnMachine("terminal")
    machine.start()
    machine.detach()
    yield machine
    machine.kill()


def interact(machine: NspawnMachine, *argv: str) -> pexpect.spawn[str]:
    script = INTERACT.format(root=str(ROOT), record=machine.record(), argv=list(argv))
    terminal = pexpect.spawn(
        sys.executable,
        ["-c", script],
        encoding="utf-8",
        timeout=10,
        env={**os.environ, "TERM": "vt100"},
    )
    terminal.delaybeforesend = None
    return terminal


def test_person_types_to_a_shell_in_the_machine_and_gets_its_status(
    lasting: NspawnMachine,
) -> None:
    terminal = interact(lasting, "bash", "--norc", "-i")
    terminal.expect(r"bash-[0-9.]+# ")
    terminal.sendline("echo $TERM@$(uname -n)")
    terminal.expect("vt100@terminal")
    terminal.expect(r"bash-[0-9.]+# ")
    # Ctrl-C is for what runs in the shell, and the shell goes on.
    terminal.sendline("sleep 4246")
    while not runs(lasting, "^sleep 4246"):
        time.sleep(0.02)
    terminal.sendintr()
    terminal.expect(r"bash-[0-9.]+# ")
    assert gone(lasting, "^sleep 4246")
    terminal.sendline("exit 7")
    terminal.expect("status 7")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_interrupt_ends_the_command_and_not_who_waits_for_it(lasting: NspawnMachine) -> None:
    terminal = interact(lasting, "sleep", "4247")
    while not runs(lasting, "^sleep 4247"):
        time.sleep(0.02)
    terminal.sendintr()
    terminal.expect("status -2")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_command_that_ignores_an_interrupt_keeps_the_terminal(lasting: NspawnMachine) -> None:
    script = "trap 'echo caught' INT; echo waits; read line; read line; echo got $line"
    terminal = interact(lasting, "bash", "-c", script)
    terminal.expect("waits")
    terminal.sendintr()
    terminal.expect("caught")
    terminal.sendline("one")
    terminal.sendline("two")
    terminal.expect("got t?w?o?n?e?")
    terminal.expect("status 0")
    terminal.close()


def test_machines_start_and_take_commands_in_many_threads() -> None:
    machines = [NspawnMachine(f"thread-{number}") for number in range(3)]
    answers: dict[str, list[str]] = {machine.name: [] for machine in machines}

    def use(machine: NspawnMachine) -> None:
        with machine:
            for _ in range(20):
                answers[machine.name].append(machine.succeed(["uname", "-n"]).strip())

    threads = [threading.Thread(target=use, args=[machine]) for machine in machines]
    for thread in threads:
        thread.start()
    # What another thread starts meanwhile stands in this computer's own namespaces.
    ours = str(Path("/proc/self/ns/pid").readlink())
    while any(thread.is_alive() for thread in threads):
        here = subprocess.run(["readlink", "/proc/self/ns/pid"], check=True, capture_output=True)
        assert here.stdout.decode().strip() == ours
    assert answers == {machine.name: [machine.name] * 20 for machine in machines}
