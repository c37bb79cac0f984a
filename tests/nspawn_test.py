"""Machines by systemd-nspawn, booted for real: what runs in them, and that nothing stays behind."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.lab import wait
from tests.support.traces import (
    assert_gone,
    forget_namespaces,
    pids_of,
    remember_namespaces,
    traces,
)
from vmtests.places import MachineError, NspawnMachine

pytestmark = pytest.mark.needs("nspawn", "ip", "socat", "busybox", "curl")

ROOT = Path(__file__).parent.parent
ALL_BYTES = bytes(range(256))
UNITS = "/etc/systemd/system"
# Socket probe: returns when somebody listens, tries ten times a second.
PROBE = "/usr/bin/socat -u OPEN:/dev/null TCP4:{},retry=100,interval=0.1"


def service(*lines: str) -> str:
    return "\n".join(["[Service]", *lines, ""])


HELLO = service("Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/echo hi")
FAILS = service("Type=oneshot", "ExecStart=/bin/sh -c 'echo the disk is full >&2; exit 3'")
STUCK = service("Type=oneshot", "ExecStart=/bin/sleep infinity")


@pytest.fixture(scope="module")
def host() -> Iterator[NspawnMachine]:
    """A machine for what needs no fresh one."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "of:this computer").write_bytes(ALL_BYTES)
        machine = NspawnMachine(
            "host",
            files={
                f"{UNITS}/hello.service": HELLO,
                f"{UNITS}/fails.service": FAILS,
                f"{UNITS}/stuck.service": STUCK,
                f"{UNITS}/off.service": service("ExecStart=/bin/sleep 999"),
                f"{UNITS}/broken.service": "[Service]\n",
                "/etc/holo/bytes": ALL_BYTES,
                "/run/secrets/a:b\\c": "secret",
            },
            binds={"/srv/data": Path(folder), "/srv/one": Path(folder, "of:this computer")},
            enable=["hello.service"],
        )
        with machine:
            yield machine


def test_command_gets_exact_arguments_and_gives_exact_bytes_and_status(host: NspawnMachine) -> None:
    script = "cat /etc/holo/bytes; cat /etc/holo/bytes >&2; exit 7"
    done = host.execute(["sh", "-c", script])
    assert (done.returncode, done.stdout, done.stderr) == (7, ALL_BYTES, ALL_BYTES)
    arguments = ["$HOME", "*", "a b", "", "'\"\\", "é;|&"]
    done = host.execute(["printf", r"%s\n", *arguments])
    assert done.stdout.decode() == "".join(f"{argument}\n" for argument in arguments)
    assert host.execute(["sh", "-c", "kill -9 $$"]).returncode == -9
    assert host.execute(["no-such-program"]).returncode == 127


def test_command_is_refused_as_one_string(host: NspawnMachine) -> None:
    with pytest.raises(TypeError, match=r"\['sh', '-c', 'ls /'\]"):
        host.execute("ls /")


def test_succeed_and_fail_raise_with_command_status_and_output(host: NspawnMachine) -> None:
    assert host.succeed(["uname", "-n"]) == "host\n"
    assert host.fail(["sh", "-c", "echo no; false"]) == "no\n"
    with pytest.raises(MachineError) as failed:
        host.succeed(["sh", "-c", "echo out; echo err >&2; exit 4"])
    assert str(failed.value) == (
        "host: sh -c 'echo out; echo err >&2; exit 4': status 4\nstdout: out\nstderr: err"
    )
    with pytest.raises(MachineError, match="host: echo x: status 0, but it should have failed"):
        host.fail(["echo", "x"])


def test_command_that_takes_too_long_is_killed(host: NspawnMachine) -> None:
    with pytest.raises(MachineError, match=r"not done after 3 s\nstdout: begun"):
        host.execute(["sh", "-c", "echo begun; sleep 4242"], timeout=3)
    wait(lambda: host.execute(["pgrep", "-f", "sleep 424[2]"]).stdout == b"")


def test_files_and_binds_are_in_place_and_binds_cannot_be_written(host: NspawnMachine) -> None:
    assert host.execute(["cat", "/srv/data/of:this computer"]).stdout == ALL_BYTES
    assert host.execute(["cat", "/srv/one"]).stdout == ALL_BYTES
    assert host.succeed(["cat", "/run/secrets/a:b\\c"]) == "secret"
    assert host.succeed(["stat", "-c", "%a %U", "/etc/holo/bytes"]) == "644 root\n"
    for path in ["/srv/data/new", "/srv/one", "/run/secrets/a:b\\c", "/usr/new"]:
        assert "Read-only file system" in host.execute(["touch", path]).stderr.decode()


def test_unit_given_in_files_runs_and_is_the_only_one_enabled(host: NspawnMachine) -> None:
    host.wait_for_unit("hello.service")
    assert ": hi\n" in host.journal("hello.service")
    listed = host.systemctl("list-unit-files", "--state=enabled", "--no-legend", "--plain")
    assert [line.split()[0] for line in listed.splitlines()] == ["hello.service"]
    assert host.systemctl("is-system-running") == "running\n"


def test_failed_unit_is_reported_at_once_with_its_last_journal_lines(host: NspawnMachine) -> None:
    host.systemctl("start", "--no-block", "fails.service")
    begun = time.monotonic()
    with pytest.raises(MachineError, match=r"fails\.service is not active: .*=failed") as failed:
        host.wait_for_unit("fails.service", timeout=20)
    assert time.monotonic() - begun < 15
    assert "the disk is full" in str(failed.value)
    assert "status=3" in str(failed.value)
    host.systemctl("reset-failed", "fails.service")


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        ("none.service", "LoadState=not-found"),
        ("broken.service", "LoadState=bad-setting"),
        ("off.service", "ActiveState=inactive"),
    ],
)
def test_unit_that_will_never_be_active_is_not_waited_for(
    host: NspawnMachine, unit: str, why: str
) -> None:
    begun = time.monotonic()
    with pytest.raises(MachineError, match=f"{unit} is not active: .*{why}"):
        host.wait_for_unit(unit, timeout=20)
    assert time.monotonic() - begun < 15


def test_unit_that_stays_activating_ends_in_a_timeout(host: NspawnMachine) -> None:
    host.systemctl("start", "--no-block", "stuck.service")
    with pytest.raises(MachineError, match=r"not active after 0\.2 s: .*=activating"):
        host.wait_for_unit("stuck.service", timeout=0.2)
    host.systemctl("stop", "stuck.service")


@pytest.mark.parametrize(
    ("sandbox", "script", "says"),
    [
        ("DynamicUser=yes", "touch /etc/x", "Read-only file system"),
        ("DynamicUser=yes", 'test "$(id -u)" -ge 61184 && echo dynamic', "dynamic\n"),
        ("PrivateUsers=yes", "cat /proc/self/uid_map", "0          0          1\n"),
        ("ProtectSystem=strict", "touch /var/x", "Read-only file system"),
        ("ProcSubset=pid", "cat /proc/cpuinfo", "No such file"),
        ("SystemCallFilter=~@mount", "mount -t tmpfs x /mnt", "Bad system call"),
        ("IPAddressDeny=any", "socat -u OPEN:/etc/hosts UDP4:127.0.0.1:9", "not permitted"),
        ("DevicePolicy=strict", "cat /dev/zero", "not permitted"),
        ("AmbientCapabilities=CAP_IPC_LOCK", "grep CapAmb /proc/self/status", "4000\n"),
        ("RestrictNamespaces=yes", "unshare --net true", "not permitted"),
    ],
)
def test_sandbox_of_a_unit_is_enforced(
    host: NspawnMachine, sandbox: str, script: str, says: str
) -> None:
    run = ["systemd-run", "--quiet", "--wait", "--pipe", f"--property={sandbox}"]
    done = host.execute([*run, "sh", "-c", script])
    assert says in (done.stdout + done.stderr).decode()


def test_machine_has_no_way_out_and_knows_localhost(host: NspawnMachine) -> None:
    links = json.loads(host.succeed(["ip", "-json", "link"]))
    assert [link["ifname"] for link in links] == ["lo"]
    assert json.loads(host.succeed(["ip", "-json", "route", "show", "table", "main"])) == []
    assert host.succeed(["getent", "hosts", "localhost"]).split()[1:] == ["localhost"]


def test_machine_can_neither_load_modules_nor_set_the_clock_here(host: NspawnMachine) -> None:
    bounding = host.succeed(["grep", "CapBnd", "/proc/1/status"]).split()[1]
    sys_module, sys_time = 16, 25
    assert int(bounding, 16) & (1 << sys_module | 1 << sys_time) == 0


# Nested containers

NETNS = service(
    "Type=oneshot",
    "RemainAfterExit=yes",
    "ExecStart=/usr/sbin/ip netns add c",
    "ExecStart=/usr/sbin/ip link add ve-c type veth peer name host0 netns c",
    "ExecStart=/usr/sbin/ip address add 10.0.85.1/30 dev ve-c",
    "ExecStart=/usr/sbin/ip link set ve-c up",
    "ExecStart=/usr/sbin/ip -n c address add 10.0.85.2/30 dev host0",
    "ExecStart=/usr/sbin/ip -n c link set host0 up",
    # systemd in the container may not: it has no CAP_NET_ADMIN.
    "ExecStart=/usr/sbin/ip -n c link set lo up",
    "ExecStop=/usr/sbin/ip netns delete c",
)
CONTAINER = "[Unit]\nRequires=netns-c.service\nAfter=netns-c.service\n" + service(
    "Type=notify",
    "ExecStart=/usr/bin/systemd-nspawn --machine=c --directory=/ --volatile=yes --boot"
    " --register=no --keep-unit --notify-ready=yes --link-journal=no --timezone=off"
    " --network-namespace-path=/run/netns/c --system-call-filter=bpf"
    " --bind-ro=/etc/ld.so.cache --bind-ro=/etc/nsswitch.conf --bind-ro=/etc/hosts"
    " --bind-ro=/etc/containers/c/units:/etc/systemd/system"
    " --bind-ro=/etc/containers/c/identity.env:/etc/holo/identity.env"
    # Else systemd-firstboot asks a question on the console and waits.
    " systemd.condition-first-boot=no",
    "KillMode=mixed",
    "Delegate=yes",
    "Slice=machine.slice",
    "DevicePolicy=closed",
    "DeviceAllow=char-pts rw",
)
SERVER = service(
    "ExecStart=/usr/bin/busybox httpd -f -p 127.0.0.1:8000 -h /etc/holo",
    f"ExecStartPost={PROBE.format('127.0.0.1:8000')}",
    "DynamicUser=yes",
)
FORWARDER = "[Unit]\nAfter=server.service\n" + service(
    "EnvironmentFile=/etc/holo/identity.env",
    'ExecStart=/usr/bin/socat "TCP4-LISTEN:8000,bind="${ADDRESS}",reuseaddr,fork"'
    " TCP4:127.0.0.1:8000",
    f"ExecStartPost={PROBE.format('${ADDRESS}:8000')}",
    "DynamicUser=yes",
)


def test_nested_container_answers_with_its_own_bytes_through_its_forwarder(tmp_path: Path) -> None:
    wants = tmp_path / "multi-user.target.wants"
    wants.mkdir()
    for name, unit in {"server.service": SERVER, "forwarder.service": FORWARDER}.items():
        (tmp_path / name).write_text(unit)
        (wants / name).symlink_to(f"../{name}")
    identity = f"ADDRESS=10.0.85.2\nNONCE={os.urandom(8).hex()}\n"
    machine = NspawnMachine(
        "of-a-container",
        files={
            f"{UNITS}/netns-c.service": NETNS,
            f"{UNITS}/container@c.service": CONTAINER,
            "/etc/containers/c/identity.env": identity,
        },
        binds={"/etc/containers/c/units": tmp_path},
        enable=["container@c.service"],
    )
    get = ["curl", "--silent", "--show-error", "--max-time", "5"]
    with machine:
        remember_namespaces(*pids_of(machine))
        machine.wait_for_unit("container@c.service")
        # Ready means ready: no second try.
        assert machine.succeed([*get, "http://10.0.85.2:8000/identity.env"]) == identity
        # The server itself listens in the container only, and nothing of it on this computer.
        assert machine.execute([*get, "http://127.0.0.1:8000/"]).returncode == 7
        assert "10.0.85." not in Path("/proc/net/fib_trie").read_text()
        machine.systemctl("stop", "container@c.service")
        assert machine.execute([*get, "http://10.0.85.2:8000/"]).returncode == 7
        assert "Container c has been shut down." in machine.journal("container@c.service")
        machine.systemctl("start", "container@c.service")
        assert machine.succeed([*get, "http://10.0.85.2:8000/identity.env"]) == identity
        machine.shutdown()
    assert_gone("of-a-container")


# Nothing is left


@pytest.fixture(autouse=True)
def fresh_traces() -> Iterator[None]:
    yield
    forget_namespaces()


def by_kill(machine: NspawnMachine) -> None:
    machine.start()
    remember_namespaces(*pids_of(machine))
    assert traces(machine.name), "the test would not notice what is left"
    machine.kill()


def by_shutdown(machine: NspawnMachine) -> None:
    machine.start()
    remember_namespaces(*pids_of(machine))
    machine.shutdown()


def by_exception(machine: NspawnMachine) -> None:
    def block() -> None:
        with machine:
            remember_namespaces(*pids_of(machine))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()


def by_poweroff_inside(machine: NspawnMachine) -> None:
    with machine:
        remember_namespaces(*pids_of(machine))
        begun = time.monotonic()
        # A command that is under way is stopped, which must not hold up anything.
        machine.execute(["sh", "-c", "systemctl poweroff; exec sleep 999"])
        assert machine._namespaces is not None
        assert machine._namespaces.wait(15)
        assert time.monotonic() - begun < 15
        with pytest.raises(MachineError, match=r"it is off\n(.*\n)*.*Powering off"):
            machine.execute(["true"])


def by_death_of_the_keeper(machine: NspawnMachine) -> None:
    with machine:
        remember_namespaces(*pids_of(machine))
        assert machine._namespaces is not None
        machine._namespaces.process.kill()


def by_a_boot_that_hangs(machine: NspawnMachine) -> None:
    machine.files[f"{UNITS}/stuck.service"] = STUCK
    machine.enable = ("stuck.service",)
    with pytest.raises(MachineError, match=r"not done after 6 s; .*\n(.*\n)*.*stuck\.service"):
        machine.start(timeout=6)


def by_a_missing_source(machine: NspawnMachine) -> None:
    machine.binds["/srv/x"] = Path("/does-not-exist")
    with pytest.raises(FileNotFoundError, match="/does-not-exist"):
        machine.start()


@pytest.mark.parametrize(
    "end",
    [
        by_kill,
        by_shutdown,
        by_exception,
        by_poweroff_inside,
        by_death_of_the_keeper,
        by_a_boot_that_hangs,
        by_a_missing_source,
    ],
)
def test_nothing_is_left(
    end: Callable[[NspawnMachine], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    name = end.__name__.replace("_", "-")
    end(NspawnMachine(name))
    assert_gone(name)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_garbage() -> None:
    machine = NspawnMachine("garbage")
    machine.start()
    remember_namespaces(*pids_of(machine))
    del machine
    gc.collect()
    assert_gone("garbage")


@pytest.mark.parametrize("how", ["kill -9", "exit", "exception"])
def test_nothing_is_left_of_a_supervising_process(how: str, tmp_path: Path) -> None:
    name = f"process-{how.replace(' ', '')}"
    script = f"""\
import json, sys
sys.path[:0] = [{str(ROOT)!r}]
from vmtests.places import NspawnMachine
from tests.support.traces import pids_of
machine = NspawnMachine({name!r})
machine.start()
print(json.dumps(pids_of(machine)), flush=True)
sys.stdin.readline()
{ {"kill -9": "pass", "exit": "sys.exit()", "exception": "1 / 0"}[how] }
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        remember_namespaces(*json.loads(process.stdout.readline()))
        assert traces(name)
        if how == "kill -9":
            process.send_signal(signal.SIGKILL)
    # The keeper hears of a killed process, and needs a moment; the others wait for it.
    assert_gone(name, within=30.0 if how == "kill -9" else 0.0)
    assert list(tmp_path.iterdir()) == []


def test_machines_of_one_name_run_side_by_side_and_outlive_the_thread_that_started_them() -> None:
    machines = [NspawnMachine("twin", containers=containers) for containers in (True, False)]
    threads = [threading.Thread(target=machine.start) for machine in machines]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        identities = {machine.succeed(["cat", "/etc/machine-id"]) for machine in machines}
        assert len(identities) == 2
        machines[0].kill()
        assert machines[1].succeed(["uname", "-n"]) == "twin\n"
    finally:
        for machine in machines:
            machine.kill()


# Refusals


def test_machine_that_is_not_running_says_so() -> None:
    with pytest.raises(MachineError, match=r"idle: not started; use `with` or start\(\)"):
        NspawnMachine("idle").execute(["true"])


def test_second_start_is_refused(host: NspawnMachine) -> None:
    with pytest.raises(MachineError, match="host: already started"):
        host.start()


def test_other_user_than_root_is_told_to_run_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MachineError, match="works for root only: run as root"):
        NspawnMachine("host").start()


def test_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    message = r"systemd-nspawn is not installed \(Debian: apt-get install systemd-container\)"
    with pytest.raises(MachineError, match=message):
        NspawnMachine("host").start()


@pytest.mark.parametrize("name", ["", "-a", "A", "a.b", "a/b", "a" * 64, "a\n"])
def test_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"name .*: must be"):
        NspawnMachine(name)


def test_enabled_unit_with_a_folder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"enable: \['/etc/x.service'\]: must be names of units"):
        NspawnMachine("host", enable=["/etc/x.service"])


@pytest.mark.parametrize("path", ["etc/x", "/", "", "/etc/../../x", "//x/.."])
def test_path_that_leads_elsewhere_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be an absolute path in the machine, without \.\."):
        NspawnMachine("host", files={path: "x"}).start()
    with pytest.raises(ValueError, match=r"must be an absolute path in the machine, without \.\."):
        NspawnMachine("host", binds={path: tmp_path}).start()


@pytest.mark.parametrize("path", ["/usr/bin/x", "/bin/x", "/proc/x", "/dev/x"])
def test_file_outside_what_the_machine_owns_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=f"files: {path}: /.* is not the machine's own"):
        NspawnMachine("host", files={path: "x"}).start()
