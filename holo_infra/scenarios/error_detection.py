"""Faults of one container: they are seen, the other container does not notice, they are mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holo_infra.model.fleet import Fleet, Host
from holo_infra.scenarios.parts import SECRETS, conductor
from holo_infra.scenarios.scenario import Scenario
from holo_infra.scenarios.steps import (
    PATIENCE,
    in_container,
    inside,
    is_ready,
    listening,
    open_websocket,
)
from vmtests.script import subtest

if TYPE_CHECKING:
    from vmtests import Machine

SECOND = "/etc/holo-scenario/second"
FLEET = Fleet(
    name="error-detection",
    hosts={
        "host": Host(
            containers={
                "holochain0": conductor(host_port=8000),
                "holochain1": conductor(host_port=8001, passphrase=SECOND),
            }
        ),
    },
)
CONTAINER = "container@holochain1.service"
SOCKET = "socket-proxyd-holochain1-admin.socket"


def first_is_unharmed(host: Machine) -> None:
    """See that the container without a fault answers."""
    host.succeed(open_websocket(8000))
    host.succeed(is_ready("holochain0", "admin"))
    host.succeed("systemctl --quiet is-active container@holochain0.service")


def second_answers(host: Machine) -> None:
    """Wait until the container that had a fault answers."""
    host.wait_until_succeeds(open_websocket(8001), timeout=PATIENCE)
    host.succeed(is_ready("holochain1", "admin"))


def script(host: Machine) -> None:
    """Faults of the second container, one after the other."""
    with subtest("both containers are ready"):
        for number in (0, 1):
            host.wait_until_succeeds(is_ready(f"holochain{number}", "admin"), timeout=PATIENCE)

    with subtest("a container without its secret does not start"):
        host.succeed(f"systemctl stop {CONTAINER}; rm {SECOND}", timeout=PATIENCE)
        host.fail(f"systemctl start {CONTAINER}")
        host.fail(is_ready("holochain1", "admin"))
        assert listening(host, 8001) == set(), "the forward is open, and leads nowhere"
        first_is_unharmed(host)

    with subtest("with an empty passphrase the conductor does not start"):
        host.succeed(f"echo >{SECOND}")
        host.succeed(f"systemctl restart {CONTAINER}", timeout=PATIENCE)
        said = f"{in_container('holochain1')} journalctl --unit=holochain --grep='no passphrase on'"
        host.wait_until_succeeds(said, timeout=PATIENCE)
        host.fail(is_ready("holochain1", "admin"))
        first_is_unharmed(host)

    with subtest("with a passphrase it does"):
        host.succeed(f"echo a passphrase of holochain1 >{SECOND}")
        host.succeed(f"systemctl restart {CONTAINER}", timeout=PATIENCE)
        second_answers(host)

    with subtest("a conductor that fails is started again"):
        before = inside(host, "holochain1", "systemctl show --property=MainPID --value holochain")
        inside(host, "holochain1", "systemctl kill --signal=KILL holochain")
        host.fail(is_ready("holochain1", "admin"))
        first_is_unharmed(host)
        host.wait_until_succeeds(is_ready("holochain1", "admin"), timeout=PATIENCE)
        second_answers(host)
        after = inside(host, "holochain1", "systemctl show --property=MainPID --value holochain")
        assert after != before

    with subtest("a container that fails is started again"):
        host.succeed(f"systemctl kill --signal=KILL {CONTAINER}")
        host.wait_for_unit(CONTAINER, timeout=PATIENCE)
        second_answers(host)
        first_is_unharmed(host)

    with subtest("a port that is taken is told by its socket"):
        host.succeed(f"systemctl stop {CONTAINER}", timeout=PATIENCE)
        taken = "socat TCP4-LISTEN:8001,bind=127.0.0.1,fork,reuseaddr PIPE"
        host.succeed(f"systemd-run --collect --unit=taker {taken}")
        host.wait_for_open_port(8001, timeout=PATIENCE)
        host.execute(f"systemctl start {CONTAINER}", timeout=PATIENCE)
        host.wait_until_succeeds(f"systemctl is-failed {SOCKET}", timeout=PATIENCE)
        host.fail(open_websocket(8001))
        first_is_unharmed(host)

    with subtest("when it is free again, the forward answers"):
        host.succeed("systemctl stop taker.service")
        host.succeed(f"systemctl restart {CONTAINER}", timeout=PATIENCE)
        second_answers(host)
        failed = host.succeed("systemctl --failed --no-legend").strip()
        assert failed == "", failed


SCENARIO = Scenario(
    name="extra-container-holochain-error-detection",
    fleet=FLEET,
    script=script,
    files=SECRETS | {SECOND: "a passphrase of holochain1\n"},
    packages=("socat",),
)
