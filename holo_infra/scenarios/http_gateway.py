"""A conductor and its HTTP gateway in a container with a network of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holo_infra.model.fleet import Fleet, Host
from holo_infra.scenarios.gateways import gateway_answers, gateway_asks_conductor
from holo_infra.scenarios.parts import GATED, SECRETS, with_gateway
from holo_infra.scenarios.scenario import Scenario
from holo_infra.scenarios.steps import (
    ANSWER,
    PATIENCE,
    before_first_start,
    conductor_config,
    inside,
    is_ready,
    listening,
    open_gate,
    open_websocket,
)
from vmtests.script import subtest

if TYPE_CHECKING:
    from vmtests import Machine

FLEET = Fleet(name="http-gateway", hosts={"host": Host(containers={"holochain0": with_gateway()})})
CONTAINER = "container@holochain0.service"


def script(host: Machine) -> None:
    """Both forwards of one container."""
    with subtest("before the container's first start its ports are closed"):
        before_first_start(host, CONTAINER, [8000, 8080])

    with subtest("the container starts with the machine"):
        open_gate(host)
        host.wait_for_unit(CONTAINER, timeout=PATIENCE)

    with subtest("the gateway answers on the host's localhost"):
        gateway_answers(host)

    with subtest("gateway and conductor are ready"):
        host.wait_until_succeeds(is_ready("holochain0", "httpgw"), timeout=PATIENCE)
        host.wait_until_succeeds(is_ready("holochain0", "admin"), timeout=PATIENCE)
        host.wait_until_succeeds(open_websocket(8000), timeout=PATIENCE)

    with subtest("the gateway answers on no other address"):
        assert listening(host, 8080) == {"127.0.0.1"}, listening(host, 8080)
        for address in ("10.0.85.1:8080", "10.0.85.2:8080", "10.0.85.2:8090"):
            host.fail(f"curl --silent --max-time {ANSWER} http://{address}/health")

    with subtest("the gateway may call what the fleet says"):
        told = inside(host, "holochain0", "systemctl show --property=Environment hc-http-gw")
        assert "HC_GW_ALLOWED_APP_IDS=forum" in told, told
        assert "HC_GW_ALLOWED_FNS_forum=posts/get_all,posts/get" in told, told

    with subtest("the gateway asks the conductor"):
        gateway_asks_conductor(host, "holochain0")

    with subtest("stopping the container closes both ports"):
        inside(host, "holochain0", "touch /var/lib/holo/holochain/kept")
        config = conductor_config(host, "holochain0")
        host.succeed(f"systemctl stop {CONTAINER}", timeout=PATIENCE)
        host.wait_for_closed_port(8000, timeout=PATIENCE)
        host.wait_for_closed_port(8080, timeout=PATIENCE)

    with subtest("after a restart gateway and conductor answer again"):
        host.succeed(f"systemctl start {CONTAINER}", timeout=PATIENCE)
        gateway_answers(host)
        host.wait_until_succeeds(open_websocket(8000), timeout=PATIENCE)
        for port in (8000, 8080):
            assert listening(host, port) == {"127.0.0.1"}, listening(host, port)

    with subtest("state and configuration outlive the restart"):
        inside(host, "holochain0", "test -e /var/lib/holo/holochain/kept")
        assert conductor_config(host, "holochain0") == config

    with subtest("state outlives a reboot of the host"):
        host.shutdown()
        host.start()
        before_first_start(host, CONTAINER, [8000, 8080])
        open_gate(host)
        host.wait_for_unit(CONTAINER, timeout=PATIENCE)
        gateway_answers(host)
        inside(host, "holochain0", "test -e /var/lib/holo/holochain/kept")


SCENARIO = Scenario(
    name="extra-container-holochain-integration-http-gateway",
    fleet=FLEET,
    script=script,
    files=SECRETS | GATED,
)
