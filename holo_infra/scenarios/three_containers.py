"""Three conductors on one host, all at the same port inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holo_infra.model.fleet import Fleet, Host
from holo_infra.scenarios.parts import SECRETS, conductor
from holo_infra.scenarios.scenario import Scenario
from holo_infra.scenarios.steps import (
    PATIENCE,
    inside,
    is_ready,
    listening,
    open_websocket,
)
from vmtests.script import subtest

if TYPE_CHECKING:
    from vmtests import Machine

FLEET = Fleet(
    name="three-containers",
    hosts={
        "host": Host(
            containers={
                f"holochain{number}": conductor(host_port=8000 + number) for number in range(3)
            }
        ),
    },
)
NAMES = ["holochain0", "holochain1", "holochain2"]
UNITS = " ".join(f"container@{name}.service" for name in NAMES)


def script(host: Machine) -> None:
    """All three at once, and each by itself."""
    with subtest("all three start with the machine"):
        for name in NAMES:
            host.wait_for_unit(f"container@{name}.service", timeout=PATIENCE)

    with subtest("all three are ready and answer"):
        for number, name in enumerate(NAMES):
            host.wait_until_succeeds(is_ready(name, "admin"), timeout=PATIENCE)
            host.wait_until_succeeds(open_websocket(8000 + number), timeout=PATIENCE)
            assert listening(host, 8000 + number) == {"127.0.0.1"}

    with subtest("each forward leads into its own container"):
        for number, name in enumerate(NAMES):
            inside(host, name, "systemctl stop holochain")
            for other, other_name in enumerate(NAMES):
                if other == number:
                    host.fail(open_websocket(8000 + other))
                    host.fail(is_ready(other_name, "admin"))
                else:
                    host.succeed(open_websocket(8000 + other))
                    host.succeed(is_ready(other_name, "admin"))
            inside(host, name, "systemctl start holochain")

    with subtest("all three stop and come back at once"):
        host.succeed(f"systemctl stop {UNITS}", timeout=PATIENCE)
        for port in (8000, 8001, 8002):
            host.wait_for_closed_port(port, timeout=PATIENCE)
        host.wait_until_fails("ip netns list | grep .", timeout=PATIENCE)
        host.succeed(f"systemctl start {UNITS}", timeout=PATIENCE)
        for port in (8000, 8001, 8002):
            host.wait_until_succeeds(open_websocket(port), timeout=PATIENCE)


SCENARIO = Scenario(
    name="extra-container-holochain-three-containers", fleet=FLEET, script=script, files=SECRETS
)
