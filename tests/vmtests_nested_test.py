"""Machines, switches and ports on a computer whose init is systemd: inside another machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.traces import forget_namespaces, pids_of, remember_namespaces
from vmtests.places import NspawnMachine

pytestmark = pytest.mark.needs("nspawn", "ip", "busybox", "curl")

ROOT = Path(__file__).parent.parent

# In a cgroup of that systemd's, as from a login there: nspawn looks for its own.
PYTHON = ["systemd-run", "--quiet", "--scope", sys.executable, "-X", "dev", "-W", "error", "-c"]
# Two processes, as for a lab: one starts and ends, the other finds what it left.
UP = f"""\
import json, sys
sys.path[:0] = [{str(ROOT)!r}]
from pathlib import Path
from vmtests.places import NspawnMachine, Switch, publish
unit = "[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/echo hi\\n"
machine = NspawnMachine(
    "inner",
    files={{"/etc/systemd/system/hello.service": unit, "/srv/page": "of the inner machine\\n"}},
    enable=["hello.service"],
)
switch = Switch("net")
switch.start()
machine.start()
switch.address("192.0.2.1/24")
switch.connect(machine, "uplink", "192.0.2.21/24")
machine.succeed(["busybox", "httpd", "-p", "8000", "-h", "/srv"])
publish(machine, 8080, "127.0.0.1:8000")
Path("/var/records").write_text(json.dumps([machine.record(), switch.record()]))
machine.detach()
switch.detach()
"""
DOWN = f"""\
import json, sys
sys.path[:0] = [{str(ROOT)!r}]
from pathlib import Path
from vmtests.places import NspawnMachine, Switch, sweep
records = json.loads(Path("/var/records").read_text())
machine, switch = NspawnMachine.attach(records[0]), Switch.attach(records[1])
machine.wait_for_unit("hello.service")
print(machine.succeed(["systemctl", "is-system-running"]).strip())
print(switch.succeed(["curl", "-sS", "http://192.0.2.21:8000/page"]).strip())
machine.shutdown()
switch.namespaces.process.kill()
switch.namespaces.wait(5)
sweep(*records)
"""


@pytest.fixture
def outer() -> Iterator[NspawnMachine]:
    """This computer again, with systemd as its init, and these sources where they are here."""
    folders = {ROOT, Path(sys.base_prefix), Path(sys.prefix)}
    binds = {str(folder): folder for folder in folders if not folder.is_relative_to("/usr")}
    with NspawnMachine("outer", binds=binds) as machine:
        remember_namespaces(*pids_of(machine))
        yield machine
        machine.shutdown()
    forget_namespaces()


def test_lab_stands_and_falls_where_systemd_is_init(outer: NspawnMachine) -> None:
    mounts = outer.succeed(["cat", "/proc/mounts"])
    outer.succeed([*PYTHON, UP])
    page = ["curl", "-sS", "http://127.0.0.1:8080/page"]
    assert outer.succeed(page) == "of the inner machine\n"
    assert outer.succeed([*PYTHON, DOWN]) == "running\nof the inner machine\n"
    assert outer.execute(page).returncode == 7
    # systemd has not minded, and nothing stands in its hierarchy.
    assert outer.systemctl("is-system-running") == "running\n"
    assert outer.succeed(["find", "/sys/fs/cgroup", "-name", "vmtests-*"]) == ""
    assert (
        outer.fail(["pgrep", "-f", "vmtests/places/keeper.py|systemd-nspawn|socket-proxyd"]) == ""
    )
    assert outer.succeed(["cat", "/proc/mounts"]) == mounts


def test_lab_is_not_ended_by_a_systemd_that_reloads(outer: NspawnMachine) -> None:
    outer.succeed([*PYTHON, UP])
    outer.systemctl("daemon-reload")
    outer.systemctl("daemon-reexec")
    assert outer.succeed([*PYTHON, DOWN]) == "running\nof the inner machine\n"
    assert outer.systemctl("is-system-running") == "running\n"
