"""`holo apply` and `holo drift` on a machine of its own: a Debian with systemd, reached by SSH."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from holo_infra.cli.fleet import compile_fleet
from holo_infra.runtime import ssh
from holo_infra.runtime.apply import apply
from holo_infra.runtime.bundle import Bundle, make_bundle
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.files import fetch as fetch_files
from holo_infra.runtime.files import replace
from holo_infra.runtime.lock import locked
from holo_infra.runtime.machine import TIMEOUT, LabMachine, Machine, ThisComputer, portions
from holo_infra.runtime.readiness import Waiting
from holo_infra.targets.content import unit_content
from tests.support.holo import HOLO, holo, run
from tests.support.lab import fetch, is_refused, wait
from tests.support.server import CUT, NEEDS, Server, server
from vmtests.places import Result

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.needs(*NEEDS)

WEB = 'exec_start=["busybox", "httpd", "-f", "-p", "127.0.0.1:8000", "-h", "/etc/holo"]'
DROP_INS = "/etc/systemd/system/netns-holochain0.service.d"
FAILING = 'exec_start=["sh", "-c", "sleep 0.5; echo no conductor here >&2; exit 3"]'


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("edge")) as running:
        yield running


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A copy of the example that a test may change."""
    for name in ("fleet.py", "fleet.lock.json"):
        shutil.copy(ROOT / "examples/private" / name, tmp_path)
    return tmp_path / "fleet.py"


@pytest.fixture
def applied(edge: Server, fleet: Path) -> Server:
    """The machine with the example on it."""
    holo("apply", fleet, "alpha", *edge.to)
    return edge


def changed(fleet: Path, *changes: tuple[str, str]) -> Path:
    """Another fleet file, beside the first."""
    text = fleet.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    other = fleet.with_name("other.py")
    other.write_text(text)
    shutil.copy(ROOT / "examples/private/fleet.lock.json", other.with_suffix(".lock.json"))
    return other


def assert_each_forward_gives_its_own_containers_bytes(edge: Server) -> None:
    for number in range(3):
        identity = f"HOLO_CONTAINER=holochain{number}\nHOLO_ADDRESS=10.0.{85 + number}.2\n"
        for port in (8000 + number, 8080 + number):
            assert fetch(edge.machine, f"127.0.0.1:{port}") == identity


def assert_nothing_is_left(edge: Server) -> None:
    """The machine is as if nothing had ever been put on it."""
    assert edge.files() == edge.files_before
    units = ["list-units", "--all", "--plain", "--no-legend", "*holochain*", "holo-*"]
    assert edge.machine.systemctl(*units) == ""


# In this order: what is first put on a machine, and what then changes.


def test_a_first_apply_that_fails_leaves_nothing(edge: Server, fleet: Path) -> None:
    failing = changed(fleet, (WEB, FAILING))
    done = run("apply", failing, "alpha", *edge.to, "--timeout", "15")
    assert done.returncode == 1
    # In which state it is when the time is up is a matter of chance.
    assert re.search(r"^not ready: alpha  holochain0/admin\.service: ", done.stderr, re.MULTILINE)
    assert "no conductor here" in done.stderr
    assert "alpha: rolled back: the earlier state is in place again" in done.stderr
    assert_nothing_is_left(edge)


def test_what_is_in_the_way_is_told_and_left_alone(edge: Server, fleet: Path) -> None:
    path = "/etc/systemd/system/container@holochain0.service"
    edge.machine.succeed(["touch", path])
    try:
        done = run("apply", fleet, "alpha", *edge.to)
        assert done.returncode == 1
        assert f"in the way, and not put there by holo: {path}" in done.stderr
        assert "hint: move it away" in done.stderr
    finally:
        edge.machine.succeed(["rm", path])
    assert_nothing_is_left(edge)


def test_what_a_machine_lacks_is_told_before_anything_is_changed(edge: Server, fleet: Path) -> None:
    edge.machine.succeed(["mv", "/usr/bin/busybox", "/usr/bin/busybox.away"])
    try:
        done = run("apply", fleet, "alpha", *edge.to)
    finally:
        edge.machine.succeed(["mv", "/usr/bin/busybox.away", "/usr/bin/busybox"])
    assert done.returncode == 1
    assert "not there: /usr/bin/busybox\n  hint: Debian: apt-get install busybox-static" in (
        done.stderr
    )
    mounting = ('"admin": Forward', '"admin": Forward')
    bound = changed(
        fleet,
        mounting,
        ("    return Container(\n", '    return Container(\n        secrets={"key": "/run/no"},\n'),
    )
    done = run("apply", bound, "alpha", *edge.to)
    assert done.returncode == 1
    assert "needed by holochain0, holochain1, holochain2: /run/no" in done.stderr
    assert_nothing_is_left(edge)


def test_the_example_runs_on_a_machine_that_has_nothing_of_ours(
    applied: Server,
    fleet: Path,
) -> None:
    assert_each_forward_gives_its_own_containers_bytes(applied)
    assert is_refused(applied.machine, "10.0.85.2:8000")
    assert applied.machine.execute(["sh", "-c", "command -v holo"]).returncode != 0
    assert holo("drift", fleet, "alpha", *applied.to) == "no drift\n"
    assert applied.machine.systemctl("--failed", "--no-legend") == ""


def test_apply_tells_each_units_way_to_ready(applied: Server, fleet: Path) -> None:
    # The fourth container waits for what comes once it was told to be starting.
    gate = {"ExecStartPre": "sh -c 'until test -e /run/go; do sleep 0.1; done'"}
    more = changed(
        fleet,
        ("range(3)", "range(4)"),
        (WEB, f"{WEB}, settings={gate} if number == 3 else {{}}"),
    )
    line = re.compile(r" *\d+\.\d s  alpha  (\S+)  (\S.*)")
    command = [str(HOLO), "apply", str(more), "alpha", *applied.to]
    show = ["machinectl", "show", "--property=Leader", "--value", "holochain3"]
    found, told = [], ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as done:
        assert done.stderr is not None
        for text in done.stderr:
            told += text
            if one := line.fullmatch(text.rstrip("\n")):
                found.append(one.groups())
                if one.groups() == ("container@holochain3.service", "starting"):
                    wait(lambda: applied.machine.execute(show).returncode == 0)
                    leader = applied.machine.succeed(show).strip()
                    applied.machine.succeed(["touch", f"/proc/{leader}/root/run/go"])
    assert done.returncode == 0, told
    last = {unit: state for unit, state in found if "holochain3" in unit}
    assert last == {
        "container@holochain3.service": "running",
        "socket-proxyd-holochain3-admin.socket": "listening",
        "socket-proxyd-holochain3-httpgw.socket": "listening",
        "holochain3/admin.service": "running",
        "holochain3/gateway.service": "running",
        "ready-holochain3-admin.service": "answers",
        "ready-holochain3-httpgw.service": "answers",
    }
    way = [state for unit, state in found if unit == "container@holochain3.service"]
    assert way[-2:] == ["starting", "running"]
    assert told.endswith("alpha: ready; 3 units started, 1 unit restarted\n")


def test_a_second_apply_changes_nothing(applied: Server, fleet: Path) -> None:
    def since() -> str:
        units = [f"container@holochain{n}.service" for n in range(3)]
        return applied.machine.systemctl("show", "--property=ActiveEnterTimestamp", *units)

    before = since()
    assert run("apply", fleet, "alpha", *applied.to).stderr.endswith("alpha: ready; no change\n")
    assert since() == before


@pytest.mark.parametrize("engine", ["socat", "haproxy", "socket-proxyd"])
def test_another_engine_takes_over(applied: Server, fleet: Path, engine: str) -> None:
    if engine != "socket-proxyd":
        fleet = changed(fleet, ("Forward(port=", f'Forward(engine="{engine}", port='))
    holo("apply", fleet, "alpha", *applied.to)
    assert_each_forward_gives_its_own_containers_bytes(applied)
    assert holo("drift", fleet, "alpha", *applied.to) == "no drift\n"
    units = applied.machine.systemctl("list-units", "--plain", "--no-legend", "*-holochain0-admin*")
    kinds = {"socat": {"service"}, "haproxy": {"socket", "service"}}.get(
        engine, {"socket", "service"}
    )
    assert {line.split()[0] for line in units.splitlines()} == {
        f"{engine}-holochain0-admin.{kind}" for kind in kinds
    }


def test_what_does_not_become_ready_is_rolled_back(applied: Server, fleet: Path) -> None:
    failing = changed(
        fleet,
        (WEB, FAILING),
        ("range(3)", "range(1, 4)"),
        ("8080 + number", "8090 + number"),
    )
    done = run("apply", failing, "alpha", *applied.to, "--timeout", "15")
    assert done.returncode == 1
    assert "no conductor here" in done.stderr
    assert "rolled back: the earlier state is in place again" in done.stderr
    assert "but" not in done.stderr.rpartition("rolled back")[2]
    assert_each_forward_gives_its_own_containers_bytes(applied)
    assert fetch(applied.machine, "127.0.0.1:8091") is None
    assert holo("drift", fleet, "alpha", *applied.to) == "no drift\n"


def test_a_forward_that_does_not_become_ready_is_rolled_back(applied: Server, fleet: Path) -> None:
    other = changed(fleet, ("8080 + number", "8070 + number"))
    taking = ["socat", "TCP4-LISTEN:8071,bind=127.0.0.1,fork", "PIPE"]
    applied.machine.succeed(["systemd-run", "--quiet", "--collect", "--unit=taker", *taking])
    wait(lambda: b":8071" in applied.machine.execute(["ss", "-Hltn"]).stdout)
    try:
        done = run("apply", other, "alpha", *applied.to, "--timeout", "4")
    finally:
        applied.machine.systemctl("stop", "taker")
    assert done.returncode == 1
    assert "not ready: alpha  socket-proxyd-holochain1-httpgw.socket: failed\n" in done.stderr
    hint = r"hint: port 8071 of 127\.0\.0\.1 is taken by socat \(pid \d+\): stop that, or "
    assert re.search(hint, done.stderr), done.stderr
    assert done.stderr.endswith("alpha: rolled back: the earlier state is in place again\n")
    assert holo("drift", fleet, "alpha", *applied.to) == "no drift\n"
    assert_each_forward_gives_its_own_containers_bytes(applied)
    heard = applied.machine.succeed(["ss", "-Hltn"])
    assert [port for port in (8070, 8071, 8072) if f":{port} " in heard] == []


APPLY: list[str] = []
DRIFTS = {
    "a file": (
        ["sh", "-c", "echo '# mine' >> /etc/holo/firewall.nft"],
        ("file", "/etc/holo/firewall.nft", "as compiled", "changed"),
        APPLY,
    ),
    "a file that is gone": (
        ["rm", "/etc/systemd/system/multi-user.target.wants/container@holochain2.service"],
        (
            *("file", "/etc/systemd/system/multi-user.target.wants/container@holochain2.service"),
            *("is there", "missing"),
        ),
        APPLY,
    ),
    "a unit": (
        ["systemctl", "stop", "container@holochain1"],
        ("unit", "container@holochain1.service", "active", "inactive"),
        APPLY,
    ),
    "a unit of a container": (
        ["systemctl", "--machine=holochain0", "stop", "gateway"],
        ("unit", "holochain0/gateway.service", "active", "inactive"),
        APPLY,
    ),
    "a service behind a forward": (
        ["systemctl", "--machine=holochain0", "stop", "gateway"],
        ("service", "ready-holochain0-httpgw.service", "answers", "no answer"),
        APPLY,
    ),
    "a drop-in": (
        ["sh", "-c", "mkdir -p $0 && printf '[Service]\\nNice=3\\n' > $0/mine.conf", DROP_INS],
        ("unit", "netns-holochain0.service", "no drop-ins", f"{DROP_INS}/mine.conf"),
        ["rm", "-r", DROP_INS],
    ),
    "an address": (
        ["ip", "address", "add", "10.9.9.9/24", "dev", "holo-2"],
        ("address", "holo-2 of the host", "10.0.87.1/30", "10.0.87.1/30, 10.9.9.9/24"),
        ["ip", "address", "delete", "10.9.9.9/24", "dev", "holo-2"],
    ),
    "a rule": (
        ["nft", "add", "rule", "inet", "holo", "input", "accept"],
        ("rules", 'a rule of chain input: [{"accept": null}]', "gone", "is there"),
        APPLY,
    ),
    "a rule that is gone": (
        ["nft", "flush", "chain", "inet", "holo", "forward"],
        (
            "rules",
            'a rule of chain forward: [{"reject": {"expr": "admin-prohibited", "type": "icmpx"}}]',
            "is there",
            "missing",
        ),
        APPLY,
    ),
    "all rules": (
        ["nft", "delete", "table", "inet", "holo"],
        ("rules", "inet holo", "is there", "missing"),
        APPLY,
    ),
    "a namespace": (
        ["ip", "netns", "delete", "holochain2"],
        ("namespace", "holochain2", "is there", "missing"),
        ["systemctl", "restart", "netns-holochain2"],
    ),
}


@pytest.mark.parametrize("what", DRIFTS)
def test_what_was_changed_by_hand_is_told(applied: Server, fleet: Path, what: str) -> None:
    command, expected, mend = DRIFTS[what]
    applied.machine.succeed(command)
    try:
        done = run("drift", fleet, "alpha", *applied.to, "--json")
        assert done.returncode == 2, done
        assert expected in {tuple(one.values()) for one in json.loads(done.stdout)}
    finally:
        if mend:
            applied.machine.succeed(mend)
        holo("apply", fleet, "alpha", *applied.to)
    assert holo("drift", fleet, "alpha", *applied.to) == "no drift\n"


def test_another_hosts_units_are_refused(applied: Server, fleet: Path) -> None:
    other = changed(fleet, ('"alpha"', '"beta"'))
    done = run("apply", other, "beta", *applied.to)
    assert done.returncode == 1
    assert "this is private/alpha, not private/beta" in done.stderr
    assert_each_forward_gives_its_own_containers_bytes(applied)


def test_an_apply_that_was_killed_is_taken_up_by_the_next(applied: Server, fleet: Path) -> None:
    rng = random.Random(5)
    other = changed(fleet, ("8080 + number", "8090 + number"), ('/etc/holo"]', '/etc/holo/"]'))
    for number in range(6):
        with subprocess.Popen([str(HOLO), "apply", other, "alpha", *applied.to]) as process:
            time.sleep(rng.uniform(0.5, 1.6))
            process.kill()
        wanted = (fleet, other)[number % 2]
        holo("apply", wanted, "alpha", *applied.to)
        assert holo("drift", wanted, "alpha", *applied.to) == "no drift\n"
        port = (8081, 8091)[number % 2]
        assert "holochain1" in str(fetch(applied.machine, f"127.0.0.1:{port}"))
    holo("apply", fleet, "alpha", *applied.to)
    assert_each_forward_gives_its_own_containers_bytes(applied)


def test_a_connection_that_is_lost_is_told_and_the_next_apply_goes_on(
    applied: Server,
    fleet: Path,
) -> None:
    other = changed(fleet, ("range(3)", "range(4)"))
    with subprocess.Popen(
        [str(HOLO), "apply", other, "alpha", *applied.to], stderr=subprocess.PIPE, text=True
    ) as process:
        applied.machine.succeed(["sh", "-c", CUT])
        _, told = process.communicate()
    applied.machine.systemctl("start", "ssh.service")
    assert process.returncode == 1
    assert "Traceback" not in told
    assert "the machine is left between two states: run apply again" in told
    between = run("drift", fleet, "alpha", *applied.to)
    assert between.returncode == 2
    assert "apply  /etc/holo/applied.json: expected came to its end, found was cut off" in (
        between.stdout
    )
    holo("apply", fleet, "alpha", *applied.to)
    assert holo("drift", fleet, "alpha", *applied.to) == "no drift\n"


class Faulty:
    """A machine, of which one command, known by words of it, ends otherwise: once."""

    def __init__(self, machine: Machine, words: set[str], result: Result | None = None) -> None:
        self.name = machine.name
        self.popen = machine.popen
        self.journal_of = machine.journal_of
        self._machine = machine
        self._words = words
        self._result = result

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = TIMEOUT) -> Result:
        if self._words and self._words <= set(argv):
            self._words = set()
            if self._result is None:
                raise Failure("the connection is lost", "look at the cable")
            return self._result
        return self._machine.run(argv, stdin, timeout)


def bundle_of(fleet: Path) -> Bundle:
    return make_bundle(compile_fleet(fleet).lowered, "alpha")


def with_unit(fleet: Path, exec_start: str) -> Path:
    """The fleet with one more unit in each container, which no forward leads to."""
    unit = f'"more": Unit(description="More", {exec_start}),'
    return changed(fleet, ("        units={", f"        units={{{unit}"))


def test_a_roll_back_succeeds_where_a_container_has_not_read_its_new_unit(
    applied: Server,
    fleet: Path,
) -> None:
    more = bundle_of(with_unit(fleet, 'exec_start=["sleep", "1000"]'))
    lost = Faulty(LabMachine(applied.machine), {"--machine=holochain0", "daemon-reload"})
    with pytest.raises(Failure) as told:
        apply(lost, more, 20)
    assert str(told.value) == (
        "the connection is lost\nrolled back: the earlier state is in place again"
    )
    assert holo("drift", fleet, "alpha", *applied.to) == "no drift\n"
    for number in range(3):
        inside = f"--machine=holochain{number}"
        assert "more" not in applied.machine.systemctl(inside, "list-units", "--all", "more*")


def test_a_failure_tells_one_hint_and_that_the_earlier_state_is_back(
    applied: Server,
    fleet: Path,
) -> None:
    more = bundle_of(with_unit(fleet, 'exec_start=["sleep", "1000"]'))
    lost = Faulty(LabMachine(applied.machine), {"daemon-reload"})
    with pytest.raises(Failure) as told:
        apply(lost, more, 20)
    assert str(told.value) == (
        "the connection is lost\nrolled back: the earlier state is in place again"
        "\n  hint: look at the cable"
    )


def test_a_unit_that_had_failed_is_started_again(applied: Server, fleet: Path) -> None:
    machine, forward = applied.machine, "socket-proxyd-holochain0-admin"
    machine.systemctl("stop", f"{forward}.socket", f"{forward}.service")
    listener = ["socat", "TCP4-LISTEN:8000,bind=127.0.0.1,reuseaddr", "-"]
    machine.succeed(["systemd-run", "--unit=taker", *listener])
    wait(lambda: b":8000" in machine.execute(["ss", "-Hltn"]).stdout)
    assert machine.execute(["systemctl", "start", f"{forward}.socket"]).returncode != 0
    assert machine.execute(["systemctl", "is-failed", f"{forward}.socket"]).returncode == 0
    machine.systemctl("stop", "taker")
    holo("apply", fleet, "alpha", *applied.to)
    assert_each_forward_gives_its_own_containers_bytes(applied)


def test_what_reads_a_file_that_was_changed_by_hand_is_started_anew(
    applied: Server,
    fleet: Path,
) -> None:
    fleet = changed(fleet, ("Forward(port=", 'Forward(engine="haproxy", port='))
    holo("apply", fleet, "alpha", *applied.to)
    assert_each_forward_gives_its_own_containers_bytes(applied)
    path = "/etc/holo/haproxy/holochain0-admin.cfg"
    applied.machine.succeed(["sh", "-c", 'echo "# mine" >> $0', path])
    done = run("apply", fleet, "alpha", *applied.to)
    assert done.stderr.endswith("alpha: ready; 1 unit restarted\n")
    assert "haproxy-holochain0-admin" not in done.stderr.partition("alpha: ready")[2]


def test_the_namespace_that_a_container_waits_for_in_vain_is_told(
    applied: Server,
    fleet: Path,
) -> None:
    folder = "/etc/systemd/system/netns-holochain3.service.d"
    broken = "mkdir $0 && printf '[Service]\nExecStartPre=false\n' > $0/mine.conf"
    applied.machine.succeed(["sh", "-c", broken, folder])
    more = changed(fleet, ("range(3)", "range(4)"))
    try:
        done = run("apply", more, "alpha", *applied.to, "--timeout", "3")
    finally:
        applied.machine.succeed(["rm", "-r", folder])
    assert done.returncode == 1
    first = done.stderr[done.stderr.index("not ready: ") :]
    assert first.startswith("not ready: alpha  netns-holochain3.service: failed\n")
    assert "status=1/FAILURE" in first.partition("not ready: alpha  container@")[0]


def test_a_service_that_does_not_answer_is_told_with_a_command_that_reaches_its_log(
    applied: Server,
    fleet: Path,
) -> None:
    elsewhere = changed(fleet, ('"127.0.0.1:8000"', '"127.0.0.1:8001"'))
    done = run("apply", elsewhere, "alpha", *applied.to, "--timeout", "10")
    assert done.returncode == 1
    assert "does not answer: journalctl --machine=holochain0\n" in done.stderr
    assert done.stderr.endswith("alpha: rolled back: the earlier state is in place again\n")
    assert holo("drift", fleet, "alpha", *applied.to) == "no drift\n"
    assert_each_forward_gives_its_own_containers_bytes(applied)


def test_a_unit_that_fails_again_and_again_is_not_ready(applied: Server, fleet: Path) -> None:
    failing = 'exec_start=["sh", "-c", "sleep 0.8; exit 1"]'
    # Up for nearly all of the time: whenever one looks.
    looping = with_unit(fleet, f'{failing}, settings={{"RestartSec": "50ms"}}')
    done = run("apply", looping, "alpha", *applied.to, "--timeout", "15")
    assert done.returncode == 1
    # In which of the containers, when the time is up, is a matter of chance.
    assert re.search(
        r"^not ready: alpha  holochain[0-2]/more\.service: ", done.stderr, re.MULTILINE
    )
    assert "rolled back: the earlier state is in place again" in done.stderr
    assert holo("drift", fleet, "alpha", *applied.to) == "no drift\n"


def test_a_unit_that_is_about_to_start_anew_is_not_ready(edge: Server) -> None:
    start = ["systemd-run", "--quiet", "--collect", "--unit"]
    edge.machine.succeed([*start, "first", "sleep", "1000"])
    # Which has to end before the other one.
    hook = ["--property=After=first.service", "--property=ExecStop=sleep 2"]
    edge.machine.succeed([*start, "second", *hook, "sleep", "1000"])
    waiting = Waiting(LabMachine(edge.machine), "edge", ("first.service",), {}, lambda _: None)
    assert waiting.until_ready(60) == []
    edge.machine.systemctl("stop", "--no-block", "second")
    edge.machine.systemctl("restart", "--no-block", "first")
    before = edge.machine.systemctl("show", "--property=MainPID,ActiveState", "first")
    assert "ActiveState=active" in before
    assert [one.state for one in waiting.look()] == ["restarting"]
    assert waiting.until_ready(60) == []
    assert edge.machine.systemctl("show", "--property=MainPID,ActiveState", "first") != before
    edge.machine.systemctl("stop", "first")


def test_a_container_that_hangs_while_it_starts_takes_the_unit_that_is_mended(
    applied: Server,
    fleet: Path,
) -> None:
    hanging = 'exec_start=["sleep", "1000"], settings={"Type": "notify"}'
    four = with_unit(changed(fleet, ("range(3)", "range(4)")), hanging)
    hung = apply(LabMachine(applied.machine), bundle_of(four), 4, keep_failed=True)
    assert "starting" in {one.state for one in hung.troubles}
    container = ["systemctl", "is-active", "container@holochain3"]
    assert applied.machine.execute(container).stdout == b"activating\n"
    mended = changed(four, (hanging, 'exec_start=["sleep", "1000"]'))
    assert apply(LabMachine(applied.machine), bundle_of(mended), 60).troubles == ()


def test_a_program_below_a_mount_is_looked_for_where_the_host_has_it(
    applied: Server,
    fleet: Path,
) -> None:
    mounting = changed(
        fleet,
        ("import Container", "import BindMount, Container"),
        (WEB, WEB.replace('"busybox"', '"/opt/tools/bin/busybox"')),
        (
            "Container(\n",
            'Container(\n        bind_mounts={"/opt/tools": BindMount(source="/srv/tools")},\n',
        ),
    )
    applied.machine.succeed(["mkdir", "-p", "/srv/tools/bin"])
    done = run("apply", mounting, "alpha", *applied.to)
    assert done.returncode == 1
    assert "not there: /srv/tools/bin/busybox\n" in done.stderr
    applied.machine.succeed(["cp", "/usr/bin/busybox", "/srv/tools/bin/busybox"])
    holo("apply", mounting, "alpha", *applied.to)
    assert_each_forward_gives_its_own_containers_bytes(applied)


def test_a_second_apply_at_once_is_refused(applied: Server, fleet: Path) -> None:
    with locked(LabMachine(applied.machine)):
        done = run("apply", fleet, "alpha", *applied.to)
    assert done.returncode == 1
    assert f"{applied.url}: another apply is under way\n" in done.stderr
    holo("apply", fleet, "alpha", *applied.to)


def test_a_record_is_whole_when_the_connection_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "applied.json"
    path.write_text("old")
    with pytest.raises(Failure):
        replace(Faulty(ThisComputer(), {"mv"}), str(path), "new")
    assert path.read_text() == "old"
    replace(ThisComputer(), str(path), "new")
    assert path.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["applied.json"]


def test_files_that_cannot_be_read_are_not_taken_for_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("it\n")
    (tmp_path / "loop").symlink_to("loop")
    there, missing = str(tmp_path / "file"), str(tmp_path / "none")
    assert fetch_files(ThisComputer(), [there, missing]) == {there: "it\n"}
    with pytest.raises(Failure, match=r"cannot be read: .*Too many levels of symbolic links"):
        fetch_files(ThisComputer(), [there, str(tmp_path / "loop" / "file")])
    for result in (Result(0, b"x" * 700, b""), Result(0, b"", b""), Result(127, b"", b"")):
        with pytest.raises(Failure, match="files cannot be read: "):
            fetch_files(Faulty(ThisComputer(), {"tar"}, result), [there])


def test_no_command_line_is_longer_than_sshd_passes() -> None:
    paths = [f"/{number}/{chr(39) * 500}" for number in range(1000)]
    lots = list(portions(paths))
    assert [path for lot in lots for path in lot] == paths
    assert all(len(shlex.join(lot)) < 100_000 for lot in lots)
    assert list(portions([])) == []


def test_a_connection_that_does_not_end_hides_no_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "ssh"
    hanging = 'case "$*" in *"-O exit"*) exec sleep 60 ;; esac; echo refused >&2; exit 255'
    program.write_text(f"#!/bin/sh\n{hanging}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(ssh, "_CONNECT", 0.5)
    with pytest.raises(Failure, match="refused"), ssh.SshMachine("ssh://there"):
        pass


@pytest.mark.parametrize("timeout", ["nan", "0", "-1", "inf", "soon"])
def test_a_timeout_that_is_no_time_is_refused(fleet: Path, timeout: str) -> None:
    done = run("apply", fleet, "alpha", f"--timeout={timeout}")
    assert done.returncode == 64
    assert "argument --timeout: " in done.stderr


def test_machines_that_cannot_be_reached_are_told(
    edge: Server,
    fleet: Path,
    tmp_path: Path,
) -> None:
    config = ["--ssh-config", str(edge.config)]
    done = run("apply", fleet, "alpha", "--to", "ssh://root@127.0.0.1:9", *config)
    assert done.returncode == 1
    assert "ssh://root@127.0.0.1:9: ssh: connect to host 127.0.0.1 port 9" in done.stderr
    done = run("apply", fleet, "alpha", "--to", "127.0.0.1")
    assert done.stderr.endswith("no address of a machine\n  hint: write ssh://[user@]host[:port]\n")
    done = run("apply", fleet, "alpha", "--to", "ssh://root@[::1]:9", *config)
    assert "ssh://root@[::1]:9: ssh: connect to host ::1 port 9" in done.stderr
    stranger = tmp_path / "config"
    text = edge.config.read_text().replace("known_hosts", "no_hosts")
    stranger.write_text(text)
    done = run("apply", fleet, "alpha", "--to", edge.url, "--ssh-config", stranger)
    assert done.returncode == 1
    assert "Host key verification failed" in done.stderr


def test_another_user_needs_sudo(edge: Server, fleet: Path) -> None:
    edge.machine.succeed(["useradd", "--create-home", "--shell", "/bin/sh", "plain"])
    url = edge.url.replace("root@", "plain@")
    done = run("apply", fleet, "alpha", "--to", url, "--ssh-config", edge.config)
    assert done.returncode == 1
    assert "not root there, and sudo does not help" in done.stderr


def test_units_that_are_not_those_that_were_compiled_are_refused(
    applied: Server, fleet: Path
) -> None:
    other = changed(fleet, ("8080 + number", "8090 + number"))
    content = unit_content(compile_fleet(fleet).lowered, "alpha")
    done = run("apply", other, "alpha", *applied.to, "--content", content)
    assert done.returncode == 1
    assert "the units of alpha are not those that were compiled" in done.stderr
    done = run("apply", fleet, "alpha", *applied.to, "--content", content)
    assert done.stderr.endswith("alpha: ready; no change\n")


def test_only_the_host_that_is_there_is_removed(applied: Server) -> None:
    done = run("remove", "private/beta", *applied.to)
    assert done.returncode == 1
    assert "this is private/alpha, not private/beta" in done.stderr
    assert_each_forward_gives_its_own_containers_bytes(applied)
    assert run("remove", "alpha", *applied.to).stderr == (
        "error: alpha: no name of a host\n  hint: write FLEET/HOST\n"
    )


def test_a_machine_with_another_host_key_is_refused(applied: Server, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    other = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    ssh = ["--ssh-config", str(applied.config), "--host-key"]
    done = run("at", *ssh, other, applied.url, "--", "true")
    assert done.returncode == 1
    assert "Host key verification failed" in done.stderr
    stranger = tmp_path / "config"  # that knows no host
    stranger.write_text(applied.config.read_text().replace("known_hosts", "no_hosts"))
    ssh = ["--ssh-config", str(stranger), "--host-key"]
    done = run("at", *ssh, applied.host_key, applied.url, "--", "printf", "%s", "a b;c")
    assert (done.returncode, done.stdout) == (0, "a b;c")
    done = run("at", *ssh, applied.host_key, applied.url, "--", "sh", "-c", "exit 7")
    assert done.returncode == 7
    applied.machine.systemctl("stop", "ssh.service")
    timer = ["--on-active=3", "--timer-property=AccuracySec=100ms"]
    later = ["systemd-run", *timer, "systemctl", "start", "ssh.service"]
    assert run("at", *ssh, applied.host_key, applied.url, "--", "true").returncode == 1
    applied.machine.succeed(later)
    done = run("at", "--patience", "60", *ssh, applied.host_key, applied.url, "--", "echo", "here")
    assert done.stdout == "here\n"


def test_what_is_removed_leaves_nothing(applied: Server, fleet: Path) -> None:
    done = run("remove", "private/alpha", *applied.to)
    assert done.returncode == 0
    assert_nothing_is_left(applied)
    assert run("remove", "private/alpha", *applied.to).stderr == "alpha: removed; no change\n"
    holo("apply", fleet, "alpha", *applied.to)


def test_what_is_gone_from_the_fleet_is_stopped_and_removed(applied: Server, fleet: Path) -> None:
    empty = changed(fleet, ("for number in range(3)", "for number in range(0)"))
    holo("apply", empty, "alpha", *applied.to)
    wait(lambda: "holochain" not in applied.machine.succeed(["ip", "netns"]))
    left = applied.machine.succeed(["find", "/etc/holo", "/etc/systemd/system", "-type", "f"])
    ours = [path for path in left.splitlines() if "holo" in path]
    assert ours == ["/etc/holo/applied.json"]
    assert "holo" not in applied.machine.succeed(["nft", "list", "tables"])


def test_a_computer_that_systemd_has_not_booted_is_refused(fleet: Path) -> None:
    done = run("apply", fleet, "alpha")
    assert done.returncode == 1
    assert "this computer: systemd is not the init of this machine" in done.stderr
