"""A test script of the NixOS test driver moves here, and one written here moves there.

The table of the driver's interface is in `support/driver.py`.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from tests.support.driver import FUNCTIONS, METHODS, NONE, NOT_OFFERED
from vmtests import Machine, Nspawn, RequestedAssertionFailed, Vlan, retry, run_script
from vmtests.script import symbols


def parameters(function: Any) -> dict[str, Any]:
    found = inspect.signature(function).parameters.values()
    return {parameter.name: parameter.default for parameter in found}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_the_drivers_takes_what_it_takes_there(name: str) -> None:
    theirs = METHODS[name]
    if isinstance(theirs, str):
        assert not hasattr(Machine, name), f"offered after all: {theirs}"
        return
    ours = parameters(getattr(Machine, name))
    ours.pop("self", None)
    # More parameters may follow, which a script from there does not give.
    assert list(ours.items())[: len(theirs)] == list(theirs.items())
    assert all(default is not NONE for default in list(ours.values())[len(theirs) :])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_name_of_the_drivers_is_known_to_a_script(name: str) -> None:
    known = symbols([])
    theirs = FUNCTIONS[name]
    assert (name in known) == (name not in NOT_OFFERED)
    if isinstance(theirs, dict):
        assert parameters(known[name]) == theirs


SCRIPT = """
import json

start_all()
machine_a.wait_for_unit("multi-user.target")

with subtest("commands"):
    assert machine_a.succeed("echo one", "echo two") == "one\\ntwo\\n"
    assert machine_a.fail("echo three; false") == "three\\n"
    status, output = machine_a.execute("false | cat; echo not reached")
    assert (status, output) == (1, ""), "pipefail and errexit hold"
    status, _ = machine_a.execute("echo $unset_variable")
    assert status != 0, "nounset holds"
    assert machine_a.execute("exit 42") == (42, "")
    assert machine_a.execute("echo gone; exit 3", check_return=False) == (-1, "gone\\n")
    assert machine_a.execute("sleep 0.1", check_output=False) == (-2, "")
    assert machine_a.execute("sleep 60", timeout=1)[0] == 124

with subtest("units"):
    machine_a.succeed("systemd-run --unit=lives sleep infinity")
    machine_a.wait_for_unit("lives")
    machine_a.require_unit_state("lives.service")
    assert machine_a.get_unit_info("lives")["Id"] == "lives.service"
    assert machine_a.get_unit_property("lives", "SubState") == "running"
    assert machine_a.stop_job("lives")[0] == 0
    assert machine_a.systemctl("is-active lives")[0] != 0

with subtest("files and ports"):
    machine_a.execute("(sleep 0.3; touch /tmp/there) >&2 &")
    machine_a.wait_for_file("/tmp/there", timeout=20)
    machine_a.succeed("systemd-run --unit=web busybox httpd -f -p 80 -h /tmp")
    machine_a.wait_for_open_port(80, timeout=20)
    machine_a.succeed("systemctl stop web")
    machine_a.wait_for_closed_port(80, timeout=20)
    machine_a.succeed("systemd-run --unit=talk socat unix-listen:/run/talk,fork exec:cat")
    machine_a.wait_for_open_unix_socket("/run/talk", timeout=20)
    machine_a.succeed("date > /tmp/now")
    machine_a.wait_until_succeeds("test -s /tmp/now", timeout=5)
    machine_a.wait_until_fails("test -s /tmp/then", timeout=5)
    machine_a.copy_from_machine("/tmp/now", "copies")
    machine_b.copy_from_host(os.path.join(folder, "copies", "now"), "/srv/now")
    machine_b.copy_from_host_via_shell(os.path.join(folder, "copies", "now"), "/srv/too")
    t.assertEqual(machine_b.succeed("cat /srv/too"), machine_a.succeed("cat /tmp/now"))

with subtest("network"):
    ping = "busybox ping -c1 -W1 192.0.2.1"
    machine_b.wait_until_succeeds(ping, timeout=20)
    machine_b.block()
    machine_b.fail(ping)
    machine_b.unblock()
    machine_b.wait_until_succeeds(ping, timeout=20)

with subtest("console"):
    machine_a.send_console("echo spo''ken\\n")
    machine_a.wait_for_console_text("^spoken$", timeout=20)
    assert "Reached target" in machine_a.get_console_log()

with subtest("conditions"):
    @polling_condition(seconds_interval=0)
    def now_is_there():
        "the file is there"
        machine_a.succeed("test -e /tmp/now")

    with now_is_there:
        machine_b.succeed("true")
    machine_a.succeed("rm /tmp/now")
    try:
        with now_is_there:
            machine_b.succeed("true")
    except Exception as error:
        assert "the file is there" in str(error)
    else:
        raise AssertionError("the condition did not hold")

with subtest("life"):
    machine_a.succeed("echo kept > /srv/kept; sync")
    machine_a.reboot()
    assert machine_a.succeed("cat /srv/kept") == "kept\\n"
    machine_a.crash()
    assert not machine_a.is_up()
    machine_a.start()
    assert machine_a.succeed("cat /srv/kept") == "kept\\n"
    machine_a.execute("systemctl poweroff", check_return=False)
    machine_a.wait_for_shutdown()
    machine_b.shutdown()
    join_all()

log.info(json.dumps([machine.name for machine in machines]))
"""


@pytest.mark.needs("nspawn", "socat", "busybox")
def test_a_script_in_the_drivers_words_runs_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = Machine(Nspawn("machine-a"), artefacts=tmp_path)
    b = Machine(Nspawn("machine-b"), artefacts=tmp_path)
    with Vlan("net") as vlan, a, b:
        a.attach(vlan, "eth1", "192.0.2.1/24")
        b.attach(vlan, "eth1", "192.0.2.2/24")
        run_script(f"folder = {str(tmp_path)!r}\n{SCRIPT}", [b, a], [vlan])
    assert capsys.readouterr().out.splitlines()[-1] == '["machine-a", "machine-b"]'


@pytest.mark.needs("nspawn")
def test_a_script_of_one_machine_calls_it_machine(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text('assert machine.succeed("uname -n") == "only\\n"\nassert vlan1 == "a"\n')
    with Machine(Nspawn("only")) as only:
        run_script(script, [only], ["a"])


def test_a_failing_script_tells_its_line(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text('with subtest("sums"):\n    t.assertEqual(1 + 1, 3)\n')
    with pytest.raises(RequestedAssertionFailed, match="2 != 3") as failure:
        run_script(script, [])
    assert (script, 1) in [(entry.path, entry.lineno) for entry in failure.traceback]
    assert failure.value.__notes__[0].startswith("subtest: sums (")


def test_retry_asks_ten_times_a_second_and_once_more_at_the_end() -> None:
    asked: list[bool] = []

    def never(last_try: bool) -> bool:  # noqa: FBT001 (the driver's)
        asked.append(last_try)
        return False

    with pytest.raises(RequestedAssertionFailed, match=r"timed out after 1\.\d+ seconds"):
        retry(never, 1)
    assert asked[-1] is True
    assert asked[:-1] == [False] * (len(asked) - 1)
    assert 5 <= len(asked) <= 12
