"""Unit coverage: which units of a fleet count as reached and as asserted on, and how it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import NEEDS
from vmtests.coverage import UnitCoverage

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.needs(*NEEDS, "nft")

FLEET = """
import pytest
from vmtests.fleet import Fleet, FleetHost

UNITS = {
    "lasts": "Type=simple\\nExecStart=sleep infinity",
    "once": "Type=oneshot\\nExecStart=true",
    "fails": "Type=oneshot\\nExecStart=false",
    "asleep": "Type=simple\\nExecStart=sleep infinity",
}
FOLDER = "/etc/systemd/system"
FLEET = Fleet("small", {
    name: FleetHost(
        name,
        {f"{FOLDER}/{unit}.service": f"[Service]\\n{text}\\n" for unit, text in UNITS.items()},
        {f"{FOLDER}/multi-user.target.wants/{u}.service": f"../{u}.service"
         for u in UNITS if u != "asleep"},
        units={"": tuple(f"{unit}.service" for unit in UNITS)},
    )
    for name in ("a", "b")
})

@pytest.fixture
def a(fleet_machines):
    return fleet_machines(FLEET)["a"]
"""
CONTAINER = """\
name: nested
hosts:
  alpha:
    containers:
      web:
        units:
          page: {exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000", -h, /etc/holo]}
          page2: {exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8001", -h, /etc/holo]}
      other:
        units: {page: {exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000", -h, /etc/holo]}}
"""


def run(pytester: pytest.Pytester, test: str, *arguments: str) -> tuple[pytest.RunResult, Any]:
    pytester.makeconftest(FLEET)
    pytester.makepyfile(test)
    file = pytester.path / "reports" / "units.json"
    result = pytester.runpytest_subprocess(
        "--unit-coverage-json=reports/units.json", *arguments, timeout=120
    )
    return result, json.loads(file.read_text()) if file.exists() else None


def marks(told: Any, host: str = "a", container: str = "", fleet: str = "small") -> dict[str, str]:
    units = told["fleets"][fleet]["hosts"][host][container]
    return {
        unit.removesuffix(".service"): ("R" if of["reached"] else "-")
        + ("A" if of["asserted"] else "-")
        for unit, of in units.items()
    }


def test_units_that_were_active_are_reached_and_those_asked_after_asserted_on(
    pytester: pytest.Pytester,
) -> None:
    result, told = run(
        pytester,
        """
        def test_it(a):
            a.wait_for_unit("lasts")
            a.succeed("systemctl stop lasts.service")
            a.fail("systemctl is-active fails.service")
        """,
        "--unit-coverage",
    )
    result.assert_outcomes(passed=1)
    assert marks(told) == {"lasts": "RA", "once": "R-", "fails": "-A", "asleep": "--"}
    assert marks(told, "b") == {"lasts": "R-", "once": "R-", "fails": "--", "asleep": "--"}
    assert told["totals"] == {
        "declared": 8,
        "reached": 4,
        "asserted": 2,
        "covered": 1,
        "reached_percent": 50.0,
        "asserted_percent": 25.0,
        "covered_percent": 12.5,
    }
    result.stdout.fnmatch_lines(
        [
            "*= unit coverage =*",
            "fleet small",
            "host  container  unit            declared  reached  asserted",
            "a                asleep.service  x         -        -",
            "a                fails.service   x         -        x",
            "a                lasts.service   x         x        x",
            "a                once.service    x         x        -",
            "small: 8 units declared: reached 50 % (4), asserted on 25 % (2), both 12 % (1)",
        ]
    )


REBOOTED = """a.reboot()
            a.succeed("rm /etc/systemd/system/*.service; systemctl daemon-reload")"""
WAITED_FOR = """a.succeed(
                "systemd-run --on-active=3 --timer-property=AccuracySec=1ms systemctl poweroff"
            )
            a.wait_for_shutdown()"""


@pytest.mark.parametrize(
    "how",
    ["a.crash()", "a.shutdown()", REBOOTED, WAITED_FOR],
    ids=["crash", "shutdown", "reboot", "powers itself off"],
)
def test_what_was_active_before_the_machine_was_off_counts(
    pytester: pytest.Pytester, how: str
) -> None:
    result, told = run(
        pytester,
        f"""
        def test_it(a):
            a.succeed("systemctl start asleep; systemctl stop asleep lasts")
            {how}
        """,
    )
    result.assert_outcomes(passed=1)
    assert marks(told) == {"lasts": "R-", "once": "R-", "fails": "--", "asleep": "R-"}


def test_tests_of_several_workers_count_together(pytester: pytest.Pytester) -> None:
    result, told = run(
        pytester,
        """
        def test_first(a):
            a.wait_for_unit("lasts.service")

        def test_second(a):
            a.get_unit_info("once.service")

        def test_third():
            pass
        """,
        "-n2",
        "--unit-coverage",
    )
    result.assert_outcomes(passed=3)
    assert marks(told) == {"lasts": "RA", "once": "RA", "fails": "--", "asleep": "--"}
    assert result.stdout.str().count("fleet small") == 1


@pytest.mark.parametrize(("least", "status"), [(25, 0), (26, 1)])
def test_a_run_fails_below_the_least(pytester: pytest.Pytester, least: int, status: int) -> None:
    result, told = run(
        pytester,
        """
        def test_it(fleet_machines):
            from conftest import FLEET
            for machine in fleet_machines(FLEET).values():
                machine.wait_for_unit("lasts.service")
        """,
        f"--unit-coverage-min={least}",
    )
    result.assert_outcomes(passed=1)
    assert result.ret == status
    assert told["totals"]["covered_percent"] == 25.0
    text = f"FAIL: unit coverage is 25.0 %, below --unit-coverage-min {least}: 8 units declared*"
    assert any(line.startswith(text[:-1]) for line in result.outlines) == bool(status)


def test_a_run_without_a_fleet_is_below_any_least(pytester: pytest.Pytester) -> None:
    result, _ = run(pytester, "def test_it(): pass", "--unit-coverage-min=1")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAIL: unit coverage is 0.0 %*: 0 units declared*"])


def test_units_in_containers_count_by_their_container(pytester: pytest.Pytester) -> None:
    Path(pytester.path, "fleet.yaml").write_text(CONTAINER)
    result, told = run(
        pytester,
        """
        def test_it(fleet_machines):
            alpha = fleet_machines("fleet.yaml")["alpha"]
            alpha.wait_for_unit("container@web.service")
            alpha.container("web").wait_for_unit("page.service")
            alpha.wait_for_unit("container@other.service")
            alpha.succeed("systemctl --machine=other is-active page.service")
            alpha.succeed("systemctl stop container@web.service")
            # Asked before that: its console may have lost a line, or the journal has it no more.
            alpha.succeed("journalctl --rotate; journalctl --vacuum-size=1")
            # What is not told beforehand is known from the container's console.
            alpha.container("other").execute("systemctl --no-block poweroff")
            alpha.wait_until_fails("systemctl is-active container@other.service")
        """,
    )
    result.assert_outcomes(passed=1)
    assert marks(told, "alpha", "web", "nested") == {"page": "RA", "page2": "R-"}
    assert marks(told, "alpha", "other", "nested") == {"page": "RA"}
    of_host = marks(told, "alpha", "", "nested")
    assert of_host["container@web"] == of_host["container@other"] == "RA"


def test_a_mark_that_was_made_once_stays() -> None:
    units = UnitCoverage()
    units.add("f", "h", {"": ["a", "b"]}, {"": {"a"}}, {"": {"b", "of-others"}})
    units.add("f", "h", {"": ["a"]}, {}, {"": {"a"}})
    units.merge([("f", "h", "c", "a", True, False), ("g", "h", "", "a", False, False)])
    assert units.rows() == [
        ("f", "h", "", "a", True, True),
        ("f", "h", "", "b", False, True),
        ("f", "h", "c", "a", True, False),
        ("g", "h", "", "a", False, False),
    ]
    assert str(units.totals("f")) == (
        "3 units declared: reached 67 % (2), asserted on 67 % (2), both 33 % (1)"
    )
    assert units.totals("none").percent(0) == 0.0
