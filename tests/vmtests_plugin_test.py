"""The pytest plugin, in runs of pytest of their own, as a project has them that installed it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.lab import wait

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.needs("nspawn", "ip", "curl", "busybox")

SERVICE = """\
[Service]
ExecStartPre=sh -c "mkdir -p /srv/web; uname -n > /srv/web/name"
ExecStart=busybox httpd -f -p 80 -h /srv/web
"""


def run(pytester: pytest.Pytester, test: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test)
    return pytester.runpytest_subprocess("--vmtests-artefacts=kept", *arguments, timeout=120)


def kept(pytester: pytest.Pytester, *below: str) -> str:
    return pytester.path.joinpath("kept", *below).read_text()


def test_a_project_with_nothing_but_a_test_gets_a_machine(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_it(machine):
            assert machine.succeed("cat /proc/1/comm") == "systemd\\n"
            assert machine.succeed("uname -n") == "machine\\n"
            machine.succeed("logger said-this; echo typed-this > /dev/console")
            machine.wait_for_console_text("typed-this")
    """)
    result = pytester.runpytest_subprocess("--basetemp=tmp")
    result.assert_outcomes(passed=1)
    folder = pytester.path.joinpath("tmp", "machines", *_only(pytester.path / "tmp" / "machines"))
    assert "typed-this" in (folder / "machine" / "console.log").read_text()
    assert "said-this" in (folder / "machine" / "journal.log").read_text()


def _only(folder: Path) -> list[str]:
    names = [path.name for path in folder.iterdir()]
    assert len(names) == 1
    return names


def test_a_project_that_is_type_checked_sees_our_types(tmp_path: Path) -> None:
    code = "import holo_infra.model, nixgen\nfrom vmtests import Machine\nMachine.nothing()\n"
    (tmp_path / "it.py").write_text(code)
    command = [sys.executable, "-m", "mypy", "--strict", "it.py"]
    told = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True).stdout
    assert told.splitlines() == [
        'it.py:3: error: "type[Machine]" has no attribute "nothing"  [attr-defined]',
        "Found 1 error in 1 file (checked 1 source file)",
    ]


def test_a_run_without_machines_loads_none_of_their_code(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import sys

        def test_it():
            assert "pexpect" not in sys.modules
            assert "vmtests.machine" not in sys.modules
        """,
    )
    result.assert_outcomes(passed=1)
    assert not (pytester.path / "kept").exists()


def test_every_test_gets_its_machine_as_it_was_after_boot(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        f"""
        import pytest

        OF = pytest.mark.machine(
            files={{"/etc/systemd/system/web.service": {SERVICE!r}}}, enable=["web.service"]
        )

        @OF
        def test_first(machine):
            machine.wait_for_open_port(80)
            machine.succeed("systemctl stop web; rm /etc/systemd/system/web.service; touch /made")

        @OF
        def test_second(machine):
            machine.wait_for_open_port(80)
            machine.fail("test -e /made")

        def test_third(machine):
            machine.fail("test -e /etc/systemd/system/web.service")
        """,
    )
    result.assert_outcomes(passed=3)


def test_machines_are_on_one_network_and_know_each_other(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        f"""
        import pytest

        @pytest.mark.machine(files={{"/etc/systemd/system/web.service": {SERVICE!r}}})
        def test_it(machines, vlan):
            a, b = machines("a", "b", enable=["web.service"])
            (c,) = machines("c")
            c.succeed("systemctl cat web")
            c.fail("systemctl is-active web")
            for server, name in (("a", "a"), ("b", "b"), ("192.168.1.2", "b")):
                assert c.succeed(f"curl -sf http://{{server}}/name") == f"{{name}}\\n"
            vlan.address("192.168.1.100/24")
            assert vlan.succeed(["curl", "-sf", "http://192.168.1.1/name"]) == "a\\n"
            b.block()
            c.fail("curl -sf --max-time 1 http://b/name")
            b.unblock()
            c.wait_until_succeeds("curl -sf --max-time 1 http://b/name", timeout=30)

        def test_own_network_again(machines):
            (only,) = machines("a")
            only.fail("curl -sf --max-time 1 http://192.168.1.2/name")
        """,
    )
    result.assert_outcomes(passed=2)


def test_a_failure_shows_consoles_and_where_artefacts_are(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_bad(machines):
            a, b = machines("a", "b")
            b.succeed("echo the-last-line > /dev/console")
            b.wait_for_console_text("the-last-line")
            a.wait_for_unit("nothing.service")

        def test_good(machine):
            pass
        """,
        "--junit-xml=junit.xml",
    )
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    folder = (
        pytester.path / "kept" / "test_a_failure_shows_consoles_and_where_artefacts_are.py-test_bad"
    )
    assert "a: unit nothing.service is not active:" in text
    assert "the-last-line" in text.partition("- console of b: the last lines -")[2]
    assert "- console of a: the last lines -" in text
    assert f"{folder}/b/console.log" in text.partition("- artefacts of machines -")[2]
    assert "retry(is_active" not in text, "code of the harness is shown"
    assert (folder / "a" / "journal.log").is_file()

    suite = ET.parse(pytester.path / "junit.xml").getroot()  # noqa: S314 (made by this test)
    properties = {
        case.attrib["name"]: [
            (one.attrib["name"], one.attrib["value"]) for one in case.iter("property")
        ]
        for case in suite.iter("testcase")
    }
    assert properties["test_bad"] == [
        ("machine", "a: nspawn"),
        ("artefacts", str(folder / "a")),
        ("machine", "b: nspawn"),
        ("artefacts", str(folder / "b")),
    ]
    assert [value for _, value in properties["test_good"]][:1] == ["machine: nspawn"]


def test_a_machine_that_does_not_boot_is_an_error_with_what_it_printed(
    pytester: pytest.Pytester,
) -> None:
    (pytester.path / "tree" / "usr").mkdir(parents=True)
    (pytester.path / "tree" / "etc").mkdir()
    result = run(pytester, "def test_it(machine): pass", "--vmtests-tree=tree")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *MachineError: machine: *", "*console of machine*"])
    assert len(result.outlines) < 60


@pytest.mark.parametrize(
    ("test", "arguments", "told"),
    [
        ("def test_it(machine): pass", ["--vmtests-backend=vbox"], "choose nspawn or qemu"),
        ("def test_it(machine): pass", ["--vmtests-tree=no"], "no root tree: it has no usr"),
        ("def test_it(machines): machines('a', colour=1)", [], "argument 'colour'"),
        ("def test_it(machines): machines('a', 'a')", [], "the test has one of this name"),
        ("def test_it(machines): machines('A')", [], "must be [a-z][a-z0-9-]*"),
        ("def test_it(fleet_machines): fleet_machines('no.yaml')", [], "there is no such file"),
    ],
)
def test_what_cannot_be_is_told(
    pytester: pytest.Pytester, test: str, arguments: list[str], told: str
) -> None:
    result = run(pytester, test, *arguments)
    assert result.ret != 0
    assert told in result.stdout.str() + result.stderr.str()
    assert len(result.outlines) < 40


def test_options_may_stand_in_the_ini_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nvmtests_artefacts = here\nvmtests_backend = nspawn\n")
    pytester.makepyfile("def test_it(machine): assert machine.backend.kind == 'nspawn'")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    assert len(list((pytester.path / "here").glob("*/machine/console.log"))) == 1


def test_tests_in_parallel_have_machines_of_their_own(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(machines, number):
            a, b = machines("a", "b")
            a.fail("test -e /number")
            a.succeed(f"echo {number} > /number")
            b.succeed("curl -s --max-time 1 http://a || test $? = 7")
            assert a.succeed("cat /number") == f"{number}\\n"
        """,
        "-n2",
    )
    result.assert_outcomes(passed=4)
    assert len(list((pytester.path / "kept").glob("*/a/console.log"))) == 4


def left(name: str) -> list[str]:
    """Processes that are of machines with this in their names, and their control groups."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "cgroup").read_bytes()
        except OSError:  # gone meanwhile
            continue
        if name.encode() in told:
            found.append(f"{process}: {told!r}")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if name in line:
            found.append(line)
        if " - cgroup2 " in line:
            found += map(str, Path(line.split()[4]).glob(f"*{name}*"))
    return found


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="one process"),
        pytest.param(("-n2",), id="workers"),
        pytest.param(
            ("--vmtests-backend=qemu",),
            id="qemu",
            marks=pytest.mark.needs("qemu", "qemu-img", "mmdebstrap", "mke2fs", "modprobe", "cpio"),
        ),
    ],
)
def test_nothing_is_left_when_pytest_is_ended(
    by: signal.Signals, options: tuple[str, ...], tmp_path: Path
) -> None:
    name = f"ended{os.getpid()}"
    (tmp_path / "test_it.py").write_text(
        f"def test_it(machines):\n"
        f"    a, b = machines('{name}-a', '{name}-b')\n"
        f"    for each in (a, b):\n"
        f"        each.succeed('echo seen-$(uname -n) >/dev/console')\n"
        f"        each.wait_for_console_text('seen-{name}')\n"
        f"    open('up', 'w').close()\n"
        f"    a.succeed('sleep 100')\n"
    )
    command = [sys.executable, "-m", "pytest", "--vmtests-artefacts=kept", "--basetemp=tmp"]
    output = tmp_path / "output"
    with output.open("w") as out:
        process = subprocess.Popen([*command, *options], cwd=tmp_path, stdout=out, stderr=out)
    try:
        wait(lambda: (tmp_path / "up").exists() or process.poll() is not None, 120)
        assert process.poll() is None, output.read_text()
        assert left(name), "the test would not notice what is left"
        process.send_signal(by)
        process.wait(60)
    finally:
        process.kill()
    wait(lambda: not left(name), 30)
    logs = list((tmp_path / "kept").glob(f"*/{name}-*/console.log"))
    assert len(logs) == 2
    assert all(f"seen-{log.parent.name}" in log.read_text() for log in logs)
    if by == signal.SIGINT and "-n2" not in options:
        assert "console of" not in output.read_text()
        assert len(list((tmp_path / "kept").glob(f"*/{name}-*/journal.log"))) == 2
