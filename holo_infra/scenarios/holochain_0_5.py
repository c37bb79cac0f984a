"""Holochain 0.5: its configuration has two addresses of the network; its gateway is 0.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holo_infra.model.fleet import Fleet, Host
from holo_infra.scenarios.gateways import gateway_answers, gateway_asks_conductor
from holo_infra.scenarios.parts import SECRETS, with_gateway
from holo_infra.scenarios.scenario import Scenario
from holo_infra.scenarios.steps import (
    PATIENCE,
    conductor_config,
    inside,
    is_ready,
)
from vmtests.script import subtest

if TYPE_CHECKING:
    from vmtests import Machine

FLEET = Fleet(
    name="holochain-0-5", hosts={"host": Host(containers={"holochain0": with_gateway("0.5")})}
)


def script(host: Machine) -> None:
    """The configuration's form, and that conductor and gateway of this version work with it."""
    host.wait_for_unit("container@holochain0.service", timeout=PATIENCE)

    with subtest("the configuration has the form of Holochain 0.5"):
        config = conductor_config(host, "holochain0")
        network = config["network"]
        assert "dpki" not in config, config
        assert network == {
            "bootstrap_url": "https://bootstrap.holo.host",
            "signal_url": "wss://sbd.holo.host",
        }, network
        assert config["data_root_path"] == "/var/lib/holo/holochain", config
        assert config["keystore"] == {"type": "lair_server_in_proc"}, config
        driver = config["admin_interfaces"][0]["driver"]
        assert (driver["type"], driver["port"]) == ("websocket", 8000), driver

    with subtest("the conductor of this version takes it"):
        host.wait_until_succeeds(is_ready("holochain0", "admin"), timeout=PATIENCE)
        inside(host, "holochain0", "test -d /var/lib/holo/holochain")

    with subtest("the gateway of this version answers, and asks the conductor"):
        gateway_answers(host)
        gateway_asks_conductor(host, "holochain0")


SCENARIO = Scenario(name="extra-container-holochain-0-5", fleet=FLEET, script=script, files=SECRETS)
