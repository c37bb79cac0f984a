"""Machines that stay on between tests, and are restored for each."""

from __future__ import annotations

import os
import pwd

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.needs("nspawn", "qemu", "ip", "busybox", "curl")


def test_on_qemu_each_test_gets_the_same_machine_as_it_was_after_boot(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where the image is kept; pytester has set another.
    monkeypatch.setenv("HOME", pwd.getpwuid(os.getuid()).pw_dir)
    pytester.makepyfile("""
        import time
        import pytest

        UNIT = "[Service]\\nExecStart=busybox httpd -f -p 80 -h /etc\\n"
        OF = pytest.mark.machine(
            files={"/etc/systemd/system/web.service": UNIT, "/etc/number": "0"},
            enable=["web.service"],
        )
        seen = []

        @OF
        @pytest.mark.parametrize("number", range(3))
        def test_alone(machine, number):
            machine.wait_for_unit("web.service")
            assert machine.succeed("cat /etc/number") == "0"
            machine.succeed(f"echo {number} > /etc/number; systemctl stop web")
            machine.succeed(f"echo console-of-{number} > /dev/console")
            machine.wait_for_console_text(f"console-of-{number}")
            assert abs(float(machine.succeed("date +%s")) - time.time()) < 30
            seen.append(machine.succeed("cat /etc/machine-id"))

        def test_it_was_the_same():
            assert len(set(seen)) == 1

        @pytest.mark.parametrize("number", range(2))
        def test_on_a_network(machines, vlan, number):
            a, b = machines("a", "b", enable=["web.service"], files=OF.kwargs["files"])
            assert b.succeed("curl -sf --max-time 20 http://a/number") == "0"
            fastest = lambda: float(a.succeed("ping -q -c2 b").rpartition("= ")[2].split("/")[0])
            a.slow(300)
            assert fastest() >= 299
            a.slow(0)
            assert fastest() < 299
            a.block()
            b.fail("curl -sf --max-time 2 http://a/number")
            vlan.address("192.168.1.100/24")
            assert vlan.succeed(["curl", "-sf", "http://192.168.1.2/number"]) == "0"

        @OF
        def test_power_is_lost(machine):
            machine.crash()
            machine.wait_for_unit("multi-user.target")
            machine.succeed("echo lost > /etc/number")

        @OF
        def test_after_that_it_is_another(machine):
            assert machine.succeed("cat /etc/number") == "0"
            assert machine.succeed("cat /etc/machine-id") not in seen
    """)
    result = pytester.runpytest_subprocess(
        "--vmtests-backend=qemu", "--vmtests-artefacts=kept", timeout=280
    )
    result.assert_outcomes(passed=8)
    kept = pytester.path / "kept"
    for number in range(3):
        (log,) = kept.glob(f"*test_alone-{number}/machine/console.log")
        assert f"console-of-{number}" in log.read_text()
        assert f"console-of-{number - 1}" not in log.read_text()
