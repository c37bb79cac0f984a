"""A fleet as it runs in a lab: `holo up`, and the commands on what runs."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from holo_infra.runtime.labs import locked
from tests.support.holo import HOLO, LABS, holo, lab, run, status, until_interrupted
from tests.support.lab import NEEDS, wait

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.needs(*NEEDS, "nft")

PORTS = {f"holochain{n}": (8000 + n, 8080 + n) for n in range(3)}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example that tests may change."""
    folder = tmp_path_factory.mktemp("fleet")
    shutil.copy(ROOT / "examples/private/fleet.py", folder)
    shutil.copy(ROOT / "examples/private/fleet.lock.json", folder)
    return folder / "fleet.py"


@pytest.fixture(scope="module")
def private(fleet: Path) -> Iterator[str]:
    with lab(fleet, "--publish", "0:alpha/holochain1/admin") as name:
        yield name


def fetch(name: str, url: str, place: str = "alpha") -> str:
    """What answers at a URL, asked from a place in the lab; nothing where none does."""
    ask = ["curl", "--silent", "--max-time", "10", url]
    return run("exec", "--lab", name, place, "--", *ask).stdout


def identity(container: str) -> str:
    return f"HOLO_CONTAINER={container}\nHOLO_ADDRESS=10.0.{85 + int(container[-1])}.2\n"


def test_all_is_ready_when_up_ends_and_each_forward_gives_its_own_containers_bytes(
    private: str,
) -> None:
    rows = status(private, expected=0)
    forwards = [row for row in rows if row["unit"].startswith("forward ")]
    assert len(forwards) == 6
    assert all(row["is_good"] and row["state"] == "listening, ready" for row in forwards)
    for container, ports in PORTS.items():
        for port in ports:
            url = f"http://localhost:{port}/identity.env"
            assert fetch(private, url) == identity(container)


def test_a_second_up_changes_nothing(private: str, fleet: Path) -> None:
    before = times(private)
    done = run("up", fleet, "--lab", private, "--publish", "0:alpha/holochain1/admin")
    assert done.returncode == 0
    assert "alpha: ready; no change" in done.stderr
    assert times(private) == before


def times(name: str) -> dict[tuple[str, str], int]:
    """Since when each unit is in its state, but those that are asked for the purpose."""
    return {
        (row["container"], row["unit"]): row["since"]
        for row in status(name)
        if not row["unit"].startswith("forward ")
    }


def test_a_published_port_leads_from_this_computers_loopback_into_the_container(
    private: str,
) -> None:
    table = holo("status", "--lab", private)
    found = re.search(r"127\.0\.0\.1:(\d+) -> alpha/holochain1/admin", table)
    assert found, table
    with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/identity.env") as answer:
        assert answer.read().decode() == identity("holochain1")


def test_a_service_that_stops_makes_its_forward_not_ready_until_it_is_back(private: str) -> None:
    stop = ["exec", "--lab", private, "alpha/holochain2", "--", "systemctl"]

    def state() -> str:
        rows = status(private, "alpha/holochain2")
        return str(next(row["state"] for row in rows if row["unit"] == "forward admin"))

    holo(*stop, "stop", "admin")
    assert state() == "listening, not ready"
    assert run("status", "--lab", private).returncode == 1
    holo(*stop, "start", "admin")
    assert state() == "listening, ready"
    assert run("status", "--lab", private).returncode == 0


def test_watching_prints_the_table_again_and_again(private: str) -> None:
    with until_interrupted("status", "--lab", private, "--watch", "--interval", "0.1") as watching:
        seen = 0
        for line in watching:
            seen += line.startswith("HOST")
            if seen == 3:
                break


def test_a_command_runs_with_its_arguments_its_status_and_its_bytes(private: str) -> None:
    words = ["printf", "%s|", "a b", "$HOME", "'", "", "--", "-x"]
    assert holo("exec", "--lab", private, "alpha", "--", *words) == "a b|$HOME|'||--|-x|"
    inside = ["exec", "--lab", private, "alpha/holochain1", "--"]
    assert holo(*inside, "uname", "-n") == "holochain1\n"
    assert holo(*inside, "sh", "-c", "exit 7", expected=7) == ""
    assert holo(*inside, "sh", "-c", "kill -9 $$", expected=137) == ""
    assert "no command" in run("exec", "--lab", private, "alpha", "--").stderr


def test_a_shell_takes_what_is_typed(private: str) -> None:
    shell = pexpect.spawn(str(HOLO), ["shell", "--lab", private, "alpha/holochain0"], timeout=20)
    shell.expect("# ")
    shell.sendline("echo in-$(uname -n)")
    shell.expect("in-holochain0")
    shell.sendline("exit 3")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 3


def test_logs_tell_what_units_say_and_go_on(private: str) -> None:
    text = holo("logs", "--lab", private, "alpha/holochain0/admin", "-n", "5")
    assert "alpha/holochain0 admin.service: Started admin.service" in text
    with until_interrupted(
        "logs", "--lab", private, "alpha/holochain0", "-f", "-n", "1"
    ) as following:
        following.readline()  # what there was
        say = ["systemd-cat", "--identifier=someone", "echo", "a word"]
        holo("exec", "--lab", private, "alpha/holochain0", "--", *say)
        for line in following:
            if line.endswith("alpha/holochain0 someone: a word\n"):
                break
        else:
            pytest.fail("the word was not told")
    wait(lambda: "journalctl" not in holo("exec", "--lab", private, "alpha", "--", "ps", "ax"))


def test_logs_are_followed_over_a_restart_of_the_container(private: str) -> None:
    with until_interrupted(
        "logs", "--lab", private, "alpha/holochain2/admin", "-f", "-n", "1"
    ) as following:
        following.readline()  # what there was
        holo("restart", "--lab", private, "alpha/holochain2")
        assert any("Started admin.service" in line for line in following)


def test_logs_may_be_followed_without_what_there_was(private: str) -> None:
    place = ["--lab", private, "alpha/holochain2"]
    assert holo("logs", "--lab", private, "-n", "0") == ""
    with until_interrupted(
        "logs", "--lab", private, "alpha/holochain2/admin", "-f", "-n", "0"
    ) as following:
        while not select.select([following], [], [], 2)[0]:
            holo("exec", *place, "--", "systemctl", "restart", "admin")
        assert "admin.service: Stopp" in following.readline()


def test_long_messages_are_whole_and_none_steers_the_terminal(private: str) -> None:
    place = ["--lab", private, "alpha/holochain0"]
    say = "printf '\\033[31m%06000d\\n' 0 | systemd-cat --identifier=long"
    holo("exec", *place, "--", "sh", "-c", say)
    wait(lambda: "long: \\x1b[31m" + "0" * 6000 in holo("logs", *place, "-n", "5"))


def test_restart_waits_until_traffic_flows_again(private: str) -> None:
    before = times(private)
    assert "ready" in run("restart", "--lab", private, "alpha/holochain1").stderr
    assert fetch(private, "http://127.0.0.1:8001/identity.env") == identity("holochain1")
    after = times(private)
    changed = {place for place in before if before[place] != after[place]}
    assert {container for container, _ in changed} == {"holochain1"}
    holo("restart", "--lab", private, "alpha/holochain0/gateway")
    now = times(private)
    assert {place for place in after if after[place] != now[place]} == {
        ("holochain0", "gateway.service")
    }


CHANGES = {
    "a unit of a container": (
        '"127.0.0.1:4000", "-h", "/etc/holo"]',
        '"127.0.0.1:4000", "-h", f"/etc/holo{\'/\' * number}"]',
        {("holochain1", "gateway.service"), ("holochain2", "gateway.service")},
    ),
    "another container": ("range(3)", "range(4)", set()),
    "a forward's port": (
        "8080 + number",
        "8090 + number",
        set(),  # a socket listens elsewhere, and nothing else is another
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_up_touches_only_what_a_change_concerns(private: str, fleet: Path, change: str) -> None:
    old, new, touched = CHANGES[change]
    text = fleet.read_text()
    assert old in text
    before = times(private)
    fleet.write_text(text.replace(old, new))
    try:
        holo("up", fleet, "--lab", private)
        after = times(private)
        moved = {place for place in before if after.get(place) != before[place]}
        # The rules are loaded anew where a container comes.
        assert moved - {(None, "holo-firewall.service")} == touched
        assert all(row["is_good"] for row in status(private))
        if change == "a forward's port":
            assert fetch(private, "http://127.0.0.1:8091/identity.env") == identity("holochain1")
            assert fetch(private, "http://127.0.0.1:8081/identity.env") == ""
        if change == "another container":
            assert fetch(private, "http://127.0.0.1:8003/identity.env") == identity("holochain3")
    finally:
        fleet.write_text(text)
    holo("up", fleet, "--lab", private)
    names = holo("exec", "--lab", private, "alpha", "--", "ip", "netns").split()
    assert "holochain3" not in names
    assert {row["container"] for row in status(private, expected=0)} == {None, *PORTS}


def test_a_unit_that_does_not_come_up_is_told_with_its_log_and_stays_to_be_looked_at(
    private: str,
    fleet: Path,
) -> None:
    text = fleet.read_text()
    failing = 'exec_start=["sh", "-c", "echo no conductor here >&2; exit 3"]'
    old = 'exec_start=["busybox", "httpd", "-f", "-p", "127.0.0.1:8000", "-h", "/etc/holo"]'
    fleet.write_text(text.replace(old, failing))
    try:
        done = run("up", fleet, "--lab", private, "--timeout", "4")
    finally:
        fleet.write_text(text)
    assert done.returncode == 1
    assert "not ready: alpha  holochain0/admin.service: " in done.stderr
    assert "no conductor here" in done.stderr
    assert fetch(private, "http://127.0.0.1:8081/identity.env") == identity("holochain1")
    holo("up", fleet, "--lab", private)


def test_a_port_that_is_taken_is_told_with_who_has_it(private: str, fleet: Path) -> None:
    text = fleet.read_text()
    # A forward with another port, which somebody has.
    taking = ["socat", "TCP4-LISTEN:8070,bind=127.0.0.1,fork", "PIPE"]
    start = ["systemd-run", "--quiet", "--unit=taker", *taking]
    holo("exec", "--lab", private, "alpha", "--", *start)
    fleet.write_text(text.replace("8080 + number", "8070 + number"))
    try:
        done = run("up", fleet, "--lab", private, "--timeout", "4")
    finally:
        fleet.write_text(text)
        holo("exec", "--lab", private, "alpha", "--", "systemctl", "stop", "taker")
    assert done.returncode == 1
    assert re.search(
        r"hint: port 8070 of 127\.0\.0\.1 is taken by socat \(pid \d+\): stop that, or give the"
        r" forward of holochain0 another host_port",
        done.stderr,
    ), done.stderr
    holo("up", fleet, "--lab", private)


def test_nothing_of_a_lab_is_in_this_computers_own_network(private: str) -> None:
    assert private
    links = json.loads(subprocess.check_output(["ip", "-j", "address"], text=True))
    assert not [link for link in links if link["ifname"].startswith(("holo-", "ve-", "uplink"))]
    addresses = [a["local"] for link in links for a in link["addr_info"]]
    assert not [address for address in addresses if address.startswith("10.0.8")]
    routes = holo("exec", "--lab", private, "alpha", "--", "ip", "route")
    assert "default" not in routes


def test_a_host_sees_this_computers_programs_and_cannot_change_them(private: str) -> None:
    def on_host(*command: str) -> subprocess.CompletedProcess[str]:
        return run("exec", "--lab", private, "alpha", "--", *command)

    bound = [part for part in ("/etc/alternatives", "/etc/ssl") if Path(part).is_dir()]
    for part in ("/usr", *bound):
        done = on_host("touch", f"{part}/new-{private}")
        assert done.returncode == 1
        assert done.stderr.endswith("Read-only file system\n")
        names = {*on_host("ls", "-A", part).stdout.splitlines()}
        assert names == {each.name for each in Path(part).iterdir()}
        assert names
    cache = "/etc/ld.so.cache"
    for path in (str(Path("/usr/bin/busybox").resolve()), cache):
        here = subprocess.check_output(["sha256sum", path], text=True)
        assert on_host("sha256sum", path).stdout == here
    # All else of /etc is the host's own, and so is its copy of the cache.
    since = Path(cache).stat().st_mtime_ns
    assert on_host("touch", cache, "/etc/mine").returncode == 0
    assert not Path("/etc/mine").exists()
    assert Path(cache).stat().st_mtime_ns == since
    theirs = on_host("ls", "-A", "/etc").stdout.split()
    assert [name for name in ("apt", "cron.d", "skel") if name in theirs] == []


def test_wrong_places_are_told_with_what_there_is(private: str) -> None:
    told = {
        ("exec", "beta", "--", "true"): "lab {lab} has no host beta\n  hint: hosts: alpha\n",
        ("exec", "alpha/web", "--", "true"): (
            "host alpha has no container web\n"
            "  hint: containers: holochain0, holochain1, holochain2\n"
        ),
        ("restart", "alpha/holochain0/web"): (
            "container holochain0 has no unit web\n  hint: units: admin.service, gateway.service\n"
        ),
        ("logs", "alpha/x/y/z"): (
            "alpha/x/y/z: no such place\n"
            "  hint: write HOST or HOST/CONTAINER or HOST/CONTAINER/UNIT\n"
        ),
    }
    for (command, *words), message in told.items():
        done = run(command, "--lab", private, *words)
        assert done.returncode == 1
        assert done.stderr == f"error: {message.format(lab=private)}"


def test_several_labs_want_to_be_named(private: str, tmp_path: Path) -> None:
    empty = tmp_path / "fleet.yaml"
    empty.write_text("name: other\nhosts: {beta: {}}\n")
    other = f"{private}-other"
    holo("up", empty, "--lab", other)
    try:
        done = run("status")
        assert done.returncode == 1
        listed = re.match(r"error: several labs are running: (.*)\n", done.stderr)
        assert listed, done.stderr
        assert {private, other} <= {*listed[1].split(", ")}  # other tests have labs, too
        assert done.stderr.endswith("\n  hint: say which: --lab NAME\n")
    finally:
        holo("down", "--lab", other)
    assert run("status", "--lab", other).stderr.startswith(f"error: no lab {other} is running")


def test_another_fleet_does_not_take_a_lab_over(private: str, tmp_path: Path) -> None:
    other = tmp_path / "fleet.yaml"
    other.write_text("name: other\nhosts: {beta: {}}\n")
    done = run("up", other, "--lab", private)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: lab {private} runs another fleet, private\n"
        f"  hint: end it: holo down --lab {private}; or name this one: --lab NAME\n"
    )
    assert all(row["is_good"] for row in status(private))


def test_publishing_what_is_not_there_is_refused_before_anything_runs(fleet: Path) -> None:
    cases = {
        "alpha/holochain9/admin": "the fleet has no such forward",
        "70000:alpha/holochain0/admin": "70000 is no port",
        "x:alpha/holochain0/admin": "x is no port",
    }
    for text, message in cases.items():
        done = run("up", fleet, "--lab", "nothing", "--publish", text)
        assert done.returncode == 1
        assert f"--publish {text}: {message}" in done.stderr
    assert not Path("/run/holo/labs/nothing").exists()


@pytest.fixture
def for_all(fleet: Path) -> Iterator[Path]:
    """A copy of the fleet that everyone can read: folders of pytest are root's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(shutil.copy(fleet, folder))


def test_who_is_not_root_is_told_so(for_all: Path) -> None:
    def as_nobody(*command: str | Path) -> subprocess.CompletedProcess[str]:
        drop = ["setpriv", "--reuid=65534", "--clear-groups"]
        return subprocess.run(
            [*drop, *command], capture_output=True, text=True, check=False, timeout=60
        )

    # Who can read the fleet, and has no other mistake to be told of.
    assert as_nobody(HOLO, "check", for_all).returncode == 0
    not_root = "error: only root can run machines\n  hint: run the command as root: sudo holo …\n"
    for command in (["up", for_all], ["status"], ["down"]):
        done = as_nobody(HOLO, *command)
        assert (done.returncode, done.stderr) == (1, not_root)
    # It is told before a mistake of the fleet, which another user might not be able to read.
    assert as_nobody(HOLO, "up", for_all.with_name("none.py")).stderr == not_root


def test_without_nspawn_the_message_says_what_to_install(fleet: Path, tmp_path: Path) -> None:
    for program in ("unshare", "nsenter", "mount", "ip", "python3"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    done = subprocess.run(
        [HOLO, "up", fleet, "--lab", f"bare-{time.monotonic_ns()}"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "systemd-nspawn is not installed (Debian: apt-get install systemd-container)" in (
        done.stderr
    )


def test_a_published_port_whose_proxy_was_killed_is_published_again(
    private: str,
    fleet: Path,
) -> None:
    publish = ["--publish", "0:alpha/holochain1/admin"]
    port = holo("up", fleet, "--lab", private, *publish).split(" ")[0].rpartition(":")[2]
    record = json.loads((LABS / private / "ports" / f"{port}.json").read_text())
    os.kill(record["publication"]["pid"], signal.SIGKILL)
    wait(lambda: port not in holo("status", "--lab", private))
    told = holo("up", fleet, "--lab", private, *publish)
    with urllib.request.urlopen(f"http://{told.split(' ')[0]}/identity.env") as answer:
        assert answer.read().decode() == identity("holochain1")


def test_rules_that_are_gone_are_told_and_loaded_again(private: str, fleet: Path) -> None:
    holo("exec", "--lab", private, "alpha", "--", "nft", "delete", "table", "inet", "holo")
    rows = {row["unit"]: row["state"] for row in status(private, expected=1)}
    assert rows["holo-firewall.service"] == "rules are gone"
    holo("up", fleet, "--lab", private)
    assert all(row["is_good"] for row in status(private, expected=0))


def test_wrong_publications_and_binds_are_refused(private: str, fleet: Path) -> None:
    cases = {
        ("--publish", "9:alpha/holochain0/admin", "--publish", "9:alpha/holochain1/admin"): (
            "port 9 would lead to two forwards"
        ),
        ("--bind", "/proc/x=."): "nothing can be put at /proc/x",
        ("--bind", "/a/../b=."): "nothing can be put at /a/../b",
        ("--bind", "/="): "no such form",
        ("--bind", "/srv=/run"): "machines have a /run of their own",
        ("--bind", "/srv=/nowhere"): "there is no /nowhere",
        ("--bind", "beta:/srv=."): "the fleet has no host beta",
    }
    for words, message in cases.items():
        done = run("up", fleet, "--lab", private, *words)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    assert all(row["is_good"] for row in status(private))


def test_a_machine_that_was_killed_is_told_and_started_again(private: str, fleet: Path) -> None:
    record = json.loads(Path(f"/run/holo/labs/{private}/machines/alpha.json").read_text())
    subprocess.run(["kill", "-KILL", str(record["machine"]["pid"])], check=True)
    wait(lambda: run("exec", "--lab", private, "alpha", "--", "true").returncode != 0)
    (row,) = status(private, expected=1)
    assert (row["host"], row["state"], row["is_good"]) == ("alpha", "off", False)
    assert "host alpha is off" in run("logs", "--lab", private).stderr
    holo("up", fleet, "--lab", private)
    assert fetch(private, "http://127.0.0.1:8002/identity.env") == identity("holochain2")


def test_a_spoilt_record_is_of_nothing_that_runs(private: str, fleet: Path) -> None:
    record = LABS / private / "machines" / "alpha.json"
    holo("exec", "--lab", private, "alpha", "--", "systemctl", "poweroff")
    for content in ('{"x', "{}", "[]"):
        record.write_text(content)
        (row,) = status(private, expected=1)
        assert row["state"] == "off"
    holo("up", fleet, "--lab", private)
    assert fetch(private, "http://127.0.0.1:8002/identity.env") == identity("holochain2")


def test_down_without_a_name_leaves_a_lab_alone_that_is_coming_up(private: str) -> None:
    other = f"{private}-rising"
    with locked(other, print):
        done = run("down")
        assert (LABS / other).exists()
    holo("down", "--lab", other)
    assert other not in done.stderr  # it does not count
    if done.returncode == 0:
        assert f"lab {private}: down" in done.stderr
        assert not (LABS / private).exists()
    else:  # other tests have labs, too
        assert "several labs are running" in done.stderr
        assert private in done.stderr
