"""A machine by nspawn under the words of the NixOS test driver: commands, console, failures."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from vmtests import (
    CommandTimeout,
    Machine,
    MachineError,
    Nspawn,
    RequestedAssertionFailed,
    Result,
    Vlan,
    retry,
)

pytestmark = pytest.mark.needs("nspawn", "busybox", "socat")

SYSTEM = "/etc/systemd/system"
CONTAINER = """\
[Service]
Type=notify
NotifyAccess=all
ExecStart=systemd-nspawn --machine=%i --directory=/ --volatile=yes --boot --register=no \
    --keep-unit --notify-ready=yes --private-network --link-journal=no --console=read-only \
    --bind-ro=/etc/presets:/etc/systemd/system-preset \
    systemd.firstboot=off systemd.mask=systemd-firstboot.service
Environment=SYSTEMD_NSPAWN_USE_CGNS=1
Delegate=yes
TimeoutStartSec=30
KillMode=mixed
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    files = {f"{SYSTEM}/box@.service": CONTAINER, "/etc/presets/all.preset": "disable *\n"}
    with Machine(Nspawn("box", files=files)) as machine:
        yield machine


def test_a_thousand_outputs_of_random_bytes_come_as_they_were_written(machine: Machine) -> None:
    drawn = random.Random(6)
    for _ in range(1000):
        wanted = drawn.randbytes(drawn.choice([0, 1, 2, 7, 64, 511, 4096]))
        assert machine.run("cat", stdin=wanted) == Result(0, wanted, b"")


def test_every_exit_status_is_told_as_it_is(machine: Machine) -> None:
    for status in range(256):
        assert machine.execute(f"exit {status}") == (status, "")


def test_ten_megabytes_come_whole_on_both_streams(machine: Machine) -> None:
    data = random.Random(10).randbytes(10_000_000)
    done = machine.run("tee /dev/stderr", stdin=data)
    assert done.returncode == 0
    assert done.stdout == data
    assert done.stderr == data


@pytest.mark.parametrize(
    ("command", "status", "output"),
    [
        ("kill -9 $$", 137, ""),
        ("echo before; kill -TERM $$; echo after", 143, "before\n"),
        ("exec printf exec", 0, "exec"),
        ('set +e; exec 3<&-; read line; echo "<$line>"', 0, "<>\n"),
        ("printf 'login: root@box:~# $ '", 0, "login: root@box:~# $ "),
        (r"printf '\033c\033[2J\033[?2004h\033[31mred'", 0, "\x1bc\x1b[2J\x1b[?2004h\x1b[31mred"),
        (r"printf '\r\n\r\r\n\0\a\b'", 0, "\r\n\r\r\n\0\a\b"),
        ("echo to the kernel > /dev/console; echo here", 0, "here\n"),
        ("stty sane 2>/dev/null || echo no terminal", 0, "no terminal\n"),
        ("echo '/*' \"$HOME\" 'a  b' \\\"", 0, '/* /root a  b "\n'),
        ("true; false; echo not reached", 1, ""),
        ("false | true", 1, ""),
        ("nonsense-command", 127, ""),
    ],
)
def test_a_command_that_plays_with_its_shell_and_terminal_is_told_exactly(
    machine: Machine, command: str, status: int, output: str
) -> None:
    assert machine.execute(command) == (status, output)
    assert machine.succeed("echo usable") == "usable\n"


def test_a_command_that_kills_all_shells_leaves_the_machine_usable(machine: Machine) -> None:
    assert machine.execute("pkill -9 bash; echo")[0] == 137
    assert machine.succeed("echo usable") == "usable\n"
    machine.wait_for_unit("vmtests-console.service", timeout=20)


def test_what_a_command_reads_is_what_it_was_given(machine: Machine) -> None:
    assert machine.run("read -r line; echo $line; wc -c", stdin=b"a line\n" + bytes(100_000)) == (
        Result(0, b"a line\n100000\n", b"")
    )
    assert machine.run("cat").stdout == b""


def test_a_hanging_command_is_killed_with_all_that_it_started(machine: Machine) -> None:
    start = time.monotonic()
    done = machine.run("echo early; sleep 1234 & sleep 1235", timeout=3)
    assert time.monotonic() - start < 30
    assert (done.returncode, done.stdout) == (124, b"early\n")
    machine.wait_until_fails("pgrep -f 'sleep 123[45]'", timeout=10)
    with pytest.raises(CommandTimeout, match=r"not done after 0.2 s"):
        machine.backend.run(["sleep", "60"], 0.2)
    assert machine.succeed("echo usable") == "usable\n"


def test_commands_run_beside_each_other(machine: Machine) -> None:
    machine.connect()
    slow = threading.Thread(target=machine.execute, args=("sleep 2",))
    slow.start()
    start = time.monotonic()
    assert machine.succeed("echo quick") == "quick\n"
    assert time.monotonic() - start < 1.5
    slow.join()


def test_a_failed_command_shows_status_output_time_and_its_units_journal(machine: Machine) -> None:
    machine.execute("systemd-run --unit=sad --wait sh -c 'echo the reason; exit 3'")
    with pytest.raises(RequestedAssertionFailed) as failed:
        machine.succeed("echo out; echo err >&2; systemctl is-active sad.service; exit 5")
    text = str(failed.value)
    assert re.search(r"^box: command `echo out;.*` failed \(exit code 3\) after \d+\.\d s", text)
    assert "--- standard output\nout\nfailed" in text
    assert "--- standard error\nerr" in text
    assert "--- journal of sad.service\n" in text
    assert "the reason" in text
    with pytest.raises(RequestedAssertionFailed, match="`true` unexpectedly succeeded"):
        machine.fail("true")


def test_a_wait_in_vain_tells_what_it_saw_last(machine: Machine) -> None:
    with pytest.raises(
        RequestedAssertionFailed, match=r"(?s)no success of `echo seen; false`.*seen"
    ):
        machine.wait_until_succeeds("echo seen; false", timeout=0.3)
    with pytest.raises(RequestedAssertionFailed, match="no failure of `true`"):
        machine.wait_until_fails("true", timeout=0.3)
    machine.succeed("systemd-run --unit=other busybox httpd -f -p 8080")
    machine.wait_for_open_port(8080, timeout=10)
    with pytest.raises(
        RequestedAssertionFailed, match=r"(?s)port 81 of localhost is not open.*8080"
    ):
        machine.wait_for_open_port(81, timeout=0.3)
    with pytest.raises(RequestedAssertionFailed, match=r"port 8080 of 127.0.0.1 is not closed"):
        machine.wait_for_closed_port(8080, "127.0.0.1", timeout=0.3)
    with pytest.raises(RequestedAssertionFailed, match=r"no success of `test -e /nowhere`"):
        machine.wait_for_file("/nowhere", timeout=0.3)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("sh -c 'echo the cause; exit 3'", "(?s)ActiveState=failed.*the cause"),
        ("true", "ActiveState=inactive"),
    ],
)
def test_a_unit_that_will_never_be_active_is_told_at_once(
    machine: Machine, command: str, why: str
) -> None:
    machine.succeed("systemctl reset-failed")
    machine.execute(f"systemd-run --unit=never --wait {command}")
    start = time.monotonic()
    with pytest.raises(RequestedAssertionFailed, match=why):
        machine.wait_for_unit("never.service", timeout=60)
    assert time.monotonic() - start < 30


def test_a_unit_that_is_not_there_is_told_at_once(machine: Machine) -> None:
    with pytest.raises(RequestedAssertionFailed, match="LoadState=not-found"):
        machine.wait_for_unit("nowhere.service", timeout=60)
    with pytest.raises(RequestedAssertionFailed, match="is inactive, not active"):
        machine.require_unit_state("nowhere.service")
    with pytest.raises(RequestedAssertionFailed, match="no property Colour"):
        machine.get_unit_property("nowhere.service", "Colour")


def test_a_unit_that_starts_later_is_waited_for(machine: Machine) -> None:
    machine.succeed(
        "systemd-run --unit=later --no-block -p Type=exec -p ExecStartPre='sleep 1' sleep 99"
    )
    machine.wait_for_unit("later", timeout=30)
    assert "later.service" in machine.asserted


def test_the_journal_is_that_of_a_unit_or_of_all(machine: Machine) -> None:
    machine.succeed("systemd-run --unit=talks --wait sh -c 'echo one; echo two'")
    machine.succeed("logger --tag=other three")
    of_unit = machine.journal("talks").splitlines()
    stamp = r"\[ *\d+\.\d{6}\] "
    said = [line for line in of_unit if re.fullmatch(stamp + r"sh\[\d+\]: (one|two)", line)]
    assert [line[-3:] for line in said] == ["one", "two"]
    assert any(re.match(stamp + r"systemd\[1\]: Started talks\.service", line) for line in of_unit)
    assert machine.journal("talks", lines=1).splitlines() == of_unit[-1:]
    assert "talks.service" in machine.asserted
    of_all = machine.journal().splitlines()
    assert set(of_unit) < set(of_all)
    assert any(re.fullmatch(stamp + r"other(\[\d+\])?: three", line) for line in of_all)


def test_a_machine_has_subtests_and_retries_as_the_driver_has(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[bool] = []

    def third(last_try: bool) -> bool:  # noqa: FBT001 (the driver's)
        asked.append(last_try)
        return len(asked) == 3

    with machine.subtest("counting"):
        machine.retry(third, 30)
    assert asked == [False, False, False]
    assert "subtest: counting\n" in capsys.readouterr().out
    with pytest.raises(RequestedAssertionFailed) as failed, machine.subtest("failing"):
        machine.fail("true")
    assert failed.value.__notes__[0].startswith("subtest: failing (")


def test_the_console_is_one_of_pexpects(machine: Machine) -> None:
    machine.wait_for_unit("vmtests-console.service", timeout=20)
    console = machine.console
    console.sendline("stty -echo; PS1='read''y> '")
    console.expect_exact("ready> ", timeout=20)
    console.sendline("echo $((6 * 7)); tty")
    assert console.expect([pexpect.TIMEOUT, r"(\d+)\r+\n(/dev/\S+)"], timeout=20) == 1
    assert isinstance(console.match, re.Match)
    assert console.match.groups() == ("42", "/dev/pts/0")
    with pytest.raises(pexpect.TIMEOUT):
        console.expect("never printed", timeout=0.1)


def test_text_of_the_console_is_found_once(machine: Machine) -> None:
    machine.succeed("printf '\\n\\033[32mMark %s\\033[0m\\r\\n' one >/dev/console")
    machine.wait_for_console_text("^Mark one$", timeout=20)
    with pytest.raises(RequestedAssertionFailed, match=r"no '\^Mark one\$': not within 0.2 s"):
        machine.wait_for_console_text("^Mark one$", timeout=0.2)
    assert "Mark one" in machine.get_console_log()


def test_a_reset_of_the_terminal_does_no_harm(machine: Machine) -> None:
    machine.succeed("printf '\\033c\\033[8m\\033]0;title\\007\\0' >/dev/console")
    assert machine.succeed("echo usable") == "usable\n"
    machine.succeed("echo after the reset >/dev/console")
    machine.wait_for_console_text("after the reset", timeout=20)


def test_a_container_inside_is_asked_as_a_machine_is(machine: Machine) -> None:
    machine.succeed("systemctl start box@inner")
    inner = machine.container("inner")
    assert inner.succeed("uname -n") == "inner\n"
    inner.wait_for_unit("multi-user.target", timeout=60)
    assert inner.run("cat; exit 9", stdin=b"\0\xff").returncode == 9
    inner.fail("ip link show eth1")
    machine.succeed("systemctl stop box@inner")
    with pytest.raises(MachineError, match="box/inner: no such container runs"):
        inner.succeed("true")
    with pytest.raises(MachineError, match="has commands only"):
        machine.container("inner").get_console_log()


def test_folders_go_in_and_out_with_their_rights(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "program").write_bytes(b"#!/bin/sh\necho ran\n")
    (folder / "deep" / "program").chmod(0o750)
    (folder / "link").symlink_to("deep/program")
    with Machine(Nspawn("copies"), artefacts=tmp_path / "out") as machine:
        machine.copy_from_host(folder, "/srv/new/place")
        assert machine.succeed("/srv/new/place/deep/program; /srv/new/place/link") == "ran\nran\n"
        assert machine.succeed("stat -c '%a %u %F' /srv/new/place/link") == "750 0 regular file\n"
        machine.copy_from_host(folder, "/srv")
        machine.succeed("test -x /srv/folder/deep/program")
        machine.copy_from_machine("/srv/new/place", "some/where")
        copied = tmp_path / "out" / "some" / "where" / "place" / "deep" / "program"
        assert copied.read_bytes() == b"#!/bin/sh\necho ran\n"
        with pytest.raises(RequestedAssertionFailed, match=r"(?s)copying /nowhere.*nowhere"):
            machine.copy_from_machine("/nowhere")


def test_console_and_journal_of_every_boot_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    with Machine(Nspawn("kept", console_log=log), artefacts=tmp_path) as machine:
        machine.succeed("mkdir /var/log/journal; journalctl --flush")  # which outlives a reboot
        machine.succeed("echo first-boot >/dev/console; logger -t me journal-of-the-first")
        machine.reboot()
        machine.succeed("echo second-boot >/dev/console; logger -t me journal-of-the-second")
        machine.succeed("journalctl --boot=-1 | grep journal-of-the-first")
        assert "journal-of-the-first" not in machine.journal()
    text = log.read_text()
    assert text.index("first-boot") < text.index("Rebooting") < text.index("second-boot")
    journal = (tmp_path / "journal.log").read_text()
    assert journal.index("journal-of-the-first") < journal.index("journal-of-the-second")
    assert journal.count("journal-of-the-first") == journal.count("journal-of-the-second") == 1


def test_the_journal_of_a_machine_that_powers_itself_off_is_kept_once(tmp_path: Path) -> None:
    later = "systemd-run --on-active=10 --timer-property=AccuracySec=1ms"
    with Machine(Nspawn("leaves"), artefacts=tmp_path) as machine:
        machine.succeed(f"logger -t me of-the-first; {later} systemctl poweroff")
        with pytest.raises(RequestedAssertionFailed, match=r"not off after 0\.1 s"):
            machine.wait_for_shutdown(0.1)
        machine.wait_for_shutdown(60)
        machine.succeed("logger -t me of-the-second")
    journal = (tmp_path / "journal.log").read_text()
    assert journal.count("of-the-first") == journal.count("of-the-second") == 1
    assert journal.index("of-the-first") < journal.index("of-the-second")


HANGS = """\
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo this one hangs >/dev/console; sleep infinity'
"""


def test_a_boot_that_hangs_is_told_in_time_with_the_consoles_last_lines() -> None:
    backend = Nspawn("hangs", files={f"{SYSTEM}/hangs.service": HANGS}, enable=["hangs.service"])
    start = time.monotonic()
    with (
        pytest.raises(MachineError, match=r"(?s)not done after 8 s.*this one hangs"),
        Machine(backend, boot_timeout=8) as machine,
    ):
        machine.succeed("true")
    assert time.monotonic() - start < 60
    assert backend.console.closed


def test_a_machine_whose_init_dies_is_told_with_its_console(tmp_path: Path) -> None:
    with Machine(Nspawn("dies"), artefacts=tmp_path) as machine:
        machine.succeed("echo last words >/dev/console")
        machine.execute("kill -SEGV 1", check_return=False)
        start = time.monotonic()
        with pytest.raises(MachineError, match=r"(?s)dies: .*last words.*Container dies failed"):
            machine.wait_for_unit("multi-user.target", timeout=60)
        assert time.monotonic() - start < 30


def test_a_console_that_is_lost_while_it_is_waited_for_is_told_at_once() -> None:
    machine = Machine(Nspawn("lost"))
    machine.connect()
    threading.Timer(0.5, machine.backend.crash).start()
    start = time.monotonic()
    with pytest.raises(
        RequestedAssertionFailed, match=r"(?s)the console is closed.*Reached target"
    ):
        machine.wait_for_console_text("never printed", timeout=60)
    assert time.monotonic() - start < 20
    with pytest.raises(MachineError, match="lost: "):
        machine.succeed("true")
    machine.release()


def test_a_machine_that_has_no_snapshots_says_so(machine: Machine) -> None:
    with pytest.raises(MachineError, match="box: nspawn takes no snapshots"):
        machine.snapshot("one")


def test_a_machine_that_has_no_slow_links_says_so(machine: Machine) -> None:
    with pytest.raises(MachineError, match=r"box: nspawn makes no links slow \(300 ms\)"):
        machine.slow(300)


def test_cables_lose_packets_are_cut_and_come_back_after_a_reboot() -> None:
    ping = "busybox ping -c {} -i 0.01 -W 1 192.0.2.2"
    a, b = Machine(Nspawn("a")), Machine(Nspawn("b"))
    with Vlan("net") as vlan, a, b:
        a.attach(vlan, "eth1", "192.0.2.1/24")
        b.attach(vlan, "eth1", "192.0.2.2/24")
        a.succeed(ping.format(1))
        a.lose(100)
        a.fail(ping.format(1))
        assert a.succeed("cat /sys/class/net/eth1/carrier") == "1\n"
        a.lose(40)
        told = re.search(r"(\d+) packets received", a.execute(ping.format(200))[1])
        assert told is not None
        assert 20 < int(told[1]) < 130  # 72 of 200 are to be expected, each way losing 40 %
        a.lose(0)
        a.succeed(ping.format(20))
        a.block()
        assert a.succeed("cat /sys/class/net/eth1/carrier") == "0\n"
        a.fail(ping.format(1))
        a.unblock()
        a.wait_until_succeeds(ping.format(1), timeout=10)
        b.reboot()
        b.connect()
        a.wait_until_succeeds(ping.format(1), timeout=10)
        with pytest.raises(ValueError, match="percent 101"):
            a.lose(101)


@pytest.mark.parametrize("elsewhere", [">&2", ">/dev/null", ">/dev/null 2>&1", ">/srv/log"])
def test_a_job_in_the_background_is_not_waited_for(machine: Machine, elsewhere: str) -> None:
    assert machine.execute(f"sleep 4321 {elsewhere} & echo hi", timeout=30) == (0, "hi\n")
    machine.succeed("pkill -f 'sleep 4321'")


def test_the_plug_can_be_pulled_in_the_middle_of_a_boot() -> None:
    backend = Nspawn("hangs", files={f"{SYSTEM}/hangs.service": HANGS}, enable=["hangs.service"])
    machine = Machine(backend)
    machine.start()
    machine.wait_for_console_text("this one hangs", timeout=30)
    start = time.monotonic()
    machine.crash()
    assert time.monotonic() - start < 15
    assert not machine.is_started
    assert not backend.is_on


def test_many_threads_may_be_the_first_to_ask() -> None:
    told: list[str] = []
    machine = Machine(Nspawn("threads"))
    threads = [
        threading.Thread(target=lambda: told.append(machine.succeed("echo here"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    machine.release()
    assert told == ["here\n"] * 8


def test_a_machine_that_has_powered_itself_off_can_be_started_again() -> None:
    machine = Machine(Nspawn("again"))
    machine.succeed("echo kept >/srv/kept")
    machine.execute("systemctl poweroff", check_return=False)
    machine.wait_for_console_text("Container again has been shut down", timeout=30)
    retry(lambda _: not machine.is_up(), 10)
    machine.start()
    assert machine.succeed("cat /srv/kept") == "kept\n"
    machine.execute("systemctl poweroff", check_return=False)
    machine.wait_for_console_text("Container again has been shut down", timeout=30)
    machine.reboot()
    # More than a terminal takes that nobody reads.
    machine.succeed("for line in $(seq 5000); do echo $line; done >/dev/console", timeout=60)
    machine.release()


def test_a_failed_boot_is_told_to_whoever_waits() -> None:
    machine = Machine(Nspawn("bad", files={"/proc/x": "a"}))
    machine.start()
    with pytest.raises(ValueError, match="/proc is not the machine's own"):
        machine.wait_for_shutdown()


def test_cut_and_lossy_cables_stay_so_over_a_reboot() -> None:
    ping = "busybox ping -c 3 -i 0.01 -W 1 192.0.2.2"
    a = Machine(Nspawn("a"))
    with Vlan("net") as vlan, a:
        vlan.address("192.0.2.2/24")
        a.attach(vlan, "eth1", "192.0.2.1/24")
        a.succeed(ping)
        a.lose(100)
        a.reboot()
        a.fail(ping)
        a.lose(0)
        a.succeed(ping)
        a.block()
        a.reboot()
        assert a.succeed("cat /sys/class/net/eth1/carrier") == "0\n"
        a.unblock()
        a.wait_until_succeeds(ping, timeout=10)


def test_a_disk_is_not_swept_from_under_a_machine_by_another_pid_namespace(
    machine: Machine,
) -> None:
    machine.connect()
    sweep = "from vmtests.disk import new_disk\nclass O: pass\no = O(); new_disk(o)"
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", sweep]
    subprocess.run(unshare, check=True, cwd=Path(__file__).parent.parent)
    assert machine.succeed("test -e /etc/machine-id && echo there") == "there\n"


def test_nothing_is_left_of_machines_that_nobody_released(tmp_path: Path) -> None:
    script = """
import tempfile
from vmtests import Machine, Nspawn
machines = [Machine(Nspawn(f"m{n}")) for n in range(3)]
for machine in machines:
    machine.succeed("systemd-run --collect sh -c 'while echo x >>/srv/x; do :; done'")
del machine, machines[0]
machines[0].start()
"""
    run = [sys.executable, "-c", script]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run(run, check=True, cwd=Path(__file__).parent.parent, env=env)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_does_not_wait_for_the_machine_that_it_boots() -> None:
    script = f"""
import time
from vmtests import Machine, Nspawn
files = {{"{SYSTEM}/hangs.service": {HANGS!r}}}
machine = Machine(Nspawn("late", files=files, enable=["hangs.service"]))
machine.start()
machine.wait_for_console_text("this one hangs", timeout=30)
print(time.monotonic())
"""
    run = [sys.executable, "-c", script]
    here = Path(__file__).parent.parent
    done = subprocess.run(run, check=True, cwd=here, capture_output=True, text=True)
    assert time.monotonic() - float(done.stdout.splitlines()[-1]) < 30


def test_what_is_no_file_is_left_out_of_a_copy(tmp_path: Path, machine: Machine) -> None:
    machine.artefacts = tmp_path
    try:
        machine.succeed(
            "mkdir -p /srv/odd; cd /srv/odd; mkfifo pipe; ln -s /nowhere gone; echo 1 >a"
        )
        machine.copy_from_machine("/srv/odd")
    finally:
        machine.artefacts = None
    assert [file.name for file in (tmp_path / "odd").iterdir()] == ["a"]
