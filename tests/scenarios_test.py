"""Every scenario holds on machines here, where stand-ins take the place of Holochain's programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from holo_infra.scenarios import SCENARIOS, agent_integration, private_network
from holo_infra.scenarios.machines import STAND_INS, machines_of
from tests.support.scenarios import NEEDS, ask, run_scenario
from vmtests.artefacts import CONSOLE, JOURNAL
from vmtests.plugin import BootFleet

pytestmark = pytest.mark.needs(*NEEDS, "haproxy")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_holds_on_nspawn_machines(
    name: str, fleet_machines: BootFleet, tmp_path: Path
) -> None:
    scenario = SCENARIOS[name]
    ask(scenario, fleet_machines(machines_of(scenario), "nspawn"), tmp_path)


ON_QEMU = {
    "a private network": private_network.SCENARIO,
    "a hub and two hosts": agent_integration.scenario(2),
}


@pytest.mark.needs("qemu")
@pytest.mark.parametrize("name", ON_QEMU)
def test_a_scenario_holds_on_emulated_machines(name: str, tmp_path: Path) -> None:
    run_scenario(ON_QEMU[name], tmp_path, kind="qemu", patience=300, answer=20)
    for host in ON_QEMU[name].fleet.hosts:
        for log in (CONSOLE, JOURNAL):
            assert (tmp_path / host / log).stat().st_size > 0


def test_units_that_run_a_stand_in_say_so() -> None:
    scenario = SCENARIOS["extra-container-holochain-integration-http-gateway"]
    (host,) = machines_of(scenario).hosts.values()
    units = [
        text
        for path, text in host.files.items()
        if isinstance(text, str) and path.endswith(".service")
    ]
    for program in STAND_INS.values():
        (unit,) = [text for text in units if program in text]
        assert "stand_in" in program
        assert "\nDescription=Stand-in for " in unit
